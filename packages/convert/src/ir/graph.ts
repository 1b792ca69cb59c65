/**
 * The intermediate representation: one graph type for both dialects (`tf.…` and `tfl.…` operators, and `const` and
 * `input` of neither). Graphs are values: a pass makes a new one. Nodes are in topological order; output k of the node n
 * is referred to as `n:k`.
 */
import type {DType, Tensor} from "@tf-trusted/tensor";
import type {Dim, Shape} from "./dims.ts";

/** Dtypes of values in a graph. `resource` and `variant` stand for what only a runtime can hold. */
export type ValueDType = DType | "resource" | "variant";

export interface TensorType {
  readonly dtype: ValueDType;
  /** `undefined` = unknown rank. */
  readonly shape: Shape | undefined;
  /** The elements of a small integer tensor, as far as they are known or can be told by dimensions of the inputs. */
  readonly elements?: readonly Dim[];
  /** Of a list of tensors (dtype variant): the tensor that they would be if stacked, [length, …element]. */
  readonly list?: ListType;
  /** Of integers that stand for real numbers. */
  readonly quantisation?: Quantisation;
}

/** real = scale·(integer − zero): one scale and zero for all elements, or one for each index along `axis`. */
export interface Quantisation {
  readonly scale: readonly number[];
  readonly zero: readonly number[];
  /** 0 where there is one scale. */
  readonly axis: number;
}

export interface ListType {
  readonly dtype: DType;
  /** `undefined` = the rank of the elements isn't known. */
  readonly shape: Shape | undefined;
}

/** `node:0`; "" is an optional input left out. */
export type Ref = string;

export type Attribute =
  | number
  | boolean
  | string
  | Tensor
  | readonly (number | boolean | string)[]
  | readonly (readonly Dim[])[];
export type Attributes = Readonly<Record<string, Attribute>>;

export interface Node {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly Ref[];
  readonly attributes: Attributes;
  readonly outputs: readonly TensorType[];
  /**
   * Graphs that the node runs, by their part: a loop has `cond` and `body`. They see only their own inputs, which have the
   * types of the node's.
   */
  readonly regions?: Regions;
  /** The node of the source that this one was made for, where its name differs: told in reports. */
  readonly origin?: string;
}

export type Regions = Readonly<Record<string, Graph>>;

/** An input or output of the graph under the name that callers use. */
export interface Port {
  readonly name: string;
  readonly ref: Ref;
}

export interface Graph {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly nodes: readonly Node[];
}

export const refTo = (node: string, index = 0): Ref => `${node}:${index}`;

export const nodeOf = (ref: Ref): string => ref.slice(0, ref.lastIndexOf(":"));

export const indexOf = (ref: Ref): number => Number(ref.slice(ref.lastIndexOf(":") + 1));

/** The graph with `change` applied to every region of its nodes. */
export function mapRegions(graph: Graph, change: (region: Graph, node: Node) => Graph): Graph {
  if (!graph.nodes.some((node) => node.regions)) return graph;
  const nodes = graph.nodes.map((node): Node => {
    if (node.regions === undefined) return node;
    const regions = Object.entries(node.regions).map(([part, region]) => [part, change(region, node)] as const);
    return {...node, regions: Object.fromEntries(regions)};
  });
  return {...graph, nodes};
}

/** The source's name for a node. */
export const originOf = (node: Node): string => node.origin ?? node.name;

/** All nodes of a graph and of the regions in it. */
export function* allNodes(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node;
    for (const region of Object.values(node.regions ?? {})) yield* allNodes(region);
  }
}

/** The constant that a node is, if it is one. */
export function constantOf(node: Node | undefined): Tensor | undefined {
  return node?.op === "const" ? (node.attributes.value as Tensor) : undefined;
}

/** A type without what is known about its elements. */
export const plainType = ({dtype, shape, quantisation}: TensorType): TensorType => ({
  dtype,
  shape,
  ...(quantisation ? {quantisation} : {}),
});
