/** Element types: one row each. Names are NumPy's where it has one (https://numpy.org/doc/stable/reference/arrays.dtypes.html). */

/** How one element is stored in `Tensor.bytes`. */
interface DTypeRow {
  /** Bytes an element, or `null` where elements have no fixed size (strings). */
  readonly bytes: number | null;
  readonly kind: "float" | "int" | "uint" | "bool" | "complex" | "string";
  /** The typed array that `Tensor.data` is; with two items an element for complex numbers. */
  readonly array: ArrayType<DataArray>;
  /** The least and the greatest value of an integer type. */
  readonly range?: readonly [number, number] | readonly [bigint, bigint];
}

/**
 * All dtypes of TensorFlow Lite. float16 and bfloat16 are stored as their 16 bits; int4 as one sign-extended byte an
 * element (packed only inside files); complex as (real, imaginary) pairs; bool as 0 or 1; string in TFLite's packing.
 */
export const dtypes = {
  float16: {bytes: 2, kind: "float", array: Uint16Array},
  bfloat16: {bytes: 2, kind: "float", array: Uint16Array},
  float32: {bytes: 4, kind: "float", array: Float32Array},
  float64: {bytes: 8, kind: "float", array: Float64Array},
  int4: {bytes: 1, kind: "int", array: Int8Array, range: [-8, 7]},
  int8: {bytes: 1, kind: "int", array: Int8Array, range: [-128, 127]},
  int16: {bytes: 2, kind: "int", array: Int16Array, range: [-32768, 32767]},
  int32: {bytes: 4, kind: "int", array: Int32Array, range: [-2147483648, 2147483647]},
  int64: {bytes: 8, kind: "int", array: BigInt64Array, range: [-(2n ** 63n), 2n ** 63n - 1n]},
  uint8: {bytes: 1, kind: "uint", array: Uint8Array, range: [0, 255]},
  uint16: {bytes: 2, kind: "uint", array: Uint16Array, range: [0, 65535]},
  uint32: {bytes: 4, kind: "uint", array: Uint32Array, range: [0, 4294967295]},
  uint64: {bytes: 8, kind: "uint", array: BigUint64Array, range: [0n, 2n ** 64n - 1n]},
  bool: {bytes: 1, kind: "bool", array: Uint8Array},
  string: {bytes: null, kind: "string", array: Uint8Array},
  complex64: {bytes: 8, kind: "complex", array: Float32Array},
  complex128: {bytes: 16, kind: "complex", array: Float64Array},
} as const satisfies Record<string, DTypeRow>;

export type DType = keyof typeof dtypes;

/** The typed array of a dtype: `DataOf<"float32">` is `Float32Array`. */
export type DataOf<D extends DType> = (typeof dtypes)[D]["array"]["prototype"];

/** Any of the typed arrays that hold elements. */
export type DataArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

interface ArrayType<A> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): A;
}

export function isDType(name: string): name is DType {
  return Object.hasOwn(dtypes, name);
}

/** The least and the greatest value of an integer type; bigints where it has 64 bits. `undefined` for other types. */
export function integerRange(dtype: DType): readonly [number | bigint, number | bigint] | undefined {
  return (dtypes as Readonly<Record<DType, DTypeRow>>)[dtype].range;
}

/** `bytes` as the typed array of `dtype`: a view, or a copy where the bytes aren't aligned for one. */
export function viewAs<D extends DType>(dtype: D, bytes: Uint8Array): DataOf<D> {
  const array: ArrayType<DataArray> = dtypes[dtype].array;
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new array(aligned.buffer, aligned.byteOffset, aligned.length / array.BYTES_PER_ELEMENT) as DataOf<D>;
}
