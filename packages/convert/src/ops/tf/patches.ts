/** Operators that look at windows of an image: patches, dilation, the places of maxima; and the old names of blocks. */
import type {DType} from "@tf-trusted/tensor";
import {type Dim, multiplyDims, type Shape, unknownDim} from "../../ir/dims.ts";
import {failAt, numbersAttribute, type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {windowedDim} from "../shapes.ts";
import {evaluateDilation, evaluateMaxPoolWithArgmax, evaluatePatches} from "./windows.ts";

const count = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** One positive integer for each dimension, the first and last of them 1. */
export function windowList(site: Site, key: string, rank: number): readonly number[] {
  const values = numbersAttribute(site, key, key === "rates" ? Array.from({length: rank}, () => 1) : undefined);
  const valid =
    values.length === rank &&
    values.every((value) => Number.isInteger(value) && value > 0) &&
    values[0] === 1 &&
    values[rank - 1] === 1;
  if (valid) return values;
  throw failAt(site, "CONVERT_ATTRIBUTE", `attribute "${key}" is [${values}], expected ${rank} numbers, 1 at the ends`);
}

function imageShape(site: Site, rank: number): Shape {
  const {shape} = site.inputs[0]!;
  if (shape === undefined) return Array.from({length: rank}, () => unknownDim);
  if (shape.length === rank) return shape;
  throw failAt(site, "CONVERT_SHAPE", `a tensor of rank ${shape.length}, expected ${rank}`);
}

/** The shape of places where a window fits, with another number of channels. */
function places(site: Site, shape: Shape, sizes: readonly Dim[], rates: readonly number[], channels: Dim): Shape {
  const strides = windowList(site, "strides", shape.length);
  const padding = stringAttribute(site, "padding");
  return shape.map((dim, axis) => {
    if (axis === 0) return dim;
    if (axis === shape.length - 1) return channels;
    return windowedDim(dim, sizes[axis]!, strides[axis]!, rates[axis]!, padding);
  });
}

const patches = (name: string, rank: number): Operator => ({
  name: `tf.${name}`,
  infer: (site) => {
    const shape = imageShape(site, rank);
    const sizes = windowList(site, "ksizes", rank);
    const channels = multiplyDims(shape[rank - 1]!, count(sizes));
    const rates = windowList(site, "rates", rank);
    return [{dtype: site.inputs[0]!.dtype, shape: places(site, shape, sizes, rates, channels)}];
  },
  evaluate: (site, [x]) => evaluatePatches(site, x!),
  cost: (_, _inputs, [type]) => count(type!.shape as readonly number[]),
});

export const patchOperators: readonly Operator[] = [
  patches("ExtractImagePatches", 4),
  patches("ExtractVolumePatches", 5),
  {
    name: "tf.Dilation2D",
    infer: (site) => {
      const shape = imageShape(site, 4);
      const filter = site.inputs[1]!.shape ?? [unknownDim, unknownDim, unknownDim];
      const rates = windowList(site, "rates", 4);
      const sizes = [1, filter[0]!, filter[1]!, 1];
      return [{dtype: site.inputs[0]!.dtype, shape: places(site, shape, sizes, rates, shape[3]!)}];
    },
    evaluate: (site, [x, filter]) => evaluateDilation(site, x!, filter!),
    cost: (_, [, filter], [type]) => count(type!.shape as readonly number[]) * count(filter!.shape.slice(0, 2)),
  },
  {
    name: "tf.MaxPoolWithArgmax",
    infer: (site) => {
      const shape = imageShape(site, 4);
      const sizes = windowList(site, "ksize", 4);
      const pooled = places(site, shape, sizes, [1, 1, 1, 1], shape[3]!);
      return [
        {dtype: site.inputs[0]!.dtype, shape: pooled},
        {dtype: stringAttribute(site, "Targmax", "int64") as DType, shape: pooled},
      ];
    },
    evaluate: (site, [x]) => evaluateMaxPoolWithArgmax(site, x!),
    cost: (site, _, [type]) => count(type!.shape as readonly number[]) * count(windowList(site, "ksize", 4)),
  },
];
