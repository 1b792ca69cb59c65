/** Lowerings of what counts, picks, scatters and draws: histograms, scatter updates, suppression, random numbers. */
import {isKnown, isStatic, type Shape, unknownDim} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import {booleanAttribute, numberAttribute} from "../ir/operators.ts";
import {broadcastShapes, product} from "../ops/shapes.ts";
import type {LoweredNode, Lowerer, Lowering, LoweringTable} from "./lowerer.ts";
import {reduceSegments} from "./reduce.ts";

const maxMatches = 1 << 22;

/** Indices of depth d into the leading dimensions of x, as indices into those dimensions flattened. */
function flatIndices(
  b: Lowerer,
  indices: Ref,
  shape: readonly number[],
): {readonly ids: Ref; readonly rows: number; readonly count: number; readonly depth: number} {
  const own = b.shape(indices);
  const depth = own.at(-1)!;
  if (!isStatic(own) || !isKnown(depth)) return b.refuse("the shape of its indices isn't known");
  if (depth > shape.length) return b.refuse(`indices of ${depth} numbers into ${shape.length} dimensions`);
  const leading = shape.slice(0, depth);
  const count = product(own.slice(0, -1)) as number;
  const weights = leading.map((_, i) => leading.slice(i + 1).reduce((a, c) => a * c, 1));
  const matrix = b.reshape(b.cast(indices, "int32"), [count, depth]);
  return {
    ids: b.reduce("SUM", b.mul(matrix, b.ints(weights, [1, depth])), [1], false),
    rows: leading.reduce((a, c) => a * c, 1),
    count,
    depth,
  };
}

function staticShape(b: Lowerer, x: Ref): readonly number[] {
  const shape = b.shape(x);
  return isStatic(shape) ? shape : b.refuse("the shape of its operand isn't known");
}

/** For each row of x the last update that names it, found by comparing all indices with all rows. */
const scatterUpdate: Lowering = ({inputs: [x, indices, updates]}, b) => {
  const shape = staticShape(b, x!);
  const {ids, rows, count, depth} = flatIndices(b, indices!, shape);
  if (rows * count > maxMatches) return b.refuse("too many indices");
  const numbers = b.ints(
    Array.from({length: b.bounded(rows)}, (_, i) => i),
    [rows, 1],
  );
  const matches = b.cast(b.raw("EQUAL", [numbers, b.reshape(ids, [1, count])])[0]!, "int32");
  const ordinals = b.ints(
    Array.from({length: b.bounded(count)}, (_, i) => i + 1),
    [1, count],
  );
  const last = b.reduce("REDUCE_MAX", b.mul(matches, ordinals), [1], false);
  const hit = b.raw("GREATER", [last, b.ints([0], [])])[0]!;
  const pick = b.binary("MAXIMUM", b.sub(last, b.ints([1], [])), b.ints([0], []));
  const rest = shape.slice(depth);
  const values = b.gather(b.reshape(updates!, [count, ...rest]), pick, 0);
  const wide = b.reshape(hit, [rows, ...rest.map(() => 1)]);
  return b.reshape(b.select(wide, values, b.reshape(x!, [rows, ...rest])), shape);
};

const scatterExtreme =
  (op: "MAX" | "MIN"): Lowering =>
  ({inputs: [x, indices, updates]}, b) => {
    const shape = staticShape(b, x!);
    const {ids, rows, count, depth} = flatIndices(b, indices!, shape);
    const rest = shape.slice(depth);
    const extremes = reduceSegments(b, b.reshape(updates!, [count, ...rest]), ids, rows, op);
    return b.binary(op === "MAX" ? "MAXIMUM" : "MINIMUM", x!, b.reshape(extremes, shape));
  };

/** Their number is known in the run only: the engine settles it for each call. */
const where: Lowering = ({inputs: [x], types: [type]}, b) => {
  const takes = ["float32", "int32", "int64", "bool"];
  const condition = takes.includes(b.dtype(x!))
    ? x!
    : b.cast(x!, b.dtype(x!).startsWith("float") ? "float32" : "int32");
  return b.raw("WHERE", [condition], {}, [type!])[0]!;
};

/** Values, places and counts: the latter by their places' one-hot rows. */
const unique: Lowering = ({inputs: [x], types: [values, indices, counts]}, b) => {
  if (!["float32", "int8", "int16", "int32", "int64", "uint8"].includes(b.dtype(x!))) {
    return b.refuse(`TensorFlow Lite has no UNIQUE for ${b.dtype(x!)}`);
  }
  if (b.rank(x!) !== 1) return b.refuse(`slices of a tensor of rank ${b.rank(x!)}; only elements of a vector`);
  const [found, at] = b.raw("UNIQUE", [x!], {idxOutType: "INT32"}, [values!, {...indices!, dtype: "int32"}]);
  const places = b.cast(at!, indices!.dtype);
  if (counts === undefined) return [found!, places];
  const size = b.reshape(b.dimension(found!, 0), []);
  return [found!, places, b.cast(countIds(b, at!, size, undefined, 0), counts.dtype)];
};

/** Flat places of what a condition picks, in order. */
function placesOf(b: Lowerer, condition: Ref): Ref {
  const places = b.raw("WHERE", [condition], {}, [{dtype: "int64", shape: [unknownDim, 1]}])[0]!;
  return b.reshape(b.cast(places, "int32"), [unknownDim]);
}

/** The elements that equal none of the others, by comparing all with all. */
const listDiff: Lowering = ({inputs: [x, y], types: [, at]}, b) => {
  const [n, m] = [b.shape(x!)[0]!, b.shape(y!)[0]!];
  if (m === 0) {
    const size = b.reshape(b.dimension(x!, 0), []);
    const all = b.raw("RANGE", [b.ints([0], []), size, b.ints([1], [])], {}, [{dtype: "int32", shape: [n]}])[0]!;
    return [x!, b.cast(all, at!.dtype)];
  }
  if (isKnown(n) && isKnown(m) && n * m > maxMatches) return b.refuse("too many elements");
  const [rows, columns] = [b.reshape(x!, [n, 1]), b.reshape(y!, [1, m])];
  const matches = b.op("EQUAL", [rows, columns], {}, {type: {dtype: "bool", shape: [n, m]}});
  const isMember = b.reduce("REDUCE_ANY", matches, [1], false);
  const places = placesOf(b, b.raw("LOGICAL_NOT", [isMember])[0]!);
  return [b.gather(x!, places, 0), b.cast(places, at!.dtype)];
};

/** For each part the rows whose number it is. */
const dynamicPartition: Lowering = ({inputs: [x, parts], types}, b) => {
  const rank = b.rank(parts!);
  const row = b.shape(x!).slice(rank);
  const count = product(b.shape(x!).slice(0, rank));
  const [rows, owners] = [b.reshape(x!, [count, ...row]), b.reshape(parts!, [product(b.shape(parts!))])];
  return types.map((_, part) => b.gather(rows, placesOf(b, b.raw("EQUAL", [owners, b.ints([part], [])])[0]!), 0));
};

const invertPermutation: Lowering = ({inputs: [x], types: [type]}, b) => {
  const [n] = staticShape(b, x!);
  const column = b.reshape(b.cast(x!, "int32"), [n!, 1]);
  const numbers = b.ints(Array.from({length: b.bounded(n!)}, (_, i) => i));
  const inverse = b.raw("SCATTER_ND", [column, numbers, b.ints([n!])], {}, [{dtype: "int32", shape: [n!]}])[0]!;
  return b.cast(inverse, type!.dtype);
};

/** How many predictions of a row are larger than the target's: fewer than k. */
const inTopK: Lowering = ({inputs: [predictions, targets, k]}, b) => {
  const [rows, classes] = b.shape(predictions!) as Shape & readonly [number, number];
  const ids = b.reshape(b.cast(targets!, "int32"), [rows, 1]);
  const score = b.raw("GATHER", [predictions!, ids], {axis: 1, batchDims: 1}, [
    {dtype: "float32", shape: [rows, 1]},
  ])[0]!;
  if (!isKnown(classes)) return b.refuse("the number of classes isn't known");
  const larger = b.cast(b.raw("GREATER", [predictions!, score])[0]!, "int32");
  const count = b.reduce("SUM", larger, [1], false);
  const finite = b.raw("EQUAL", [b.mul(score, b.scalar(0)), b.scalar(0)])[0]!;
  const few = b.raw("LESS", [count, b.cast(k!, "int32")])[0]!;
  return b.raw("LOGICAL_AND", [few, b.reshape(finite, [rows])])[0]!;
};

/** One-hot rows, summed. Ids beyond the size count nowhere. */
function countIds(b: Lowerer, ids: Ref, size: number | Ref, weights: Ref | undefined, axis: number): Ref {
  const depth = typeof size === "number" ? b.ints([size], []) : size;
  const type = {dtype: "float32", shape: [...b.shape(ids), typeof size === "number" ? size : unknownDim]} as const;
  const hot = b.raw("ONE_HOT", [b.cast(ids, "int32"), depth, b.scalar(1), b.scalar(0)], {axis: -1}, [type])[0]!;
  const weighted = weights === undefined ? hot : b.mul(hot, b.reshape(weights, [...b.shape(weights), 1]));
  return b.reduce("SUM", weighted, [axis], false);
}

/** Counts are exact below 2^24 of one kind. */
function counted({inputs: [, size, weights], types: [type], site}: LoweredNode, b: Lowerer, ids: Ref): Ref {
  const rank = b.rank(ids);
  const isWeighted = !b.shape(weights!).includes(0);
  const dtype = b.dtype(weights!);
  if (dtype !== "float32" && isWeighted) return b.refuse(`weights of ${dtype}`);
  const own = isWeighted ? b.reshape(weights!, b.shape(ids)) : undefined;
  const count = b.known(size!)?.[0] ?? b.reshape(b.cast(size!, "int32"), []);
  const sums = countIds(b, ids, count, own, rank - 1);
  const result = booleanAttribute(site, "binary_output") ? b.binary("MINIMUM", sums, b.scalar(1)) : sums;
  return b.cast(result, type!.dtype);
}

const denseBincount: Lowering = (n, b) => counted(n, b, n.inputs[0]!);

/** Counts all elements, whatever the shape. */
const bincount: Lowering = (n, b) => counted(n, b, b.reshape(n.inputs[0]!, [product(b.shape(n.inputs[0]!))]));

/** floor((x − low)·n/(high − low)), at the edges the first and last bin. */
const histogram: Lowering = ({inputs: [values, range, bins], types: [type]}, b) => {
  const [count] = b.integers(bins!, "number of bins");
  const edge = (i: number) => b.reshape(b.slice(range!, [i], [1]), []);
  const [low, high] = [edge(0), edge(1)];
  const scaled = b.mul(b.div(b.sub(values!, low), b.sub(high, low)), b.scalar(count!));
  const clipped = b.binary("MINIMUM", b.binary("MAXIMUM", b.op("FLOOR", [scaled]), b.scalar(0)), b.scalar(count! - 1));
  const size = product(b.shape(values!));
  const ids = b.reshape(b.cast(clipped, "int32"), [size]);
  return b.cast(countIds(b, ids, count!, undefined, 0), type!.dtype);
};

/** a & b of 32 bits: 2·((a≫1) & (b≫1)) is the sum of the halves less their exclusive or, and the last bits multiply. */
function bitwiseAnd(b: Lowerer, x: Ref, y: Ref): Ref {
  const one = b.ints([1], []);
  const half = (value: Ref) => b.raw("RIGHT_SHIFT", [value, b.add(b.mul(value, b.ints([0], [])), one)])[0]!;
  const [hx, hy] = [half(x), half(y)];
  const double = b.sub(b.add(hx, hy), b.raw("BITWISE_XOR", [hx, hy])[0]!);
  const [lx, ly] = [b.sub(x, b.add(hx, hx)), b.sub(y, b.add(hy, hy))];
  return b.add(double, b.mul(lx, ly));
}

const bitwise =
  (f: (b: Lowerer, x: Ref, y: Ref) => Ref, halves: boolean): Lowering =>
  ({inputs: [x, y], site}, b) => {
    const dtype = b.dtype(x!);
    // Of 64 bits each half by itself: but what moves bits moves them between halves.
    if (dtype === "int64" && halves) {
      const shape = broadcastShapes(site, b.shape(x!), b.shape(y!))!;
      const pair = (ref: Ref) => {
        const own = b.shape(ref);
        return b.raw("BITCAST", [ref], {}, [{dtype: "int32", shape: [...own, 2]}])[0]!;
      };
      const result = f(b, pair(x!), pair(y!));
      return b.raw("BITCAST", [result], {}, [{dtype, shape}])[0]!;
    }
    if (!["int8", "int16", "int32", "uint8", "uint16"].includes(dtype)) return b.refuse(`bits of ${dtype}`);
    return b.cast(f(b, b.cast(x!, "int32"), b.cast(y!, "int32")), dtype);
  };

const random =
  (op: "RANDOM_UNIFORM" | "RANDOM_STANDARD_NORMAL"): Lowering =>
  (n, b) => {
    if (n.types[0]!.dtype !== "float32") return b.refuse(`random numbers of ${n.types[0]!.dtype}`);
    b.note(`${n.op}: the same distribution as in TensorFlow, not the same numbers`);
    return draw(n, b, op, n.inputs[0]!);
  };

function draw(n: LoweredNode, b: Lowerer, op: string, shape: Ref): Ref {
  const seeds = {seed: numberAttribute(n.site, "seed", 0), seed2: numberAttribute(n.site, "seed2", 0)};
  return b.raw(op, [b.operand(shape)], seeds, [{dtype: "float32", shape: n.types[0]!.shape}])[0]!;
}

/** low + floor(u·(high − low)), of which the last is kept out by rounding errors. */
const randomInt: Lowering = (n, b) => {
  const [shape, low, high] = n.inputs;
  const {dtype} = n.types[0]!;
  const [from, to] = [b.integers(low!, "minval")[0]!, b.integers(high!, "maxval")[0]!];
  if (to - from > 2 ** 23) return b.refuse("a range that float32 can't hold");
  b.note(`${n.op}: the same distribution as in TensorFlow, not the same numbers`);
  const steps = b.op("FLOOR", [b.mul(draw(n, b, "RANDOM_UNIFORM", shape!), b.scalar(to - from))]);
  return b.cast(b.add(b.binary("MINIMUM", steps, b.scalar(to - from - 1)), b.scalar(from)), dtype);
};

export const selectionLowerings: LoweringTable = {
  TensorScatterUpdate: scatterUpdate,
  TensorScatterMax: scatterExtreme("MAX"),
  TensorScatterMin: scatterExtreme("MIN"),
  InvertPermutation: invertPermutation,
  Where: where,
  Unique: unique,
  UniqueV2: unique,
  UniqueWithCounts: unique,
  UniqueWithCountsV2: unique,
  ListDiff: listDiff,
  DynamicPartition: dynamicPartition,
  InTopKV2: inTopK,
  Bincount: bincount,
  DenseBincount: denseBincount,
  HistogramFixedWidth: histogram,
  BitwiseAnd: bitwise(bitwiseAnd, true),
  BitwiseOr: bitwise((b, x, y) => b.add(b.raw("BITWISE_XOR", [x, y])[0]!, bitwiseAnd(b, x, y)), true),
  BitwiseXor: bitwise((b, x, y) => b.raw("BITWISE_XOR", [x, y])[0]!, true),
  LeftShift: bitwise((b, x, y) => b.mul(x, b.binary("POW", b.ints([2], []), y)), false),
  RandomUniform: random("RANDOM_UNIFORM"),
  RandomStandardNormal: random("RANDOM_STANDARD_NORMAL"),
  RandomUniformInt: randomInt,
};
