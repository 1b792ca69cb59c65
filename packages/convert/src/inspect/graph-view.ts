/** Graphs of the converter, and definitions that couldn't be read into one, as views to look at. */
import {decodeStrings, type Tensor} from "@tf-trusted/tensor";
import type {FieldValue, Message, MessageMap} from "../bytes/wire.ts";
import {
  type Attribute,
  constantOf,
  type Graph,
  indexOf,
  type Node,
  nodeOf,
  originOf,
  type TensorType,
} from "../ir/graph.ts";
import type {GraphDef, NodeDef} from "../readers/graphdef/graph-def.ts";
import {dataTypes} from "../readers/graphdef/schema.ts";
import type {EdgeView, GraphView, NodeView, UnsupportedStructure} from "./structure.ts";

/** Longer texts are cut: they are for a reader's eyes. */
const maxText = 160;
const maxShownValues = 8;
/** A node's inputs and attributes beyond these are only counted. */
const maxListed = 64;

/** How many nodes may still be shown, over all views. */
export interface Budget {
  nodes: number;
}

/** `float32 [?, 8, 8, 1]`. */
export function typeText(dtype: string, shape: readonly (number | string)[] | undefined | null): string {
  if (shape === undefined || shape === null) return `${dtype} of unknown rank`;
  return `${dtype} [${shape.map((dim) => (typeof dim === "number" && dim >= 0 ? dim : "?")).join(", ")}]`;
}

/** Type, and values where they are few: `int32 [2] = 1, 8`. */
export function constantText(tensor: Tensor): string {
  const type = typeText(tensor.dtype, tensor.shape);
  if (tensor.size === 0 || tensor.size > maxShownValues) return type;
  const values = tensor.dtype === "string" ? stringsOf(tensor) : tensor.values().map(numberText);
  return cut(`${type} = ${values.join(", ")}`);
}

/** Seven digits are all that a float32 has. */
const numberText = (value: unknown): string =>
  typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(7))) : String(value);

const stringsOf = ({bytes, size}: Tensor): readonly string[] =>
  decodeStrings(bytes, size).map((each) => JSON.stringify(new TextDecoder().decode(each)));

export const cut = (text: string): string => (text.length > maxText ? `${text.slice(0, maxText)}…` : text);

/** A graph of the converter, its ports as nodes; regions of its nodes are views behind it. */
export function viewsOfGraph(
  name: string,
  kind: GraphView["kind"],
  graph: Graph,
  unsupported: readonly UnsupportedStructure[],
  budget: Budget,
): readonly GraphView[] {
  const reasons = new Map(unsupported.map(({node, reason}) => [node, reason]));
  const views: GraphView[] = [];
  const taken = new Set<string>();
  const add = (viewName: string, viewKind: GraphView["kind"], each: Graph): void => {
    const at = views.length;
    views.push({name: viewName, kind: viewKind, nodes: [], leftOut: 0});
    const regions: [string, Graph][] = [];
    const constants = constantsOf(each);
    const shown = each.nodes.filter(({name: own}) => !constants.has(own));
    const all = [...shown.map(({name: own}) => own), ...each.outputs.map((port) => port.name)];
    const room = Math.max(0, Math.min(all.length, budget.nodes));
    budget.nodes -= room;
    const indices = new Map(shown.slice(0, room).map((node, i) => [node.name, i]));
    const producers = new Map(each.nodes.map((node) => [node.name, node]));
    const edge = (ref: string): EdgeView => edgeOf(ref, constants, indices);
    const portNames = new Map(each.inputs.map((port) => [nodeOf(port.ref), port.name]));
    const nodes = shown.slice(0, room).map((node): NodeView => {
      const graphs = Object.entries(node.regions ?? {}).map(([part, region]) => {
        const full = originOf(node);
        const brief = `${viewName} › ${full.split("/").slice(-2).join("/")} › ${part}`;
        const regionName = taken.has(brief) ? `${viewName} › ${full} › ${part}` : brief;
        taken.add(regionName);
        regions.push([regionName, region]);
        return regionName;
      });
      const reason = reasons.get(originOf(node)) ?? reasons.get(node.name);
      return {
        name: portNames.get(node.name) ?? node.name,
        op: node.op.replace(/^tfl?\./, ""),
        inputs: node.inputs
          .slice(0, maxListed)
          .filter((ref) => ref !== "")
          .map(edge),
        outputs: node.outputs.slice(0, maxListed).map(({dtype, shape}) => typeText(dtype, shape)),
        attributes: attributesOf(node),
        ...(graphs.length > 0 && {graphs}),
        ...(reason !== undefined && {unsupported: reason}),
      };
    });
    const ports = each.outputs.slice(0, Math.max(0, room - nodes.length)).map(
      ({name: portName, ref}): NodeView => ({
        name: portName,
        op: "output",
        inputs: [edge(ref)],
        outputs: [typeOf(producers.get(nodeOf(ref))?.outputs[indexOf(ref)])],
        attributes: [],
      }),
    );
    views[at] = {name: viewName, kind: viewKind, nodes: [...nodes, ...ports], leftOut: all.length - room};
    for (const [regionName, region] of regions) {
      // A view that nothing may be shown of says so by what it leaves out.
      add(regionName, "region", region);
    }
  };
  add(name, kind, graph);
  return views;
}

/** Constants, and what only hands them on: frozen variables are read that way. An output that is one is shown as its node. */
function constantsOf({nodes, outputs}: Graph): ReadonlyMap<string, Tensor> {
  const found = new Map<string, Tensor>();
  const wanted = new Set(outputs.map(({ref}) => nodeOf(ref)));
  for (const node of nodes) {
    const isHandedOn = node.op === "tf.Identity" && !wanted.has(node.name);
    const tensor = constantOf(node) ?? (isHandedOn ? found.get(nodeOf(node.inputs[0]!)) : undefined);
    if (tensor !== undefined) found.set(node.name, tensor);
  }
  return found;
}

function edgeOf(ref: string, constants: ReadonlyMap<string, Tensor>, indices: ReadonlyMap<string, number>): EdgeView {
  const constant = constants.get(nodeOf(ref));
  if (constant !== undefined) return {from: -1, label: constantName(nodeOf(ref)), constant: constantText(constant)};
  const output = indexOf(ref);
  return {from: indices.get(nodeOf(ref)) ?? -1, ...(output > 0 && {output})};
}

/** `dense/kernel` of `dense/kernel/ReadVariableOp`. */
const constantName = (name: string): string =>
  lastPart(name.replace(/(\/(ReadVariableOp|Read|Identity|resource)(_\d+)?)+$/, ""));

const lastPart = (name: string): string => cut(name.slice(name.lastIndexOf("/") + 1));

const typeOf = (type: TensorType | undefined): string => (type ? typeText(type.dtype, type.shape) : "");

function attributesOf({attributes}: Node): readonly (readonly [string, string])[] {
  return Object.entries(attributes)
    .slice(0, maxListed)
    .map(([name, value]) => [name, attributeText(value)] as const);
}

function attributeText(value: Attribute): string {
  if (typeof value !== "object") return cut(String(value));
  if ("dtype" in value) return constantText(value as Tensor);
  const shown = value.slice(0, maxListed).map((each) => (Array.isArray(each) ? `[${each.join(", ")}]` : String(each)));
  return cut(`[${shown.join(", ")}]`);
}

/** A definition as it is written, for what can't be read into a graph: without types. Functions are views behind it. */
export function viewsOfDefinition(
  name: string,
  definition: GraphDef,
  unsupported: readonly UnsupportedStructure[],
  budget: Budget,
): readonly GraphView[] {
  const reasons = new Map(unsupported.map(({node, reason}) => [node, reason]));
  const functionNames = new Set(definition.functions.map(functionName));
  const view = (viewName: string, kind: GraphView["kind"], given: readonly NodeDef[]): GraphView => {
    const constants = new Map(given.filter(({op}) => op === "Const").map((node) => [node.name, constantOfDef(node)]));
    const shown = given.filter(({op}) => op !== "Const");
    const taken = Math.max(0, Math.min(shown.length, budget.nodes));
    budget.nodes -= taken;
    const indices = new Map(shown.slice(0, taken).map((node, i) => [node.name, i]));
    const nodes = shown.slice(0, taken).map((node): NodeView => {
      const calls = calledBy(node).filter((each) => functionNames.has(each));
      const reason = reasons.get(node.name);
      return {
        name: node.name,
        op: node.op,
        inputs: node.inputs
          .slice(0, maxListed)
          .filter((input) => !input.startsWith("^"))
          .map((input): EdgeView => {
            const source = input.split(":", 1)[0]!;
            const constant = constants.get(source);
            if (constant !== undefined) return {from: -1, label: lastPart(source), constant};
            return {from: indices.get(source) ?? -1};
          }),
        outputs: [],
        attributes: definitionAttributes(node.attributes),
        ...(calls.length > 0 && {graphs: calls}),
        ...(reason !== undefined && {unsupported: reason}),
      };
    });
    return {name: viewName, kind, nodes, leftOut: shown.length - taken};
  };
  const functions = definition.functions.map((each) => view(functionName(each), "function", nodesOfFunction(each)));
  return [view(name, "graph", definition.nodes), ...functions];
}

export const functionName = (each: Message): string => String(((each.signature ?? {}) as Message).name ?? "");

export const nodesOfFunction = (each: Message): readonly NodeDef[] =>
  ((each.node_def ?? []) as Message[]).map((node) => ({
    name: (node.name ?? "") as string,
    op: (node.op ?? "") as string,
    inputs: (node.input ?? []) as string[],
    attributes: (node.attr ?? new Map()) as MessageMap,
  }));

/** Functions that attributes name, and the operator where it is one. */
function calledBy({op, attributes}: NodeDef): readonly string[] {
  const named = [...attributes.values()].flatMap(({func}) => {
    const {name} = (func ?? {}) as Message;
    return typeof name === "string" ? [name] : [];
  });
  return [...new Set([op, ...named])].slice(0, maxListed);
}

function constantOfDef({attributes}: NodeDef): string {
  const tensor = (attributes.get("value")?.tensor ?? {}) as Message;
  const dims = (((tensor.tensor_shape ?? {}) as Message).dim ?? []) as Message[];
  return typeText(
    dataTypes[Number(tensor.dtype ?? 0)] ?? "unknown",
    dims.slice(0, maxListed).map(({size}) => Number(size ?? 0n)),
  );
}

function definitionAttributes(attributes: MessageMap): readonly (readonly [string, string])[] {
  return [...attributes].slice(0, maxListed).map(([name, value]) => [name, valueText(value)] as const);
}

/** The one field of an attribute that is set. */
function valueText(message: Message): string {
  const [entry] = Object.entries(message);
  if (entry === undefined) return "";
  const [kind, value] = entry;
  if (kind === "type") return dataTypes[Number(value)] ?? String(value);
  if (kind === "tensor" || kind === "list") return kind === "tensor" ? "a tensor" : cut(listText(value as Message));
  if (kind === "func") return cut(String((value as Message).name ?? ""));
  if (kind === "shape") {
    const dims = ((value as Message).dim ?? []) as Message[];
    return `[${dims
      .slice(0, maxListed)
      .map(({size}) => (Number(size ?? 0n) < 0 ? "?" : String(size ?? 0n)))
      .join(", ")}]`;
  }
  return cut(plainText(value));
}

function listText(list: Message): string {
  const [values = []] = Object.values(list);
  return Array.isArray(values) ? `[${values.slice(0, maxListed).map(plainText).join(", ")}]` : "[]";
}

function plainText(value: FieldValue): string {
  if (value instanceof Uint8Array) return JSON.stringify(new TextDecoder().decode(value.subarray(0, maxText)));
  return typeof value === "object" ? "…" : String(value);
}
