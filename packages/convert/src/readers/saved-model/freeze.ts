/**
 * Variables → constants (specs/convert.md §2.4). Which key of the checkpoint a variable has is what the model's own restore
 * function says, once calls are inlined: an assignment of output k of a RestoreV2, whose k-th name is the key. Names of
 * nodes, of variables and of keys need not match in any other way. Where that function restores other handles than those
 * that the outputs need (`tf.saved_model.save` of a Keras 3 model), the object graphs say it.
 *
 * Only variables that the outputs need are read. A handle becomes the value, and reading it an identity, also where the
 * handle is handed to loops and functions.
 */
import {dtypes, elementCount, Tensor} from "@tf-trusted/tensor";
import type {Message, MessageMap} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import type {Checkpoint} from "../checkpoint/checkpoint.ts";
import type {GraphDef, NodeDef} from "../graphdef/graph-def.ts";
import {inlineCalls} from "../graphdef/inline.ts";
import {dataTypeNumbers, dataTypes} from "../graphdef/schema.ts";
import {indexNodes, type NodeIndex, parseRef} from "../graphdef/select.ts";
import {decodeTensorProto} from "../graphdef/tensor-proto.ts";
import {trackedVariables} from "./object-graph.ts";
import type {MetaGraph} from "./saved-model.ts";

/** Where a variable's value is: a key, and for a part of a partitioned one which slice of it. */
interface Place {
  readonly key: string;
  /** `DIM DIM … START,LENGTH:START,LENGTH`, "" for all of it. */
  readonly slice: string;
}

const handles: ReadonlySet<string> = new Set(["VarHandleOp", "VariableV2", "Variable"]);
const assignments: ReadonlySet<string> = new Set(["AssignVariableOp", "Assign"]);
const identities: ReadonlySet<string> = new Set(["Identity", "EnsureShape"]);
/** Operators that change a variable when the model is called. */
const writes =
  /^(Assign|AssignAdd|AssignSub|Assign(Add|Sub)?VariableOp|Resource(Scatter|Apply|Strided)\w*|Scatter(Add|Sub|Update|Mul|Div|NdAdd|NdUpdate))$/;

/**
 * Inlines calls and freezes what `outputs` need. Throws `CONVERT_NOT_FROZEN` for variables without a value in the checkpoint
 * and for models that write variables, and what reading the checkpoint throws.
 */
export async function freezeVariables(
  {graph, objects}: Pick<MetaGraph, "graph" | "objects">,
  outputs: readonly string[],
  checkpoint: Checkpoint | undefined,
): Promise<GraphDef> {
  refuseWrites(graph, outputs);
  const inlined = inlineCalls(graph);
  const index = indexNodes(inlined);
  const places = restoredVariables(inlined, index);
  const needed = [...reachable(index, outputs)].filter((node) => handles.has(node.op));
  const isPlaced = ({name}: NodeDef) => checkpoint?.has(places.get(name)?.key ?? "") === true;
  const tracked =
    objects === undefined || checkpoint === undefined || needed.every(isPlaced)
      ? new Map<string, string>()
      : await trackedVariables(graph, objects, checkpoint);
  const values = new Map<string, NodeDef>();
  const missing: string[] = [];
  for (const node of needed) {
    const place = isPlaced(node) ? places.get(node.name)! : {key: tracked.get(node.name) ?? "", slice: ""};
    if (checkpoint?.has(place.key) !== true) missing.push(node.name);
    else values.set(node.name, constantNode(node.name, checkFits(node, await readPlace(checkpoint, place))));
  }
  if (missing.length > 0) {
    const names = missing.slice(0, 20).map((name) => `"${name}"`);
    throw new ConvertError(
      "CONVERT_NOT_FROZEN",
      `the checkpoint has no value for variable ${names.join(", ")}${missing.length > 20 ? " and others" : ""}`,
      {details: {nodes: missing}},
    );
  }
  return {
    ...inlined,
    nodes: inlined.nodes.map((node) => values.get(node.name) ?? readNode(node)),
    functions: inlined.functions.map(readInFunction),
  };
}

/** Reading a variable's value from its handle, where the handle is the value. */
function readNode(node: NodeDef): NodeDef {
  const type = (key: string) => ({T: node.attributes.get(key) ?? {type: 1}});
  switch (node.op) {
    case "ReadVariableOp":
      return {...node, op: "Identity", attributes: new Map(Object.entries(type("dtype")))};
    case "ResourceGather":
      return {
        ...node,
        op: "Gather",
        attributes: new Map(
          Object.entries({
            Tparams: node.attributes.get("dtype") ?? {type: 1},
            Tindices: node.attributes.get("Tindices") ?? {type: dataTypeNumbers.DT_INT32!},
          }),
        ),
      };
    default:
      return node;
  }
}

function readInFunction(message: Message): Message {
  const before = (message.node_def ?? []) as Message[];
  const reads = new Set(before.filter((each) => each.op === "ReadVariableOp").map((each) => each.name as string));
  // In functions, outputs go by the names of the operator's results: `value` there, `output` here.
  const renamed = (ref: string): string => {
    const [name, result, index] = ref.split(":");
    return result === "value" && reads.has(name!) ? `${name}:output:${index ?? 0}` : ref;
  };
  const nodes = before.map((each) => {
    const node = readNode({
      name: (each.name ?? "") as string,
      op: (each.op ?? "") as string,
      inputs: ((each.input ?? []) as string[]).map(renamed),
      attributes: (each.attr ?? new Map()) as MessageMap,
    });
    return {...each, op: node.op, input: node.inputs as string[], attr: node.attributes as MessageMap};
  });
  const results = ((message.ret ?? []) as Message[]).map((each) => ({
    ...each,
    value: renamed((each.value ?? "") as string),
  }));
  return {...message, node_def: nodes, ret: results};
}

/** By the name of the variable's node. */
function restoredVariables(graph: GraphDef, index: NodeIndex): ReadonlyMap<string, Place> {
  const names = new Map<NodeDef, readonly string[]>();
  const stringsOf = (node: NodeDef, input: number): readonly string[] => {
    const source = sourceOf(index, index.inputsOf(node)[input] ?? "");
    if (source?.node.op !== "Const") return [];
    const found = names.get(source.node) ?? constantStrings(source.node);
    names.set(source.node, found);
    return found;
  };
  const places = new Map<string, Place>();
  for (const node of graph.nodes) {
    if (!assignments.has(node.op)) continue;
    const [handle, value] = index.inputsOf(node).map((ref) => sourceOf(index, ref));
    if (handle === undefined || !handles.has(handle.node.op) || value?.node.op !== "RestoreV2") continue;
    const key = stringsOf(value.node, 1)[value.output];
    if (key !== undefined) places.set(handle.node.name, {key, slice: stringsOf(value.node, 2)[value.output] ?? ""});
  }
  return places;
}

/** The value's origin, behind what only hands it on. */
function sourceOf(index: NodeIndex, from: string): {readonly node: NodeDef; readonly output: number} | undefined {
  let ref = from;
  for (let steps = 0; steps < 256; steps++) {
    const at = ref.lastIndexOf(":");
    const node = index.nodes.get(ref.slice(0, at));
    if (node === undefined) return undefined;
    const output = Number(ref.slice(at + 1));
    if (!identities.has(node.op) && node.op !== "IdentityN") return {node, output};
    ref = index.inputsOf(node)[node.op === "IdentityN" ? output : 0] ?? "";
  }
  return undefined;
}

function constantStrings(node: NodeDef): readonly string[] {
  const proto = node.attributes.get("value")?.tensor as Message | undefined;
  if (proto === undefined || proto.dtype !== dataTypeNumbers.DT_STRING) return [];
  const tensor = decodeTensorProto(proto, node.name, {bytes: 2 ** 28});
  return (tensor.values() as readonly unknown[]).flat().map((each) => textOf(each));
}

const textOf = (value: unknown): string =>
  value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);

async function readPlace(checkpoint: Checkpoint, {key, slice}: Place): Promise<Tensor> {
  const whole = await checkpoint.read(key);
  if (slice === "") return whole;
  const spec = slice.split(" ").at(-1) ?? "";
  const extents = spec.split(":").map((each, axis) => {
    const size = whole.shape[axis] ?? 0;
    const [start = 0, length = 0] = each === "-" ? [0, size] : each.split(",").map(Number);
    if (start >= 0 && length >= 0 && start + length <= size) return {start, length};
    throw new ConvertError("CONVERT_CHECKPOINT", `the slice "${slice}" doesn't fit "${key}" [${whole.shape}]`);
  });
  if (extents.length !== whole.shape.length) {
    throw new ConvertError("CONVERT_CHECKPOINT", `the slice "${slice}" doesn't fit "${key}" [${whole.shape}]`);
  }
  return cut(whole, extents);
}

function cut(whole: Tensor, extents: readonly {readonly start: number; readonly length: number}[]): Tensor {
  const width = dtypes[whole.dtype].bytes;
  if (width === null) throw new ConvertError("CONVERT_CHECKPOINT", "a slice of a variable of strings");
  const shape = extents.map(({length}) => length);
  const row = (shape.at(-1) ?? 1) * width;
  const bytes = new Uint8Array(elementCount(shape) * width);
  for (let at = 0, index = 0; at < bytes.length; at += row, index++) {
    let rest = index;
    let from = extents.at(-1)?.start ?? 0;
    let stride = whole.shape.at(-1) ?? 1;
    for (let axis = shape.length - 2; axis >= 0; axis--) {
      from += (extents[axis]!.start + (rest % shape[axis]!)) * stride;
      rest = Math.floor(rest / shape[axis]!);
      stride *= whole.shape[axis]!;
    }
    bytes.set(whole.bytes.subarray(from * width, from * width + row), at);
  }
  return new Tensor(whole.dtype, shape, bytes);
}

/** Throws `CONVERT_CHECKPOINT` where the value isn't what the variable's handle declares. */
function checkFits(handle: NodeDef, value: Tensor): Tensor {
  const declared = dataTypes[Number(handle.attributes.get("dtype")?.type ?? 0)];
  const shape = handle.attributes.get("shape")?.shape as Message | undefined;
  const sizes = ((shape?.dim ?? []) as Message[]).map((dim) => Number((dim.size ?? 0n) as bigint));
  const fits =
    shape === undefined ||
    shape.unknown_rank === true ||
    (sizes.length === value.shape.length && sizes.every((size, axis) => size < 0 || size === value.shape[axis]));
  if (fits && (declared === undefined || declared === value.dtype)) return value;
  throw new ConvertError(
    "CONVERT_CHECKPOINT",
    `the checkpoint has ${value.dtype} [${value.shape}] for the variable "${handle.name}", expected ${declared} [${sizes}]`,
  );
}

const typeNumbers = new Map(Object.entries(dataTypes).map(([number, name]) => [name, Number(number)]));

function constantNode(name: string, {dtype, shape, bytes, size}: Tensor): NodeDef {
  const type = typeNumbers.get(dtype)!;
  const tensor: Message = {
    dtype: type,
    tensor_shape: {dim: shape.map((each) => ({size: BigInt(each)}))},
    ...(size > 0 && {tensor_content: bytes}),
  };
  const attributes = new Map<string, Message>([
    ["dtype", {type}],
    ["value", {tensor}],
  ]);
  return {name, op: "Const", inputs: [], attributes};
}

/** All nodes that the outputs need, by data. */
function reachable(index: NodeIndex, outputs: readonly string[]): ReadonlySet<NodeDef> {
  const seen = new Set<NodeDef>();
  const pending = outputs.map(parseRef);
  for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
    const node = index.nodes.get(ref.slice(0, ref.lastIndexOf(":")));
    if (node === undefined || seen.has(node)) continue;
    seen.add(node);
    pending.push(...index.inputsOf(node));
  }
  return seen;
}

/** Writing happens for its effect, so that no data edge leads to it: it is looked for in all functions that are called. */
function refuseWrites(graph: GraphDef, outputs: readonly string[]): void {
  const index = indexNodes(graph);
  const functions = new Map(
    graph.functions.map((each) => [((each.signature as Message | undefined)?.name ?? "") as string, each]),
  );
  const written = new Set<string>();
  const seen = new Set<string>();
  const visit = (op: string, name: string, attributes: MessageMap): void => {
    if (writes.test(op)) written.add(name);
    for (const called of [op, ...[...attributes.values()].flatMap(functionNames)]) {
      const body = functions.get(called);
      if (body === undefined || seen.has(called)) continue;
      seen.add(called);
      for (const node of (body.node_def ?? []) as Message[]) {
        visit((node.op ?? "") as string, (node.name ?? "") as string, (node.attr ?? new Map()) as MessageMap);
      }
    }
  };
  for (const node of reachable(index, outputs)) visit(node.op, node.name, node.attributes);
  if (written.size === 0) return;
  const names = [...written].slice(0, 10).map((name) => `"${name}"`);
  throw new ConvertError(
    "CONVERT_NOT_FROZEN",
    `the model keeps state: ${names.join(", ")} ${written.size > 1 ? "write variables" : "writes a variable"} when it is called`,
    {details: {nodes: [...written]}},
  );
}

function functionNames(attribute: Message): readonly string[] {
  const list = ((attribute.list as Message | undefined)?.func ?? []) as Message[];
  return [attribute.func as Message | undefined, ...list].flatMap((each) => (each?.name ? [each.name as string] : []));
}
