/**
 * Makes graphs node by node, in topological order; types come from the operator table. `rewriteGraph` is how passes are
 * written: it walks a graph and gives each node to a function that keeps or replaces it.
 */
import type {Tensor} from "@tf-trusted/tensor";
import type {Dim} from "./dims.ts";
import {
  type Attributes,
  constantOf,
  type Graph,
  indexOf,
  type Node,
  nodeOf,
  type Port,
  plainType,
  type Quantisation,
  type Ref,
  type Regions,
  refTo,
  type TensorType,
} from "./graph.ts";
import type {OperatorTable, Site} from "./operators.ts";

export interface EmitOptions {
  /** Wished for; made unique. Default: the origin's name and the operator's. */
  readonly name?: string;
  /** Types of the outputs where the table has no row for the operator, or they are known better. */
  readonly types?: readonly TensorType[];
  readonly regions?: Regions;
}

export class GraphBuilder {
  readonly #operators: OperatorTable;
  readonly #nodes = new Map<string, Node>();
  readonly #counters = new Map<string, number>();
  #reserved: ReadonlySet<string> = new Set();
  /** The source node that emitted nodes are accounted to. */
  protected origin: string | undefined;

  constructor(operators: OperatorTable, reserved: ReadonlySet<string> = new Set()) {
    this.#operators = operators;
    this.#reserved = reserved;
  }

  input(name: string, type: TensorType): Ref {
    return this.#add({name: this.#fresh(name), op: "input", inputs: [], attributes: {}, outputs: [type]});
  }

  constant(value: Tensor, name = `${this.origin ?? "graph"}/const`, quantisation?: Quantisation): Ref {
    return this.#add({
      name: this.#fresh(name),
      op: "const",
      inputs: [],
      attributes: {value},
      outputs: [quantisation ? {dtype: value.dtype, shape: value.shape, quantisation} : typeOfConstant(value)],
      ...(this.origin === undefined ? {} : {origin: this.origin}),
    });
  }

  /** Adds a node and gives all of its outputs. Throws what the operator's row does. */
  emit(op: string, inputs: readonly Ref[], attributes: Attributes = {}, options: EmitOptions = {}): readonly Ref[] {
    const wished = options.name ?? `${this.origin ?? "graph"}/${op.replace(/^tfl?\./, "")}`;
    const name = this.#fresh(wished);
    const outputs = options.types ?? this.inferTypes(op, inputs, attributes, this.origin ?? name);
    const origin = this.origin !== undefined && this.origin !== name ? {origin: this.origin} : {};
    const regions = options.regions === undefined ? {} : {regions: options.regions};
    this.#add({name, op, inputs, attributes, outputs, ...regions, ...origin});
    return outputs.map((_, index) => refTo(name, index));
  }

  /** {@link emit} for operators of one output. */
  op(op: string, inputs: readonly Ref[], attributes: Attributes = {}, options: EmitOptions = {}): Ref {
    return this.emit(op, inputs, attributes, options)[0]!;
  }

  type(ref: Ref): TensorType {
    return this.#nodes.get(nodeOf(ref))!.outputs[indexOf(ref)]!;
  }

  producer(ref: Ref): Node | undefined {
    return this.#nodes.get(nodeOf(ref));
  }

  constantAt(ref: Ref): Tensor | undefined {
    return constantOf(this.producer(ref));
  }

  site(op: string, inputs: readonly Ref[], attributes: Attributes, name: string): Site {
    const given = inputs.filter((ref) => ref !== "");
    return {
      name,
      op,
      attributes,
      inputs: given.map((ref) => this.type(ref)),
      constants: given.map((ref) => this.constantAt(ref)),
    };
  }

  build(inputs: readonly Port[], outputs: readonly Port[]): Graph {
    return {inputs, outputs, nodes: [...this.#nodes.values()]};
  }

  protected inferTypes(
    op: string,
    inputs: readonly Ref[],
    attributes: Attributes,
    name: string,
  ): readonly TensorType[] {
    const row = this.#operators.get(op);
    if (!row) throw new TypeError(`no row for operator ${op}`);
    return row.infer(this.site(op, inputs, attributes, name));
  }

  protected knows(op: string): boolean {
    return this.#operators.has(op);
  }

  /** Adds a node under the name that it has. */
  protected keep(node: Node): void {
    this.#nodes.set(node.name, node);
  }

  #add(node: Node): Ref {
    this.#nodes.set(node.name, node);
    return refTo(node.name);
  }

  #fresh(wished: string): string {
    if (!this.#nodes.has(wished) && !this.#reserved.has(wished)) return wished;
    for (;;) {
      const count = (this.#counters.get(wished) ?? 0) + 1;
      this.#counters.set(wished, count);
      const name = `${wished}_${count}`;
      if (!this.#nodes.has(name) && !this.#reserved.has(name)) return name;
    }
  }
}

/** What a pass sees while it walks a graph. */
export class Rewriter extends GraphBuilder {
  readonly graph: Graph;
  readonly #replacements = new Map<Ref, Ref>();
  readonly #sourceUses = new Map<Ref, number>();
  readonly #uses = new Map<Ref, number>();
  readonly #outputs = new Set<Ref>();
  readonly #sourceOutputs: ReadonlySet<Ref>;
  /** Nodes that have other types than in the graph being walked, or aren't in it. */
  readonly #changed = new Set<string>();

  constructor(graph: Graph, operators: OperatorTable) {
    super(operators, new Set(graph.nodes.map((node) => node.name)));
    this.graph = graph;
    this.#sourceOutputs = new Set(graph.outputs.map((port) => port.ref));
    for (const node of graph.nodes) for (const ref of node.inputs) count(this.#sourceUses, ref, 1);
    for (const port of graph.outputs) count(this.#sourceUses, port.ref, 1);
  }

  /** How often a value is used in the graph being walked (by nodes and as an output). */
  uses(ref: Ref): number {
    return this.#uses.get(ref) ?? 1;
  }

  isOutput(ref: Ref): boolean {
    return this.#outputs.has(ref);
  }

  /** What a value of the graph being walked has become. */
  resolve(ref: Ref): Ref {
    return this.#replacements.get(ref) ?? ref;
  }

  visit(node: Node, rewrite: Rewrite): void {
    const inputs = node.inputs.map((ref) => (ref === "" ? ref : this.resolve(ref)));
    const current = sameRefs(inputs, node.inputs) ? node : {...node, inputs};
    this.origin = node.origin ?? node.name;
    const replaced = rewrite(current, this);
    if (replaced === undefined) this.keep(this.#retype(current, node));
    node.outputs.forEach((_, index) => {
      const source = refTo(node.name, index);
      const target = replaced?.[index] ?? source;
      if (target !== source) this.#replacements.set(source, target);
      const uses = (this.#sourceUses.get(source) ?? 0) + (replaced === undefined ? 0 : (this.#uses.get(target) ?? 0));
      // A value that takes over another's consumers loses the one that was the replaced node.
      this.#uses.set(target, uses);
      if (this.#sourceOutputs.has(source)) this.#outputs.add(target);
    });
  }

  finish(): Graph {
    const outputs = this.graph.outputs.map(({name, ref}) => ({name, ref: this.resolve(ref)}));
    const inputs = this.graph.inputs.map(({name, ref}) => ({name, ref: this.resolve(ref)}));
    return this.build(inputs, outputs);
  }

  /** Types follow from those of the inputs: where these are what they were, so are those. */
  #retype(node: Node, source: Node): Node {
    if (!this.knows(node.op)) return node;
    if (node === source && !node.inputs.some((ref) => this.#changed.has(nodeOf(ref)))) return node;
    const outputs = this.inferTypes(node.op, node.inputs, node.attributes, node.origin ?? node.name);
    if (sameTypes(outputs, node.outputs)) return node;
    this.#changed.add(node.name);
    return {...node, outputs};
  }
}

/** Gives the refs that stand for a node's outputs from now on, or `undefined` to keep the node. */
export type Rewrite = (node: Node, rewriter: Rewriter) => readonly Ref[] | undefined;

/** Walks the nodes in order; types of the kept ones are inferred anew. */
export function rewriteGraph(graph: Graph, operators: OperatorTable, rewrite: Rewrite): Graph {
  const rewriter = new Rewriter(graph, operators);
  for (const node of graph.nodes) rewriter.visit(node, rewrite);
  return rewriter.finish();
}

/** Integer constants of few elements have their elements in the type, where shape arithmetic finds them. */
export function typeOfConstant(value: Tensor): TensorType {
  const type: TensorType = {dtype: value.dtype, shape: value.shape};
  const small = value.shape.length <= 1 && value.size <= maxElements;
  if (!small || (value.dtype !== "int32" && value.dtype !== "int64")) return type;
  const elements = Array.from(value.data as Int32Array | BigInt64Array, Number);
  return elements.every(Number.isSafeInteger) ? {...type, elements} : type;
}

const maxElements = 64;

export {plainType};

function count(map: Map<Ref, number>, ref: Ref, by: number): void {
  map.set(ref, (map.get(ref) ?? 0) + by);
}

function sameTypes(a: readonly TensorType[], b: readonly TensorType[]): boolean {
  return a.length === b.length && a.every((type, i) => sameType(type, b[i]!));
}

function sameType(a: TensorType, b: TensorType): boolean {
  return (
    a.dtype === b.dtype &&
    sameDims(a.shape, b.shape) &&
    sameDims(a.elements, b.elements) &&
    a.list?.dtype === b.list?.dtype &&
    sameDims(a.list?.shape, b.list?.shape)
  );
}

function sameDims(a: readonly Dim[] | undefined, b: readonly Dim[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

function sameRefs(a: readonly Ref[], b: readonly Ref[]): boolean {
  return a.every((ref, i) => ref === b[i]);
}
