/** What two types have in common: what a variable of a loop is before and after a turn. */
import {type Dim, isKnown, type Shape, surelyEqual, unknownDim} from "./dims.ts";
import type {ListType, TensorType} from "./graph.ts";

/** The type of a value that is either. Nothing is kept of elements; of lists, what either knows of what they hold. */
export function joinTypes(a: TensorType, b: TensorType): TensorType {
  if (a.list || b.list) return {dtype: "variant", shape: a.shape, list: ofEither(a.list, b.list)};
  return {dtype: a.dtype, shape: joinShapes(a.shape, b.shape)};
}

/** Where nothing is known of one of them its length isn't either. */
function ofEither(a: ListType | undefined, b: ListType | undefined): ListType {
  const {dtype, shape} = joinLists(a, b);
  return {dtype, shape: a && b ? shape : shape && [unknownDim, ...shape.slice(1)]};
}

export function joinShapes(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (a === undefined || b === undefined || a.length !== b.length) return undefined;
  return a.map((dim, axis) => (surelyEqual(dim, b[axis]!) ? dim : unknownDim));
}

/** A list learns what it holds from what is put into it: the one that knows wins. */
export function joinLists(a: ListType | undefined, b: ListType | undefined): ListType {
  if (a === undefined || b === undefined) return (a ?? b)!;
  return {dtype: a.dtype, shape: joinElements(a.shape, b.shape)};
}

function joinElements(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.length !== b.length) return undefined;
  return a.map((dim, axis) => (axis === 0 ? (surelyEqual(dim, b[0]!) ? dim : unknownDim) : refineDim(dim, b[axis]!)));
}

function refineDim(a: Dim, b: Dim): Dim {
  if (a === unknownDim) return b;
  if (b === unknownDim || surelyEqual(a, b)) return a;
  // A number and a symbol for the same size: the number says more. Two numbers can't both be right.
  if (isKnown(a) !== isKnown(b)) return isKnown(a) ? a : b;
  return unknownDim;
}

export function sameTypes(a: TensorType, b: TensorType): boolean {
  return `${a.dtype}${a.shape?.join()}${printList(a.list)}` === `${b.dtype}${b.shape?.join()}${printList(b.list)}`;
}

const printList = (list: ListType | undefined): string => (list ? `${list.dtype}${list.shape?.join()}` : "");
