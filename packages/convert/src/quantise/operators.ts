/**
 * `quantize: "keep"`: operators between values on levels compute with int8. Here q is quantised, [q] is DEQUANTIZE(q),
 * and {x} is QUANTIZE(x).
 *
 *     {f([q])}          →  f(q) on the levels of { }          what comes after decides: ADD, CONV_2D, MEAN
 *     g([q])            →  [g(q)] on the levels of q          moves numbers: RESHAPE, MAX_POOL_2D, PAD
 *     {g(f([q]))}       →  g(f(q)), both on the levels of { }
 *     {concat([q], x)}  →  concat({[q]}, {x})
 *     {[q]}             →  q, or {q} where the levels differ
 *
 * A convolution's weights have their zeros at level 0, its bias is int32 on the product of the other two scales. What has
 * no levels on all sides stays float.
 */
import {Tensor} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Node, type Quantisation, type Ref, refTo} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import type {Note, Pass} from "../passes/pass.ts";
import {dequantise, dequantised, quantise, quantisedConstant, sameLevels, symmetricLevels} from "./constants.ts";
import type {IoType} from "./interface.ts";
import {fixed, joins, levelled, moves, orders, type WeightedRow, weighted} from "./kernel-table.ts";
import {affineInt8, type QuantisedTensor, symmetricInt8} from "./levels.ts";
import {cutsNothing, wantedLevels} from "./wanted.ts";

const noOperators: OperatorTable = new Map();

/** Kernels of int8 that broadcast, or take several axes, take no more dimensions. */
const maxRank = 4;

const levelCount = 256;

/** Largest ratio of scales that kernels take. */
const maxScaleRatio = 2 ** 8;

export function quantiseOperators(ioType: IoType): Pass {
  return {
    name: "quantise-operators",
    run: (graph, tally, note) => {
      const wanted = wantedLevels(graph, ioType !== "float32");
      return rewriteGraph(graph, noOperators, (node, b) => {
        if (node.op === "tfl.QUANTIZE") return requantise(node, b);
        const result = quantiseNode(node, wanted.get(refTo(node.name)), b, note);
        if (result !== undefined) tally("operators computed with int8");
        return result;
      });
    },
  };
}

function requantise(node: Node, b: Rewriter): readonly Ref[] | undefined {
  const {quantisation} = node.outputs[0]!;
  const source = levelsAt(node.inputs[0]!, b);
  if (source === undefined || quantisation === undefined) return undefined;
  return [onLevels(source, quantisation, b)];
}

function quantiseNode(
  node: Node,
  wanted: Quantisation | undefined,
  b: Rewriter,
  note: Note,
): readonly Ref[] | undefined {
  const source = node.inputs[0] === undefined ? undefined : levelsAt(node.inputs[0], b);
  if (source && cutsNothing(node, b.type(source).quantisation!)) return [node.inputs[0]!];
  if (moves[node.op]) return move(node, moves[node.op]!.input, b);
  if (joins.has(node.op)) return join(node, wanted, b);
  if (orders.has(node.op)) return order(node, b);
  if (wanted === undefined) return undefined;
  if (weighted[node.op]) return product(node, weighted[node.op]!, wanted, b, note);
  if (levelled[node.op]) return pointwise(node, levelled[node.op]!, wanted, b);
  return sameLevels(fixed[node.op], wanted) ? pointwise(node, 1, wanted, b) : undefined;
}

/** The int8 value that a real one stands for, on one scale. */
function levelsAt(ref: Ref, b: Rewriter): Ref | undefined {
  const node = b.producer(ref);
  if (node?.op !== "tfl.DEQUANTIZE") return undefined;
  const {dtype, quantisation} = b.type(node.inputs[0]!);
  return dtype === "int8" && quantisation?.scale.length === 1 ? node.inputs[0]! : undefined;
}

const onLevels = (levels: Ref, wanted: Quantisation, b: Rewriter): Ref =>
  sameLevels(b.type(levels).quantisation, wanted) ? levels : quantise(levels, wanted, b);

/** Emits the node over integers; each result as real numbers. */
function emit(node: Node, inputs: readonly Ref[], quantisation: Quantisation, b: Rewriter): readonly Ref[] {
  const types = node.outputs.map(({shape}) => ({dtype: "int8" as const, shape, quantisation}));
  return b.emit(node.op, inputs, node.attributes, {types}).map((ref) => dequantise(ref, b));
}

function move(node: Node, input: number, b: Rewriter): readonly Ref[] | undefined {
  const levels = levelsAt(node.inputs[input]!, b);
  if (levels === undefined) return undefined;
  const inputs = node.inputs.map((ref, i) => (i === input ? levels : ref));
  return emit(node, inputs, b.type(levels).quantisation!, b);
}

function join(node: Node, wanted: Quantisation | undefined, b: Rewriter): readonly Ref[] | undefined {
  const levels = node.inputs.map((ref) => levelsAt(ref, b));
  const first = levels.find((each) => each !== undefined);
  if (first === undefined) return undefined;
  const own = b.type(first).quantisation!;
  const isOne = levels.every((each) => each !== undefined && sameLevels(b.type(each).quantisation, own));
  const target = wanted ?? (isOne ? own : undefined);
  if (target === undefined || isTooWide(node, b)) return undefined;
  const inputs = levels.map((each, i) =>
    each === undefined ? quantise(node.inputs[i]!, target, b) : onLevels(each, target, b),
  );
  return emit(node, inputs, target, b);
}

function order(node: Node, b: Rewriter): readonly Ref[] | undefined {
  const levels = levelsAt(node.inputs[0]!, b);
  if (levels === undefined) return undefined;
  return b.emit(node.op, [levels, ...node.inputs.slice(1)], node.attributes, {types: node.outputs});
}

function pointwise(node: Node, count: number, wanted: Quantisation, b: Rewriter): readonly Ref[] | undefined {
  const data = node.inputs.slice(0, count);
  if (isTooWide(node, b) || isTooLong(node, b) || !data.some((ref) => levelsAt(ref, b))) return undefined;
  const operands = data.map((ref) => operandLevels(ref, b));
  if (!operands.every((each) => each !== undefined)) return undefined;
  if (!isFineEnough(node.op, operands, wanted.scale[0]!)) return undefined;
  const levels = operands.map((each, i) =>
    typeof each.levels === "string"
      ? each.levels
      : b.constant(each.levels.value, `${b.producer(data[i]!)!.name}/int8`, each.levels.quantisation),
  );
  return emit(node, [...levels, ...node.inputs.slice(count)], wanted, b);
}

interface OperandLevels {
  /** A value of the graph, or a constant that isn't in it yet. */
  readonly levels: Ref | QuantisedTensor;
  readonly scale: number;
  /** How far a number of it is from its level, at most. */
  readonly error: number;
}

/** The levels that a value is on; for a constant without, some that its numbers span. */
function operandLevels(ref: Ref, b: Rewriter): OperandLevels | undefined {
  const levels = levelsAt(ref, b);
  if (levels !== undefined) return {levels, scale: b.type(levels).quantisation!.scale[0]!, error: 0};
  const value = b.constantAt(ref);
  const own = value?.dtype === "float32" ? affineInt8(value) : undefined;
  if (own === undefined) return undefined;
  const numbers = value!.data as Float32Array;
  const rounded = dequantised(own).data as Float32Array;
  const error = numbers.reduce((most, number, i) => Math.max(most, Math.abs(number - rounded[i]!)), 0);
  return {levels: own, scale: own.quantisation.scale[0]!, error};
}

/**
 * Whether the result is right to a level of its own: what constants are rounded by moves it by itself in a sum, and by
 * the largest number of the other side in a product; and kernels take scales that are up to 2^8 of the result's.
 */
function isFineEnough(op: string, operands: readonly OperandLevels[], wanted: number): boolean {
  const isSum = op === "tfl.ADD" || op === "tfl.SUB";
  const reach = (i: number) => (isSum ? 1 : levelCount * (operands[1 - i]?.scale ?? 1));
  const scales = operands.map(({scale}) => scale);
  const combined = isSum ? Math.max(...scales) : scales.reduce((a, b) => a * b, 1);
  return combined < wanted * maxScaleRatio && operands.every(({error}, i) => error * reach(i) <= wanted);
}

/** Sums of so many products of levels don't fit in 32 bits. */
function isTooLong(node: Node, b: Rewriter): boolean {
  if (node.op !== "tfl.BATCH_MATMUL") return false;
  const length = b.type(node.inputs[0]!).shape?.at(node.attributes.adjX === true ? -2 : -1);
  return typeof length !== "number" || length * levelCount ** 2 >= 2 ** 31;
}

const isTooWide = (node: Node, b: Rewriter): boolean =>
  [...node.inputs.map((ref) => b.type(ref)), ...node.outputs].some(({shape}) => (shape?.length ?? 9) > maxRank);

function product(
  node: Node,
  row: WeightedRow,
  wanted: Quantisation,
  b: Rewriter,
  note: Note,
): readonly Ref[] | undefined {
  const x = levelsAt(node.inputs[row.input]!, b);
  const weights = kernelWeights(node.inputs[row.weights]!, row.axis, b);
  if (x === undefined || weights === undefined) return undefined;
  const name = node.origin ?? node.name;
  const inScale = b.type(x).quantisation!.scale[0]!;
  if (weights.quantisation.scale.some((scale) => inScale * scale >= wanted.scale[0]! * maxScaleRatio)) return undefined;
  const inputs = [...node.inputs];
  const biasRef = inputs[row.bias];
  if (biasRef !== undefined && biasRef !== "") {
    const {size, shape} = weights.value;
    const largestSum = (levelCount - 1) * 128 * (size / shape[row.axis]!);
    const bias = int32Bias(biasRef, inScale, weights.quantisation.scale, 2 ** 31 - largestSum, b);
    if (typeof bias === "string") {
      note(`"${name}" is computed in float: ${bias}`);
      return undefined;
    }
    inputs[row.bias] = b.constant(bias.value, `${name}/bias/int32`, bias.quantisation);
  }
  if (weights.note !== undefined) note(`"${name}": ${weights.note}`);
  inputs[row.input] = x;
  inputs[row.weights] = b.constant(weights.value, `${name}/weights/int8`, weights.quantisation);
  return emit(node, inputs, wanted, b);
}

/** Weights with their zeros at level 0, with one scale or one for each index along `axis`; and what is to be told. */
function kernelWeights(ref: Ref, axis: number, b: Rewriter): (QuantisedTensor & {readonly note?: string}) | undefined {
  const constant = quantisedConstant(ref, b);
  if (constant === undefined) {
    const value = b.constantAt(ref);
    const own = value?.dtype === "float32" ? symmetricInt8(value, axis) : undefined;
    return own && {...own, note: "its weights have no range in the graph, and got that of their numbers"};
  }
  const {scale, axis: along} = constant.quantisation;
  const symmetric = scale.length === 1 || along === axis ? symmetricLevels(constant) : undefined;
  if (symmetric) return symmetric;
  const rounded = symmetricInt8(dequantised(constant), axis);
  return (
    rounded && {...rounded, note: "its weights' levels aren't symmetric around 0, and were rounded to some that are"}
  );
}

/** A bias on the levels of the sums that it is added to, or why it can't be there. */
function int32Bias(
  ref: Ref,
  inScale: number,
  weightScales: readonly number[],
  limit: number,
  b: Rewriter,
): QuantisedTensor | string {
  const levels = quantisedConstant(ref, b);
  const value = b.constantAt(ref) ?? (levels && dequantised(levels));
  if (value?.dtype !== "float32") return "its bias is computed";
  const scale = weightScales.map((each) => Math.fround(inScale * each));
  const numbers = Array.from(value.data as Float32Array, (each, i) =>
    Math.round(each / scale[scale.length === 1 ? 0 : i]!),
  );
  if (!numbers.every((each) => Math.abs(each) < limit)) return "with its bias its sums are beyond 32 bits";
  const bytes = new Uint8Array(Int32Array.from(numbers).buffer);
  return {value: new Tensor("int32", value.shape, bytes), quantisation: {scale, zero: scale.map(() => 0), axis: 0}};
}
