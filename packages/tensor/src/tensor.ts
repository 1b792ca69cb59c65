/** A tensor: dtype, shape, and the elements as little-endian row-major bytes. */
import {equalBytes} from "@tf-trusted/core";
import {castElements} from "./cast.ts";
import {type DataArray, type DataOf, type DType, dtypes, isDType, viewAs} from "./dtype.ts";
import {type Element, readElement} from "./element.ts";
import {TensorError} from "./errors.ts";
import {bytesOf, type LazyBytes} from "./lazy-bytes.ts";
import {encodeElements, flatten, inferDType, type Nested, type NestedInput, nest} from "./nested.ts";
import {elementCount, formatShape, type Shape} from "./shape.ts";
import {checkStrings, decodeStrings} from "./strings.ts";

/** What `Tensor.from` takes: an element, arrays of arrays of elements, or a flat typed array. */
export type TensorInput = NestedInput | DataArray | Uint8ClampedArray;

export interface TensorFromOptions<D extends DType> {
  /** Default: by the values, see `Tensor.from`. */
  readonly dtype?: D;
  /** Default: by the nesting. The elements are taken in order. */
  readonly shape?: Shape;
}

/**
 * An immutable description over bytes that the caller owns: `bytes` is kept as it is (a view, not a copy), so that a
 * tensor can lie in a file or in an engine's memory. Whoever changes the bytes changes the tensor.
 */
export class Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: Shape;
  /**
   * A Uint8Array, over the same memory, where a Buffer was given: methods of the two differ (`slice` copies or not). Where
   * they are lazy, made anew.
   */
  declare readonly bytes: Uint8Array;
  /** Number of elements. */
  readonly size: number;
  #data: DataOf<D> | undefined;
  readonly #lazy: LazyBytes | undefined;

  /**
   * Checks that the bytes are a tensor: their number, that bools are 0 or 1, that int4s are -8 to 7, and the packing of
   * strings. Throws `TENSOR_DTYPE`, `TENSOR_SHAPE`, `TENSOR_SIZE`, `TENSOR_VALUE` and `TENSOR_STRINGS`.
   */
  constructor(dtype: D, shape: Shape, data: Uint8Array | LazyBytes) {
    checkDType(dtype);
    const isLazy =
      !(data instanceof Uint8Array) && dtypes[dtype].bytes !== null && dtype !== "bool" && dtype !== "int4";
    // What has to be looked at to be checked isn't worth being lazy about.
    const bytes = isLazy ? data : bytesOf(data);
    const size = elementCount(shape);
    const each = dtypes[dtype].bytes;
    if (each !== null && size * each !== bytes.length) {
      throw new TensorError(
        "TENSOR_SIZE",
        `${dtype} ${formatShape(shape)} takes ${size * each} bytes, found ${bytes.length}`,
        {details: {dtype, shape, found: bytes.length}},
      );
    }
    this.dtype = dtype;
    this.shape = Object.freeze([...shape]);
    this.size = size;
    if (bytes instanceof Uint8Array) {
      if (dtype === "string") checkStrings(bytes, size);
      if (dtype === "bool") checkBytes(bytes, (byte) => byte <= 1, "bool takes 0 and 1");
      if (dtype === "int4") checkBytes(bytes, (byte) => byte <= 7 || byte >= 0xf8, "int4 takes -8 to 7");
      this.bytes = asUint8Array(bytes);
    } else {
      this.#lazy = bytes;
      Object.defineProperty(this, "bytes", {enumerable: true, get: () => bytesOf(bytes)});
    }
    Object.freeze(this);
  }

  /**
   * A tensor of a copy of `values`: `Tensor.from([[1, 2], [3, 4]])` is float32 [2, 2].
   *
   * Without `dtype`, typed arrays keep their type, numbers become float32, bigints int64, booleans bool, strings (and
   * Uint8Arrays inside arrays) string, and {re, im} complex64. With it, elements are converted only if they lose
   * nothing but float precision. A Float16Array is float16. Throws `TENSOR_RAGGED`, `TENSOR_VALUE`, `TENSOR_SHAPE`,
   * `TENSOR_SIZE` and `TENSOR_DTYPE`.
   */
  static from<D extends DType = DType>(values: TensorInput, options: TensorFromOptions<D> = {}): Tensor<D> {
    if (options.dtype !== undefined) checkDType(options.dtype);
    const ownDType = typedArrayDTypes[Object.prototype.toString.call(values)];
    if (ownDType === undefined || options.dtype === "string") {
      const {shape, elements} = flatten(values as NestedInput);
      const dtype = options.dtype ?? (inferDType(elements) as D);
      return new Tensor(dtype, options.shape ?? shape, encodeElements(elements, dtype));
    }
    const array = values as DataArray;
    const dtype = options.dtype ?? (ownDType as D);
    const bytes =
      dtype === ownDType
        ? new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice()
        : encodeElements(array, dtype);
    return new Tensor(dtype, options.shape ?? [array.length], bytes);
  }

  /**
   * The elements as a typed array: a view of `bytes`, or a copy where they aren't aligned for one. float16 and bfloat16
   * are their bits (`float16ToNumber`), complex numbers pairs, strings the packed bytes.
   */
  get data(): DataOf<D> {
    if (this.#lazy) return viewAs(this.dtype, this.bytes);
    this.#data ??= viewAs(this.dtype, this.bytes);
    return this.#data;
  }

  /** The bytes as they were given: for who wants to hand lazy ones on. */
  get lazyBytes(): Uint8Array | LazyBytes {
    return this.#lazy ?? this.bytes;
  }

  /** All elements in row-major order. Throws `TENSOR_UTF8` for strings that aren't text. */
  values(): Element[] {
    return Array.from({length: this.size}, (_, index) => readElement(this.dtype, this.data, index));
  }

  /**
   * All elements in arrays of arrays; a scalar is itself. Throws `TENSOR_UTF8`, and `TENSOR_SHAPE` for an empty tensor
   * that would be many thousands of empty arrays.
   */
  toNested(): Nested {
    return nest(this.values(), this.shape);
  }

  /** The elements of a string tensor as views of their bytes. Throws `TENSOR_DTYPE` for other tensors. */
  stringBytes(): Uint8Array[] {
    if (this.dtype !== "string") throw new TensorError("TENSOR_DTYPE", `found ${this.dtype}, expected string`);
    return decodeStrings(this.bytes, this.size);
  }

  /** The same elements and bytes (not copied) in another shape. Throws `TENSOR_SIZE` and `TENSOR_SHAPE`. */
  reshape(shape: Shape): Tensor<D> {
    if (elementCount(shape) !== this.size) {
      throw new TensorError(
        "TENSOR_SIZE",
        `${formatShape(this.shape)} has ${this.size} elements, ${formatShape(shape)} has ${elementCount(shape)}`,
      );
    }
    return new Tensor(this.dtype, shape, this.lazyBytes);
  }

  /**
   * A copy with elements of another dtype, by the rules of cast.ts: to floats rounded, to integers cut off, never
   * wrapped. Throws `TENSOR_CAST`, `TENSOR_VALUE` and `TENSOR_DTYPE`.
   */
  cast<To extends DType>(dtype: To): Tensor<To> {
    checkDType(dtype);
    const same = (dtype as DType) === this.dtype;
    const bytes = same ? this.bytes.slice() : castElements(this.dtype, this.data, this.size, dtype);
    return new Tensor(dtype, this.shape, bytes);
  }

  /** Whether dtype, shape and all bytes are the same: so a NaN equals itself, and 0 isn't -0. */
  equals(other: Tensor): boolean {
    return (
      this.dtype === (other.dtype as DType) &&
      this.shape.length === other.shape.length &&
      this.shape.every((dimension, axis) => dimension === other.shape[axis]) &&
      equalBytes(this.bytes, other.bytes)
    );
  }
}

/** By `Object.prototype.toString`, because Float16Array isn't everywhere, and arrays may come from another realm. */
const typedArrayDTypes: Readonly<Record<string, DType>> = {
  "[object Float16Array]": "float16",
  "[object Float32Array]": "float32",
  "[object Float64Array]": "float64",
  "[object Int8Array]": "int8",
  "[object Int16Array]": "int16",
  "[object Int32Array]": "int32",
  "[object BigInt64Array]": "int64",
  "[object Uint8Array]": "uint8",
  "[object Uint8ClampedArray]": "uint8",
  "[object Uint16Array]": "uint16",
  "[object Uint32Array]": "uint32",
  "[object BigUint64Array]": "uint64",
};

function asUint8Array(bytes: Uint8Array): Uint8Array {
  const isPlain = Object.getPrototypeOf(bytes) === Uint8Array.prototype;
  return isPlain ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

function checkDType(dtype: DType): void {
  if (isDType(dtype)) return;
  throw new TensorError("TENSOR_DTYPE", `found ${JSON.stringify(dtype)}, expected ${Object.keys(dtypes).join(", ")}`);
}

function checkBytes(bytes: Uint8Array, isValid: (byte: number) => boolean, wanted: string): void {
  const index = bytes.findIndex((byte) => !isValid(byte));
  if (index < 0) return;
  throw new TensorError("TENSOR_VALUE", `element ${index} is out of range; ${wanted}`, {details: {index}});
}
