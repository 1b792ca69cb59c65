/**
 * The two 16-bit floats that JavaScript has no arrays of (Node 20): IEEE 754 binary16 ("float16", IEEE 754-2019 §3.6)
 * and bfloat16, the upper half of a binary32. Both have a sign bit, an exponent with a bias, and a fraction:
 *
 *     exponent 0           (-1)^sign · 2^(1 - bias) · 0.fraction          zero and subnormal numbers
 *     all ones             infinity, or NaN where the fraction isn't 0
 *     otherwise            (-1)^sign · 2^(exponent - bias) · 1.fraction
 *
 * Encoding rounds the float64 once, to the nearest, ties to even: going through float32 would round twice.
 */

interface SmallFloat {
  readonly fractionBits: number;
  readonly bias: number;
  /** The bits of +infinity: an exponent of all ones. */
  readonly infinity: number;
}

const float16: SmallFloat = {fractionBits: 10, bias: 15, infinity: 0x7c00};
const bfloat16: SmallFloat = {fractionBits: 7, bias: 127, infinity: 0x7f80};

/** The value of 16 bits as a float16. Every NaN becomes JavaScript's one NaN. */
export function float16ToNumber(bits: number): number {
  return decode(bits, float16);
}

/** The bits of the float16 nearest to `value`; beyond 65519.99… infinity. NaN is 0x7e00. */
export function numberToFloat16(value: number): number {
  return encode(value, float16);
}

/** The value of 16 bits as a bfloat16. Every NaN becomes JavaScript's one NaN. */
export function bfloat16ToNumber(bits: number): number {
  return decode(bits, bfloat16);
}

/** The bits of the bfloat16 nearest to `value`, or infinity beyond. NaN is 0x7fc0. */
export function numberToBfloat16(value: number): number {
  return encode(value, bfloat16);
}

function decode(bits: number, {fractionBits, bias, infinity}: SmallFloat): number {
  const magnitude = bits & 0x7fff;
  const sign = bits & 0x8000 ? -1 : 1;
  if (magnitude >= infinity) return magnitude > infinity ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  const exponent = magnitude >>> fractionBits;
  const fraction = magnitude & ((1 << fractionBits) - 1);
  const significand = exponent === 0 ? fraction : fraction + (1 << fractionBits);
  return sign * significand * powerOfTwo(Math.max(exponent, 1) - bias - fractionBits);
}

function encode(value: number, {fractionBits, bias, infinity}: SmallFloat): number {
  if (Number.isNaN(value)) return infinity | (1 << (fractionBits - 1));
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return sign | infinity;
  // Subnormals share the least exponent with the smallest normal numbers, and only lack their leading 1.
  const exponent = Math.max(exponentOf(magnitude), 1 - bias);
  const significand = roundToEven(magnitude * powerOfTwo(fractionBits - exponent));
  // The leading 1, where there is one, counts up the exponent field; so does a significand rounded up to a power of 2.
  const bits = (exponent + bias - 1) * (1 << fractionBits) + significand;
  return sign | Math.min(bits, infinity);
}

/** Where adding 2^52 leaves no bits for a fraction, the addition itself rounds to even. For 0 <= value < 2^52. */
function roundToEven(value: number): number {
  return value + 2 ** 52 - 2 ** 52;
}

const scratch = new DataView(new ArrayBuffer(8));

/** floor(log2(value)) of a normal float64; -1023 for zero and subnormal ones. */
function exponentOf(value: number): number {
  scratch.setFloat64(0, value);
  return (scratch.getUint16(0) >>> 4) - 1023;
}

/** 2^exponent exactly, for -1023 < exponent < 1024 (ECMAScript doesn't promise exact results of `**`). */
function powerOfTwo(exponent: number): number {
  scratch.setUint32(0, (exponent + 1023) << 20);
  scratch.setUint32(4, 0);
  return scratch.getFloat64(0);
}
