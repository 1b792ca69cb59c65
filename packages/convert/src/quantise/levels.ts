/** Numbers as integers on a scale: symmetric int8 for weights, and the arithmetic that all of quantisation shares. */
import {Tensor} from "@tf-trusted/tensor";
import type {Quantisation} from "../ir/graph.ts";

/** Kernels divide by scales, and take subnormal ones for 0. */
const leastScale = 2 ** -126;

const largestLevel = 127;

/** Sizes before, of, and after an axis: element (o, c, i) is at (o·channels + c)·inner + i. */
export interface AxisSplit {
  readonly channels: number;
  readonly inner: number;
}

/** For the whole tensor as one channel, `axis` is undefined. */
export function splitAt(shape: readonly number[], axis: number | undefined): AxisSplit {
  const sizeFrom = (start: number) => shape.slice(start).reduce((a, b) => a * b, 1);
  return axis === undefined ? {channels: 1, inner: sizeFrom(0)} : {channels: shape[axis]!, inner: sizeFrom(axis + 1)};
}

export interface QuantisedTensor {
  readonly value: Tensor;
  readonly quantisation: Quantisation;
}

/**
 * Float32 values as int8 from −127 to 127 with zero at 0, one scale for all or one for each index along `axis`.
 * `undefined` for values that have no scale: not finite.
 */
export function symmetricInt8(value: Tensor, axis: number | undefined): QuantisedTensor | undefined {
  const numbers = value.data as Float32Array;
  const {channels, inner} = splitAt(value.shape, axis);
  const largest = new Float64Array(channels);
  for (let start = 0, c = 0; start < numbers.length; start += inner, c = (c + 1) % channels) {
    for (let i = start; i < start + inner; i++) {
      const size = Math.abs(numbers[i]!);
      if (!Number.isFinite(size)) return undefined;
      if (size > largest[c]!) largest[c] = size;
    }
  }
  // A channel of zeros only has any scale.
  const scale = Array.from(largest, (each) =>
    each === 0 ? 1 : Math.max(Math.fround(each / largestLevel), leastScale),
  );
  const levels = new Int8Array(numbers.length);
  for (let start = 0, c = 0; start < numbers.length; start += inner, c = (c + 1) % channels) {
    for (let i = start; i < start + inner; i++) levels[i] = clampedRound(numbers[i]! / scale[c]!);
  }
  const zero = scale.map(() => 0);
  return {
    value: new Tensor("int8", value.shape, new Uint8Array(levels.buffer)),
    quantisation: {scale, zero, axis: axis ?? 0},
  };
}

function clampedRound(level: number): number {
  const away = Math.sign(level) * Math.floor(Math.abs(level) + 0.5);
  return Math.max(-largestLevel, Math.min(largestLevel, away));
}

/** All values on 256 levels from the least to the largest, 0 among them. `undefined` for values that aren't finite. */
export function affineInt8(value: Tensor): QuantisedTensor | undefined {
  const numbers = value.data as Float32Array;
  let [low, high] = [0, 0];
  for (const number of numbers) {
    if (!Number.isFinite(number)) return undefined;
    low = Math.min(low, number);
    high = Math.max(high, number);
  }
  const scale = low === high ? 1 : Math.max(Math.fround((high - low) / 255), leastScale);
  const zero = Math.max(-128, Math.min(127, Math.round(-128 - low / scale)));
  const levels = Int8Array.from(numbers, (number) => Math.max(-128, Math.min(127, Math.round(number / scale) + zero)));
  return {
    value: new Tensor("int8", value.shape, new Uint8Array(levels.buffer)),
    quantisation: {scale: [scale], zero: [zero], axis: 0},
  };
}
