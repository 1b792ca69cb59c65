/** One element at a time: JavaScript values in and out of the typed arrays of each dtype. */
import {type DataArray, type DType, integerRange} from "./dtype.ts";
import {TensorError} from "./errors.ts";
import {bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16} from "./half.ts";
import {stringAt} from "./strings.ts";

/** A complex number. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** An element as JavaScript sees it: bigint for 64-bit integers, number for all other numbers. */
export type Element = number | bigint | boolean | string | Complex;

/**
 * Element `index` of `data`, the typed array of a tensor of `dtype`. Throws `TENSOR_UTF8` for a string that isn't text.
 */
export function readElement(dtype: DType, data: DataArray, index: number): Element {
  switch (dtype) {
    case "float16":
      return float16ToNumber(Number(data[index]));
    case "bfloat16":
      return bfloat16ToNumber(Number(data[index]));
    case "bool":
      return data[index] !== 0;
    case "complex64":
    case "complex128":
      return {re: Number(data[2 * index]), im: Number(data[2 * index + 1])};
    case "string":
      return decodeText(stringAt(data as Uint8Array, index), index);
    default:
      return data[index]!;
  }
}

/**
 * Stores `value` as element `index` of `data`. Floats are rounded to the nearest, ties to even (beyond the largest:
 * infinity); everything else has to be exact. Throws `TENSOR_VALUE`.
 */
export function writeElement(dtype: Exclude<DType, "string">, data: DataArray, index: number, value: unknown): void {
  // The dtype decides which of the two the elements are; TypeScript can't follow that.
  const numbers = data as {[index: number]: number};
  const bigints = data as {[index: number]: bigint};
  switch (dtype) {
    case "float16":
      numbers[index] = numberToFloat16(toFloat(dtype, index, value));
      break;
    case "bfloat16":
      numbers[index] = numberToBfloat16(toFloat(dtype, index, value));
      break;
    case "float32":
    case "float64":
      numbers[index] = toFloat(dtype, index, value);
      break;
    case "int64":
    case "uint64":
      bigints[index] = BigInt(toInteger(dtype, index, value));
      break;
    case "bool":
      numbers[index] = toBit(index, value);
      break;
    case "complex64":
    case "complex128": {
      const {re, im} = isComplex(value) ? value : {re: value, im: 0};
      numbers[2 * index] = toFloat(dtype, index, re);
      numbers[2 * index + 1] = toFloat(dtype, index, im);
      break;
    }
    default:
      numbers[index] = Number(toInteger(dtype, index, value));
  }
}

export function isComplex(value: unknown): value is Complex {
  return typeof value === "object" && value !== null && "re" in value && "im" in value;
}

function toFloat(dtype: DType, index: number, value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value !== "bigint") throw badElement(index, describe(value), `${dtype} takes numbers`);
  return dtype === "float64" || dtype === "complex128" ? Number(value) : roundToOdd(value);
}

function toInteger(dtype: DType, index: number, value: unknown): number | bigint {
  const [least, greatest] = integerRange(dtype)!;
  const wanted = `${dtype} takes whole numbers from ${least} to ${greatest}`;
  if (typeof value !== "number" && typeof value !== "bigint") throw badElement(index, describe(value), wanted);
  if (typeof value === "number" && !Number.isInteger(value)) throw badElement(index, "not a whole number", wanted);
  if (value < least! || value > greatest!) throw badElement(index, "out of range", wanted);
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw badElement(index, "a number beyond 2^53, which may be rounded already", "give a bigint");
  }
  return value;
}

function toBit(index: number, value: unknown): number {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value === 0 || value === 1) return value;
  throw badElement(index, describe(value), "bool takes true, false, 0 and 1");
}

/**
 * The float64 between whose neighbours `value` lies, the odd one where there are two: rounded again to 24 bits or
 * fewer it gives what rounding `value` once would have given.
 */
function roundToOdd(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  if (magnitude < 2n ** 53n) return Number(value);
  const dropped = BigInt(magnitude.toString(2).length - 53);
  const kept = magnitude >> dropped;
  const odd = kept << dropped === magnitude ? kept : kept | 1n;
  return Number(odd << dropped) * (value < 0n ? -1 : 1);
}

function decodeText(bytes: Uint8Array, index: number): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new TensorError("TENSOR_UTF8", `string ${index} of ${bytes.length} bytes isn't UTF-8; see stringBytes()`, {
      cause,
    });
  }
}

const utf8 = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true});

/** What a value is without telling the value: errors end up in logs. */
function describe(value: unknown): string {
  return value === null ? "null" : `a value of type ${typeof value}`;
}

function badElement(index: number, found: string, wanted: string): TensorError {
  return new TensorError("TENSOR_VALUE", `element ${index} is ${found}; ${wanted}`, {details: {index}});
}
