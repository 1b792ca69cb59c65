/**
 * Lists of tensors → one tensor each, [length, …element] (specs/convert.md §4.9):
 *
 *     TensorListReserve(shape, n)     →  zeros [n, …element]
 *     TensorListFromTensor, …Stack    →  the tensor itself
 *     TensorListGetItem(list, i)      →  row i
 *     TensorListSetItem(list, i, x)   →  the tensor with row i replaced (UpdateRow, an operator of the IR only)
 *     TensorListPushBack(list, x)     →  the tensor with x behind it
 *
 * What a reserved list holds is known from what is put into it later: needs are told backwards, from the loops and writes
 * that a list goes into.
 */
import type {Tensor} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Dim, isKnown, isStatic, type Shape, unknownDim} from "../ir/dims.ts";
import {type Graph, type ListType, type Node, originOf, type Ref, refTo, type TensorType} from "../ir/graph.ts";
import {joinLists} from "../ir/join.ts";
import {int32Tensor, makeTensor, maxFoldedBytes, sizeOfType} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import {growsAttribute} from "../ops/tf/lists.ts";
import type {Pass, Tally} from "./pass.ts";

export const lists: Pass = {
  name: "lists",
  effect: "rewritten",
  regions: "own",
  run: (graph, tally) => (holdsLists(graph) ? new ListsToTensors(graph, [], tally).run() : graph),
};

const holdsLists = (graph: Graph): boolean =>
  graph.nodes.some(
    (node) => node.outputs.some((type) => type.list) || Object.values(node.regions ?? {}).some(holdsLists),
  );

class ListsToTensors {
  readonly #graph: Graph;
  readonly #needs: ReadonlyMap<Ref, ListType>;
  /** Where a size that isn't known before the run can be read: the first value that has it. */
  readonly #sizes = new Map<Dim, {readonly ref: Ref; readonly axis: number}>();
  readonly #tally: Tally;

  /** @param needs what the graph's outputs have to be, where they are lists */
  constructor(graph: Graph, needs: readonly (ListType | undefined)[], tally: Tally) {
    this.#graph = graph;
    this.#needs = findNeeds(graph, needs);
    this.#tally = tally;
  }

  run(): Graph {
    return rewriteGraph(this.#graph, tfTable, (node, b) => {
      const replaced = this.#rewrite(node, b);
      node.outputs.forEach((type, i) => {
        type.shape?.forEach((dim, axis) => {
          const known = isKnown(dim) || dim === unknownDim || this.#sizes.has(dim);
          if (!known) this.#sizes.set(dim, {ref: replaced?.[i] ?? refTo(node.name, i), axis});
        });
      });
      return replaced;
    });
  }

  #rewrite(node: Node, b: Rewriter): readonly Ref[] | undefined {
    if (node.op === "input") {
      const [{list}] = node.outputs as [TensorType];
      return list && [b.input(node.name, list)];
    }
    if (node.regions) return this.#rewriteLoop(node, b);
    const write = Object.hasOwn(writers, node.op) ? writers[node.op] : undefined;
    const made = write?.(node, b, (index) => this.#typeOf(node, index), this.#zeros);
    if (made) this.#tally("list operations on tensors", originOf(node));
    return made;
  }

  #rewriteLoop(node: Node, b: Rewriter): readonly Ref[] {
    const needs = node.outputs.map((type) => type.list);
    const regions = Object.fromEntries(
      Object.entries(node.regions!).map(([part, region]) => [
        part,
        new ListsToTensors(region, part === "body" ? needs : [], this.#tally).run(),
      ]),
    );
    const types = node.outputs.map((type): TensorType => type.list ?? type);
    return b.emit(node.op, node.inputs, node.attributes, {types, regions});
  }

  /** What list `index` of the outputs is as a tensor, with all that is known of it. */
  #typeOf(node: Node, index: number): ListType | undefined {
    const own = node.outputs[index]?.list;
    if (own === undefined) return undefined;
    const {dtype, shape} = joinLists(own, this.#needs.get(refTo(node.name, index)));
    // What is needed says nothing of the length.
    return {dtype, shape: shape && [this.#lengthOf(node, own) ?? shape[0]!, ...shape.slice(1)]};
  }

  #lengthOf(node: Node, {shape}: ListType): Dim | undefined {
    if (shape !== undefined) return shape[0];
    const count = node.op === "tf.TensorListReserve" ? node.inputs[1] : undefined;
    const producer = count === undefined ? undefined : this.#graph.nodes.find((each) => refTo(each.name) === count);
    return producer?.outputs[0]?.elements?.[0];
  }

  /** Zeros of a type; `count` gives the length where it isn't known. `undefined` where a size can't be told. */
  readonly #zeros: MakeZeros = (b, {dtype, shape}, count) => {
    if (shape === undefined) return undefined;
    const zero = () => makeTensor(dtype, [], () => 0);
    if (isStatic(shape) && sizeOfType({dtype, shape}) <= maxFoldedBytes) {
      return b.constant(makeTensor(dtype, shape, () => 0));
    }
    const sizes = shape.map((dim, axis): Ref | undefined => {
      if (isKnown(dim)) return b.constant(scalar(dim));
      if (axis === 0 && count !== undefined) return count;
      const source = this.#sizes.get(dim);
      return source && sizeAt(b, source.ref, source.axis);
    });
    if (sizes.some((size) => size === undefined)) return undefined;
    const dims = b.op("tf.Pack", sizes as Ref[], {axis: 0, N: sizes.length});
    return b.op("tf.Fill", [dims, b.constant(zero())], {}, {types: [{dtype, shape}]});
  };
}

type MakeZeros = (b: Rewriter, type: ListType, count: Ref | undefined) => Ref | undefined;

/** What stands for the outputs; `undefined` leaves the node, which can't be lowered then. */
type Writer = (
  node: Node,
  b: Rewriter,
  typeOf: (index: number) => ListType | undefined,
  zeros: MakeZeros,
) => readonly Ref[] | undefined;

const scalar = (value: number): Tensor => int32Tensor([value], []);
const vector = (values: readonly number[]): Tensor => int32Tensor(values);

const gather = (b: Rewriter, list: Ref, indices: Ref): Ref =>
  b.op("tf.GatherV2", [list, indices, b.constant(scalar(0))], {batch_dims: 0});

function sizeAt(b: Rewriter, ref: Ref, axis: number): Ref {
  const shape = b.op("tf.Shape", [ref], {out_type: "int32"});
  return b.op("tf.GatherV2", [shape, b.constant(scalar(axis)), b.constant(scalar(0))], {batch_dims: 0});
}

const behind = (b: Rewriter, item: Ref): Ref => b.op("tf.ExpandDims", [item, b.constant(scalar(0))]);

const asInt32 = (b: Rewriter, ref: Ref): Ref =>
  b.type(ref).dtype === "int32"
    ? ref
    : b.op("tf.Cast", [ref], {SrcT: b.type(ref).dtype, DstT: "int32", Truncate: false});

const writers: Readonly<Record<string, Writer>> = {
  "tf.TensorListReserve": ({inputs}, b, typeOf, zeros) => one(zeros(b, typeOf(0)!, asInt32(b, inputs[1]!))),
  "tf.EmptyTensorList": (_, b, typeOf, zeros) => one(zeros(b, typeOf(0)!, undefined)),
  "tf.TensorListFromTensor": ({inputs}) => [inputs[0]!],
  "tf.TensorListStack": ({inputs}) => [inputs[0]!],
  "tf.TensorListGetItem": ({inputs}, b) => [gather(b, inputs[0]!, inputs[1]!)],
  "tf.TensorListSetItem": ({inputs, attributes}, b, typeOf) => {
    const [list, index, item] = inputs as [Ref, Ref, Ref];
    if (attributes[growsAttribute] !== true) return [b.op("tf.UpdateRow", [list, index, item])];
    // Where the length isn't told, a row behind the end would be lost.
    const long = withLength(b, list, typeOf(0)?.shape?.[0]);
    return long === undefined ? undefined : [b.op("tf.UpdateRow", [long, index, item])];
  },
  "tf.TensorListGather": ({inputs}, b) => [gather(b, inputs[0]!, inputs[1]!)],
  "tf.TensorListLength": ({inputs}, b) => [sizeAt(b, inputs[0]!, 0)],
  "tf.TensorListPushBack": ({inputs}, b) => [
    b.op("tf.ConcatV2", [inputs[0]!, behind(b, inputs[1]!), b.constant(scalar(0))], {N: 2}),
  ],
  "tf.TensorListPopBack": ({inputs}, b) => {
    const [list] = inputs as [Ref];
    const length = b.type(list).shape?.[0];
    if (length === undefined || !isKnown(length) || length === 0) return undefined;
    const rest = rows(b, list, length - 1);
    if (rest === undefined) return undefined;
    return [rest, gather(b, list, b.constant(scalar(length - 1)))];
  },
  "tf.TensorListScatterIntoExistingList": ({inputs}, b) => scatter(b, inputs[0]!, inputs[1]!, inputs[2]!),
  "tf.TensorListScatterV2": ({inputs}, b, typeOf, zeros) => {
    const [values, indices] = inputs as [Ref, Ref];
    if (isInOrder(b, indices, typeOf(0)?.shape?.[0])) return [values];
    const empty: Ref | undefined = zeros(b, typeOf(0)!, asInt32(b, inputs[3]!));
    return empty === undefined ? undefined : scatter(b, empty, values, indices);
  },
  "tf.TensorListResize": ({inputs}, b, typeOf) => one(withLength(b, inputs[0]!, typeOf(0)?.shape?.[0])),
  "tf.TensorListConcat": concat,
  "tf.TensorListConcatV2": concat,
};

const one = (ref: Ref | undefined): readonly Ref[] | undefined => (ref === undefined ? undefined : [ref]);

/** The first `count` rows. */
function rows(b: Rewriter, list: Ref, count: number): Ref | undefined {
  const rank = b.type(list).shape?.length;
  if (rank === undefined) return undefined;
  const begin = b.constant(vector(Array<number>(rank).fill(0)));
  const size = b.constant(vector([count, ...Array<number>(rank - 1).fill(-1)]));
  return b.op("tf.Slice", [list, begin, size]);
}

/** Cut off, or with zeros behind; `undefined` where lengths aren't known. */
function withLength(b: Rewriter, list: Ref, wanted: Dim | undefined): Ref | undefined {
  const {shape} = b.type(list);
  const found = shape?.[0];
  if (wanted === undefined || found === undefined || !isKnown(wanted) || !isKnown(found)) return undefined;
  if (wanted === found) return list;
  if (wanted < found) return rows(b, list, wanted);
  const rank = shape!.length;
  const paddings = vector([0, wanted - found, ...Array<number>(2 * rank - 2).fill(0)]).reshape([rank, 2]);
  return b.op("tf.Pad", [list, b.constant(paddings)]);
}

function scatter(b: Rewriter, list: Ref, values: Ref, indices: Ref): readonly Ref[] {
  if (isInOrder(b, indices, b.type(list).shape?.[0])) return [values];
  const places = b.op("tf.ExpandDims", [indices, b.constant(scalar(-1))]);
  return [b.op("tf.TensorScatterUpdate", [list, places, values])];
}

/** Whether indices are 0, 1, 2 … to the end: as constants, or as Range from 0 over the length. */
function isInOrder(b: Rewriter, indices: Ref, length: Dim | undefined): boolean {
  const {elements} = b.type(indices);
  if (elements && elements.length === length) return elements.every((each, i) => each === i);
  const range = b.producer(indices);
  if (range?.op !== "tf.Range" || length === undefined) return false;
  const [start, limit, delta] = range.inputs.map((ref) => b.type(ref).elements?.[0]);
  return start === 0 && delta === 1 && limit !== undefined && limit !== unknownDim && limit === length;
}

/** All elements have one shape, as those of a tensor do, so that the lengths are equal. */
function concat({inputs, outputs}: Node, b: Rewriter): readonly Ref[] | undefined {
  const shape = b.type(inputs[0]!).shape;
  if (shape === undefined || shape.length < 2 || !isStatic(shape)) return undefined;
  const [count, length, ...rest] = shape as readonly number[];
  const merged: Shape = [count! * length!, ...rest];
  const lengths = makeTensor("int64", [count!], () => length!);
  const whole = b.op("tf.Reshape", [inputs[0]!, b.constant(vector(merged as number[]))]);
  return outputs.length > 1 ? [whole, b.constant(lengths)] : [whole];
}

/** Operators whose list output is their list input, changed: what is needed of one is needed of the other. */
const handsOn: ReadonlySet<string> = new Set(
  ["SetItem", "ScatterIntoExistingList", "PushBack", "PopBack", "Resize"].map((name) => `tf.TensorList${name}`),
);

function findNeeds(graph: Graph, outputs: readonly (ListType | undefined)[]): ReadonlyMap<Ref, ListType> {
  const needs = new Map<Ref, ListType>();
  const need = (ref: Ref | undefined, type: ListType | undefined) => {
    if (ref !== undefined && type !== undefined) needs.set(ref, joinLists(type, needs.get(ref)));
  };
  graph.outputs.forEach(({ref}, i) => {
    need(ref, outputs[i]);
  });
  for (const node of [...graph.nodes].reverse()) {
    const ofOutput = (index: number) => {
      const own = node.outputs[index]?.list;
      return own && joinLists(own, needs.get(refTo(node.name, index)));
    };
    if (node.regions) for (const [i, ref] of node.inputs.entries()) need(ref, ofOutput(i));
    else if (handsOn.has(node.op)) need(node.inputs[0], anyLength(ofOutput(0)));
    else if (/^tf\.Select/.test(node.op)) for (const ref of node.inputs.slice(1)) need(ref, ofOutput(0));
    else if (node.op === "tf.Identity") need(node.inputs[0], ofOutput(0));
  }
  return needs;
}

/** The length may differ before and after. */
function anyLength(list: ListType | undefined): ListType | undefined {
  return list && {dtype: list.dtype, shape: list.shape && [unknownDim, ...list.shape.slice(1)]};
}
