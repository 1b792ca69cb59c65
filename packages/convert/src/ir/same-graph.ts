/** Whether two graphs compute the same: node by node, whatever the nodes are called. Keras exports one function twice. */
import {equalBytes} from "@tf-trusted/core";
import {Tensor} from "@tf-trusted/tensor";
import {type Attribute, type Graph, indexOf, type Node, nodeOf, type Port, type Ref, type TensorType} from "./graph.ts";

/** Equal names of inputs and outputs, operators, attributes and constants, in the same order. Says no where in doubt. */
export function sameGraph(a: Graph, b: Graph): boolean {
  if (a.nodes.length !== b.nodes.length) return false;
  const [placesA, placesB] = [placesOf(a), placesOf(b)];
  const sameRef = (x: Ref, y: Ref) =>
    x === "" || y === "" ? x === y : placesA.get(nodeOf(x)) === placesB.get(nodeOf(y)) && indexOf(x) === indexOf(y);
  const samePorts = (x: readonly Port[], y: readonly Port[]) =>
    x.length === y.length && x.every(({name, ref}, i) => name === y[i]!.name && sameRef(ref, y[i]!.ref));
  if (!samePorts(a.inputs, b.inputs) || !samePorts(a.outputs, b.outputs)) return false;
  // Open dimensions are called after the nodes that bring them.
  const renamed = new Map(a.nodes.map((node, i) => [node.name, b.nodes[i]!.name]));
  const rename = (types: readonly TensorType[]) =>
    JSON.stringify(types).replace(/[\w./>-]+(?=\.\d)/g, (name) => renamed.get(name) ?? name);
  return a.nodes.every((node, i) => {
    const other = b.nodes[i]!;
    return (
      node.op === other.op &&
      node.inputs.length === other.inputs.length &&
      node.inputs.every((ref, k) => sameRef(ref, other.inputs[k]!)) &&
      rename(node.outputs) === JSON.stringify(other.outputs) &&
      sameAttributes(node, other) &&
      sameRegions(node, other)
    );
  });
}

const placesOf = (graph: Graph): ReadonlyMap<string, number> => new Map(graph.nodes.map(({name}, i) => [name, i]));

function sameAttributes(a: Node, b: Node): boolean {
  const keys = Object.keys(a.attributes);
  return (
    keys.length === Object.keys(b.attributes).length &&
    keys.every((key) => Object.hasOwn(b.attributes, key) && sameValue(a.attributes[key]!, b.attributes[key]!))
  );
}

function sameValue(a: Attribute, b: Attribute): boolean {
  if (!(a instanceof Tensor) || !(b instanceof Tensor)) {
    return !(a instanceof Tensor) && !(b instanceof Tensor) && JSON.stringify(a) === JSON.stringify(b);
  }
  if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) return false;
  const [x, y] = [a.bytes, b.bytes];
  const isOneArray = x.buffer === y.buffer && x.byteOffset === y.byteOffset && x.length === y.length;
  return isOneArray || equalBytes(x, y);
}

function sameRegions({regions: a = {}}: Node, {regions: b = {}}: Node): boolean {
  const parts = Object.keys(a);
  return (
    parts.length === Object.keys(b).length &&
    parts.every((part) => Object.hasOwn(b, part) && sameGraph(a[part]!, b[part]!))
  );
}
