/** Lowerings of reductions, scans, sorting and segments. */
import {isKnown, isStatic, unknownDim} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import {booleanAttribute, numberAttribute, numbersAttribute} from "../ir/operators.ts";
import {normalAxis, product} from "../ops/shapes.ts";
import {log1p} from "./elementwise.ts";
import type {LoweredNode, Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

type Reducer = "SUM" | "MEAN" | "REDUCE_MAX" | "REDUCE_MIN" | "REDUCE_PROD" | "REDUCE_ANY" | "REDUCE_ALL";

function axesOf(b: Lowerer, n: LoweredNode): number[] {
  return b.integers(n.inputs[1]!, "axes").map((axis) => normalAxis(n.site, axis, b.rank(n.inputs[0]!)));
}

const reduce =
  (op: Reducer): Lowering =>
  (n, b) => {
    const [x] = n.inputs;
    const keepDims = booleanAttribute(n.site, "keep_dims");
    if (b.known(n.inputs[1]!)) {
      if (b.shape(x!).includes(0) && !["SUM", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL"].includes(op))
        return b.refuse("a reduction of nothing");
      return b.reduce(op, x!, [...new Set(axesOf(b, n))], keepDims);
    }
    if (n.types[0]!.shape === undefined) return b.refuse("its axes are computed, and so is the rank of its result");
    return b.op(op, [x!], {keepDims}, {operands: [b.cast(n.inputs[1]!, "int32")], type: n.types[0]!});
  };

const argument =
  (op: "ARG_MAX" | "ARG_MIN"): Lowering =>
  (n, b) => {
    const [x, axisRef] = n.inputs;
    const axis = normalAxis(n.site, b.integers(axisRef!, "axis")[0]!, b.rank(x!));
    const wanted = n.types[0]!.dtype;
    const dtype = wanted === "int32" || wanted === "int64" ? wanted : "int32";
    const taken = b.dtype(x!) === "float32" || b.dtype(x!) === "int32";
    const source = b.dtype(x!) === "int64" ? isExtreme(b, op, x!, axis) : taken ? x! : b.cast(x!, "int32");
    const type = {dtype, shape: n.types[0]!.shape} as const;
    const kernel = b.dtype(x!) === "int64" ? "ARG_MAX" : op;
    return b.cast(b.raw(kernel, [source, b.ints([axis], [])], {outputType: dtype.toUpperCase()}, [type])[0]!, wanted);
  };

/** 1 where an element is the largest (smallest) along an axis, for dtypes that have no kernel to find it: the first 1 is it. */
function isExtreme(b: Lowerer, op: "ARG_MAX" | "ARG_MIN", x: Ref, axis: number): Ref {
  const extreme = b.reduce(op === "ARG_MAX" ? "REDUCE_MAX" : "REDUCE_MIN", x, [axis], true);
  return b.cast(b.raw("EQUAL", [x, extreme])[0]!, "int32");
}

const topK: Lowering = (n, b) => {
  const [x, k] = n.inputs;
  const count = k === undefined ? b.ints([numberAttribute(n.site, "k")], []) : b.operand(k);
  const [values, indices] = n.types;
  const [found, at] = b.raw("TOPK_V2", [x!, count], {}, [values!, {dtype: "int32", shape: indices!.shape}]);
  return [found!, b.cast(at!, indices!.dtype)];
};

const cumsum: Lowering = ({inputs: [x, axisRef], site}, b) => {
  const axis = normalAxis(site, b.integers(axisRef!, "axis")[0]!, b.rank(x!));
  const attributes = {exclusive: booleanAttribute(site, "exclusive"), reverse: booleanAttribute(site, "reverse")};
  return b.op("CUMSUM", [x!], attributes, {operands: [b.ints([axis], [])]});
};

/** Doubling: after step s each element is the product of the 2^s before it. */
const cumprod: Lowering = ({inputs: [x, axisRef], site}, b) => {
  const axis = normalAxis(site, b.integers(axisRef!, "axis")[0]!, b.rank(x!));
  const size = b.shape(x!)[axis]!;
  if (!isKnown(size)) return b.refuse("the size of its axis isn't known");
  const reverse = booleanAttribute(site, "reverse");
  const flip = (value: Ref) => (reverse ? b.op("REVERSE_V2", [value], {}, {operands: [b.ints([axis])]}) : value);
  const shift = (value: Ref, by: number): Ref => {
    const rank = b.rank(value);
    const pads = Array.from({length: 2 * rank}, (_, i) => (i === 2 * axis ? by : 0));
    const padded = b.op("PADV2", [value], {}, {operands: [b.ints(pads, [rank, 2]), b.like(1, value)]});
    return b.slice(
      padded,
      b.shape(value).map(() => 0),
      b.shape(value).map((dim, i) => (i === axis ? size : isKnown(dim) ? dim : -1)),
    );
  };
  let value = flip(x!);
  if (booleanAttribute(site, "exclusive")) value = shift(value, 1);
  for (let step = 1; step < size; step *= 2) value = b.mul(value, shift(value, step));
  return flip(value);
};

/** What is left of nothing, and how to reduce. */
const segmentReducers = {
  SUM: {reducer: "SUM", empty: 0},
  MAX: {reducer: "REDUCE_MAX", empty: -3.4028234663852886e38},
  MIN: {reducer: "REDUCE_MIN", empty: 3.4028234663852886e38},
  PROD: {reducer: "REDUCE_PROD", empty: 1},
} as const satisfies Readonly<Record<string, {readonly reducer: Reducer; readonly empty: number}>>;

type SegmentOperator = keyof typeof segmentReducers;

const maxSegmentElements = 1 << 22;

/**
 * For each segment, all rows of x, those of other segments replaced by what changes nothing; then one reduction. The
 * kernels for segments make results whose shapes an engine can't know ahead. Their number may be an int32 scalar.
 */
export function reduceSegments(b: Lowerer, x: Ref, ids: Ref, segments: number | Ref, op: SegmentOperator): Ref {
  const shape = b.shape(x);
  if (b.rank(ids) !== 1) return b.refuse(`segment ids of rank ${b.rank(ids)}`);
  const copies = typeof segments === "number" ? segments : 1;
  if (isStatic(shape) && (product(shape) as number) * copies > maxSegmentElements)
    return b.refuse("its data is too large");
  const dtype = b.dtype(x);
  const {reducer, empty} = segmentReducers[op];
  const fill = dtype === "float32" ? empty : op === "MAX" ? -(2 ** 31) : op === "MIN" ? 2 ** 31 - 1 : empty;
  if (dtype !== "float32" && dtype !== "int32") return b.refuse(`segments of ${dtype}`);
  const mask = isInSegment(b, b.expandDims(b.cast(ids, "int32"), 0), segments);
  const wide = withTrailing(b, mask, shape.length - 1);
  const spread = b.select(wide, b.expandDims(x, 0), b.like(fill, x));
  return b.reduce(reducer, spread, [1], false);
}

/** With so many dimensions of size 1 behind. */
function withTrailing(b: Lowerer, x: Ref, count: number): Ref {
  let wide = x;
  for (let i = 0; i < count; i++) wide = b.expandDims(wide, b.rank(wide));
  return wide;
}

/** [segments, rows] from ids of [1, rows]. */
function isInSegment(b: Lowerer, ids: Ref, segments: number | Ref): Ref {
  if (typeof segments === "number") {
    const numbers = Array.from({length: b.bounded(segments)}, (_, i) => i);
    return b.raw("EQUAL", [b.ints(numbers, [segments, 1]), ids])[0]!;
  }
  const range = b.raw("RANGE", [b.ints([0], []), segments, b.ints([1], [])], {}, [
    {dtype: "int32", shape: [unknownDim]},
  ])[0]!;
  return b.raw("EQUAL", [b.reshape(range, [unknownDim, 1]), ids])[0]!;
}

/** Negative ids belong to no segment. Ids of more dimensions than one are those of as many leading ones of the data. */
const unsortedSegment =
  (op: SegmentOperator): Lowering =>
  ({inputs: [x, ids, count]}, b) => {
    const known = b.known(count!)?.[0];
    const idShape = b.shape(ids!);
    const shape = b.shape(x!);
    const rows = product(idShape);
    const isFlat = idShape.length === 1;
    const flat = isFlat ? x! : b.reshape(x!, [rows, ...shape.slice(idShape.length)]);
    return reduceSegments(
      b,
      flat,
      isFlat ? ids! : b.reshape(ids!, [rows]),
      known ?? b.reshape(b.cast(count!, "int32"), []),
      op,
    );
  };

/** Sorted segments: their number follows from the last id; where nothing fell is 0 (1 for products). */
const sortedSegment =
  (op: SegmentOperator | "MEAN"): Lowering =>
  ({inputs: [x, ids]}, b) => {
    const [rows] = b.shape(ids!);
    const known = b.known(ids!);
    if (rows === 0) return b.refuse("it has no rows");
    const numbers = b.cast(ids!, "int32");
    const last = isKnown(rows!)
      ? b.reshape(b.slice(numbers, [rows - 1], [1]), [])
      : b.binary("MAXIMUM", b.reduce("REDUCE_MAX", numbers, [0], false), b.ints([-1], []));
    const segments = known ? known.at(-1)! + 1 : b.add(last, b.ints([1], []));
    const result = reduceSegments(b, x!, numbers, segments, op === "MEAN" ? "SUM" : op);
    if (op === "SUM" || op === "PROD") return result;
    const ones = isKnown(rows!)
      ? b.floats(Array.from({length: b.bounded(rows)}, () => 1))
      : b.cast(b.raw("EQUAL", [numbers, numbers])[0]!, "float32");
    const counts = reduceSegments(b, ones, numbers, segments, "SUM");
    const wide = withTrailing(b, counts, b.rank(x!) - 1);
    if (op === "MEAN") return b.div(result, b.cast(b.binary("MAXIMUM", wide, b.scalar(1)), b.dtype(x!)));
    const present = b.raw("GREATER", [wide, b.scalar(0)])[0]!;
    return b.select(present, result, b.like(0, x!));
  };

/** log Σ exp along an axis, cumulative: doubling, by max + log(1 + exp(−|difference|)). */
const cumulativeLogSumExp: Lowering = ({inputs: [x, axisRef], site}, b) => {
  const axis = normalAxis(site, b.integers(axisRef!, "axis")[0]!, b.rank(x!));
  const size = b.shape(x!)[axis]!;
  if (!isKnown(size) || b.dtype(x!) !== "float32") return b.refuse("the size of its axis isn't known");
  const reverse = booleanAttribute(site, "reverse");
  const flip = (value: Ref) => (reverse ? b.op("REVERSE_V2", [value], {}, {operands: [b.ints([axis])]}) : value);
  const shift = (value: Ref, by: number): Ref => {
    const rank = b.rank(value);
    const pads = Array.from({length: 2 * rank}, (_, i) => (i === 2 * axis ? by : 0));
    const padded = b.op(
      "PADV2",
      [value],
      {},
      {operands: [b.ints(pads, [rank, 2]), b.scalar(Number.NEGATIVE_INFINITY)]},
    );
    const sizes = b.shape(value).map((dim, i) => (i === axis ? size : isKnown(dim) ? dim : -1));
    return b.slice(
      padded,
      sizes.map(() => 0),
      sizes,
    );
  };
  const join = (p: Ref, q: Ref): Ref => {
    const large = b.binary("MAXIMUM", p, q);
    const difference = b.sub(b.binary("MINIMUM", p, q), large);
    // Equal infinities have no difference.
    const equal = b.raw("EQUAL", [p, q])[0]!;
    const decay = b.op("EXP", [b.select(equal, b.scalar(0), difference)]);
    const sum = b.add(large, log1p(b, decay));
    const isInfinite = b.raw("EQUAL", [b.op("ABS", [large]), b.scalar(Number.POSITIVE_INFINITY)])[0]!;
    return b.select(isInfinite, large, sum);
  };
  let value = flip(x!);
  if (booleanAttribute(site, "exclusive")) value = shift(value, 1);
  for (let step = 1; step < size; step *= 2) value = join(value, shift(value, step));
  return flip(value);
};

/** The n-th smallest (or largest) of each row, by sorting it whole. */
const nthElement: Lowering = ({inputs: [x, n], types: [type], site}, b) => {
  const shape = b.shape(x!);
  const size = shape.at(-1)!;
  const dtype = b.dtype(x!);
  if (!isKnown(size) || size === 0) return b.refuse("the size of its rows isn't known, or none");
  if (dtype === "int64") return b.refuse("int64 has no kernel");
  const wide = dtype === "float32" ? x! : b.cast(x!, "int32");
  const [sorted] = b.raw("TOPK_V2", [wide, b.ints([size], [])], {}, [
    {dtype: b.dtype(wide), shape},
    {dtype: "int32", shape},
  ]);
  const at = b.reshape(b.cast(n!, "int32"), []);
  const place = booleanAttribute(site, "reverse") ? at : b.sub(b.ints([size - 1], []), at);
  return b.reshape(b.cast(b.gather(sorted!, place, shape.length - 1), dtype), type!.shape!);
};

/** How many boundaries lie below (or not above) each value: a comparison with all of them, summed. */
const bound =
  (comparison: "LESS" | "LESS_EQUAL"): Lowering =>
  ({inputs: [sorted, values], types: [type]}, b) => {
    const [s, v] = [b.shape(sorted!), b.shape(values!)];
    const left = b.reshape(sorted!, [...s.slice(0, -1), 1, s.at(-1)!]);
    const right = b.reshape(values!, [...v, 1]);
    const below = b.op(comparison, [left, right], {}, {type: {dtype: "bool", shape: [...v, s.at(-1)!]}});
    return b.cast(b.reduce("SUM", b.cast(below, "int32"), [v.length], false), type!.dtype);
  };

const bucketize: Lowering = ({inputs: [x], types: [type], site}, b) => {
  const boundaries = numbersAttribute(site, "boundaries");
  const shape = b.shape(x!);
  const wide = b.reshape(b.cast(x!, "float32"), [...shape, 1]);
  const reached = b.raw("GREATER_EQUAL", [wide, b.floats(boundaries)])[0]!;
  return b.cast(b.reduce("SUM", b.cast(reached, "int32"), [shape.length], false), type!.dtype);
};

export const reduceLowerings: LoweringTable = {
  Sum: reduce("SUM"),
  Mean: reduce("MEAN"),
  Max: reduce("REDUCE_MAX"),
  Min: reduce("REDUCE_MIN"),
  Prod: reduce("REDUCE_PROD"),
  Any: reduce("REDUCE_ANY"),
  All: reduce("REDUCE_ALL"),
  EuclideanNorm: (n, b) => {
    const squares = b.mul(n.inputs[0]!, n.inputs[0]!);
    return b.op("SQRT", [b.reduce("SUM", squares, axesOf(b, n), booleanAttribute(n.site, "keep_dims"))]);
  },
  L2Loss: ({inputs: [x]}, b) => {
    const axes = Array.from({length: b.rank(x!)}, (_, axis) => axis);
    return b.mul(b.reduce("SUM", b.mul(x!, x!), axes, false), b.scalar(0.5));
  },
  ArgMax: argument("ARG_MAX"),
  ArgMin: argument("ARG_MIN"),
  TopK: topK,
  TopKV2: topK,
  Cumsum: cumsum,
  Cumprod: cumprod,
  CumulativeLogsumexp: cumulativeLogSumExp,
  NthElement: nthElement,
  SegmentSum: sortedSegment("SUM"),
  SegmentMean: sortedSegment("MEAN"),
  SegmentMax: sortedSegment("MAX"),
  SegmentMin: sortedSegment("MIN"),
  SegmentProd: sortedSegment("PROD"),
  UnsortedSegmentSum: unsortedSegment("SUM"),
  UnsortedSegmentMax: unsortedSegment("MAX"),
  UnsortedSegmentMin: unsortedSegment("MIN"),
  UnsortedSegmentProd: unsortedSegment("PROD"),
  LowerBound: bound("LESS"),
  UpperBound: bound("LESS_EQUAL"),
  Bucketize: bucketize,
};
