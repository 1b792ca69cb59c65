/**
 * `quantize: "float16"`: constants of many float32 numbers are stored as float16, and dequantised once before what uses
 * them; everything is computed in float32.
 *
 *     f(x, float32 w)  →  f(x, DEQUANTIZE(float16 w))
 */
import {float16ToNumber, numberToFloat16, Tensor} from "@tf-trusted/tensor";
import {rewriteGraph} from "../ir/builder.ts";
import {originOf} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import type {Pass} from "../passes/pass.ts";
import {dequantise} from "./constants.ts";

/** Below this the operator that dequantises takes more of the file than it saves. */
const minElements = 128;

/** The ends of what float16 holds with all of its digits. */
const [smallest, largest] = [2 ** -14, 65504];

const noOperators: OperatorTable = new Map();

export const float16Weights: Pass = {
  name: "float16-weights",
  effect: "quantised",
  run: (graph, tally, note) =>
    rewriteGraph(graph, noOperators, (node, b) => {
      const value = node.op === "const" ? (node.attributes.value as Tensor) : undefined;
      if (value?.dtype !== "float32" || value.size < minElements) return undefined;
      const reason = outside(value.data as Float32Array);
      if (reason !== undefined) {
        note(`"${node.name}" stays float32: ${reason}`);
        return undefined;
      }
      tally("constants made float16", originOf(node));
      const half = b.constant(asFloat16(value), `${node.name}/float16`);
      return [dequantise(half, b)];
    }),
};

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

function asFloat16(value: Tensor): Tensor {
  const bits = Uint16Array.from(value.data as Float32Array, numberToFloat16);
  return new Tensor("float16", value.shape, new Uint8Array(bits.buffer));
}
