/** Element types: one row each. Names are NumPy's where it has one (https://numpy.org/doc/stable/reference/arrays.dtypes.html). */

/** How one element is stored in `Tensor.bytes`: `bytes` per element, and the typed array that `Tensor.data` is. */
interface DTypeRow {
  /** Bytes an element, or `null` where elements have no fixed size (strings). */
  readonly bytes: number | null;
  readonly kind: "float" | "int" | "uint" | "bool" | "complex" | "string";
}

/**
 * All dtypes of TensorFlow Lite. float16 and bfloat16 are stored as their 16 bits; int4 as one sign-extended byte an
 * element (packed only inside files); complex as (real, imaginary) pairs; bool as 0 or 1; string in TFLite's packing.
 */
export const dtypes = {
  float16: {bytes: 2, kind: "float"},
  bfloat16: {bytes: 2, kind: "float"},
  float32: {bytes: 4, kind: "float"},
  float64: {bytes: 8, kind: "float"},
  int4: {bytes: 1, kind: "int"},
  int8: {bytes: 1, kind: "int"},
  int16: {bytes: 2, kind: "int"},
  int32: {bytes: 4, kind: "int"},
  int64: {bytes: 8, kind: "int"},
  uint8: {bytes: 1, kind: "uint"},
  uint16: {bytes: 2, kind: "uint"},
  uint32: {bytes: 4, kind: "uint"},
  uint64: {bytes: 8, kind: "uint"},
  bool: {bytes: 1, kind: "bool"},
  string: {bytes: null, kind: "string"},
  complex64: {bytes: 8, kind: "complex"},
  complex128: {bytes: 16, kind: "complex"},
} as const satisfies Record<string, DTypeRow>;

export type DType = keyof typeof dtypes;

export function isDType(name: string): name is DType {
  return Object.hasOwn(dtypes, name);
}
