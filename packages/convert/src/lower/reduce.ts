/** Lowerings of reductions, scans, sorting and segments. */
import {isKnown, isStatic} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import {booleanAttribute, numberAttribute, numbersAttribute} from "../ir/operators.ts";
import {makeTensor} from "../ops/elements.ts";
import {normalAxis, product} from "../ops/shapes.ts";
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
    if (!keepDims) return b.refuse("its axes are computed, and so is the rank of its result");
    return b.op(op, [x!], {keepDims}, {operands: [b.cast(n.inputs[1]!, "int32")], type: n.types[0]!});
  };

const argument =
  (op: "ARG_MAX" | "ARG_MIN"): Lowering =>
  (n, b) => {
    const [x, axisRef] = n.inputs;
    const axis = normalAxis(n.site, b.integers(axisRef!, "axis")[0]!, b.rank(x!));
    const wanted = n.types[0]!.dtype;
    const dtype = wanted === "int32" || wanted === "int64" ? wanted : "int32";
    const source =
      b.dtype(x!) === "float32" || b.dtype(x!) === "int32"
        ? x!
        : b.cast(x!, b.dtype(x!) === "int64" ? b.refuse("int64 has no kernel") : "int32");
    const type = {dtype, shape: n.types[0]!.shape} as const;
    return b.cast(b.raw(op, [source, b.ints([axis], [])], {outputType: dtype.toUpperCase()}, [type])[0]!, wanted);
  };

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
 * kernels for segments make results whose shapes an engine can't know ahead.
 */
export function reduceSegments(b: Lowerer, x: Ref, ids: Ref, segments: number, op: SegmentOperator): Ref {
  const shape = b.shape(x);
  const [rows] = shape;
  if (b.rank(ids) !== 1) return b.refuse(`segment ids of rank ${b.rank(ids)}`);
  if (!isStatic(shape) || (product(shape) as number) * segments > maxSegmentElements)
    return b.refuse("its data is too large, or of unknown shape");
  const dtype = b.dtype(x);
  const {reducer, empty} = segmentReducers[op];
  const fill = dtype === "float32" ? empty : op === "MAX" ? -(2 ** 31) : op === "MIN" ? 2 ** 31 - 1 : empty;
  if (dtype !== "float32" && dtype !== "int32") return b.refuse(`segments of ${dtype}`);
  const numbers = b.ints(
    Array.from({length: segments}, (_, i) => i),
    [segments, 1],
  );
  const mask = b.raw("EQUAL", [numbers, b.reshape(b.cast(ids, "int32"), [1, rows!])])[0]!;
  const wide = b.reshape(mask, [segments, rows!, ...shape.slice(1).map(() => 1)]);
  const spread = b.select(wide, b.reshape(x, [1, ...shape]), b.like(fill, x));
  return b.reduce(reducer, spread, [1], false);
}

/** Negative ids belong to no segment. */
const unsortedSegment =
  (op: SegmentOperator): Lowering =>
  ({inputs: [x, ids, count]}, b) =>
    reduceSegments(b, x!, ids!, b.integers(count!, "number of segments")[0]!, op);

/** Sorted segments: their number follows from constant ids; where nothing fell is 0 (1 for products). */
const sortedSegment =
  (op: SegmentOperator | "MEAN"): Lowering =>
  ({inputs: [x, ids]}, b) => {
    const known = b.integers(ids!, "segment ids");
    const segments = (known.at(-1) ?? -1) + 1;
    const result = reduceSegments(b, x!, b.ints(known), segments, op === "MEAN" ? "SUM" : op);
    const counts = Array.from({length: segments}, (_, segment) => known.filter((id) => id === segment).length);
    const rows = [segments, ...Array.from({length: b.rank(x!) - 1}, () => 1)];
    if (op === "MEAN")
      return b.div(
        result,
        b.cast(
          b.floats(
            counts.map((count) => Math.max(1, count)),
            rows,
          ),
          b.dtype(x!),
        ),
      );
    if (!counts.includes(0) || op === "SUM" || op === "PROD") return result;
    const present = b.value(makeTensor("bool", rows, (i) => (counts[i]! > 0 ? 1 : 0)));
    return b.select(present, result, b.like(0, x!));
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
