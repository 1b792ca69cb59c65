/** Lowerings of what puts rows together by indices, of losses by class, and of draws by weight. */
import type {DType} from "@tf-trusted/tensor";
import {isKnown, isStatic, type Shape, unknownDim} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import {numberAttribute} from "../ir/operators.ts";
import {makeTensor} from "../ops/elements.ts";
import {product} from "../ops/shapes.ts";
import {stitchedRows} from "../ops/tf/stitching.ts";
import type {LoweredNode, Lowerer, Lowering, LoweringTable} from "./lowerer.ts";
import {ACTIVATION} from "./neural.ts";
import {erfinv} from "./special.ts";

/** All rows in one tensor, of which each row of the result is the last one that has its index. */
const stitch: Lowering = ({inputs, types: [type], site}, b) => {
  const count = inputs.length / 2;
  const rows = stitchedRows(site);
  const element = type!.shape?.slice(1) ?? b.refuse("the rank of an input isn't known");
  if (rows === undefined) return stitchComputed(b, inputs, element);
  const lists = inputs.slice(0, count).map((ref) => b.integers(ref, "indices"));
  // Of equal indices the last counts.
  const places = new Map(lists.flat().map((row, place) => [row, place]));
  const sources: number[] = [];
  for (let row = 0; row < rows; row++) {
    const place = places.get(row) ?? b.refuse(`no index is ${row}: TensorFlow leaves that row undefined`);
    sources.push(place);
  }
  const data = inputs.slice(count).map((ref, i) => b.reshape(ref, [lists[i]!.length, ...element]));
  return b.gather(b.concat(data, 0), b.ints(sources), 0);
};

/**
 * For indices that are computed: the last place of each row among all indices is found by comparing all rows with all of
 * them, counted from 1; place 0 is a row of zeros, for what no index names.
 */
function stitchComputed(b: Lowerer, inputs: readonly Ref[], element: Shape): Ref {
  const count = inputs.length / 2;
  const flat = (ref: Ref, rest: Shape) => {
    const own = b.shape(ref);
    return b.reshape(ref, [product(own.slice(0, own.length - rest.length)), ...rest]);
  };
  if (!isStatic(element)) return b.refuse("its indices are computed, and the size of its elements isn't known");
  const indices = b.concat(
    inputs.slice(0, count).map((ref) => flat(b.cast(ref, "int32"), [])),
    0,
  );
  const data = inputs.slice(count).map((ref) => flat(ref, element));
  const one = b.ints([1], []);
  const upTo = (from: Ref, end: Ref) =>
    b.raw("RANGE", [from, end, one], {}, [{dtype: "int32", shape: [unknownDim]}])[0]!;
  const rows = upTo(b.ints([0], []), b.add(b.reduce("REDUCE_MAX", indices, [0], false), one));
  const places = upTo(one, b.add(b.reshape(b.dimension(indices, 0), []), one));
  const [column, line] = [b.reshape(rows, [unknownDim, 1]), b.reshape(indices, [1, unknownDim])];
  const type = {dtype: "int32", shape: [unknownDim, unknownDim]} as const;
  const matches = b.raw("EQUAL", [column, line], {}, [{...type, dtype: "bool"}])[0]!;
  const numbered = b.op("MUL", [b.cast(matches, "int32"), places], ACTIVATION, {type});
  const last = b.reduce("REDUCE_MAX", numbered, [1], false);
  const dtype = b.dtype(data[0]!) as DType;
  const nothing = b.value(makeTensor(dtype, [1, ...element], () => 0));
  return b.gather(b.concat([nothing, ...data], 0), last, 0);
}

const sparseDenseAdd: Lowering = ({inputs: [indices, values, , dense]}, b) => {
  const shape = b.shape(dense!);
  const dtype = b.dtype(dense!);
  const sizes = shape.every(isKnown)
    ? b.ints(shape as readonly number[])
    : b.raw("SHAPE", [dense!], {outType: "INT32"})[0]!;
  const wide = dtype === "float32" ? values! : b.cast(values!, "int32");
  if (dtype === "int64") b.note("sparse values of int64 are added in int32: values beyond 2^31 would wrap around");
  const spread = b.raw("SCATTER_ND", [b.cast(indices!, "int32"), wide, sizes], {}, [{dtype: b.dtype(wide), shape}])[0]!;
  return b.add(b.cast(spread, dtype), dense!);
};

/** −log softmax at the label; its gradient is softmax less one at the label. */
const sparseCrossEntropy: Lowering = ({inputs: [logits, labels], types: [loss, gradient]}, b) => {
  const shape = b.shape(logits!);
  const [rows, classes] = [product(shape.slice(0, -1)), shape.at(-1)!];
  if (b.dtype(logits!) !== "float32" || !isKnown(classes)) return b.refuse("the number of classes isn't known");
  const flat = b.reshape(logits!, [rows, classes]);
  const ids = b.reshape(b.cast(labels!, "int32"), [rows]);
  const hot = b.raw("ONE_HOT", [ids, b.ints([classes], []), b.scalar(1), b.scalar(0)], {axis: -1}, [
    {dtype: "float32", shape: [rows, classes]},
  ])[0]!;
  const logs = b.op("LOG_SOFTMAX", [flat]);
  const chosen = b.select(b.raw("GREATER", [hot, b.scalar(0)])[0]!, logs, b.scalar(0));
  const losses = b.op("NEG", [b.reduce("SUM", chosen, [1], false)]);
  // A label that is no class has no loss.
  const isClass = b.raw("GREATER", [b.reduce("SUM", hot, [1], false), b.scalar(0)])[0]!;
  const valid = b.select(isClass, losses, b.scalar(Number.NaN));
  const back = b.sub(b.op("SOFTMAX", [flat], {beta: 1}), hot);
  const wide = b.select(b.reshape(isClass, [rows, 1]), back, b.scalar(Number.NaN));
  return [b.reshape(valid, loss!.shape!), b.reshape(wide, gradient!.shape!)];
};

function uniform(n: LoweredNode, b: Lowerer, shape: Ref, dims: LoweredNode["types"][number]["shape"]): Ref {
  const seeds = {seed: numberAttribute(n.site, "seed", 0), seed2: numberAttribute(n.site, "seed2", 0)};
  b.note(`${n.op}: the same distribution as in TensorFlow, not the same numbers`);
  return b.raw("RANDOM_UNIFORM", [shape], seeds, [{dtype: "float32", shape: dims}])[0]!;
}

/** √2·erf⁻¹(u) for u uniform within ±erf(√2): the normal distribution between −2 and 2. */
const truncatedNormal: Lowering = (n, b) => {
  const [type] = n.types;
  if (type!.dtype !== "float32") return b.refuse(`random numbers of ${type!.dtype}`);
  const u = uniform(n, b, b.operand(n.inputs[0]!), type!.shape);
  const limit = 0.9544997361036416;
  return b.mul(erfinv(b, b.mul(b.sub(u, b.scalar(0.5)), b.scalar(2 * limit))), b.scalar(Math.SQRT2));
};

/** The class whose logit is largest after −log(−log u) was added to each is drawn by its weight (Gumbel). */
const multinomial: Lowering = (n, b) => {
  const [logits] = n.inputs;
  const [type] = n.types;
  const [rows, classes] = b.shape(logits!);
  const draws = b.integers(n.inputs[1]!, "number of samples")[0]!;
  if (!isKnown(rows!) || !isKnown(classes!)) return b.refuse("the shape of its logits isn't known");
  if (b.dtype(logits!) !== "float32") return b.refuse(`logits of ${b.dtype(logits!)}`);
  const u = uniform(n, b, b.ints([rows, draws, classes]), [rows, draws, classes]);
  const log = (x: Ref) => b.op("LOG", [x]);
  const noise = b.op("NEG", [log(b.op("NEG", [log(u)]))]);
  const scores = b.add(b.reshape(logits!, [rows, 1, classes]), noise);
  const found = b.raw("ARG_MAX", [scores, b.ints([2], [])], {outputType: "INT32"}, [
    {dtype: "int32", shape: [rows, draws]},
  ])[0]!;
  return b.cast(found, type!.dtype);
};

export const stitchingLowerings: LoweringTable = {
  DynamicStitch: stitch,
  ParallelDynamicStitch: stitch,
  ParallelConcat: ({inputs}, b) => b.concat(inputs, 0),
  SparseTensorDenseAdd: sparseDenseAdd,
  SparseSoftmaxCrossEntropyWithLogits: sparseCrossEntropy,
  TruncatedNormal: truncatedNormal,
  Multinomial: multinomial,
};
