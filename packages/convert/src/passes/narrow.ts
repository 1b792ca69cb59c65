/**
 * float64, float16 and bfloat16 are computed in float32 (specs/convert.md §4.18): the kernels know nothing else. Inputs
 * and outputs keep their dtypes, by casts, or are float32, too. complex128 becomes complex64 with them; inside, its parts are
 * narrowed where they are taken apart (complex.ts).
 */
import type {DType, Tensor} from "@tf-trusted/tensor";
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
  refTo,
  type TensorType,
  type ValueDType,
} from "../ir/graph.ts";
import {castTensor} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import {castComplex} from "../ops/tf/values/elementwise.ts";
import type {Pass} from "./pass.ts";

/** Dtypes → those that they are computed in. */
type Narrowing = ReadonlyMap<string, DType>;

const parts: Narrowing = new Map([
  ["float64", "float32"],
  ["float16", "float32"],
  ["bfloat16", "float32"],
]);

/** Of a graph whose inputs and outputs are narrowed, too. */
const everything: Narrowing = new Map([...parts, ["complex128", "complex64"]]);

/** The dtype of an input or output of the source after {@link narrowInterface}. */
export const narrowDType = (dtype: ValueDType): ValueDType => everything.get(dtype) ?? dtype;

/** A tensor in a dtype that is narrower or wider, of real or of complex numbers. */
export const recast = (tensor: Tensor, dtype: DType): Tensor =>
  castTensor(tensor, dtype) ?? castComplex(tensor, dtype)!;

/** What the report counts such nodes as. */
export const tallyOf = (dtype: string): string => `${dtype} computed in float32`;

export const narrow: Pass = narrowing("kept", parts);

/** {@link narrow} with inputs and outputs. */
export const narrowInterface: Pass = narrowing("narrowed", everything);

function narrowing(ports: Ports, table: Narrowing): Pass {
  return {
    name: "narrow",
    effect: "narrowed",
    regions: "own",
    run: (graph, tally) => {
      const affected = [...allNodes(graph)].filter((node) => node.outputs.some((type) => table.has(type.dtype)));
      if (affected.length === 0) return graph;
      for (const node of affected) {
        if (node.op === "const") continue;
        const {dtype} = node.outputs.find((type) => table.has(type.dtype))!;
        tally(tallyOf(dtype), originOf(node));
      }
      return new Narrower(graph, ports, table).run();
    },
  };
}

/** A model's inputs and outputs keep their dtypes if wished; those of a loop are narrowed with what runs it. */
type Ports = "kept" | "narrowed";

class Narrower extends GraphBuilder {
  readonly #graph: Graph;
  readonly #replaced = new Map<Ref, Ref>();
  readonly #ports: Ports;
  readonly #table: Narrowing;

  constructor(graph: Graph, ports: Ports, table: Narrowing) {
    super(tfTable, new Set(graph.nodes.map((node) => node.name)));
    this.#graph = graph;
    this.#ports = ports;
    this.#table = table;
  }

  run(): Graph {
    for (const node of this.#graph.nodes) {
      const inputs = node.inputs.map((ref) => this.#resolve(ref));
      if (node.op === "input" && this.#ports === "narrowed") {
        this.keep({...node, outputs: node.outputs.map((type) => this.#narrowType(type))});
      } else if (node.op === "input") {
        this.keep(node);
        const [type] = node.outputs;
        if (this.#table.has(type!.dtype))
          this.#replaced.set(`${node.name}:0`, this.#cast(`${node.name}:0`, type!.dtype, "float32"));
      } else if (node.op === "const" && this.#table.has(node.outputs[0]!.dtype)) {
        const dtype = this.#table.get(node.outputs[0]!.dtype)!;
        const value = recast(node.attributes.value as Tensor, dtype);
        this.keep({...node, attributes: {value}, outputs: [{dtype, shape: value.shape}]});
      } else if (this.#changesBits(node)) {
        this.#keepBits(node, inputs);
      } else {
        this.origin = node.origin ?? node.name;
        const attributes = this.#narrowAttributes(node);
        const outputs = this.knows(node.op)
          ? this.inferTypes(node.op, inputs, attributes, this.origin)
          : node.outputs.map((type) => this.#narrowType(type));
        const regions = node.regions && {
          regions: Object.fromEntries(
            Object.entries(node.regions).map(([part, region]) => [
              part,
              new Narrower(region, "narrowed", this.#table).run(),
            ]),
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
      return {
        name,
        ref: this.#table.has(dtype) ? (target === ref ? this.#cast(target, "float32", dtype) : ref) : target,
      };
    });
    return this.build(this.#graph.inputs, outputs);
  }

  /** Bits of what comes in as it is; of a value that was computed in another dtype the lowering refuses to interpret them. */
  #keepBits(node: Node, inputs: readonly Ref[]): void {
    this.origin = node.origin ?? node.name;
    const [ref] = node.inputs as [Ref];
    const source = this.#graph.nodes.find((each) => each.name === nodeOf(ref))!;
    const isWhole = !this.#table.has(this.#dtypeBefore(ref)) || (source.op === "input" && this.#ports === "kept");
    if (!isWhole && source.op !== "const") {
      const outputs = node.outputs.map((type) => this.#narrowType(type));
      this.keep({...node, inputs, attributes: {...this.#narrowAttributes(node), narrowed: true}, outputs});
      return;
    }
    this.keep({...node, inputs: [isWhole ? ref : this.constant(source.attributes.value as Tensor)]});
    const {dtype} = node.outputs[0]!;
    const narrow = this.#table.get(dtype);
    const result = refTo(node.name);
    if (narrow !== undefined) this.#replaced.set(result, this.#cast(result, dtype, narrow));
  }

  #changesBits(node: Node): boolean {
    const dtypes = [...node.inputs.map((ref) => this.#dtypeBefore(ref)), ...node.outputs.map((type) => type.dtype)];
    return node.op === "tf.Bitcast" && dtypes.some((dtype) => this.#table.has(dtype));
  }

  #narrowType(type: TensorType): TensorType {
    const dtype = this.#table.get(type.dtype);
    return dtype === undefined ? type : {dtype, shape: type.shape};
  }

  /** Attributes name dtypes, too. No other attribute has such a value. */
  #narrowAttributes(node: Node): Attributes {
    const narrowName = (value: string) => this.#table.get(value) ?? value;
    const narrowValue = (value: Attribute): Attribute => {
      if (typeof value === "string") return narrowName(value);
      if (Array.isArray(value) && value.some((each) => typeof each === "string" && this.#table.has(each))) {
        return (value as readonly string[]).map(narrowName);
      }
      return value;
    };
    const entries = Object.entries(node.attributes).map(([key, value]) => [key, narrowValue(value)]);
    return Object.fromEntries(entries);
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
