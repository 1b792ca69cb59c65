/** Operators that take axes away. */
import {axisOf, dimension, each, flagOption, require, type Shape, type ShapeRules, scalarValue} from "./rule.ts";

export const reduceShapes: ShapeRules = {
  ...each("MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL", (node) => [
    reduced(node.shape(0), node.value(1), flagOption(node, "keepDims")),
  ]),
  ...each("ARG_MAX ARG_MIN", (node) => [reduced(node.shape(0), [scalarValue(node, 1)], false)]),
  TOPK_V2: (node) => {
    const input = node.shape(0);
    const count = dimension(scalarValue(node, 1));
    require(input.length > 0 && count <= input.at(-1)!, `the ${count} largest of [${input}]`);
    const shape = [...input.slice(0, -1), count];
    return [shape, shape];
  },
  // Sorted ids: the last one says how many segments there are.
  SEGMENT_SUM: (node) => [[dimension((node.value(1).at(-1) ?? -1) + 1), ...node.shape(0).slice(1)]],
  ...each("UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM", (node) => [
    [dimension(scalarValue(node, 2)), ...node.shape(0).slice(node.shape(1).length)],
  ]),
};

/** An empty list of axes reduces nothing. */
export function reduced(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  if (shape.length === 0) return [];
  const gone = new Set(axes.map((axis) => axisOf(axis, shape.length)));
  if (keep) return shape.map((size, axis) => (gone.has(axis) ? 1 : size));
  return shape.filter((_, axis) => !gone.has(axis));
}
