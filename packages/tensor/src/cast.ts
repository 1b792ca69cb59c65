/**
 * Conversion between dtypes, as TensorFlow's `tf.cast` where that is defined, and an error where it isn't:
 *
 * - to a float: rounded once to the nearest, ties to even; too large becomes infinity (as in TensorFlow);
 * - float to integer: the fraction is cut off (as in TensorFlow); NaN and what is out of range is refused (in
 *   TensorFlow it depends on the machine);
 * - integer to integer: out of range is refused (TensorFlow wraps around);
 * - to bool: whether it isn't 0, so NaN is true; from bool: 0 or 1 (as in TensorFlow);
 * - real to complex: the imaginary part is 0 (as in TensorFlow); complex to real and from or to strings: refused.
 */
import {type DataArray, type DType, dtypes, viewAs} from "./dtype.ts";
import {type Element, isComplex, readElement, writeElement} from "./element.ts";
import {TensorError} from "./errors.ts";

/** The bytes of `count` elements of `data` after conversion. Throws `TENSOR_CAST` and `TENSOR_VALUE`. */
export function castElements(from: DType, data: DataArray, count: number, to: DType): Uint8Array<ArrayBuffer> {
  const losesImaginary = dtypes[from].kind === "complex" && dtypes[to].kind !== "complex" && to !== "bool";
  if (from === "string" || to === "string" || losesImaginary) {
    throw new TensorError("TENSOR_CAST", `there is no conversion from ${from} to ${to}`, {details: {from, to}});
  }
  const bytes = new Uint8Array(count * dtypes[to].bytes);
  const target = viewAs(to, bytes);
  const prepare = preparations[dtypes[to].kind];
  for (let i = 0; i < count; i++) writeElement(to, target, i, prepare(readElement(from, data, i)));
  return bytes;
}

/** What turns an element into a value that `writeElement` takes, by the kind of the target. */
const preparations = {
  float: unbool,
  complex: unbool,
  int: truncate,
  uint: truncate,
  bool: isTrue,
} as const;

function unbool(element: Element): Element {
  return typeof element === "boolean" ? Number(element) : element;
}

function truncate(element: Element): Element {
  if (typeof element !== "number") return unbool(element);
  const whole = Math.trunc(element);
  // A float is exact however large it is, unlike a number that somebody typed.
  return Number.isInteger(whole) && !Number.isSafeInteger(whole) ? BigInt(whole) : whole;
}

function isTrue(element: Element): boolean {
  return isComplex(element) ? element.re !== 0 || element.im !== 0 : Number(element) !== 0;
}
