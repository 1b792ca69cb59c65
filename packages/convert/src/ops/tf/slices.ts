/** Operators that pick elements by position: slices and gathers. */
import type {Tensor} from "@tf-trusted/tensor";
import {type Dim, isKnown, isStatic, type Shape, subtractDims, unknownDim} from "../../ir/dims.ts";
import type {TensorType} from "../../ir/graph.ts";
import {numberAttribute, type Operator, type Site} from "../../ir/operators.ts";
import {gatherElements, indexMap, stridesOf} from "../elements.ts";
import {
  dimsOf,
  integers,
  integersOf,
  normalAxis,
  type SliceMasks,
  type SliceSpec,
  slicedRange,
  slicedShape,
  sliceSpec,
  withElements,
} from "../shapes.ts";

export const slices: readonly Operator[] = [
  {
    name: "tf.StridedSlice",
    infer: (site) => {
      const [x] = site.inputs;
      const spec = sliceSpecOf(site);
      if (spec === undefined) return [{dtype: x!.dtype, shape: undefined}];
      const shape = slicedShape(x!.shape!, spec);
      return [withElements({dtype: x!.dtype, shape}, slicedElements(x!, spec))];
    },
    evaluate: (site, [x], [type]) => {
      const spec = sliceSpecOf(site);
      if (spec === undefined || !isStatic(type!.shape)) return undefined;
      const strides = stridesOf(x!.shape);
      const ranges = spec.steps.map((step, axis) => slicedRange(x!.shape[axis]!, step));
      if (
        ranges.some(
          (range, axis) => Number.isNaN(range.first) || (spec.steps[axis]!.shrink && !(range.first < x!.shape[axis]!)),
        )
      )
        return undefined;
      const offset = ranges.reduce((sum, range, axis) => sum + range.first * strides[axis]!, 0);
      const steps = spec.result.map((at) => (at === "new" ? 0 : strides[at]! * spec.steps[at]!.stride));
      return [gatherElements(x!, type!.shape, indexMap(type!.shape, steps, offset))];
    },
  },
  {
    name: "tf.Slice",
    infer: (site) => {
      const [x] = site.inputs;
      const [begins, sizes] = [integersOf(site, 1), dimsOf(site, 2)];
      const shape = x!.shape?.map((dim, axis): Dim => {
        const size = sizes?.[axis] ?? unknownDim;
        if (size !== -1) return size;
        return begins ? subtractDims(dim, begins[axis]!) : unknownDim;
      });
      const length = shape?.[0];
      const elements =
        x!.elements && begins && shape?.length === 1 && isKnown(length!)
          ? x!.elements.slice(begins[0], begins[0]! + length)
          : undefined;
      return [withElements({dtype: x!.dtype, shape}, elements)];
    },
    evaluate: (site, [x], [type]) => {
      const begins = integersOf(site, 1);
      if (!begins || !isStatic(type!.shape)) return undefined;
      if (type!.shape.some((size, axis) => size < 0 || begins[axis]! < 0 || begins[axis]! + size > x!.shape[axis]!))
        return undefined;
      const strides = stridesOf(x!.shape);
      const offset = begins.reduce((sum, begin, axis) => sum + begin * strides[axis]!, 0);
      return [gatherElements(x!, type!.shape, indexMap(type!.shape, strides, offset))];
    },
  },
  ...["Gather", "GatherV2"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => inferGather(site),
      evaluate: (site, [params, indices], [type]) => evaluateGather(site, params!, indices!, type!),
    }),
  ),
  {
    name: "tf.GatherNd",
    infer: (site) => {
      const [params, indices] = site.inputs;
      const depth = indices!.shape?.at(-1);
      const known = params!.shape && depth !== undefined && isKnown(depth);
      const shape = known ? [...indices!.shape!.slice(0, -1), ...params!.shape!.slice(depth)] : undefined;
      return [{dtype: params!.dtype, shape}];
    },
  },
];

export function masksOf(site: Site): SliceMasks {
  return {
    begin: numberAttribute(site, "begin_mask", 0),
    end: numberAttribute(site, "end_mask", 0),
    ellipsis: numberAttribute(site, "ellipsis_mask", 0),
    newAxis: numberAttribute(site, "new_axis_mask", 0),
    shrink: numberAttribute(site, "shrink_axis_mask", 0),
  };
}

/** The spelled-out slice, where the rank of the input and the number of indices are known. */
export function sliceSpecOf(site: Site): SliceSpec | undefined {
  const rank = site.inputs[0]!.shape?.length;
  const length = site.inputs[1]!.shape?.[0] ?? site.inputs[2]!.shape?.[0] ?? site.inputs[3]!.shape?.[0];
  if (rank === undefined || length === undefined || !isKnown(length)) return undefined;
  const numbers = (index: number) => dimsOf(site, index)?.map((dim) => (isKnown(dim) ? dim : Number.NaN));
  const strides = integersOf(site, 3);
  if (strides === undefined) return undefined;
  const [begin, end] = [numbers(1), numbers(2)];
  return sliceSpec(site, rank, masksOf(site), length, {...(begin ? {begin} : {}), ...(end ? {end} : {}), strides});
}

function slicedElements(x: TensorType, spec: SliceSpec): readonly Dim[] | undefined {
  const {elements} = x;
  const step = spec.steps[0];
  if (elements === undefined || spec.steps.length !== 1 || step === undefined || spec.result.length > 1)
    return undefined;
  const {first, count} = slicedRange(elements.length, step);
  if (Number.isNaN(first) || !isKnown(count)) return undefined;
  return Array.from({length: count}, (_, i) => elements[first + i * step.stride] ?? unknownDim);
}

function inferGather(site: Site): TensorType[] {
  const [params, indices] = site.inputs;
  const axis = site.inputs.length > 2 ? integersOf(site, 2)?.[0] : 0;
  if (params!.shape === undefined || indices!.shape === undefined || axis === undefined)
    return [{dtype: params!.dtype, shape: undefined}];
  const at = normalAxis(site, axis, params!.shape.length);
  const given = numberAttribute(site, "batch_dims", 0);
  const batch = given < 0 ? given + indices!.shape.length : given;
  const shape: Shape = [...params!.shape.slice(0, at), ...indices!.shape.slice(batch), ...params!.shape.slice(at + 1)];
  const picks = integersOf(site, 1);
  const elements =
    params!.elements && picks?.every((i) => i >= 0 && i < params!.elements!.length) && shape.length <= 1
      ? picks.map((i) => params!.elements![i]!)
      : undefined;
  return [withElements({dtype: params!.dtype, shape}, elements)];
}

function evaluateGather(site: Site, params: Tensor, indices: Tensor, type: TensorType): Tensor[] | undefined {
  const axis = site.inputs.length > 2 ? integersOf(site, 2)?.[0] : 0;
  if (axis === undefined) return undefined;
  const at = normalAxis(site, axis, params.shape.length);
  const given = numberAttribute(site, "batch_dims", 0);
  const batch = given < 0 ? given + indices.shape.length : given;
  const picks = integers(indices);
  const size = params.shape[at]!;
  if (picks.some((i) => i < 0 || i >= size)) return undefined;
  const countOf = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);
  const inner = countOf(params.shape.slice(at + 1));
  const perBatch = countOf(indices.shape.slice(batch));
  const outerPerBatch = countOf(params.shape.slice(batch, at));
  return [
    gatherElements(params, type.shape as number[], (i) => {
      const outer = Math.floor(i / (perBatch * inner));
      const row = Math.floor(outer / outerPerBatch) * perBatch;
      const pick = picks[row + (Math.floor(i / inner) % perBatch)]!;
      return (outer * size + pick) * inner + (i % inner);
    }),
  ];
}
