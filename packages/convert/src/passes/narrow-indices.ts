/**
 * int64 that is read as int32 is int32 from the start, where it is made of int32 anyway: TensorFlow's indices and shapes are
 * often int64, which kernels move at twice the cost and many don't take. {x} is the cast of x from int64 to int32.
 *
 *     {cast(x)} of an int32 x   →  x
 *     {argmax(x)}               →  argmax(x) of int32: an axis is shorter than 2^31
 *     {move(x, …)}              →  move({x}, …)
 *     {x + y}                   →  {x} + {y}, likewise − and ·: all are exact but for multiples of 2^32, which a cast drops
 */
import type {DType} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Node, originOf, plainType, type Ref, type TensorType} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import {castTensor} from "../ops/elements.ts";
import type {Pass} from "./pass.ts";

/** Operators that commute with the cast, and which of their operands are data (`undefined`: all). */
const movers: Readonly<Record<string, readonly number[] | undefined>> = {
  "tfl.ADD": undefined,
  "tfl.SUB": undefined,
  "tfl.MUL": undefined,
  "tfl.NEG": undefined,
  "tfl.PACK": undefined,
  "tfl.CONCATENATION": undefined,
  "tfl.SELECT_V2": [1, 2],
  "tfl.RESHAPE": [0],
  "tfl.SQUEEZE": [0],
  "tfl.EXPAND_DIMS": [0],
  "tfl.TRANSPOSE": [0],
  "tfl.SLICE": [0],
  "tfl.STRIDED_SLICE": [0],
  "tfl.GATHER": [0],
  "tfl.GATHER_ND": [0],
  "tfl.TILE": [0],
  "tfl.BROADCAST_TO": [0],
  "tfl.REVERSE_V2": [0],
  "tfl.PAD": [0],
};

/** Types stay as they are: no table of operators is needed. */
const noOperators: OperatorTable = new Map();

/** Chains of movers are this long at most: what is longer is no index arithmetic. */
const maxDepth = 16;

export const narrowIndices: Pass = {
  name: "narrow-indices",
  effect: "narrowed",
  run: (graph, tally) =>
    rewriteGraph(graph, noOperators, (node, b) => {
      const [source] = node.inputs;
      const isNarrowing = node.op === "tfl.CAST" && node.outputs[0]!.dtype === "int32";
      if (!isNarrowing || b.type(source!).dtype !== "int64" || !isFree(source!, b, 0)) return undefined;
      tally("int64 indices narrowed", originOf(node));
      return [narrowed(source!, b)];
    }),
};

const small: ReadonlySet<string> = new Set(["int32", "int16", "int8", "uint8"]);
const positions: ReadonlySet<string> = new Set(["tfl.ARG_MAX", "tfl.ARG_MIN"]);

/** Whether a value of int64 can be had as int32 without a cast of its own. */
function isFree(ref: Ref, b: Rewriter, depth: number): boolean {
  const node = b.producer(ref);
  if (node === undefined || depth > maxDepth) return false;
  if (node.op === "const") return true;
  if (node.op === "tfl.CAST") return small.has(b.type(node.inputs[0]!).dtype);
  // What others read as int64 would be computed twice.
  if (b.uses(ref) > 1 || b.isOutput(ref)) return false;
  if (positions.has(node.op)) return true;
  const isFused = (node.attributes.fusedActivationFunction ?? "NONE") !== "NONE";
  return Object.hasOwn(movers, node.op) && !isFused && dataOf(node).every((each) => isFree(each, b, depth + 1));
}

function narrowed(ref: Ref, b: Rewriter): Ref {
  const node = b.producer(ref)!;
  const constant = b.constantAt(ref);
  if (constant) return b.constant(castTensor(constant, "int32")!);
  const types = node.outputs.map((type): TensorType => ({...plainType(type), dtype: "int32"}));
  if (node.op === "tfl.CAST") {
    const [inner] = node.inputs;
    const from = b.type(inner!).dtype as DType;
    if (from === "int32") return inner!;
    return b.op("tfl.CAST", [inner!], {inDataType: from.toUpperCase(), outDataType: "INT32"}, {types});
  }
  if (positions.has(node.op)) return b.op(node.op, node.inputs, {...node.attributes, outputType: "INT32"}, {types});
  const data = new Set(dataOf(node));
  const inputs = node.inputs.map((each) => (data.has(each) ? narrowed(each, b) : each));
  return b.op(node.op, inputs, node.attributes, {types});
}

const dataOf = ({op, inputs}: Node): readonly Ref[] => movers[op]?.map((at) => inputs[at]!) ?? inputs;
