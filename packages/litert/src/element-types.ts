/**
 * Element types as they cross into the engine: LiteRT's own numbers (not those of the file format) and how elements lie
 * in its memory. specs/litert.md §2.2, §4.
 */
import type {DType} from "@tf-trusted/tensor";

export interface ElementType {
  /** `LiteRtElementType`. */
  readonly code: number;
  readonly bits: number;
}

/** What both engines take and give. The native one takes strings, too; complex128, resources and variants neither. */
export const elementTypes: Readonly<Partial<Record<DType, ElementType>>> = {
  float32: {code: 1, bits: 32},
  int32: {code: 2, bits: 32},
  uint8: {code: 3, bits: 8},
  int64: {code: 4, bits: 64},
  bool: {code: 6, bits: 8},
  int16: {code: 7, bits: 16},
  complex64: {code: 8, bits: 64},
  int8: {code: 9, bits: 8},
  float16: {code: 10, bits: 16},
  float64: {code: 11, bits: 64},
  uint64: {code: 13, bits: 64},
  uint32: {code: 16, bits: 32},
  uint16: {code: 17, bits: 16},
  int4: {code: 18, bits: 4},
  bfloat16: {code: 19, bits: 16},
};

/** Elements without a size: a tensor of them is one block in TFLite's packing. */
export const stringType: ElementType = {code: 5, bits: 0};

/** For what admission lets through. */
export function typeInEngine(dtype: DType): ElementType {
  return elementTypes[dtype] ?? stringType;
}

/** Bytes of `elements` elements in the engine's memory; int4 lies two to a byte. */
export function engineBytes(type: ElementType, elements: number): number {
  return Math.ceil((elements * type.bits) / 8);
}

/** int4, one sign-extended byte an element → two to a byte, the first in the low half. A new array. */
export function packInt4(elements: Uint8Array): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(Math.ceil(elements.length / 2));
  for (let i = 0; i < elements.length; i++) packed[i >> 1]! |= (elements[i]! & 0xf) << (4 * (i & 1));
  return packed;
}

/** The inverse of {@link packInt4}: `count` sign-extended bytes. */
export function unpackInt4(packed: Uint8Array, count: number): Uint8Array<ArrayBuffer> {
  const elements = new Uint8Array(count);
  for (let i = 0; i < count; i++) elements[i] = ((packed[i >> 1]! >> (4 * (i & 1))) << 28) >> 28;
  return elements;
}
