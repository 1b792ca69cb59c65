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
import {indexNodes, type NodeIndex, nodeName, parseRef} from "../graphdef/select.ts";
import {decodeTensorProto} from "../graphdef/tensor-proto.ts";
import {trackedVariables} from "./object-graph.ts";
import type {MetaGraph} from "./saved-model.ts";
import {
  executed,
  isKeptWrite,
  refusal,
  type StateVariable,
  scheduleOf,
  stateInput,
  threadState,
  writtenVariables,
} from "./state.ts";

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

/** A variable that a signature of the frozen graph takes in and gives out, and what it holds before the first call. */
export interface KeptVariable extends StateVariable {
  readonly initial: Tensor;
}

export interface FrozenGraph {
  readonly graph: GraphDef;
  /** Of each signature; empty where no state is kept. */
  readonly state: readonly (readonly KeptVariable[])[];
}

/**
 * Inlines calls and freezes what signatures need, each given by its outputs. With `keepState` variables that they write
 * become values that go in and come out. Throws `CONVERT_NOT_FROZEN` for variables without a value in the checkpoint and,
 * without `keepState`, for models that write variables; `CONVERT_STATE`; and what reading the checkpoint throws.
 */
export async function freezeVariables(
  {graph, objects}: Pick<MetaGraph, "graph" | "objects">,
  signatures: readonly (readonly string[])[],
  checkpoint: Checkpoint | undefined,
  keepState: boolean,
): Promise<FrozenGraph> {
  const found = findWrites(graph, signatures.flat());
  if (found.length > 0 && !keepState) refuseWrites(found);
  const inlined = inlineCalls(graph);
  const places = restoredVariables(inlined, indexNodes(inlined));
  const threaded = found.length > 0 ? keepWritten(graph, inlined, signatures, found) : {nodes: new Map(), state: []};
  const pure = {...inlined, nodes: inlined.nodes.map((node) => threaded.nodes.get(node.name) ?? node)};
  const kept = new Set(threaded.state.flat().map(({name}) => name));
  const wanted = [...signatures.flat(), ...threaded.state.flat().flatMap(({after}) => after ?? [])];
  const index = indexNodes(pure);
  const needed = inlined.nodes.filter(({name}) => kept.has(name));
  for (const node of reachable(index, wanted)) if (handles.has(node.op)) needed.push(node);
  const isPlaced = ({name}: NodeDef) => checkpoint?.has(places.get(name)?.key ?? "") === true;
  const tracked =
    objects === undefined || checkpoint === undefined || needed.every(isPlaced)
      ? new Map<string, string>()
      : await trackedVariables(graph, objects, checkpoint);
  const values = new Map<string, Tensor>();
  const missing: string[] = [];
  for (const node of needed) {
    const place = isPlaced(node) ? places.get(node.name)! : {key: tracked.get(node.name) ?? "", slice: ""};
    if (checkpoint?.has(place.key) !== true) missing.push(node.name);
    else values.set(node.name, checkFits(node, await readPlace(checkpoint, place)));
  }
  if (missing.length > 0) {
    const names = missing.slice(0, 20).map((name) => `"${name}"`);
    throw new ConvertError(
      "CONVERT_NOT_FROZEN",
      `the checkpoint has no value for variable ${names.join(", ")}${missing.length > 20 ? " and others" : ""}`,
      {details: {nodes: missing}},
    );
  }
  const frozen = (node: NodeDef): NodeDef => {
    if (kept.has(node.name)) return node;
    const value = values.get(node.name);
    return value === undefined ? readNode(node) : constantNode(node.name, value);
  };
  return {
    graph: {...pure, nodes: pure.nodes.map(frozen), functions: inlined.functions.map(readInFunction)},
    state: signatures.map((_, i) =>
      (threaded.state[i] ?? []).map((each) => ({...each, initial: values.get(each.name)!})),
    ),
  };
}

/** Nodes that have to be others, and the variables of each signature. Throws `CONVERT_STATE`. */
function keepWritten(
  graph: GraphDef,
  inlined: GraphDef,
  signatures: readonly (readonly string[])[],
  found: readonly Write[],
): {readonly nodes: ReadonlyMap<string, NodeDef>; readonly state: readonly (readonly StateVariable[])[]} {
  const uncertain = found.find(({isCertain, op}) => !isCertain || !isKeptWrite(op));
  if (uncertain !== undefined) {
    const why = isKeptWrite(uncertain.op) ? "in a condition or a loop" : `by ${uncertain.op}`;
    throw refusal(uncertain.name, `"${uncertain.name}" writes a variable ${why}, which can't be kept`);
  }
  const index = indexNodes(inlined);
  const handleOf = (ref: string): string | undefined => {
    const source = sourceOf(index, parseRef(ref));
    return source !== undefined && handles.has(source.node.op) ? source.node.name : undefined;
  };
  const schedule = scheduleOf(inlineCalls(graph, {control: true}));
  const orders = signatures.map((outputs) => executed(schedule, outputs.map(nodeName)));
  const kept = new Set(orders.flatMap((order) => [...writtenVariables(order, handleOf)]));
  const nodes = new Map<string, NodeDef>();
  const state = orders.map((order) => {
    const threaded = threadState(schedule, order, index, kept, handleOf);
    for (const [name, node] of threaded.nodes) {
      const other = nodes.get(name);
      if (other !== undefined && other.inputs.join() !== node.inputs.join()) {
        throw refusal(name, `"${name}" uses a variable in two signatures, each of which leaves it another value`);
      }
      nodes.set(name, node);
    }
    return threaded.variables;
  });
  for (const name of kept) nodes.set(name, stateInput(index.nodes.get(name)!));
  return {nodes, state};
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

/** A node that changes a variable when the model is called. */
interface Write {
  readonly name: string;
  readonly op: string;
  /** Not in a condition, nor in a loop. */
  readonly isCertain: boolean;
}

/** Writing happens for its effect: control edges may be all that lead to it, or none, in functions that are called. */
function findWrites(graph: GraphDef, outputs: readonly string[]): readonly Write[] {
  const functions = new Map(
    graph.functions.map((each) => [((each.signature as Message | undefined)?.name ?? "") as string, each]),
  );
  const found = new Map<string, Write>();
  const seen = new Set<string>();
  const visit = (op: string, name: string, attributes: MessageMap, isCertain: boolean): void => {
    if (writes.test(op)) found.set(`${name} ${isCertain}`, {name, op, isCertain});
    const isCall = calls.has(op) || functions.has(op);
    for (const called of [op, ...[...attributes.values()].flatMap(functionNames)]) {
      const body = functions.get(called);
      const within = isCertain && isCall;
      if (body === undefined || seen.has(`${called} ${within}`)) continue;
      seen.add(`${called} ${within}`);
      for (const node of (body.node_def ?? []) as Message[]) {
        visit((node.op ?? "") as string, (node.name ?? "") as string, (node.attr ?? new Map()) as MessageMap, within);
      }
    }
  };
  const all = executed(scheduleOf(graph), outputs.map(nodeName));
  for (const node of all) visit(node.op, node.name, node.attributes, true);
  return [...found.values()];
}

const calls: ReadonlySet<string> = new Set(["PartitionedCall", "StatefulPartitionedCall"]);

function refuseWrites(found: readonly Write[]): never {
  const nodes = [...new Set(found.map(({name}) => name))];
  const names = nodes.slice(0, 10).map((name) => `"${name}"`);
  throw new ConvertError(
    "CONVERT_NOT_FROZEN",
    `the model keeps state: ${names.join(", ")} ${nodes.length > 1 ? "write variables" : "writes a variable"} when it is called; ` +
      "keepState (--keep-state) keeps it, for each session apart",
    {details: {nodes}},
  );
}

function functionNames(attribute: Message): readonly string[] {
  const list = ((attribute.list as Message | undefined)?.func ?? []) as Message[];
  return [attribute.func as Message | undefined, ...list].flatMap((each) => (each?.name ? [each.name as string] : []));
}
