/**
 * Which nodes of a GraphDef are wanted: names resolved, inputs and outputs chosen, the nodes between them in topological
 * order. Data edges only: control edges order side effects, and a graph to be converted has none that matter.
 */
import type {Tensor} from "@tf-trusted/tensor";
import {ConvertError} from "../../convert-error.ts";
import {type Ref, refTo, type TensorType, type ValueDType} from "../../ir/graph.ts";
import type {GraphDef, NodeDef} from "./graph-def.ts";

/** An input to convert with: a placeholder, or any other value to be fed instead of being computed. */
export interface InputRequest {
  /** `node` or `node:k`. */
  readonly name: string;
  /** Dimensions, -1 where unknown. Default: the placeholder's. */
  readonly shape?: readonly number[];
  readonly dtype?: ValueDType;
  /** The name that callers use; default: the node's. */
  readonly as?: string;
}

/** Nodes by name, and their data inputs as refs. */
export interface NodeIndex {
  readonly nodes: ReadonlyMap<string, NodeDef>;
  readonly inputsOf: (node: NodeDef) => readonly Ref[];
}

/** An input found in the graph. */
export interface SelectedInput extends InputRequest {
  readonly ref: Ref;
  /** What a loop hands to a part of it: a variable's type, or the value that it always has. */
  readonly given?: TensorType | Tensor;
}

export interface Selection {
  readonly inputs: readonly SelectedInput[];
  readonly outputs: readonly Ref[];
  /** The names that callers use; default: the nodes'. */
  readonly outputNames?: readonly string[];
  /** In topological order; the nodes of `inputs` are among them only where another of their outputs is needed. */
  readonly nodes: readonly NodeDef[];
  readonly notes: readonly string[];
}

/** Throws `CONVERT_GRAPH_INVALID` for two nodes of one name. */
export function indexNodes(graph: GraphDef): NodeIndex {
  const nodes = new Map<string, NodeDef>();
  for (const node of graph.nodes) {
    if (node.name === "") throw invalid("", `a node of operator ${node.op || "?"} has no name`);
    if (nodes.has(node.name)) throw invalid(node.name, `there are two nodes named "${node.name}"`);
    nodes.set(node.name, node);
  }
  const inputs = new Map<NodeDef, readonly Ref[]>();
  const inputsOf = (node: NodeDef): readonly Ref[] => {
    let refs = inputs.get(node);
    if (refs === undefined) {
      refs = node.inputs.filter((input) => !input.startsWith("^")).map(parseRef);
      inputs.set(node, refs);
    }
    return refs;
  };
  return {nodes, inputsOf};
}

/** Throws `CONVERT_NAME_UNKNOWN`, `CONVERT_OUTPUTS_AMBIGUOUS`, `CONVERT_GRAPH_INVALID`. */
export function selectNodes(
  index: NodeIndex,
  inputs: readonly InputRequest[] | undefined,
  outputs: readonly string[] | undefined,
): Selection {
  const notes: string[] = [];
  const requested = inputs?.map((request) => ({...request, ref: resolveName(index, request.name, "input")}));
  const wanted = outputs?.map((name) => resolveName(index, name, "output")) ?? defaultOutputs(index, notes);
  refuseTwice("input", requested?.map((request) => request.ref) ?? []);
  refuseTwice("output", wanted);
  const fed = new Set(requested?.map((request) => request.ref));
  const nodes = reach(index, wanted, fed);
  const placeholders = nodes.filter((node) => node.op === "Placeholder");
  if (requested === undefined) {
    return {inputs: placeholders.map(({name}) => ({name, ref: refTo(name)})), outputs: wanted, nodes, notes};
  }
  const missing = placeholders.filter(({name}) => !fed.has(refTo(name)));
  if (missing.length > 0) {
    const names = missing.map(({name}) => `"${name}"`).join(", ");
    throw new ConvertError(
      "CONVERT_NAME_UNKNOWN",
      `the outputs need ${names}, which the inputs don't name; name all inputs, or none`,
      {details: {missing: missing.map(({name}) => name)}},
    );
  }
  return {inputs: requested, outputs: wanted, nodes, notes};
}

/** The values that nothing uses and that depend on an input: what a model is for. */
export function candidateOutputs(index: NodeIndex): Ref[] {
  const used = new Set<string>();
  const live = new Set<string>();
  for (const node of index.nodes.values()) for (const ref of index.inputsOf(node)) used.add(nodeName(ref));
  for (const node of topologicalOrder(index, [...index.nodes.values()])) {
    const depends = index.inputsOf(node).some((ref) => live.has(nodeName(ref)));
    if (depends || /^Placeholder|^IteratorGetNext$/.test(node.op)) live.add(node.name);
  }
  const sinks = [...index.nodes.values()].filter((node) => !used.has(node.name) && !sideEffects.test(node.op));
  const dependent = sinks.filter((node) => live.has(node.name) && !/^Placeholder/.test(node.op));
  const constant = sinks.filter((node) => !/^Placeholder|^Const$/.test(node.op));
  const chosen = dependent.length > 0 ? dependent : constant.length > 0 ? constant : sinks;
  return chosen.map((node) => refTo(node.name));
}

/** Operators that are run for what they do, not for a value. */
const sideEffects = /^(NoOp|Assert|Print|PrintV2|Save.*|Restore.*|.*Summary(V2)?|MergeV2Checkpoints|ShardedFilename)$/;

/** "a:0", "a" → "a:0". Anything after the last colon that is no number belongs to the name. */
export function parseRef(name: string): Ref {
  const match = /^(.*):(\d{1,9})$/s.exec(name);
  return match ? refTo(match[1]!, Number(match[2])) : refTo(name);
}

export const nodeName = (ref: Ref): string => ref.slice(0, ref.lastIndexOf(":"));

function resolveName(index: NodeIndex, name: string, what: "input" | "output"): Ref {
  const ref = parseRef(name);
  if (index.nodes.has(nodeName(ref))) return ref;
  const candidates =
    what === "output"
      ? candidateOutputs(index)
      : [...index.nodes.values()].filter((node) => node.op === "Placeholder").map((node) => refTo(node.name));
  throw new ConvertError(
    "CONVERT_NAME_UNKNOWN",
    `the graph has no ${what} "${name}"; candidates: ${listNames(candidates)}`,
    {details: {name, candidates}},
  );
}

function defaultOutputs(index: NodeIndex, notes: string[]): Ref[] {
  const candidates = candidateOutputs(index);
  if (candidates.length === 0) {
    throw new ConvertError(
      "CONVERT_OUTPUTS_AMBIGUOUS",
      "the graph has no value that could be an output; name the outputs",
    );
  }
  if (candidates.length > 1) notes.push(`no output was named; taken: ${listNames(candidates)}`);
  return candidates;
}

/** "x" and "x:0" are one value, and a signature has each name once. */
function refuseTwice(what: "input" | "output", refs: readonly Ref[]): void {
  const twice = refs.find((ref, i) => refs.indexOf(ref) !== i);
  if (twice === undefined) return;
  throw new ConvertError("CONVERT_NAME_TWICE", `the ${what} "${twice}" is named twice; name each once`, {
    details: {name: twice},
  });
}

const listNames = (refs: readonly Ref[]): string =>
  `${refs.slice(0, 20).map(nodeName).join(", ")}${refs.length > 20 ? `, and ${refs.length - 20} more` : ""}`;

/** All nodes that the outputs need, in topological order; `fed` values are not computed. */
function reach(index: NodeIndex, outputs: readonly Ref[], fed: ReadonlySet<Ref>): NodeDef[] {
  const wanted = new Set<NodeDef>();
  const stack: {readonly ref: Ref; readonly from?: NodeDef}[] = outputs.map((ref) => ({ref}));
  while (stack.length > 0) {
    const {ref, from} = stack.pop()!;
    if (fed.has(ref)) continue;
    const node = index.nodes.get(nodeName(ref));
    if (node === undefined) {
      throw invalid(
        from?.name ?? "",
        `node "${from?.name}" has the input "${nodeName(ref)}", which the graph doesn't have`,
      );
    }
    if (wanted.has(node)) continue;
    wanted.add(node);
    for (const input of index.inputsOf(node)) stack.push({ref: input, from: node});
  }
  // In the order of the file where the edges leave it open, so that equal graphs give equal results.
  const inFile = [...index.nodes.values()].filter((node) => wanted.has(node));
  return topologicalOrder(index, inFile, fed, true);
}

/** Inputs before what uses them. A loop of TensorFlow 1 closes through NextIteration, whose edge doesn't count. */
export function topologicalOrder(
  index: NodeIndex,
  nodes: readonly NodeDef[],
  fed: ReadonlySet<Ref> = new Set(),
  strict = false,
  withControl = false,
): NodeDef[] {
  const edges = (node: NodeDef): readonly Ref[] =>
    withControl ? node.inputs.map((input) => parseRef(input.replace(/^\^/, ""))) : index.inputsOf(node);
  const among = new Set(nodes);
  const state = new Map<NodeDef, "open" | "done">();
  const order: NodeDef[] = [];
  for (const root of nodes) {
    const stack: {readonly node: NodeDef; next: number}[] = [{node: root, next: 0}];
    if (state.has(root)) continue;
    state.set(root, "open");
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const ref = edges(top.node)[top.next++];
      if (ref === undefined) {
        state.set(top.node, "done");
        order.push(top.node);
        stack.pop();
        continue;
      }
      const input = index.nodes.get(nodeName(ref));
      if (input === undefined || fed.has(ref) || !among.has(input) || input.op === "NextIteration") continue;
      if (state.get(input) === "open" && strict)
        throw cycleError(
          stack.map((entry) => entry.node),
          input,
        );
      if (state.has(input)) continue;
      state.set(input, "open");
      stack.push({node: input, next: 0});
    }
  }
  return order;
}

function cycleError(path: readonly NodeDef[], closing: NodeDef): ConvertError {
  const names = path.slice(path.indexOf(closing)).map((node) => `"${node.name}"`);
  const shown = names.length > 10 ? [...names.slice(0, 10), "…"] : names;
  return invalid(closing.name, `the graph has a cycle through ${shown.reverse().join(", ")}`);
}

function invalid(node: string, message: string): ConvertError {
  return new ConvertError("CONVERT_GRAPH_INVALID", message, {details: {node}});
}
