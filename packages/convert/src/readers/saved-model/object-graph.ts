/**
 * Which key of the checkpoint a variable has by TensorFlow 2's object graphs (specs/convert.md §2.4, second and third route):
 * the SavedModel names the objects that each function captures, in the order in which a call hands them over, and the
 * checkpoint has the same tree with keys. This is how TensorFlow itself restores; node names don't matter.
 */
import {decodeStrings} from "@tf-trusted/tensor";
import {decodeMessage, type Message, type MessageMap, type MessageTable} from "../../bytes/wire.ts";
import type {Checkpoint} from "../checkpoint/checkpoint.ts";
import type {GraphDef} from "../graphdef/graph-def.ts";
import {indexNodes} from "../graphdef/select.ts";

const reference: MessageTable = {
  1: {name: "node_id", kind: "int32"},
  2: {name: "local_name", kind: "string"},
};
const savedVariable: MessageTable = {6: {name: "name", kind: "string"}};
const savedObject: MessageTable = {
  1: {name: "children", kind: "message", repeated: true, message: () => reference},
  7: {name: "variable", kind: "message", message: () => savedVariable},
};
const concreteFunction: MessageTable = {2: {name: "bound_inputs", kind: "int32", repeated: true}};

/** tensorflow/core/protobuf/saved_object_graph.proto */
export const savedObjectGraph: MessageTable = {
  1: {name: "nodes", kind: "message", repeated: true, message: () => savedObject},
  2: {name: "concrete_functions", kind: "map", message: () => concreteFunction},
};

const serializedTensor: MessageTable = {
  1: {name: "name", kind: "string"},
  3: {name: "checkpoint_key", kind: "string"},
};
const trackableObject: MessageTable = {
  1: {name: "children", kind: "message", repeated: true, message: () => reference},
  2: {name: "attributes", kind: "message", repeated: true, message: () => serializedTensor},
};
/** tensorflow/core/protobuf/trackable_object_graph.proto */
const trackableObjectGraph: MessageTable = {
  1: {name: "nodes", kind: "message", repeated: true, message: () => trackableObject},
};

/** Of the checkpoint: its own tree of objects. */
export const objectGraphKey = "_CHECKPOINTABLE_OBJECT_GRAPH";

/** Keys by the name of the variable's node. Throws `CONVERT_CHECKPOINT`, `CONVERT_WIRE`, `CONVERT_TRUNCATED`. */
export async function trackedVariables(
  graph: GraphDef,
  objects: Message,
  checkpoint: Checkpoint,
): Promise<ReadonlyMap<string, string>> {
  if (!checkpoint.has(objectGraphKey)) return new Map();
  const value = await checkpoint.read(objectGraphKey);
  const [bytes] = value.dtype === "string" ? decodeStrings(value.bytes, value.size) : [];
  const saved = (objects.nodes ?? []) as Message[];
  const stored = (decodeMessage(trackableObjectGraph, bytes ?? new Uint8Array()).nodes ?? []) as Message[];
  const keys = new Map<number, string>();
  for (const [id, object] of sameObjects(saved, stored)) {
    const attributes = (object.attributes ?? []) as Message[];
    const value = attributes.find(({name}) => name === "VARIABLE_VALUE");
    if (saved[id]!.variable !== undefined && value !== undefined) keys.set(id, (value.checkpoint_key ?? "") as string);
  }
  const found = new Map<string, string>();
  for (const [node, id] of capturedObjects(graph, objects)) {
    const key = id === undefined ? undefined : keys.get(id);
    if (key !== undefined) found.set(node, key);
  }
  return found;
}

/** Both trees from their roots, by the names of children. */
function sameObjects(saved: readonly Message[], stored: readonly Message[]): ReadonlyMap<number, Message> {
  const pairs = new Map<number, Message>();
  const pending: (readonly [number, number])[] = [[0, 0]];
  for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
    const [id, storedId] = pair;
    const [object, other] = [saved[id], stored[storedId]];
    if (object === undefined || other === undefined || pairs.has(id)) continue;
    pairs.set(id, other);
    const ids = new Map(childrenOf(other).map((child) => [child.local_name, idOf(child)]));
    for (const child of childrenOf(object)) {
      const same = ids.get(child.local_name);
      if (same !== undefined) pending.push([idOf(child), same]);
    }
  }
  return pairs;
}

/** Nodes of the graph that calls hand over as captures; `undefined` where two calls disagree on which object a node is. */
function capturedObjects(graph: GraphDef, objects: Message): ReadonlyMap<string, number | undefined> {
  const functions = (objects.concrete_functions ?? new Map()) as MessageMap;
  const index = indexNodes(graph);
  const captured = new Map<string, number | undefined>();
  for (const node of graph.nodes) {
    const name = (node.attributes.get("f")?.func as Message | undefined)?.name ?? node.op;
    const bound = (functions.get(name as string)?.bound_inputs ?? []) as number[];
    const inputs = index.inputsOf(node);
    for (const [i, ref] of inputs.slice(inputs.length - bound.length).entries()) {
      const handle = ref.slice(0, ref.lastIndexOf(":"));
      captured.set(handle, captured.has(handle) && captured.get(handle) !== bound[i] ? undefined : bound[i]);
    }
  }
  return captured;
}

const childrenOf = (object: Message): readonly Message[] => (object.children ?? []) as Message[];
const idOf = (child: Message): number => (child.node_id ?? 0) as number;
