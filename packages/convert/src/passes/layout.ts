/**
 * NCHW → NHWC (specs/convert.md §4.12): operators that have a layout get transposes around them; transposes.ts then
 * cancels those that meet.
 */
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Attribute, type Attributes, type Node, originOf, type Ref} from "../ir/graph.ts";
import {int32Tensor} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass} from "./pass.ts";

/** For each operator: which input has the layout, and which outputs; lists of attributes that are ordered by it. */
const layoutOperators: Readonly<Record<string, {readonly input: number; readonly lists: readonly string[]}>> = {
  "tf.Conv2D": {input: 0, lists: ["strides", "dilations", "explicit_paddings"]},
  "tf.DepthwiseConv2dNative": {input: 0, lists: ["strides", "dilations", "explicit_paddings"]},
  "tf.Conv2DBackpropInput": {input: 2, lists: ["strides", "dilations", "explicit_paddings"]},
  "tf.MaxPool": {input: 0, lists: ["ksize", "strides", "explicit_paddings"]},
  "tf.AvgPool": {input: 0, lists: ["ksize", "strides"]},
  "tf.MaxPoolV2": {input: 0, lists: []},
  "tf.Conv3D": {input: 0, lists: ["strides", "dilations"]},
  "tf.Conv3DBackpropInputV2": {input: 2, lists: ["strides", "dilations"]},
  "tf.MaxPool3D": {input: 0, lists: ["ksize", "strides"]},
  "tf.AvgPool3D": {input: 0, lists: ["ksize", "strides"]},
  "tf.FusedBatchNorm": {input: 0, lists: []},
  "tf.FusedBatchNormV2": {input: 0, lists: []},
  "tf.FusedBatchNormV3": {input: 0, lists: []},
  "tf.BiasAdd": {input: 0, lists: []},
  "tf.DepthToSpace": {input: 0, lists: []},
  "tf.SpaceToDepth": {input: 0, lists: []},
};

/** The order of dimensions that brings the channels from behind the batch to the end, and the way back. */
function ordersOf(rank: number): {readonly toLast: readonly number[]; readonly toFirst: readonly number[]} {
  const spatial = Array.from({length: rank - 2}, (_, i) => i);
  return {
    toLast: [0, ...spatial.map((i) => i + 2), 1],
    toFirst: [0, rank - 1, ...spatial.map((i) => i + 1)],
  };
}

const lastFormats: Readonly<Record<string, string>> = {NCHW: "NHWC", NCDHW: "NDHWC"};

export const layout: Pass = {
  name: "layout",
  effect: "rewritten",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      const row = layoutOperators[node.op];
      const format = lastFormats[String(node.attributes.data_format)];
      if (row === undefined || format === undefined) return undefined;
      const rank = b.type(node.inputs[row.input]!).shape?.length;
      if (rank === undefined) return undefined;
      const isBias = node.op === "tf.BiasAdd";
      if (isBias ? rank < 2 : rank !== format.length) return undefined;
      tally("operators moved to NHWC", originOf(node));
      return moveNode(node, row.input, row.lists, format, rank, b);
    }),
};

function moveNode(
  node: Node,
  input: number,
  lists: readonly string[],
  format: string,
  rank: number,
  b: Rewriter,
): readonly Ref[] {
  const {toLast, toFirst} = ordersOf(rank);
  const inputs = node.inputs.map((ref, i) => (i === input ? transpose(b, ref, toLast) : ref));
  if (node.op.includes("BackpropInput")) inputs[0] = permuteVector(b, inputs[0]!, toLast);
  if (node.op === "tf.MaxPoolV2") for (const i of [1, 2]) inputs[i] = permuteVector(b, inputs[i]!, toLast);
  const attributes: Attributes = {
    ...node.attributes,
    data_format: format,
    ...permuteLists(node.attributes, lists, toLast),
  };
  const outputs = b.emit(node.op, inputs, attributes);
  return outputs.map((ref, i) => (i === 0 ? transpose(b, ref, toFirst) : ref));
}

function permuteLists(
  attributes: Attributes,
  lists: readonly string[],
  order: readonly number[],
): Record<string, Attribute> {
  const result: Record<string, Attribute> = {};
  for (const key of lists) {
    const values = attributes[key] as readonly number[] | undefined;
    if (values?.length === order.length) result[key] = order.map((axis) => values[axis]!);
    if (values?.length === 2 * order.length)
      result[key] = order.flatMap((axis) => [values[2 * axis]!, values[2 * axis + 1]!]);
  }
  return result;
}

function permuteVector(b: Rewriter, ref: Ref, order: readonly number[]): Ref {
  return b.op("tf.GatherV2", [ref, b.constant(int32Tensor(order)), b.constant(int32Tensor([0], []))], {batch_dims: 0});
}

export function transpose(b: Rewriter, ref: Ref, order: readonly number[]): Ref {
  return b.op("tf.Transpose", [ref, b.constant(int32Tensor(order))]);
}
