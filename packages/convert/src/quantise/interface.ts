/**
 * `quantize: "keep"` with `ioType`: inputs and outputs as int8 or uint8 instead of float32, where the graph has levels for
 * them; {x} is QUANTIZE(x), [q] is DEQUANTIZE(q).
 *
 *     float32 input x, {x}  →  int8 input q             uint8 input p, {p}
 *     float32 output [q]    →  int8 output q            uint8 output {q}
 */
import {type Graph, type Node, nodeOf, type Port, type Quantisation, type Ref, refTo} from "../ir/graph.ts";
import type {Note, Pass} from "../passes/pass.ts";
import {asUint8, sameLevels} from "./constants.ts";

export function quantisedInterface(dtype: "int8" | "uint8"): Pass {
  // What a loop's parts are called with isn't seen from outside.
  return {
    name: `${dtype}-interface`,
    regions: "none",
    run: (graph, _, note) => quantiseOutputs(quantiseInputs(graph, dtype, note), dtype, note),
  };
}

const levelsFor = (levels: Quantisation, dtype: "int8" | "uint8"): Quantisation =>
  dtype === "int8" ? levels : asUint8(levels);

function quantiseInputs(graph: Graph, dtype: "int8" | "uint8", note: Note): Graph {
  const replaced = new Map<string, Node>();
  const same = new Map<Ref, Ref>();
  for (const {name, ref} of graph.inputs) {
    const input = graph.nodes.find((node) => node.name === nodeOf(ref))!;
    if (input.outputs[0]!.dtype !== "float32") continue;
    const uses = graph.nodes.filter((node) => node.inputs.includes(ref));
    const levels = uses[0]?.outputs[0]?.quantisation;
    const isOutput = graph.outputs.some((port) => port.ref === ref);
    const isRounded = uses.every(
      (node) => node.op === "tfl.QUANTIZE" && sameLevels(node.outputs[0]!.quantisation, levels),
    );
    if (levels === undefined || !isRounded || isOutput) {
      note(`input "${name}" stays float32: the graph doesn't round it to levels first`);
      continue;
    }
    const type = {dtype, shape: input.outputs[0]!.shape, quantisation: levelsFor(levels, dtype)};
    replaced.set(input.name, {...input, outputs: [type]});
    if (dtype === "int8") for (const node of uses) same.set(refTo(node.name), ref);
  }
  const resolve = (ref: Ref) => same.get(ref) ?? ref;
  return {
    inputs: graph.inputs,
    outputs: graph.outputs.map((port) => ({...port, ref: resolve(port.ref)})),
    nodes: graph.nodes
      .filter((node) => !same.has(refTo(node.name)))
      .map((node) => replaced.get(node.name) ?? {...node, inputs: node.inputs.map(resolve)}),
  };
}

function quantiseOutputs(graph: Graph, dtype: "int8" | "uint8", note: Note): Graph {
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const outputs = graph.outputs.map((port): Port => {
    const node = nodes.get(nodeOf(port.ref))!;
    if (node.outputs[0]!.dtype !== "float32") return port;
    const source = node.op === "tfl.DEQUANTIZE" ? nodes.get(nodeOf(node.inputs[0]!))! : undefined;
    const type = source?.outputs.find((_, i) => refTo(source.name, i) === node.inputs[0]);
    if (type?.dtype !== "int8" || type.quantisation?.scale.length !== 1) {
      note(`output "${port.name}" stays float32: the graph doesn't round it to levels last`);
      return port;
    }
    if (dtype === "int8") return {...port, ref: node.inputs[0]!};
    const name = freshName(`${port.name}/uint8`, nodes);
    const quantisation = levelsFor(type.quantisation, dtype);
    const outputs = [{dtype, shape: type.shape, quantisation}];
    nodes.set(name, {name, op: "tfl.QUANTIZE", inputs: [node.inputs[0]!], attributes: {}, outputs});
    return {...port, ref: refTo(name)};
  });
  return {inputs: graph.inputs, outputs, nodes: [...nodes.values()]};
}

function freshName(wished: string, taken: ReadonlyMap<string, unknown>): string {
  let name = wished;
  for (let i = 1; taken.has(name); i++) name = `${wished}_${i}`;
  return name;
}
