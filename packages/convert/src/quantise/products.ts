/**
 * Products with weights over integers: convolutions and FULLY_CONNECTED. The bias is int32 on the product of the scales of
 * input and weights.
 *
 *     {conv([q], [w], b)}  →  conv(q, w, int32 b) on the levels of { }
 *
 * Kernels of int8 take weights with 0 at level 0. Where a range isn't symmetric, that takes more than eight bits; those of
 * uint8 take any zero, with one scale:
 *
 *     {conv([q], [w], b)}  →  int8 {conv(uint8 {q}, uint8 w, int32 b)}
 */
import {Tensor} from "@tf-trusted/tensor";
import type {Rewriter} from "../ir/builder.ts";
import {type Node, originOf, type Quantisation, type Ref} from "../ir/graph.ts";
import type {Note} from "../passes/pass.ts";
import {
  asUint8,
  dequantise,
  dequantised,
  emitQuantised,
  levelsAt,
  quantise,
  quantisedConstant,
  sameLevels,
  symmetricLevels,
} from "./constants.ts";
import {levelCount, maxScaleRatio, type WeightedRow} from "./kernel-table.ts";
import {type QuantisedTensor, symmetricInt8} from "./levels.ts";

interface Weights extends QuantisedTensor {
  /** What is to be told of them. */
  readonly note?: string;
}

export function quantiseProduct(
  node: Node,
  row: WeightedRow,
  wanted: Quantisation,
  b: Rewriter,
  note: Note,
): readonly Ref[] | undefined {
  const x = levelsAt(node.inputs[row.input]!, b);
  const weights = x === undefined ? undefined : weightsOf(node.inputs[row.weights]!, row.axis, b);
  if (x === undefined || weights === undefined) return undefined;
  const {scale} = weights.quantisation;
  const inScale = b.type(x).quantisation!.scale[0]!;
  if (scale.some((each) => inScale * each >= wanted.scale[0]! * maxScaleRatio)) return undefined;
  const name = originOf(node);
  const inputs = [...node.inputs];
  const biasRef = inputs[row.bias] ?? "";
  if (biasRef !== "") {
    const {size, shape} = weights.value;
    const largestSum = levelCount ** 2 * (size / shape[row.axis]!);
    const bias = int32Bias(biasRef, inScale, scale, 2 ** 31 - largestSum, b);
    if (typeof bias === "string") {
      note(`"${name}" is computed in float: ${bias}`);
      return undefined;
    }
    inputs[row.bias] = b.constant(bias.value, `${name}/bias/int32`, bias.quantisation);
  }
  if (weights.note !== undefined) note(`"${name}": ${weights.note}`);
  const isUint8 = weights.value.dtype === "uint8";
  inputs[row.input] = isUint8 ? asUint8Value(x, b) : x;
  inputs[row.weights] = b.constant(weights.value, `${name}/weights/${weights.value.dtype}`, weights.quantisation);
  return isUint8 ? emitUint8(node, inputs, wanted, b) : emitQuantised(node, inputs, wanted, b);
}

/** Weights as kernels take them: with one scale, or zeros at level 0 and a scale for each index along `axis`. */
function weightsOf(ref: Ref, axis: number, b: Rewriter): Weights | undefined {
  const constant = quantisedConstant(ref, b);
  if (constant === undefined) {
    const value = b.constantAt(ref);
    const own = value?.dtype === "float32" ? symmetricInt8(value, axis) : undefined;
    return own && {...own, note: "its weights have no range in the graph, and got that of their numbers"};
  }
  const {scale, axis: along} = constant.quantisation;
  const symmetric = scale.length === 1 || along === axis ? symmetricLevels(constant) : undefined;
  if (symmetric) return symmetric;
  if (scale.length === 1) return uint8Weights(constant);
  const rounded = symmetricInt8(dequantised(constant), axis);
  return rounded && {...rounded, note: "its weights' levels aren't those that kernels take, and were rounded to some"};
}

function uint8Weights({value, quantisation}: QuantisedTensor): QuantisedTensor {
  const levels = Uint8Array.from(value.data as Int8Array, (level) => level + 128);
  return {value: new Tensor("uint8", value.shape, levels), quantisation: asUint8(quantisation)};
}

/** The same levels in uint8; those that an int8 value was made from, if they were. */
function asUint8Value(x: Ref, b: Rewriter): Ref {
  const levels = asUint8(b.type(x).quantisation!);
  const node = b.producer(x)!;
  const source = node.op === "tfl.QUANTIZE" ? node.inputs[0]! : undefined;
  if (source === undefined) return quantise(x, levels, b, "uint8");
  const {dtype, quantisation} = b.type(source);
  if (dtype === "uint8" && sameLevels(quantisation, levels)) return source;
  return quantise(dtype === "float32" ? source : x, levels, b, "uint8");
}

function emitUint8(node: Node, inputs: readonly Ref[], wanted: Quantisation, b: Rewriter): readonly Ref[] {
  const {shape} = node.outputs[0]!;
  const type = {dtype: "uint8" as const, shape, quantisation: asUint8(wanted)};
  const levels = b.op(node.op, inputs, node.attributes, {types: [type]});
  return [dequantise(quantise(levels, wanted, b), b)];
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
