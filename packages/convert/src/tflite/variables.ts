/**
 * State as TensorFlow Lite keeps it: resource variables. What goes into a graph is read at its begin and what comes out is
 * assigned at its end, so that operators between may come in any order. One subgraph gives all variables of the file their
 * first values; whichever signature is called first runs it, and no other does again.
 */
import type {Tensor} from "@tf-trusted/tensor";
import {ConvertError} from "../convert-error.ts";
import {formatDims, isStatic} from "../ir/dims.ts";
import {type Graph, indexOf, type Node, nodeOf, refTo, type TensorType} from "../ir/graph.ts";
import type {NamedGraph} from "./emit.ts";

/** A variable of a graph by the names of the ports where it goes in and, if it is written, comes out. */
export interface GraphState {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  readonly initial: Tensor;
}

interface StatefulGraph extends NamedGraph {
  readonly state: readonly GraphState[];
}

/** The graphs with variables in the place of these ports. Throws `CONVERT_STATE` for values that don't fit their variable. */
export function withVariables(graphs: readonly StatefulGraph[]): readonly NamedGraph[] {
  const all = new Map(graphs.flatMap(({state}) => state.map((each) => [each.name, each] as const)));
  if (all.size === 0) return graphs;
  const initialiser = initialiserOf([...all.values()]);
  const made = new Map<Graph, Graph>();
  return graphs.map(({name, graph, state}) => {
    const same = made.get(graph) ?? (state.length === 0 ? graph : withState(graph, state, initialiser));
    made.set(graph, same);
    return {name, graph: same};
  });
}

function withState(graph: Graph, state: readonly GraphState[], initialiser: Graph): Graph {
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const first: Node[] = [statement("CALL_ONCE", [], {}, {init: initialiser})];
  const last: Node[] = [];
  const readers = new Set<string>();
  for (const {name, input, output, initial} of state) {
    const handle = handleOf(name);
    const port = graph.inputs.find((each) => each.name === input)!;
    const place = nodes.get(nodeOf(port.ref))!;
    checkFits(name, place.outputs[0]!, initial);
    readers.add(place.name);
    first.push(handle, {...place, op: "tfl.READ_VARIABLE", inputs: [refTo(handle.name)]});
    const after = graph.outputs.find((each) => each.name === output);
    if (after === undefined) continue;
    checkFits(name, nodes.get(nodeOf(after.ref))!.outputs[indexOf(after.ref)]!, initial);
    last.push(statement("ASSIGN_VARIABLE", [refTo(handle.name), after.ref], {}, undefined, name));
  }
  const isState = new Set(state.flatMap(({input, output}) => [input, output]));
  return {
    inputs: graph.inputs.filter(({name}) => !isState.has(name)),
    outputs: graph.outputs.filter(({name}) => !isState.has(name)),
    nodes: [...first, ...graph.nodes.filter(({name}) => !readers.has(name)), ...last],
  };
}

/** Assigns all variables their first values. */
function initialiserOf(state: readonly GraphState[]): Graph {
  const nodes = state.flatMap(({name, initial}): Node[] => {
    const handle = handleOf(name);
    const type: TensorType = {dtype: initial.dtype, shape: initial.shape};
    const value = {name: `${name}/initial`, op: "const", inputs: [], attributes: {value: initial}, outputs: [type]};
    return [handle, value, statement("ASSIGN_VARIABLE", [refTo(handle.name), refTo(value.name)], {}, undefined, name)];
  });
  return {inputs: [], outputs: [], nodes};
}

function handleOf(variable: string): Node {
  return {
    name: `${variable}/handle`,
    op: "tfl.VAR_HANDLE",
    inputs: [],
    attributes: {container: "", sharedName: variable},
    outputs: [{dtype: "resource", shape: []}],
  };
}

/** An operator without outputs. */
function statement(
  op: string,
  inputs: Node["inputs"],
  attributes: Node["attributes"],
  regions?: Node["regions"],
  of = "state",
): Node {
  const name = `${of}/${op}`;
  return {name, op: `tfl.${op}`, inputs, attributes, outputs: [], ...(regions && {regions})};
}

function checkFits(name: string, {dtype, shape}: TensorType, {dtype: wanted, shape: own}: Tensor): void {
  if (dtype === wanted && isStatic(shape) && shape.join() === own.join()) return;
  throw new ConvertError(
    "CONVERT_STATE",
    `the variable "${name}" is given ${dtype} ${formatDims(shape)}, expected ${wanted} ${formatDims(own)}`,
    {details: {node: name}},
  );
}
