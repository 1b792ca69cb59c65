/**
 * NCHW → NHWC (specs/convert.md §4.12): operators that have a layout get transposes around them; transposes.ts then
 * cancels those that meet.
 */
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import type {Attribute, Attributes, Node, Ref} from "../ir/graph.ts";
import {int32Tensor} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass} from "./pass.ts";

/** For each operator: which input has the layout, and which outputs; lists of attributes that are ordered by it. */
const layoutOperators: Readonly<Record<string, {readonly input: number; readonly lists: readonly string[]}>> = {
  "tf.Conv2D": {input: 0, lists: ["strides", "dilations", "explicit_paddings"]},
  "tf.DepthwiseConv2dNative": {input: 0, lists: ["strides", "dilations", "explicit_paddings"]},
  "tf._FusedConv2D": {input: 0, lists: ["strides", "dilations", "explicit_paddings"]},
  "tf.Conv2DBackpropInput": {input: 2, lists: ["strides", "dilations", "explicit_paddings"]},
  "tf.MaxPool": {input: 0, lists: ["ksize", "strides", "explicit_paddings"]},
  "tf.AvgPool": {input: 0, lists: ["ksize", "strides"]},
  "tf.FusedBatchNorm": {input: 0, lists: []},
  "tf.FusedBatchNormV2": {input: 0, lists: []},
  "tf.FusedBatchNormV3": {input: 0, lists: []},
  "tf.BiasAdd": {input: 0, lists: []},
  "tf.DepthToSpace": {input: 0, lists: []},
  "tf.SpaceToDepth": {input: 0, lists: []},
};

const toLast = [0, 2, 3, 1];
const toFirst = [0, 3, 1, 2];

export const layout: Pass = {
  name: "layout",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      const row = layoutOperators[node.op];
      if (row === undefined || node.attributes.data_format !== "NCHW") return undefined;
      if (b.type(node.inputs[row.input]!).shape?.length !== 4) return undefined;
      tally("operators moved to NHWC");
      return moveNode(node, row.input, row.lists, b);
    }),
};

function moveNode(node: Node, input: number, lists: readonly string[], b: Rewriter): readonly Ref[] {
  const inputs = node.inputs.map((ref, i) => (i === input ? transpose(b, ref, toLast) : ref));
  if (node.op === "tf.Conv2DBackpropInput") inputs[0] = permuteVector(b, inputs[0]!, toLast);
  const attributes: Attributes = {...node.attributes, data_format: "NHWC", ...permuteLists(node.attributes, lists)};
  const outputs = b.emit(node.op, inputs, attributes);
  return outputs.map((ref, i) => (i === 0 ? transpose(b, ref, toFirst) : ref));
}

function permuteLists(attributes: Attributes, lists: readonly string[]): Record<string, Attribute> {
  const result: Record<string, Attribute> = {};
  for (const key of lists) {
    const values = attributes[key] as readonly number[] | undefined;
    if (values?.length === 4) result[key] = toLast.map((axis) => values[axis]!);
    if (values?.length === 8) result[key] = toLast.flatMap((axis) => [values[2 * axis]!, values[2 * axis + 1]!]);
  }
  return result;
}

function permuteVector(b: Rewriter, ref: Ref, order: readonly number[]): Ref {
  return b.op("tf.GatherV2", [ref, b.constant(int32Tensor(order)), b.constant(int32Tensor([0], []))], {batch_dims: 0});
}

export function transpose(b: Rewriter, ref: Ref, order: readonly number[]): Ref {
  return b.op("tf.Transpose", [ref, b.constant(int32Tensor(order))]);
}
