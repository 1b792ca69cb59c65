/**
 * float64, float16 and bfloat16 are computed in float32 (specs/convert.md §4.18): the kernels know nothing else. Inputs
 * and outputs keep their dtypes, by casts; complex128 isn't narrowed.
 */
import type {Tensor} from "@tf-trusted/tensor";
import {GraphBuilder} from "../ir/builder.ts";
import {
  type Attribute,
  type Attributes,
  allNodes,
  type Graph,
  indexOf,
  type Node,
  nodeOf,
  originOf,
  type Port,
  type Ref,
  type TensorType,
} from "../ir/graph.ts";
import {castTensor} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass} from "./pass.ts";

const narrowed: ReadonlySet<string> = new Set(["float64", "float16", "bfloat16"]);

/** What the report counts such nodes as. */
export const tallyOf = (dtype: string): string => `${dtype} computed in float32`;

export const narrow: Pass = {
  name: "narrow",
  effect: "narrowed",
  regions: "own",
  run: (graph, tally) => {
    const affected = [...allNodes(graph)].filter((node) => node.outputs.some((type) => narrowed.has(type.dtype)));
    if (affected.length === 0) return graph;
    for (const node of affected) {
      if (node.op === "const") continue;
      tally(tallyOf(node.outputs.find((type) => narrowed.has(type.dtype))!.dtype), originOf(node));
    }
    return new Narrower(graph, "kept").run();
  },
};

class Narrower extends GraphBuilder {
  readonly #graph: Graph;
  readonly #replaced = new Map<Ref, Ref>();
  /** A model's inputs and outputs keep their dtypes; those of a loop are narrowed with what runs it. */
  readonly #ports: "kept" | "narrowed";

  constructor(graph: Graph, ports: "kept" | "narrowed") {
    super(tfTable, new Set(graph.nodes.map((node) => node.name)));
    this.#graph = graph;
    this.#ports = ports;
  }

  run(): Graph {
    for (const node of this.#graph.nodes) {
      const inputs = node.inputs.map((ref) => this.#resolve(ref));
      if (node.op === "input" && this.#ports === "narrowed") {
        this.keep({...node, outputs: node.outputs.map(narrowType)});
      } else if (node.op === "input") {
        this.keep(node);
        const [type] = node.outputs;
        if (narrowed.has(type!.dtype))
          this.#replaced.set(`${node.name}:0`, this.#cast(`${node.name}:0`, type!.dtype, "float32"));
      } else if (node.op === "const" && narrowed.has(node.outputs[0]!.dtype)) {
        const value = castTensor(node.attributes.value as Tensor, "float32")!;
        this.keep({...node, attributes: {value}, outputs: [{dtype: "float32", shape: value.shape}]});
      } else {
        this.origin = node.origin ?? node.name;
        const attributes = narrowAttributes(node.attributes, this.#changesBits(node));
        const outputs = this.knows(node.op)
          ? this.inferTypes(node.op, inputs, attributes, this.origin)
          : node.outputs.map(narrowType);
        const regions = node.regions && {
          regions: Object.fromEntries(
            Object.entries(node.regions).map(([part, region]) => [part, new Narrower(region, "narrowed").run()]),
          ),
        };
        this.keep({...node, inputs, attributes, outputs, ...regions});
      }
    }
    this.origin = undefined;
    const outputs = this.#graph.outputs.map(({name, ref}): Port => {
      const dtype = this.#dtypeBefore(ref);
      const target = this.#resolve(ref);
      if (this.#ports === "narrowed") return {name, ref: target};
      return {name, ref: narrowed.has(dtype) ? (target === ref ? this.#cast(target, "float32", dtype) : ref) : target};
    });
    return this.build(this.#graph.inputs, outputs);
  }

  /** Of a value in another dtype the bits are others: the lowering refuses to reinterpret them. */
  #changesBits(node: Node): boolean {
    const dtypes = [...node.inputs.map((ref) => this.#dtypeBefore(ref)), ...node.outputs.map((type) => type.dtype)];
    return node.op === "tf.Bitcast" && dtypes.some((dtype) => narrowed.has(dtype));
  }

  #resolve(ref: Ref): Ref {
    return this.#replaced.get(ref) ?? ref;
  }

  #cast(ref: Ref, from: string, to: string): Ref {
    return this.op("tf.Cast", [ref], {SrcT: from, DstT: to, Truncate: false}, {name: `${nodeOf(ref)}/${to}`});
  }

  #dtypeBefore(ref: Ref): string {
    return this.#graph.nodes.find((node) => node.name === nodeOf(ref))!.outputs[indexOf(ref)]!.dtype;
  }
}

const narrowType = (type: TensorType): TensorType =>
  narrowed.has(type.dtype) ? {dtype: "float32", shape: type.shape} : type;

/** Attributes name dtypes, too. No other attribute has such a value. */
function narrowAttributes(attributes: Attributes, changesBits: boolean): Attributes {
  const narrowValue = (value: Attribute): Attribute => {
    if (typeof value === "string") return narrowed.has(value) ? "float32" : value;
    if (Array.isArray(value) && value.some((each) => typeof each === "string" && narrowed.has(each))) {
      return (value as readonly string[]).map((each) => (narrowed.has(each) ? "float32" : each));
    }
    return value;
  };
  const entries = Object.entries(attributes).map(([key, value]) => [key, narrowValue(value)]);
  return {...Object.fromEntries(entries), ...(changesBits && {narrowed: true})};
}
