/** How many bytes the elements of a tensor take in a file and in the engine. */
import type {TfliteType} from "./model.ts";

/** Bits an element; 0 where there is no fixed size (strings) or no data at all (handles). */
const elementBits: Readonly<Record<TfliteType, number>> = {
  float16: 16,
  bfloat16: 16,
  float32: 32,
  float64: 64,
  int2: 2,
  int4: 4,
  uint4: 4,
  int8: 8,
  int16: 16,
  int32: 32,
  int64: 64,
  uint8: 8,
  uint16: 16,
  uint32: 32,
  uint64: 64,
  bool: 8,
  complex64: 64,
  complex128: 128,
  float8_e4m3fn: 8,
  float8_e5m2: 8,
  string: 0,
  resource: 0,
  variant: 0,
};

/**
 * Bytes of a tensor of that type and shape; types below 8 bits are packed, the last byte padded. `undefined` where type
 * doesn't say (`string`, `resource`, `variant`). Infinity rather than overflow.
 */
export function tensorBytes(type: TfliteType, shape: readonly number[]): number | undefined {
  const bits = elementBits[type];
  return bits === 0 ? undefined : Math.ceil((elements(shape) * bits) / 8);
}

/** Product of the dimensions; 0 as soon as one is 0, Infinity beyond 2^53. */
export function elements(shape: readonly number[]): number {
  if (shape.includes(0)) return 0;
  const product = shape.reduce((total, dimension) => total * dimension, 1);
  return Number.isSafeInteger(product) ? product : Number.POSITIVE_INFINITY;
}
