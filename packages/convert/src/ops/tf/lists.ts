/**
 * Lists of tensors. Only their types are here, each told by the tensor that the list would be if stacked; the pass `lists`
 * makes such tensors of them (specs/convert.md §4.9).
 */
import {type DType, Tensor} from "@tf-trusted/tensor";
import {addDims, type Dim, isKnown, multiplyDims, type Shape, unknownDim} from "../../ir/dims.ts";
import type {ListType, TensorType} from "../../ir/graph.ts";
import {joinLists} from "../../ir/join.ts";
import {booleanAttribute, numberAttribute, type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {dimsOf} from "../shapes.ts";

/** Set on writes behind the end of a list, which make it longer. */
export const growsAttribute = "resize_if_index_out_of_bounds";

const listOf = (dtype: DType, shape: Shape | undefined): TensorType => ({
  dtype: "variant",
  shape: [],
  list: {dtype, shape},
});

const elementDType = (site: Site): DType => stringAttribute(site, "element_dtype") as DType;

/** What the operand says of an element's shape; −1 alone says nothing, among others that a dimension isn't known. */
export function elementShape(site: Site, index: number): Shape | undefined {
  if (site.inputs[index]?.shape?.length === 0) return undefined;
  return dimsOf(site, index)?.map((dim): Dim => (typeof dim === "number" && dim < 0 ? unknownDim : dim));
}

const countOf = (site: Site, index: number): Dim => dimsOf(site, index)?.[0] ?? unknownDim;

const stacked = (count: Dim, element: Shape | undefined): Shape | undefined => element && [count, ...element];

/** The list of input `index`, with what else is known of its elements. */
function given(site: Site, index: number, element?: Shape): ListType {
  const list = site.inputs[index]?.list ?? {dtype: elementDType(site), shape: undefined};
  const count = list.shape?.[0] ?? unknownDim;
  return joinLists(list, {dtype: list.dtype, shape: stacked(count, element)});
}

const itemOf = ({dtype, shape}: ListType): TensorType => ({dtype, shape: shape?.slice(1)});

const resized = ({dtype, shape}: ListType, count: Dim): TensorType => listOf(dtype, stacked(count, shape?.slice(1)));

const rows: Readonly<Record<string, (site: Site) => readonly TensorType[]>> = {
  TensorListReserve: (site) => [listOf(elementDType(site), stacked(countOf(site, 1), elementShape(site, 0)))],
  EmptyTensorList: (site) => [listOf(elementDType(site), stacked(0, elementShape(site, 0)))],
  TensorListFromTensor: (site) => [listOf(site.inputs[0]!.dtype as DType, site.inputs[0]!.shape)],
  TensorListSetItem: (site) => {
    const {dtype, shape} = given(site, 0, site.inputs[2]!.shape);
    if (!booleanAttribute(site, growsAttribute)) return [listOf(dtype, shape)];
    const [length, index] = [shape?.[0] ?? unknownDim, site.inputs[1]!.elements?.[0] ?? unknownDim];
    const areKnown = isKnown(length) && isKnown(index);
    return [resized({dtype, shape}, areKnown ? Math.max(length, index + 1) : unknownDim)];
  },
  TensorListGetItem: (site) => [itemOf(given(site, 0, elementShape(site, 2)))],
  TensorListStack: (site) => {
    const {dtype, shape} = given(site, 0, elementShape(site, 1));
    const count = numberAttribute(site, "num_elements", -1);
    return [{dtype, shape: shape && count >= 0 ? [count, ...shape.slice(1)] : shape}];
  },
  TensorListGather: (site) => {
    const {dtype, shape} = given(site, 0, elementShape(site, 2));
    return [{dtype, shape: stacked(site.inputs[1]!.shape?.[0] ?? unknownDim, shape?.slice(1))}];
  },
  TensorListScatterIntoExistingList: (site) => {
    const {dtype, shape} = given(site, 0, site.inputs[1]!.shape?.slice(1));
    return [listOf(dtype, shape)];
  },
  TensorListScatterV2: (site) => [
    listOf(site.inputs[0]!.dtype as DType, stacked(countOf(site, 3), site.inputs[0]!.shape?.slice(1))),
  ],
  TensorListPushBack: (site) => {
    const list = given(site, 0, site.inputs[1]!.shape);
    return [resized(list, addDims(list.shape?.[0] ?? unknownDim, 1))];
  },
  TensorListPopBack: (site) => {
    const list = given(site, 0, elementShape(site, 1));
    return [resized(list, addDims(list.shape?.[0] ?? unknownDim, -1)), itemOf(list)];
  },
  TensorListLength: (site) => {
    const count = site.inputs[0]?.list?.shape?.[0] ?? unknownDim;
    return [{dtype: "int32", shape: [], ...(count === unknownDim ? {} : {elements: [count]})}];
  },
  TensorListResize: (site) => [resized(given(site, 0), countOf(site, 1))],
  TensorListConcatV2: concatenated,
  TensorListConcat: concatenated,
};

function concatenated(site: Site): readonly TensorType[] {
  const {dtype, shape} = given(site, 0);
  const [count = unknownDim, first] = shape ?? [];
  return [
    {dtype, shape: first === undefined ? undefined : [multiplyDims(count, first), ...shape!.slice(2)]},
    {dtype: "int64", shape: [count]},
  ];
}

/** Of the IR only: the tensor of a list with row i replaced. */
const updateRow: Operator = {
  name: "tf.UpdateRow",
  infer: ({inputs: [list, , item]}) => {
    const element = mergeShapes(list!.shape?.slice(1), item!.shape);
    return [{dtype: list!.dtype, shape: list!.shape && element ? [list!.shape[0]!, ...element] : list!.shape}];
  },
  evaluate: (_, [list, index, item]) => {
    const row = Number((index!.data as ArrayLike<number | bigint>)[0]);
    if (!(row >= 0 && row < list!.shape[0]!) || list!.dtype === "string") return undefined;
    const bytes = list!.bytes.slice();
    bytes.set(item!.bytes, row * item!.bytes.length);
    return [new Tensor(list!.dtype, list!.shape, bytes)];
  },
};

function mergeShapes(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  return joinLists({dtype: "int32", shape: a && [0, ...a]}, {dtype: "int32", shape: b && [0, ...b]}).shape?.slice(1);
}

export const lists: readonly Operator[] = [
  updateRow,
  ...Object.entries(rows).map(([name, infer]): Operator => ({name: `tf.${name}`, infer})),
];
