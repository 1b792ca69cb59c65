/**
 * Lists that grow as a loop writes them (`TensorArray(size=0, dynamic_size=True)`): as tensors they can't grow in a loop, so
 * that they get their last length before it. That is told where every turn writes the row that a counter names, and the
 * condition only compares counters with bounds that stay:
 *
 *     while i < n: list[i] = …; i += 1        →  the list has max(length, n) rows from the start
 *
 * Where it isn't told, the write stays one that grows the list, which can't be lowered.
 */
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {unknownDim} from "../ir/dims.ts";
import {
  type Graph,
  type ListType,
  mapRegions,
  type Node,
  nodeOf,
  originOf,
  type Ref,
  refTo,
  type TensorType,
} from "../ir/graph.ts";
import {joinLists} from "../ir/join.ts";
import {int32Tensor} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import {growsAttribute} from "../ops/tf/lists.ts";
import type {Pass, Tally} from "./pass.ts";

export const growingLists: Pass = {
  name: "growing-lists",
  effect: "rewritten",
  regions: "own",
  run: enlarge,
};

function enlarge(graph: Graph, tally: Tally): Graph {
  const rewritten = rewriteGraph(graph, tfTable, (node, b) => {
    const made = node.op === "tf.While" ? withLengths(node, b) : undefined;
    if (made) tally("growing lists given their last length", originOf(node));
    return made;
  });
  return mapRegions(rewritten, (region) => enlarge(region, tally));
}

/** A loop variable that grows by a fixed number with each turn. */
interface Counter {
  readonly place: number;
  readonly step: number;
}

/** A list among a loop's variables, and the write to it in each turn. */
interface GrowingList {
  readonly place: number;
  readonly write: Node;
  readonly index: Counter;
}

function withLengths(node: Node, b: Rewriter): readonly Ref[] | undefined {
  const {body, cond} = node.regions as {readonly body: Graph; readonly cond: Graph};
  const [inBody, inCond] = [new Walk(body), new Walk(cond)];
  const counterAt = (place: number): Counter | undefined => {
    const step = inBody.stepOf(place);
    return step === undefined || step < 1 || b.type(node.inputs[place]!).dtype !== "int32" ? undefined : {place, step};
  };
  const lists = body.inputs.flatMap((_, place): GrowingList[] => {
    const write = inBody.writeTo(place);
    const index = write && counterAt(inBody.placeOf(write.inputs[1]!));
    return write && index && !inCond.uses(place) ? [{place, write, index}] : [];
  });
  if (lists.length === 0) return undefined;
  const limits = inCond.limits();
  const turns = limits?.map(({counter, bound}) => turnsUntil(counterAt(counter), counter, bound));
  if (turns === undefined || turns.includes(undefined)) return undefined;
  const count = (turns as readonly Ref[]).reduce((least, each) => b.op("tf.Minimum", [least, each]));
  const inputs = [...node.inputs];
  const changed = new Map<number, TensorType>();
  for (const {place, index} of lists) {
    const made = lengthened(node.inputs[place]!, index, count);
    if (made === undefined) return undefined;
    inputs[place] = made;
    const {list} = b.type(made);
    changed.set(place, {dtype: "variant", shape: [], list: joinLists(list, anyLength(node.outputs[place]!.list))});
  }
  const writes = new Set(lists.map(({write}) => write.name));
  const regions = Object.fromEntries(
    Object.entries(node.regions!).map(([part, region]) => [part, retyped(region, changed, writes)]),
  );
  const types = node.outputs.map((type, i) => changed.get(i) ?? type);
  return b.emit(node.op, inputs, node.attributes, {types, regions});

  /** ceil((bound − first) / step): may be negative. */
  function turnsUntil(counter: Counter | undefined, place: number, bound: Bound): Ref | undefined {
    if (counter === undefined) return undefined;
    const limit = "constant" in bound ? b.constant(int32Tensor([bound.constant], [])) : node.inputs[bound.place]!;
    if (b.type(limit).dtype !== "int32" || ("place" in bound && !inBody.isKept(bound.place))) return undefined;
    const distance = b.op("tf.Sub", [limit, node.inputs[place]!]);
    if (counter.step === 1) return distance;
    const rounded = b.op("tf.AddV2", [distance, scalar(counter.step - 1)]);
    return b.op("tf.FloorDiv", [rounded, scalar(counter.step)]);
  }

  /** A new list in the place of a reserved one, as long as it will be. */
  function lengthened(list: Ref, {place, step}: Counter, turns: Ref): Ref | undefined {
    const producer = b.producer(list);
    if (producer?.op !== "tf.TensorListReserve" && producer?.op !== "tf.EmptyTensorList") return undefined;
    const isReserved = producer.op === "tf.TensorListReserve";
    const before = isReserved ? producer.inputs[1]! : scalar(0);
    if (b.type(before).dtype !== "int32") return undefined;
    // first + (turns − 1)·step + 1
    const lastTurn = b.op("tf.Sub", [turns, scalar(1)]);
    const way = step === 1 ? lastTurn : b.op("tf.Mul", [lastTurn, scalar(step)]);
    const after = b.op("tf.AddV2", [b.op("tf.AddV2", [node.inputs[place]!, way]), scalar(1)]);
    const none = b.op("tf.Less", [turns, scalar(1)]);
    const length = b.op("tf.SelectV2", [none, before, b.op("tf.Maximum", [before, after])]);
    const attributes = {element_dtype: producer.attributes.element_dtype!, shape_type: producer.attributes.shape_type!};
    return b.op("tf.TensorListReserve", [producer.inputs[0]!, length], attributes);
  }

  function scalar(value: number): Ref {
    return b.constant(int32Tensor([value], []));
  }
}

/** What is known of a list's elements: its length changes. */
const anyLength = (list: ListType | undefined): ListType | undefined =>
  list && {dtype: list.dtype, shape: list.shape && [unknownDim, ...list.shape.slice(1)]};

type Bound = {readonly constant: number} | {readonly place: number};

/** A region, and what values in it are, behind what only hands them on. */
class Walk {
  readonly #graph: Graph;
  readonly #nodes: ReadonlyMap<string, Node>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  }

  #source(from: Ref): Ref {
    let ref = from;
    for (let node = this.#producer(ref); node?.op === "tf.Identity"; node = this.#producer(ref)) ref = node.inputs[0]!;
    return ref;
  }

  #producer(ref: Ref): Node | undefined {
    return this.#nodes.get(nodeOf(ref));
  }

  #constant(ref: Ref): number | undefined {
    const {elements} = this.#producer(this.#source(ref))?.outputs[0] ?? {};
    return elements?.length === 1 && typeof elements[0] === "number" ? elements[0] : undefined;
  }

  /** Which input a value is; −1 where it is none. */
  placeOf(ref: Ref): number {
    const source = this.#source(ref);
    return this.#graph.inputs.findIndex((port) => port.ref === source);
  }

  isKept(place: number): boolean {
    return this.placeOf(this.#graph.outputs[place]!.ref) === place;
  }

  uses(place: number): boolean {
    return this.#users(place).length > 0;
  }

  #users(place: number): readonly Node[] {
    return this.#graph.nodes.filter(
      (node) => node.op !== "tf.Identity" && node.inputs.some((ref) => this.placeOf(ref) === place),
    );
  }

  /** By how much a turn enlarges a variable; `undefined` where that varies. */
  stepOf(place: number): number | undefined {
    if (place < 0) return undefined;
    const sum = this.#producer(this.#source(this.#graph.outputs[place]!.ref));
    if (sum?.op !== "tf.AddV2" && sum?.op !== "tf.Add") return undefined;
    const [x, y] = sum.inputs as [Ref, Ref];
    return this.placeOf(x) === place ? this.#constant(y) : this.placeOf(y) === place ? this.#constant(x) : undefined;
  }

  /** The one write of each turn to a list that grows, and that nothing else of the turn looks at but by rows. */
  writeTo(place: number): Node | undefined {
    const write = this.#producer(this.#source(this.#graph.outputs[place]!.ref));
    if (write?.op !== "tf.TensorListSetItem" || write.attributes[growsAttribute] !== true) return undefined;
    const others = this.#users(place).filter((node) => node !== write && node.op !== "tf.TensorListGetItem");
    return this.placeOf(write.inputs[0]!) === place && others.length === 0 ? write : undefined;
  }

  /** The comparisons that all have to hold for another turn; `undefined` where there is anything else. */
  limits(): readonly {readonly counter: number; readonly bound: Bound}[] | undefined {
    const found: {readonly counter: number; readonly bound: Bound}[] = [];
    const pending = [this.#graph.outputs[0]!.ref];
    for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
      const node = this.#producer(this.#source(ref));
      if (node?.op === "tf.LogicalAnd") {
        pending.push(...node.inputs);
        continue;
      }
      if (node?.op !== "tf.Less") return undefined;
      const [counter, place] = node.inputs.map((each) => this.placeOf(each)) as [number, number];
      const constant = this.#constant(node.inputs[1]!);
      if (counter < 0 || (place < 0 && constant === undefined)) return undefined;
      found.push({counter, bound: place >= 0 ? {place} : {constant: constant!}});
    }
    return found;
  }
}

/** A region whose lists have other types, and writes that no longer grow them. */
function retyped(region: Graph, types: ReadonlyMap<number, TensorType>, writes: ReadonlySet<string>): Graph {
  const places = new Map(region.inputs.map(({ref}, i) => [ref, i]));
  return rewriteGraph(region, tfTable, (node, b) => {
    if (node.op === "input") {
      const type = types.get(places.get(refTo(node.name)) ?? -1);
      return type && [b.input(node.name, type)];
    }
    if (!writes.has(node.name)) return undefined;
    return b.emit(node.op, node.inputs, {...node.attributes, [growsAttribute]: false});
  });
}
