/** A tensor: dtype, shape, and the elements as little-endian row-major bytes. */
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";
import {type DType, dtypes} from "./dtype.ts";

export const tensorErrors = {
  TENSOR_SHAPE: {
    when: "A shape has negative, fractional or too many elements.",
    todo: "Give whole dimensions >= 0 whose product is a safe integer.",
  },
  TENSOR_SIZE: {
    when: "The number of bytes or values doesn't fit dtype and shape.",
    todo: "Check dtype and shape against the data.",
  },
} as const satisfies ErrorTable;

export class TensorError extends TfTrustedError<keyof typeof tensorErrors> {}

/** Dimensions, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/**
 * An immutable description over bytes that the caller owns: `bytes` is kept as it is (a view, not a copy).
 */
export class Tensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly bytes: Uint8Array;

  /** Throws `TENSOR_SHAPE` and `TENSOR_SIZE`. */
  constructor(dtype: DType, shape: Shape, bytes: Uint8Array) {
    const size = elementCount(shape);
    const each = dtypes[dtype].bytes;
    if (each !== null && size * each !== bytes.length) {
      throw new TensorError(
        "TENSOR_SIZE",
        `${dtype} [${shape.join(", ")}] takes ${size * each} bytes, found ${bytes.length}`,
        {details: {dtype, shape, found: bytes.length}},
      );
    }
    this.dtype = dtype;
    this.shape = shape;
    this.bytes = bytes;
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
  }
}

/** Product of the dimensions; 1 for a scalar. Throws `TENSOR_SHAPE`. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new TensorError(
        "TENSOR_SHAPE",
        `found dimension ${dimension} in [${shape.join(", ")}], expected a whole number >= 0`,
      );
    }
    count *= dimension;
  }
  if (!Number.isSafeInteger(count)) {
    throw new TensorError("TENSOR_SHAPE", `[${shape.join(", ")}] has more than 2^53 elements`);
  }
  return count;
}
