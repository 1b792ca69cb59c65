/** Datatypes and dataspaces (§IV.A.2.b, d), as far as h5py writes them for arrays of numbers and strings. */
import type {ByteReader} from "@tf-trusted/core";
import type {DType} from "@tf-trusted/tensor";
import {damaged, readLength, unsupported} from "./cursor.ts";

export type Datatype =
  | {readonly kind: "number"; readonly dtype: DType; readonly size: number; readonly bigEndian: boolean}
  | {readonly kind: "string"; readonly size: number; readonly padding: "zero" | "space"}
  /** Strings elsewhere: length, address of a global heap, index. */
  | {readonly kind: "text"; readonly size: number}
  /** Bytes of no type: bfloat16 of Keras. */
  | {readonly kind: "opaque"; readonly size: number};

const variableLengthSize = 16;
const maxNesting = 4;

/** Throws `CONVERT_HDF5` for types that Keras doesn't write. */
export function readDatatype(reader: ByteReader, depth = 0): Datatype {
  if (depth > maxNesting) throw damaged(`datatypes are nested more than ${maxNesting} deep`);
  const classAndVersion = reader.u8();
  const bits = [reader.u8(), reader.u8(), reader.u8()] as const;
  const size = reader.u32le();
  switch (classAndVersion & 0x0f) {
    case 0:
      return readInteger(reader, bits[0], size);
    case 1:
      return readFloat(reader, bits, size);
    case 3: {
      if (size === 0) throw damaged("a string type of no bytes");
      const padding = bits[0] & 0x0f;
      if (padding > 2) throw damaged(`strings padded in the way ${padding}`);
      return {kind: "string", size, padding: padding === 2 ? "space" : "zero"};
    }
    case 5:
      return {kind: "opaque", size};
    case 8: {
      const base = readDatatype(reader, depth + 1);
      // h5py stores truth values as an enumeration of int8.
      if (base.kind !== "number" || base.size !== size) throw unsupported("an enumeration of something but integers");
      return base;
    }
    case 9:
      if ((bits[0] & 0x0f) !== 1) throw unsupported("sequences of variable length");
      if (size !== variableLengthSize) throw damaged(`strings of variable length take ${size} bytes, expected 16`);
      return {kind: "text", size};
    default:
      throw unsupported(`datatype class ${classAndVersion & 0x0f}`);
  }
}

function readInteger(reader: ByteReader, bits: number, size: number): Datatype {
  const [offset, precision] = [reader.u16le(), reader.u16le()];
  if (offset !== 0 || precision !== 8 * size || ![1, 2, 4, 8].includes(size)) {
    throw unsupported(`integers of ${precision} bits in ${size} bytes`);
  }
  const dtype = `${(bits & 0x08) !== 0 ? "int" : "uint"}${precision}` as DType;
  return {kind: "number", dtype, size, bigEndian: (bits & 1) !== 0};
}

/** IEEE 754 and bfloat16: by size, the places and widths of exponent and mantissa, and the bias. */
const floats: readonly {readonly dtype: DType; readonly size: number; readonly layout: readonly number[]}[] = [
  {dtype: "float16", size: 2, layout: [10, 5, 0, 10, 15]},
  {dtype: "bfloat16", size: 2, layout: [7, 8, 0, 7, 127]},
  {dtype: "float32", size: 4, layout: [23, 8, 0, 23, 127]},
  {dtype: "float64", size: 8, layout: [52, 11, 0, 52, 1023]},
];

function readFloat(reader: ByteReader, bits: readonly [number, number, number], size: number): Datatype {
  const [offset, precision] = [reader.u16le(), reader.u16le()];
  const layout = [reader.u8(), reader.u8(), reader.u8(), reader.u8(), reader.u32le()];
  const row = floats.find((each) => each.size === size && each.layout.every((value, i) => value === layout[i]));
  const isPlain = offset === 0 && precision === 8 * size && bits[1] === precision - 1 && (bits[0] & 0x40) === 0;
  if (row === undefined || !isPlain) throw unsupported(`floats of ${precision} bits that aren't IEEE 754's`);
  return {kind: "number", dtype: row.dtype, size, bigEndian: (bits[0] & 1) !== 0};
}

const maxRank = 32;

/** Dimensions; `undefined` for a null dataspace, which holds nothing. */
export function readDataspace(reader: ByteReader): readonly number[] | undefined {
  const version = reader.u8();
  const rank = reader.u8();
  reader.u8();
  if (version === 1) reader.take(5);
  else if (version !== 2) throw damaged(`a dataspace of version ${version}`);
  const isNull = version === 2 && reader.u8() === 2;
  if (rank > maxRank) throw damaged(`a dataspace of rank ${rank}`);
  const dims = Array.from({length: rank}, () => readLength(reader));
  if (isNull) return undefined;
  if (!Number.isSafeInteger(dims.reduce((product, dim) => product * dim, 1))) throw damaged(`a dataspace of [${dims}]`);
  return dims;
}
