/**
 * `quantize: "float16"`: constants of many float32 numbers are stored as float16, and dequantised once before what uses
 * them; everything is computed in float32.
 *
 *     f(x, float32 w)  →  f(x, DEQUANTIZE(float16 w))
 */
import {float16ToNumber, numberToFloat16, Tensor} from "@tf-trusted/tensor";
import {rewriteGraph} from "../ir/builder.ts";
import {constantOf, type Graph, originOf, type Ref, refTo} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import type {Pass} from "../passes/pass.ts";
import {dequantise} from "./constants.ts";
import {weighted} from "./kernel-table.ts";

/** Below this the operator that dequantises takes more of the file than it saves. */
const minElements = 128;

/** The ends of what float16 holds with all of its digits. */
const [smallest, largest] = [2 ** -14, 65504];

/** Between the exponents of float32 and float16 as they are stored. */
const exponentShift = 127 - 15;

const noOperators: OperatorTable = new Map();

export const float16Weights: Pass = {
  name: "float16-weights",
  effect: "quantised",
  run: (graph, tally, note) => {
    const candidates = candidatesOf(graph);
    return rewriteGraph(graph, noOperators, (node, b) => {
      const value = candidates.has(refTo(node.name)) ? constantOf(node) : undefined;
      if (value?.dtype !== "float32") return undefined;
      const reason = outside(value.data as Float32Array);
      if (reason !== undefined) {
        note(`"${node.name}" stays float32: ${reason}`);
        return undefined;
      }
      tally("constants made float16", originOf(node));
      const half = b.constant(asFloat16(value), `${node.name}/float16`);
      return [dequantise(half, b)];
    });
  },
};

/**
 * Constants that are worth it, and biases beside such weights: XNNPACK in WebAssembly leaves products whose weights and
 * bias differ to kernels that take three times as long.
 */
function candidatesOf(graph: Graph): ReadonlySet<Ref> {
  const large = graph.nodes.filter((node) => (constantOf(node)?.size ?? 0) >= minElements);
  const candidates = new Set(large.map((node) => refTo(node.name)));
  for (const {op, inputs} of graph.nodes) {
    const row = weighted[op];
    if (row && candidates.has(inputs[row.weights]!) && row.bias < inputs.length) candidates.add(inputs[row.bias]!);
  }
  return candidates;
}

function outside(numbers: Float32Array): string | undefined {
  let most = 0;
  for (const number of numbers) {
    const size = Math.abs(number);
    if (size > largest && Number.isFinite(size) && !Number.isFinite(float16ToNumber(numberToFloat16(number))))
      return `it has values beyond ${largest}, the largest of float16`;
    if (size > most) most = size;
  }
  return most > 0 && most < smallest ? "all of its values are below 2^-14, where float16 has few digits" : undefined;
}

/** Rounded to nearest, half to even. */
export function asFloat16(value: Tensor): Tensor {
  const numbers = value.data as Float32Array;
  const words = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
  const bits = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const exponent = ((word >>> 23) & 0xff) - exponentShift;
    // Weights are many, and nearly all of them have an exponent that float16 has, too.
    if (exponent <= 0 || exponent >= 31) {
      bits[i] = numberToFloat16(numbers[i]!);
      continue;
    }
    const truncated = (exponent << 10) | ((word >>> 13) & 0x3ff);
    const rest = word & 0x1fff;
    const isUp = rest > 0x1000 || (rest === 0x1000 && (truncated & 1) === 1);
    bits[i] = ((word >>> 16) & 0x8000) | (isUp ? truncated + 1 : truncated);
  }
  return new Tensor("float16", value.shape, new Uint8Array(bits.buffer));
}
