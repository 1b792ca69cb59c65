/** Reference values of lists of tensors: arrays of tensors, as TensorFlow has them; slots that nobody wrote are zeros. */
import {type DType, dtypes, Tensor} from "@tf-trusted/tensor";
import {isKnown, isStatic, type Shape} from "../ir/dims.ts";
import type {TensorType} from "../ir/graph.ts";
import {booleanAttribute, failAt, type Site, stringAttribute} from "../ir/operators.ts";
import {makeTensor} from "../ops/elements.ts";
import {integers} from "../ops/shapes.ts";
import {elementShape, growsAttribute} from "../ops/tf/lists.ts";

export interface ListValue {
  readonly dtype: DType;
  /** What is known of the elements' shape without looking at them. */
  readonly element: Shape | undefined;
  readonly items: readonly (Tensor | undefined)[];
}

/** What flows along an edge. */
export type Value = Tensor | ListValue;

export const isListOperator = (op: string): boolean => Object.hasOwn(rows, op);

/** Throws `CONVERT_SHAPE` for an index outside the list, or elements of different shapes where they are put together. */
export function evaluateList(site: Site, inputs: readonly Value[]): readonly Value[] {
  return rows[site.op]!(site, inputs as readonly Tensor[] & readonly ListValue[]);
}

export function typeOfList({dtype, element, items}: ListValue): TensorType {
  const shape = items.find((item) => item !== undefined)?.shape ?? element;
  return {dtype: "variant", shape: [], list: {dtype, shape: shape && [items.length, ...shape]}};
}

type Row = (site: Site, inputs: readonly Tensor[] & readonly ListValue[]) => readonly Value[];

const dtypeAt = (site: Site): DType => stringAttribute(site, "element_dtype") as DType;
const numberIn = (tensor: Tensor): number => integers(tensor)![0]!;
const withItems = (list: ListValue, items: ListValue["items"]): ListValue => ({...list, items});

const rows: Readonly<Record<string, Row>> = {
  "tf.TensorListReserve": (site, [, count]) => [
    {
      dtype: dtypeAt(site),
      element: elementShape(site, 0),
      items: new Array<Tensor | undefined>(numberIn(count!)).fill(undefined),
    },
  ],
  "tf.EmptyTensorList": (site) => [{dtype: dtypeAt(site), element: elementShape(site, 0), items: []}],
  "tf.TensorListFromTensor": (_, [tensor]) => [
    {dtype: tensor!.dtype, element: tensor!.shape.slice(1), items: unstack(tensor!)},
  ],
  "tf.TensorListSetItem": (site, [list, index, item]) => {
    const grows = booleanAttribute(site, growsAttribute);
    checkIndex(site, list!, numberIn(index!), grows ? Number.POSITIVE_INFINITY : 0);
    const place = numberIn(index!);
    const length = Math.max(list!.items.length, place + 1);
    return [
      withItems(
        list!,
        Array.from({length}, (_, i) => (i === place ? item : list!.items[i])),
      ),
    ];
  },
  "tf.TensorListGetItem": (site, [list, index]) => {
    checkIndex(site, list!, numberIn(index!));
    return [itemAt(site, list!, numberIn(index!), elementShape(site, 2))];
  },
  "tf.TensorListStack": (site, [list]) => [stack(site, list!, elementShape(site, 1))],
  "tf.TensorListGather": (site, [list, indices]) => {
    const places = integers(indices!)!;
    for (const place of places) checkIndex(site, list!, place);
    const items = places.map((place) => list!.items[place]);
    return [stack(site, withItems(list!, items), elementShape(site, 2) ?? shapeOfItems(list!))];
  },
  "tf.TensorListScatterIntoExistingList": (site, [list, values, indices]) => [
    scatter(site, list!, values!, integers(indices!)!),
  ],
  "tf.TensorListScatterV2": (site, [values, indices, , count]) => {
    const places = integers(indices!)!;
    const length = Math.max(numberIn(count!), ...places.map((place) => place + 1), 0);
    const items = new Array<Tensor | undefined>(length).fill(undefined);
    return [scatter(site, {dtype: values!.dtype, element: values!.shape.slice(1), items}, values!, places)];
  },
  "tf.TensorListPushBack": (_, [list, item]) => [withItems(list!, [...list!.items, item])],
  "tf.TensorListPopBack": (site, [list]) => {
    checkIndex(site, list!, 0);
    const last = list!.items.length - 1;
    return [withItems(list!, list!.items.slice(0, last)), itemAt(site, list!, last, elementShape(site, 1))];
  },
  "tf.TensorListLength": (_, [list]) => [makeTensor("int32", [], () => list!.items.length)],
  "tf.TensorListResize": (_, [list, count]) => [
    withItems(
      list!,
      Array.from({length: numberIn(count!)}, (__, i) => list!.items[i]),
    ),
  ],
  "tf.TensorListConcatV2": concat,
  "tf.TensorListConcat": concat,
};

function checkIndex(site: Site, list: ListValue, index: number, slack = 0): void {
  if (index >= 0 && index < list.items.length + slack) return;
  throw failAt(site, "CONVERT_SHAPE", `element ${index} of a list of ${list.items.length}`);
}

const shapeOfItems = (list: ListValue): Shape | undefined =>
  list.items.find((item) => item !== undefined)?.shape ?? list.element;

function itemAt(site: Site, list: ListValue, index: number, told: Shape | undefined): Tensor {
  return list.items[index] ?? zeros(site, list, told);
}

/** What is read of a slot that nobody wrote, of the shape that the list or the reader knows. */
function zeros(site: Site, list: ListValue, told: Shape | undefined): Tensor {
  const shape = [told, list.element, shapeOfItems(list)].find(
    (each) => isStatic(each) && each.every((dim) => dim >= 0),
  );
  if (!isStatic(shape)) throw failAt(site, "CONVERT_SHAPE", "an element that was never written, of unknown shape");
  return makeTensor(list.dtype, shape, () => 0);
}

function stack(site: Site, list: ListValue, told: Shape | undefined): Tensor {
  const items = list.items.map((item) => item ?? zeros(site, list, told));
  const shape = items[0]?.shape ?? emptyShape(told ?? list.element);
  if (items.some((item) => item.shape.join() !== shape.join())) {
    throw failAt(site, "CONVERT_SHAPE", "the elements of the list have different shapes");
  }
  return joined(site, list.dtype, [items.length, ...shape], items);
}

/** Of a list without elements only what is known of them tells how the stack looks. */
const emptyShape = (shape: Shape | undefined): readonly number[] =>
  (shape ?? []).map((dim) => (isKnown(dim) && dim >= 0 ? dim : 0));

function concat(site: Site, [list]: readonly ListValue[]): readonly Value[] {
  const items = list!.items.map((item) => item ?? zeros(site, list!, undefined));
  const rest = items[0]?.shape.slice(1) ?? emptyShape(list!.element?.slice(1));
  const lengths = items.map((item) => item.shape[0] ?? 0);
  const count = lengths.reduce((a, b) => a + b, 0);
  return [joined(site, list!.dtype, [count, ...rest], items), makeTensor("int64", [items.length], (i) => lengths[i]!)];
}

function joined(site: Site, dtype: DType, shape: readonly number[], items: readonly Tensor[]): Tensor {
  if (dtypes[dtype].bytes === undefined) throw failAt(site, "CONVERT_NO_REFERENCE", `a list of ${dtype}`);
  const bytes = new Uint8Array(items.reduce((sum, item) => sum + item.bytes.length, 0));
  let at = 0;
  for (const item of items) {
    bytes.set(item.bytes, at);
    at += item.bytes.length;
  }
  return new Tensor(dtype, shape, bytes);
}

function unstack(tensor: Tensor): Tensor[] {
  const count = tensor.shape[0] ?? 0;
  const size = count === 0 ? 0 : tensor.bytes.length / count;
  const shape = tensor.shape.slice(1);
  return Array.from(
    {length: count},
    (_, i) => new Tensor(tensor.dtype, shape, tensor.bytes.slice(i * size, (i + 1) * size)),
  );
}

function scatter(site: Site, list: ListValue, values: Tensor, places: readonly number[]): ListValue {
  const items = [...list.items];
  unstack(values).forEach((item, i) => {
    checkIndex(site, list, places[i]!);
    items[places[i]!] = item;
  });
  return withItems(list, items);
}
