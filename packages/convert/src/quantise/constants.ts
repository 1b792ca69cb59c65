/**
 * Constants on levels: int8 constants with scales, dequantised where they are used. Lowerings see their values, and move
 * them without leaving their levels.
 */
import {Tensor} from "@tf-trusted/tensor";
import type {GraphBuilder} from "../ir/builder.ts";
import {constantOf, type Node, type Quantisation, type Ref} from "../ir/graph.ts";
import {float32Tensor, transposeTensor} from "../ops/elements.ts";
import {type QuantisedTensor, splitAt} from "./levels.ts";

type View = Pick<GraphBuilder, "producer">;

/** The constant that a value is, on its levels. */
export function quantisedConstant(ref: Ref, view: View): QuantisedTensor | undefined {
  const node = view.producer(ref);
  if (node?.op !== "tfl.DEQUANTIZE") return undefined;
  const source = view.producer(node.inputs[0]!);
  const [value, quantisation] = [constantOf(source), source?.outputs[0]?.quantisation];
  return value?.dtype === "int8" && quantisation ? {value, quantisation} : undefined;
}

/** For each element, the index of its scale. */
function channelOf({value, quantisation}: QuantisedTensor): (index: number) => number {
  const {channels, inner} = splitAt(value.shape, quantisation.scale.length === 1 ? undefined : quantisation.axis);
  return (index) => Math.floor(index / inner) % channels;
}

/** scale·(level − zero) */
export function dequantised(constant: QuantisedTensor): Tensor {
  const {scale, zero} = constant.quantisation;
  const channel = channelOf(constant);
  const levels = constant.value.data as Int8Array;
  const numbers = Float32Array.from(levels, (level, i) => scale[channel(i)]! * (level - zero[channel(i)]!));
  return float32Tensor(numbers, constant.value.shape);
}

export function transposedLevels({value, quantisation}: QuantisedTensor, order: readonly number[]): QuantisedTensor {
  const axis = quantisation.scale.length === 1 ? 0 : order.indexOf(quantisation.axis);
  return {value: transposeTensor(value, order), quantisation: {...quantisation, axis}};
}

/** `undefined` where the scales are along no axis of the new shape. */
export function reshapedLevels(constant: QuantisedTensor, shape: readonly number[]): QuantisedTensor | undefined {
  const {quantisation} = constant;
  const value = constant.value.reshape(shape);
  if (quantisation.scale.length === 1 || value.size === 0) {
    const one = {scale: quantisation.scale.slice(0, 1), zero: quantisation.zero.slice(0, 1), axis: 0};
    return {value, quantisation: one};
  }
  const before = channelOf(constant);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const {channels, inner} = splitAt(shape, axis);
    const sources = Array.from({length: channels}, (_, c) => before(c * inner));
    let isAlong = true;
    for (let i = 0; i < value.size && isAlong; i++) {
      isAlong = before(i) === sources[Math.floor(i / inner) % channels];
    }
    if (!isAlong) continue;
    const pick = (values: readonly number[]) => sources.map((c) => values[c]!);
    return {value, quantisation: {scale: pick(quantisation.scale), zero: pick(quantisation.zero), axis}};
  }
  return undefined;
}

/** The same numbers with all zeros at level 0, as kernels take weights; `undefined` where that takes more than 8 bits. */
export function symmetricLevels(constant: QuantisedTensor): QuantisedTensor | undefined {
  const {value, quantisation} = constant;
  const {scale, zero, axis} = quantisation;
  if (zero.every((each) => each === 0)) return constant;
  const channel = channelOf(constant);
  const levels = Array.from(value.data as Int8Array, (level, i) => level - zero[channel(i)]!);
  if (!levels.every((level) => level >= -128 && level <= 127)) return undefined;
  return {value: int8Tensor(value.shape, levels), quantisation: {scale, zero: zero.map(() => 0), axis}};
}

/** Numbers that are on levels of int8, or nearly: the nearest levels. */
export function onLevelsOf(value: Tensor, quantisation: Quantisation): QuantisedTensor {
  const {scale, zero} = quantisation;
  const channel = channelOf({value, quantisation});
  const levels = Array.from(value.data as Float32Array, (number, i) => {
    const level = Math.round(number / scale[channel(i)]!) + zero[channel(i)]!;
    return Math.max(-128, Math.min(127, level));
  });
  return {value: int8Tensor(value.shape, levels), quantisation};
}

export function int8Tensor(shape: readonly number[], levels: readonly number[]): Tensor {
  return new Tensor("int8", shape, new Uint8Array(Int8Array.from(levels).buffer));
}

/** Adds the constant to a graph and gives the real numbers that it stands for. */
export function emitConstant({value, quantisation}: QuantisedTensor, b: GraphBuilder, name?: string): Ref {
  return dequantise(b.constant(value, name, quantisation), b);
}

/** The real numbers that quantised integers, or float16, stand for. */
export function dequantise(ref: Ref, b: GraphBuilder): Ref {
  return b.op("tfl.DEQUANTIZE", [ref], {}, {types: [{dtype: "float32", shape: b.type(ref).shape}]});
}

/** Real numbers, or integers on other levels, on the levels of `quantisation`. */
export function quantise(ref: Ref, quantisation: Quantisation, b: GraphBuilder, dtype: "int8" | "uint8" = "int8"): Ref {
  return b.op("tfl.QUANTIZE", [ref], {}, {types: [{dtype, shape: b.type(ref).shape, quantisation}]});
}

/** The int8 value that a real one stands for, on one scale. */
export function levelsAt(ref: Ref, b: GraphBuilder): Ref | undefined {
  const node = b.producer(ref);
  if (node?.op !== "tfl.DEQUANTIZE") return undefined;
  const {dtype, quantisation} = b.type(node.inputs[0]!);
  return dtype === "int8" && quantisation?.scale.length === 1 ? node.inputs[0]! : undefined;
}

/** A quantised value on other levels, if they are others. */
export const toLevels = (levels: Ref, wanted: Quantisation, b: GraphBuilder): Ref =>
  sameLevels(b.type(levels).quantisation, wanted) ? levels : quantise(levels, wanted, b);

/** Emits the node over int8, its results on one set of levels; gives them as real numbers. */
export function emitQuantised(
  node: Node,
  inputs: readonly Ref[],
  quantisation: Quantisation,
  b: GraphBuilder,
): readonly Ref[] {
  const types = node.outputs.map(({shape}) => ({dtype: "int8" as const, shape, quantisation}));
  return b.emit(node.op, inputs, node.attributes, {types}).map((ref) => dequantise(ref, b));
}

/** uint8 has the levels of int8, 128 higher. */
export const asUint8 = (levels: Quantisation): Quantisation => ({
  ...levels,
  zero: levels.zero.map((each) => each + 128),
});

export function sameLevels(a: Quantisation | undefined, b: Quantisation | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  const same = (p: readonly number[], q: readonly number[]) => p.length === q.length && p.every((x, i) => x === q[i]);
  return same(a.scale, b.scale) && same(a.zero, b.zero) && (a.scale.length === 1 || a.axis === b.axis);
}
