/**
 * Every output is computed by an operator of its own: engines hand out buffers for what operators write, and give
 * anything (zeros, garbage) for an output that is an input, a constant, or twice the same value.
 */

import {GraphBuilder} from "../ir/builder.ts";
import {isKnown} from "../ir/dims.ts";
import {type Attributes, type Graph, nodeOf, type Port, plainType, type Ref, type TensorType} from "../ir/graph.ts";
import {int32Tensor, makeTensor} from "../ops/elements.ts";
import {tflTable} from "../ops/tfl/index.ts";
import type {Pass} from "./pass.ts";

export const outputs: Pass = {
  name: "outputs",
  effect: "rewritten",
  // What a loop hands from turn to turn is copied by the loop.
  regions: "none",
  run: (graph, tally) => {
    const inputs = new Set(graph.inputs.map((port) => nodeOf(port.ref)));
    const prepared = preparedNodes(graph);
    const seen = new Set<Ref>();
    const needsCopy = ({ref}: Port): boolean => {
      const isPlain = inputs.has(nodeOf(ref)) || prepared.has(nodeOf(ref)) || seen.has(ref);
      seen.add(ref);
      return isPlain;
    };
    const copied = graph.outputs.map(needsCopy);
    if (!copied.includes(true)) return graph;
    tally(
      "outputs copied",
      graph.outputs.filter((_, i) => copied[i]).map(({ref}) => nodeOf(ref)),
    );
    return new Copier(graph, prepared).run(copied);
  },
};

/** What an engine computes while it prepares: constants, shapes, and what depends on nothing else. */
function preparedNodes(graph: Graph): ReadonlySet<string> {
  const prepared = new Set<string>();
  for (const node of graph.nodes) {
    const isPrepared =
      node.op === "tfl.SHAPE" || (node.op !== "input" && node.inputs.every((ref) => prepared.has(nodeOf(ref))));
    if (isPrepared) prepared.add(node.name);
  }
  return prepared;
}

class Copier extends GraphBuilder {
  readonly #graph: Graph;

  readonly #prepared: ReadonlySet<string>;

  constructor(graph: Graph, prepared: ReadonlySet<string>) {
    super(tflTable, new Set(graph.nodes.map((node) => node.name)));
    this.#graph = graph;
    this.#prepared = prepared;
    for (const node of graph.nodes) this.keep(node);
  }

  run(copied: readonly boolean[]): Graph {
    const ports = this.#graph.outputs.map(
      (port, i): Port => (copied[i] ? {name: port.name, ref: this.#copy(port)} : port),
    );
    return this.build(this.#graph.inputs, ports);
  }

  /**
   * A selection between a value and itself takes every dtype and rank, but for strings, of which a reshape takes the shape
   * that they have. For what is prepared its condition comes from an input:
   * what depends on constants only is computed while the engine prepares, and lost.
   */
  #copy({name, ref}: Port): Ref {
    const type = plainType(this.type(ref));
    if (type.dtype === "string") return this.#sameStrings(name, ref, type);
    const isConstant = this.#prepared.has(nodeOf(ref));
    const always = this.constant(
      makeTensor("bool", [], () => 1),
      `${name}/copy/always`,
    );
    const condition = isConstant ? this.#alwaysTrue(name, always) : always;
    return this.op("tfl.SELECT_V2", [condition, ref, ref], {}, {name: `${name}/copy`, types: [type]});
  }

  #sameStrings(name: string, ref: Ref, type: TensorType): Ref {
    const unknown = type.shape?.filter((dim) => !isKnown(dim)).length ?? Number.POSITIVE_INFINITY;
    if (unknown > 1 || type.shape!.includes(0)) return ref;
    const newShape = type.shape!.map((dim) => (isKnown(dim) ? dim : -1));
    const shape = this.constant(int32Tensor(newShape), `${name}/copy/shape`);
    return this.op("tfl.RESHAPE", [ref, shape], {newShape}, {name: `${name}/copy`, types: [type]});
  }

  /** any element of the first input that has one, or true. */
  #alwaysTrue(name: string, always: Ref): Ref {
    const input = this.#graph.inputs.find(({ref}) => {
      const {dtype, shape} = this.type(ref);
      return castable.has(dtype) && !shape?.includes(0);
    });
    if (input === undefined) return always;
    const {dtype} = this.type(input.ref);
    const emit = (op: string, inputs: readonly Ref[], attributes: Attributes, type: TensorType) =>
      this.op(`tfl.${op}`, inputs, attributes, {name: `${name}/copy/${op}`, types: [type]});
    const numbers = (values: readonly number[]) => this.constant(int32Tensor(values), `${name}/copy/numbers`);
    const flat = emit("RESHAPE", [input.ref, numbers([-1])], {newShape: [-1]}, {dtype, shape: ["?"]});
    const one = emit("SLICE", [flat, numbers([0]), numbers([1])], {}, {dtype, shape: [1]});
    const casts = {inDataType: dtype.toUpperCase(), outDataType: "BOOL"};
    const truth = dtype === "bool" ? one : emit("CAST", [one], casts, {dtype: "bool", shape: [1]});
    const either = emit("LOGICAL_OR", [truth, always], {}, {dtype: "bool", shape: [1]});
    return emit(
      "RESHAPE",
      [either, this.constant(int32Tensor([], [0]), `${name}/copy/scalar`)],
      {newShape: []},
      {dtype: "bool", shape: []},
    );
  }
}

/** What CAST turns into truth values. */
const castable: ReadonlySet<string> = new Set([
  "float32",
  "int32",
  "int64",
  "int16",
  "int8",
  "uint8",
  "bool",
  "float16",
  "float64",
]);
