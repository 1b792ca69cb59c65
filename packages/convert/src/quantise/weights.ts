/**
 * `quantize: "weights"`: weights of matrix products and convolutions as int8, a scale for each output channel; inputs and
 * outputs stay float32. Kernels that take such weights quantise their input at run time, by its range in each row
 * ("dynamic range"); before the others the weights are dequantised, once.
 *
 *     CONV_2D(x, w)          →  CONV_2D(x, int8 w)
 *     TRANSPOSE_CONV(s, w)   →  TRANSPOSE_CONV(s, DEQUANTIZE(int8 w))
 *     GATHER(table, i)       →  DEQUANTIZE(GATHER(int8 table, i))
 */
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Attributes, type Graph, type Node, originOf, type Ref, refTo} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import type {Note, Pass} from "../passes/pass.ts";
import {dequantise} from "./constants.ts";
import {symmetricInt8} from "./levels.ts";

/**
 * Where the size of a small value counts: its logarithm, root or reciprocal. A kernel that quantises its input by the
 * largest value in it has no digits left for small ones, so what goes there is computed in float.
 */
const sensitive: Readonly<Record<string, number>> = {
  "tfl.LOG": 0,
  "tfl.SQRT": 0,
  "tfl.RSQRT": 0,
  "tfl.DIV": 1,
  "tfl.POW": 0,
};

/** Operators whose small results come from small inputs. */
const carriers: ReadonlySet<string> = new Set(
  ["ABS", "ADD", "CONCATENATION", "EXPAND_DIMS", "MAXIMUM", "MINIMUM", "MUL", "PAD", "PADV2", "RELU", "RESHAPE"]
    .concat(["SLICE", "SQUARE", "SQUEEZE", "STRIDED_SLICE", "SUB", "TRANSPOSE"])
    .map((name) => `tfl.${name}`),
);

/** What has fewer elements saves little, and is often all that a value depends on. */
const minElements = 1024;

interface Row {
  /** Which input is the weights: the first of these that is a constant. */
  readonly weights: readonly number[];
  /** The axis of the output channels; absent: one scale. */
  readonly axis?: number;
  /** Whether the kernel takes int8 weights beside float32 inputs, and what it has to be told then. */
  readonly dynamic?: Attributes;
}

const rows: Readonly<Record<string, Row>> = {
  "tfl.CONV_2D": {weights: [1], axis: 0, dynamic: {}},
  // Its kernel of int8 weights takes three times as long as that of float ones.
  "tfl.DEPTHWISE_CONV_2D": {weights: [1], axis: 3},
  "tfl.FULLY_CONNECTED": {weights: [1], axis: 0, dynamic: {asymmetricQuantizeInputs: true}},
  "tfl.BATCH_MATMUL": {weights: [1, 0]},
  "tfl.TRANSPOSE_CONV": {weights: [1], axis: 0},
  "tfl.CONV_3D": {weights: [1], axis: 4},
  "tfl.CONV_3D_TRANSPOSE": {weights: [1], axis: 3},
};

const noOperators: OperatorTable = new Map();

export const quantiseWeights: Pass = {
  name: "quantise-weights",
  effect: "quantised",
  run: (graph, tally, note) => {
    const delicate = delicateValues(graph);
    return rewriteGraph(graph, noOperators, (node, b) => {
      const isDelicate = delicate.has(refTo(node.name));
      const result = node.op === "tfl.GATHER" ? gather(node, b, note) : product(node, isDelicate, b, note);
      if (result !== undefined) tally("weights made int8", originOf(node));
      return result === undefined ? undefined : [result];
    });
  },
};

/** The values that reach a sensitive input with nothing between that evens them out. */
function delicateValues(graph: Graph): ReadonlySet<Ref> {
  const delicate = new Set<Ref>();
  for (const node of graph.nodes.toReversed()) {
    const input = sensitive[node.op];
    if (input !== undefined) delicate.add(node.inputs[input]!);
    const isCarried = carriers.has(node.op) && delicate.has(refTo(node.name));
    if (isCarried) for (const ref of node.inputs) delicate.add(ref);
  }
  return delicate;
}

function product(node: Node, isDelicate: boolean, b: Rewriter, note: Note): Ref | undefined {
  const row = rows[node.op];
  const at = row?.weights.find((index) => b.constantAt(node.inputs[index]!));
  if (row === undefined || at === undefined) return undefined;
  const levels = int8Weights(node.inputs[at]!, row.axis, b, note);
  if (levels === undefined) return undefined;
  const isDynamic = row.dynamic !== undefined && !isDelicate && isUngrouped(node, b);
  const weights = isDynamic ? levels : dequantise(levels, b);
  const inputs = node.inputs.map((ref, i) => (i === at ? weights : ref));
  return b.op(node.op, inputs, {...node.attributes, ...(isDynamic ? row.dynamic : {})}, {types: node.outputs});
}

/** Whether every filter of a convolution sees all channels. */
function isUngrouped(node: Node, b: Rewriter): boolean {
  if (node.op !== "tfl.CONV_2D") return true;
  return b.type(node.inputs[0]!).shape?.[3] === b.type(node.inputs[1]!).shape?.[3];
}

function gather(node: Node, b: Rewriter, note: Note): Ref | undefined {
  const table = int8Weights(node.inputs[0]!, undefined, b, note);
  if (table === undefined) return undefined;
  const [{shape}] = node.outputs as [Node["outputs"][number]];
  const {quantisation} = b.type(table);
  const rows = b.op(node.op, [table, ...node.inputs.slice(1)], node.attributes, {
    types: [{dtype: "int8", shape, quantisation: quantisation!}],
  });
  return dequantise(rows, b);
}

/** The constant as int8, if it is one of enough float32 numbers. */
function int8Weights(ref: Ref, axis: number | undefined, b: Rewriter, note: Note): Ref | undefined {
  const value = b.constantAt(ref);
  if (value?.dtype !== "float32" || value.size < minElements) return undefined;
  const name = b.producer(ref)!.name;
  const levels = symmetricInt8(value, axis);
  if (levels === undefined) {
    note(`"${name}" stays float32: it has values that aren't finite`);
    return undefined;
  }
  return b.constant(levels.value, `${name}/int8`, levels.quantisation);
}
