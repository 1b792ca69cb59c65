/** Nested arrays, as one writes tensors by hand, to and from flat elements. */
import {type DType, dtypes, viewAs} from "./dtype.ts";
import {type Complex, type Element, isComplex, writeElement} from "./element.ts";
import {TensorError} from "./errors.ts";
import {elementCount, formatShape, maxRank, type Shape} from "./shape.ts";
import {encodeStrings} from "./strings.ts";

/** An element that `Tensor.from` takes; a Uint8Array is the bytes of one string. */
export type ElementInput = number | bigint | boolean | string | Complex | Uint8Array;

/** One element, or arrays of arrays of elements. */
export type NestedInput = ElementInput | readonly NestedInput[];

/** Elements in arrays of arrays: what `toNested` gives. */
export type Nested = Element | readonly Nested[];

/** Shape and elements, in order, of nested arrays. Throws `TENSOR_RAGGED`, and `TENSOR_SHAPE` beyond 64 levels. */
export function flatten(values: NestedInput): {readonly shape: Shape; readonly elements: readonly ElementInput[]} {
  const shape: number[] = [];
  for (let first: NestedInput | undefined = values; isArray(first) && shape.length <= maxRank; first = first[0]) {
    shape.push(first.length);
  }
  elementCount(shape);
  const elements: ElementInput[] = [];
  const indices: number[] = [];
  collect(values, 0);
  return {shape, elements};

  function collect(node: NestedInput, axis: number): void {
    const wanted = shape[axis];
    const found = isArray(node) ? node.length : undefined;
    if (found !== wanted) {
      const where = indices.slice(0, axis).map((index) => `[${index}]`);
      throw new TensorError("TENSOR_RAGGED", `values${where.join("")} is ${name(found)}, expected ${name(wanted)}`);
    }
    if (!isArray(node)) {
      elements.push(node);
      return;
    }
    for (let i = 0; i < node.length; i++) {
      indices[axis] = i;
      collect(node[i]!, axis + 1);
    }
  }

  function name(length: number | undefined): string {
    return length === undefined ? "an element" : `an array of ${length}`;
  }
}

/** `elements` in arrays of arrays. Throws `TENSOR_SHAPE` for an empty tensor that would be too many empty arrays. */
export function nest(elements: readonly Element[], shape: Shape): Nested {
  const emptyArrays = elements.length === 0 ? elementCount(shape.slice(0, shape.indexOf(0))) : 0;
  if (emptyArrays > maxEmptyArrays) {
    throw new TensorError(
      "TENSOR_SHAPE",
      `${formatShape(shape)} would be ${emptyArrays} empty arrays, expected at most ${maxEmptyArrays}`,
    );
  }
  let next = 0;
  return build(0);

  function build(axis: number): Nested {
    if (axis === shape.length) return elements[next++]!;
    return Array.from({length: shape[axis]!}, () => build(axis + 1));
  }
}

const maxEmptyArrays = 2 ** 16;

/** float32 for numbers, int64 for bigints, bool, string, complex64. Throws `TENSOR_VALUE` for mixtures. */
export function inferDType(elements: readonly ElementInput[]): DType {
  const first = elements.length === 0 ? "float32" : dtypeOf(elements[0]!, 0);
  for (const [index, element] of elements.entries()) {
    const dtype = dtypeOf(element, index);
    if (dtype === first) continue;
    throw new TensorError(
      "TENSOR_VALUE",
      `element ${index} would be ${dtype}, the ones before it ${first}; expected all of one type, or the option dtype`,
      {details: {index}},
    );
  }
  return first;
}

/** The bytes of a tensor with these elements. Throws `TENSOR_VALUE`. */
export function encodeElements(elements: ArrayLike<unknown>, dtype: DType): Uint8Array<ArrayBuffer> {
  if (dtype === "string") return encodeStrings(Array.from(elements, toStringBytes));
  const bytes = new Uint8Array(elements.length * dtypes[dtype].bytes);
  const data = viewAs(dtype, bytes);
  for (let i = 0; i < elements.length; i++) writeElement(dtype, data, i, elements[i]);
  return bytes;
}

function dtypeOf(element: ElementInput, index: number): DType {
  switch (typeof element) {
    case "number":
      return "float32";
    case "bigint":
      return "int64";
    case "boolean":
      return "bool";
    case "string":
      return "string";
    default:
      if (element instanceof Uint8Array) return "string";
      if (isComplex(element)) return "complex64";
      throw new TensorError(
        "TENSOR_VALUE",
        `element ${index} is a value of type ${typeof element}; expected a number, bigint, boolean, string or {re, im}`,
        {details: {index}},
      );
  }
}

function toStringBytes(element: unknown, index: number): Uint8Array {
  if (element instanceof Uint8Array) return element;
  if (typeof element === "string" && element.isWellFormed()) return new TextEncoder().encode(element);
  const found =
    typeof element === "string" ? "a string with half a surrogate pair" : `a value of type ${typeof element}`;
  throw new TensorError("TENSOR_VALUE", `element ${index} is ${found}; string takes text or Uint8Array`, {
    details: {index},
  });
}

/** `Array.isArray` that narrows readonly arrays as well. */
function isArray(value: NestedInput | undefined): value is readonly NestedInput[] {
  return Array.isArray(value);
}
