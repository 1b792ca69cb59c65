/** Reductions, scans, sorting, segments: operators along an axis. */
import {type DType, dtypes, integerRange, type Tensor} from "@tf-trusted/tensor";
import {type Dim, isKnown, isStatic, type Shape, unknownDim} from "../../ir/dims.ts";
import type {TensorType} from "../../ir/graph.ts";
import {booleanAttribute, numberAttribute, type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {isInt64, makeTensor, numbersOf, stridesOf} from "../elements.ts";
import {dimsOf, integersOf, normalAxis, product, reducedShape, withElements} from "../shapes.ts";
import {evaluateExactReduce} from "./values/scans.ts";

const reducers: Readonly<Record<string, {readonly start: number; readonly step: (a: number, x: number) => number}>> = {
  Sum: {start: 0, step: (a, x) => a + x},
  Mean: {start: 0, step: (a, x) => a + x},
  Prod: {start: 1, step: (a, x) => a * x},
  Max: {start: Number.NEGATIVE_INFINITY, step: (a, x) => (x > a || Number.isNaN(x) ? x : a)},
  Min: {start: Number.POSITIVE_INFINITY, step: (a, x) => (x < a || Number.isNaN(x) ? x : a)},
  Any: {start: 0, step: (a, x) => a | x},
  All: {start: 1, step: (a, x) => a & x},
};

const argument = (name: string): Operator => ({
  name: `tf.${name}`,
  infer: (site) => {
    const dtype = stringAttribute(site, "output_type", "int64") as DType;
    const axis = integersOf(site, 1)?.[0];
    const {shape} = site.inputs[0]!;
    if (!shape || axis === undefined) return [{dtype, shape: shape?.slice(1).map(() => unknownDim)}];
    const at = normalAxis(site, axis, shape.length);
    return [{dtype, shape: shape.filter((_, i) => i !== at)}];
  },
});

const like = (name: string): Operator => ({
  name: `tf.${name}`,
  infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
});

export const reduce: readonly Operator[] = [
  ...[...Object.keys(reducers), "EuclideanNorm"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const [x] = site.inputs;
        const shape =
          reducedShape(site, x!.shape, integersOf(site, 1), booleanAttribute(site, "keep_dims")) ?? openShape(site);
        const whole =
          name === "Prod" && shape?.length === 0 && x!.elements !== undefined && integersOf(site, 1)?.length === 1;
        return [withElements({dtype: x!.dtype, shape}, whole ? [product(x!.elements!)] : undefined)];
      },
      evaluate: (site, [x], [type]) => evaluateReduce(name, site, x!, type!),
    }),
  ),
  argument("ArgMax"),
  argument("ArgMin"),
  ...["TopK", "TopKV2"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const [x] = site.inputs;
        const k: Dim = name === "TopK" ? numberAttribute(site, "k") : (dimsOf(site, 1)?.[0] ?? unknownDim);
        const shape = x!.shape && [...x!.shape.slice(0, -1), k];
        return [
          {dtype: x!.dtype, shape},
          {dtype: stringAttribute(site, "index_type", "int32") as DType, shape},
        ];
      },
    }),
  ),
  ...["Cumsum", "Cumprod", "CumulativeLogsumexp"].map(like),
  {
    name: "tf.L2Loss",
    infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: []}],
  },
  ...["SegmentSum", "SegmentMean", "SegmentMax", "SegmentMin", "SegmentProd"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const [x] = site.inputs;
        const ids = integersOf(site, 1);
        const count = ids ? (ids.at(-1) ?? -1) + 1 : unknownDim;
        return [{dtype: x!.dtype, shape: x!.shape && [count, ...x!.shape.slice(1)]}];
      },
    }),
  ),
  ...["UnsortedSegmentSum", "UnsortedSegmentMax", "UnsortedSegmentMin", "UnsortedSegmentProd"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const [x, ids] = site.inputs;
        const known = x!.shape && ids!.shape;
        const count = dimsOf(site, 2)?.[0] ?? unknownDim;
        return [{dtype: x!.dtype, shape: known && [count, ...x!.shape!.slice(ids!.shape!.length)]}];
      },
    }),
  ),
  {
    name: "tf.NthElement",
    infer: (site) => [{dtype: site.inputs[0]!.dtype, shape: site.inputs[0]!.shape?.slice(0, -1)}],
  },
  {
    name: "tf.InTopKV2",
    infer: (site) => [{dtype: "bool", shape: site.inputs[1]!.shape}],
  },
  ...["LowerBound", "UpperBound"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => [{dtype: stringAttribute(site, "out_type", "int32") as DType, shape: site.inputs[1]!.shape}],
    }),
  ),
  {
    name: "tf.Bucketize",
    infer: ({inputs: [x]}) => [{dtype: "int32", shape: x!.shape}],
  },
];

/** Of computed axes, which are all different ones, at least their number is known, and so the rank of the result. */
function openShape({inputs: [x, axes]}: Site): Shape | undefined {
  const count = axes!.shape?.length === 0 ? 1 : axes!.shape?.[0];
  if (x!.shape === undefined || count === undefined || !isKnown(count) || count > x!.shape.length) return undefined;
  return Array.from({length: x!.shape.length - count}, () => unknownDim);
}

/** The largest and smallest of no integers are the ends of their range. */
function startOf(name: string, dtype: DType): number | undefined {
  const range = integerRange(dtype);
  if (range === undefined || (name !== "Max" && name !== "Min")) return undefined;
  return Number(range[name === "Max" ? 0 : 1]);
}

function evaluateReduce(name: string, site: Site, x: Tensor, type: TensorType): Tensor[] | undefined {
  const axes = integersOf(site, 1);
  const reducer = reducers[name];
  const {kind} = dtypes[x.dtype];
  if (isInt64(x.dtype)) return evaluateExactReduce(name, site, x, type.shape as readonly number[]);
  if (reducer === undefined || axes === undefined || !isStatic(type.shape) || kind === "string" || kind === "complex") {
    return undefined;
  }
  const reduced = new Set(axes.map((axis) => normalAxis(site, axis, x.shape.length)));
  const count = type.shape.reduce((a, b) => a * b, 1);
  const sums = new Float64Array(count).fill(startOf(name, x.dtype) ?? reducer.start);
  const from = stridesOf(x.shape);
  const kept = x.shape.map((size, axis) => (reduced.has(axis) ? 1 : size));
  const to = stridesOf(kept);
  const values = numbersOf(x);
  for (let i = 0; i < x.size; i++) {
    let at = 0;
    for (let axis = 0; axis < x.shape.length; axis++) {
      if (!reduced.has(axis)) at += (Math.floor(i / from[axis]!) % x.shape[axis]!) * to[axis]!;
    }
    sums[at] = reducer.step(sums[at]!, values[i]!);
  }
  const factor = x.size / count;
  const isExact = kind === "float" || sums.every((sum) => sum >= -(2 ** 31) && sum < 2 ** 31);
  if (!isExact || !sums.every((sum) => Number.isFinite(sum) || kind === "float")) return undefined;
  const scale =
    name === "Mean"
      ? (sum: number) => (kind === "float" ? sum / factor : Math.trunc(sum / factor))
      : (sum: number) => sum;
  return [makeTensor(x.dtype, type.shape, (i) => scale(sums[i]!))];
}
