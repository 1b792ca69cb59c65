/**
 * TensorFlow 1's conditions → both branches and a choice (specs/convert.md §4.7). Every node has a colour: the branches
 * that it belongs to, from the outputs of Switch that it depends on by data or control. A Merge closes the one predicate
 * in which its two inputs differ, and becomes a Select; Switch becomes two copies of its input.
 */
import type {Message} from "../../bytes/wire.ts";
import type {Ref} from "../../ir/graph.ts";
import type {GraphDef, NodeDef} from "./graph-def.ts";
import {branchesAttribute} from "./inline.ts";
import {type NodeIndex, parseRef, topologicalOrder} from "./select.ts";

/** Predicate → branch. */
type Colour = ReadonlyMap<Ref, boolean>;

const none: Colour = new Map();

/** Leaves what it can't tell apart as it is; that is refused later, by name. Those of loops stay for `raiseLoops`. */
export function raiseConditions(graph: GraphDef, index: NodeIndex): GraphDef {
  const producer = (ref: Ref) => index.nodes.get(ref.slice(0, ref.lastIndexOf(":")));
  const isLoopMerge = (node: NodeDef) => index.inputsOf(node).some((ref) => producer(ref)?.op === "NextIteration");
  const isLoopSwitch = (node: NodeDef) => producer(index.inputsOf(node)[1] ?? "")?.op === "LoopCond";
  const merges = graph.nodes.filter((node) => node.op === "Merge" && !isLoopMerge(node));
  if (merges.length === 0) return graph;
  const colours = new Map<string, Colour>();
  const raised = new Map<string, NodeDef>();
  const colourOf = (ref: Ref): Colour => {
    const at = ref.lastIndexOf(":");
    const node = index.nodes.get(ref.slice(0, at));
    const own = colours.get(ref.slice(0, at)) ?? none;
    if (node?.op !== "Switch" || isLoopSwitch(node)) return own;
    return new Map([...own, [predicateOf(index, node), ref.slice(at + 1) === "1"] as const]);
  };
  for (const node of topologicalOrder(index, [...index.nodes.values()], new Set(), false, true)) {
    const inputs = index.inputsOf(node).map(colourOf);
    const controls = node.inputs
      .filter((input) => input.startsWith("^"))
      .map((input) => colourOf(parseRef(input.slice(1))));
    const merged = merges.includes(node) ? closeCondition(index, node, inputs) : undefined;
    if (merged) raised.set(node.name, merged.node);
    colours.set(node.name, merged?.colour ?? new Map([...inputs, ...controls].flatMap((colour) => [...colour])));
  }
  // One condition that stays would be cut in two by the others: all or none.
  if (merges.some((node) => !raised.has(node.name))) return graph;
  const isCondition = (node: NodeDef) => node.op === "Switch" && !isLoopSwitch(node);
  return {
    ...graph,
    nodes: graph.nodes.map((node) => raised.get(node.name) ?? (isCondition(node) ? copyOf(node) : node)),
  };
}

function closeCondition(
  index: NodeIndex,
  node: NodeDef,
  inputs: readonly Colour[],
): {readonly node: NodeDef; readonly colour: Colour} | undefined {
  const [first, second] = inputs;
  if (first === undefined || second === undefined || inputs.length !== 2) return undefined;
  const differing = [...first].filter(
    ([predicate, branch]) => second.has(predicate) && second.get(predicate) !== branch,
  );
  if (differing.length !== 1) return undefined;
  const [predicate, branch] = differing[0]!;
  const [x, y] = index.inputsOf(node);
  const colour = new Map([...first, ...second].filter(([each]) => each !== predicate));
  const attributes = new Map<string, Message>([
    ["T", node.attributes.get("T") ?? {type: 1}],
    [branchesAttribute, {b: true}],
  ]);
  return {
    node: {name: node.name, op: "Select", inputs: [predicate, branch ? x! : y!, branch ? y! : x!], attributes},
    colour,
  };
}

/** The predicate of a Switch, behind the identities that name it. */
function predicateOf(index: NodeIndex, node: NodeDef): Ref {
  let ref = index.inputsOf(node)[1] ?? "";
  for (let steps = 0; steps < 64; steps++) {
    const producer = index.nodes.get(ref.slice(0, ref.lastIndexOf(":")));
    if (producer === undefined || (producer.op !== "Identity" && producer.op !== "Switch")) return ref;
    // A predicate that went through another Switch is the same inside it.
    ref = index.inputsOf(producer)[0] ?? ref;
  }
  return ref;
}

function copyOf(node: NodeDef): NodeDef {
  const [value] = node.inputs;
  const type = (node.attributes.get("T")?.type ?? 1) as number;
  return {
    name: node.name,
    op: "IdentityN",
    inputs: [value!, value!],
    attributes: new Map<string, Message>([["T", {list: {type: [type, type]}}]]),
  };
}
