/**
 * State that is kept: variables that a signature writes become values that go in and come out, so that all behind the
 * reader computes with pure functions. Reads and writes of a variable are put into the order that TensorFlow gives them by
 * its data and control edges; where these leave an order open, or a write may not happen (in a condition, in a loop), the
 * model is refused: the numbers would be anybody's guess.
 */
import type {Message} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import type {GraphDef, NodeDef} from "../graphdef/graph-def.ts";
import {dataTypeNumbers} from "../graphdef/schema.ts";
import type {NodeIndex} from "../graphdef/select.ts";

/** A variable of one signature. */
export interface StateVariable {
  /** Of its handle's node, which becomes the value that goes in. */
  readonly name: string;
  /** What it holds after a call, `node:k`; absent where the signature only reads it. */
  readonly after?: string;
}

/** Reads and writes by operator: which of the operands is the handle is the same for all. */
const reads: ReadonlySet<string> = new Set(["ReadVariableOp", "ResourceGather"]);
const writes: Readonly<Record<string, "Identity" | "AddV2" | "Sub">> = {
  AssignVariableOp: "Identity",
  AssignAddVariableOp: "AddV2",
  AssignSubVariableOp: "Sub",
};
export const isKeptWrite = (op: string): boolean => Object.hasOwn(writes, op);

const forwards: ReadonlySet<string> = new Set(["Identity", "IdentityN"]);

/** Of one model: each costs a walk over its graph. */
const maxAccesses = 4096;

interface Access {
  readonly node: NodeDef;
  readonly variable: string;
}

/** Nodes of a graph with control edges, and what each waits for. */
export interface Schedule {
  readonly nodes: ReadonlyMap<string, NodeDef>;
  readonly before: (node: NodeDef) => readonly string[];
}

export function scheduleOf({nodes}: GraphDef): Schedule {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const nameOf = (input: string) => input.replace(/^\^/, "").split(":")[0]!;
  return {nodes: byName, before: (node) => node.inputs.map(nameOf)};
}

/** Everything that runs where `names` are wanted, in an order that keeps all edges. */
export function executed({nodes, before}: Schedule, names: readonly string[]): readonly NodeDef[] {
  const order: NodeDef[] = [];
  const state = new Map<string, "open" | "done">();
  const stack = [...names].reverse();
  while (stack.length > 0) {
    const name = stack.at(-1)!;
    const node = nodes.get(name);
    if (node === undefined || state.get(name) === "done") {
      stack.pop();
    } else if (state.get(name) === "open") {
      stack.pop();
      state.set(name, "done");
      order.push(node);
    } else {
      state.set(name, "open");
      for (const each of before(node)) if (!state.has(each)) stack.push(each);
    }
  }
  return order;
}

/** Variables that some of these nodes write. Throws `CONVERT_STATE`. */
export function writtenVariables(
  order: readonly NodeDef[],
  handleOf: (ref: string) => string | undefined,
): Set<string> {
  const written = new Set<string>();
  for (const node of order) {
    if (!isKeptWrite(node.op)) continue;
    const handle = handleOf(node.inputs[0] ?? "");
    if (handle === undefined) throw refusal(node.name, `"${node.name}" writes a variable that isn't known`);
    written.add(handle);
  }
  return written;
}

/**
 * The nodes of one signature that have to be others, by name, and its variables. `order` is what runs, `kept` are the
 * variables that any signature writes. Throws `CONVERT_STATE`.
 */
export function threadState(
  schedule: Schedule,
  order: readonly NodeDef[],
  index: NodeIndex,
  kept: ReadonlySet<string>,
  handleOf: (ref: string) => string | undefined,
): {readonly nodes: ReadonlyMap<string, NodeDef>; readonly variables: readonly StateVariable[]} {
  const accesses = new Map<string, Access[]>();
  let count = 0;
  for (const node of order) {
    for (const [place, ref] of index.inputsOf(node).entries()) {
      const variable = handleOf(ref);
      if (variable === undefined || !kept.has(variable) || forwards.has(node.op)) continue;
      if (place > 0 || !(reads.has(node.op) || isKeptWrite(node.op))) {
        throw refusal(node.name, `"${node.name}" (${node.op}) uses the variable "${variable}", which is written`);
      }
      if (++count > maxAccesses) throw refusal(variable, `variables are used more than ${maxAccesses} times`);
      accesses.set(variable, [...(accesses.get(variable) ?? []), {node, variable}]);
    }
  }
  const nodes = new Map<string, NodeDef>();
  const variables: StateVariable[] = [];
  for (const [name, list] of accesses) {
    checkOrder(schedule, list);
    let current = `${name}:0`;
    for (const {node} of list) {
      const [, value] = node.inputs;
      const op = writes[node.op];
      if (op === undefined) {
        nodes.set(node.name, {...node, inputs: [current, ...dataOf(node).slice(1)]});
        continue;
      }
      const attributes = new Map<string, Message>([["T", node.attributes.get("dtype") ?? {type: 1}]]);
      nodes.set(node.name, {name: node.name, op, inputs: op === "Identity" ? [value!] : [current, value!], attributes});
      current = `${node.name}:0`;
    }
    variables.push({name, ...(current !== `${name}:0` && {after: current})});
  }
  return {nodes, variables};
}

const dataOf = ({inputs}: NodeDef): readonly string[] => inputs.filter((input) => !input.startsWith("^"));

/** The value of a variable as an operand: a placeholder of the handle's name. Throws `CONVERT_STATE`. */
export function stateInput(handle: NodeDef): NodeDef {
  const shape = handle.attributes.get("shape")?.shape as Message | undefined;
  const sizes = ((shape?.dim ?? []) as Message[]).map((dim) => Number((dim.size ?? 0n) as bigint));
  if (shape === undefined || shape.unknown_rank === true || sizes.some((size) => size < 0)) {
    throw refusal(handle.name, `the variable "${handle.name}" has no fixed shape`);
  }
  const attributes = new Map<string, Message>([
    ["dtype", handle.attributes.get("dtype") ?? {type: dataTypeNumbers.DT_FLOAT!}],
    ["shape", {shape}],
  ]);
  return {name: handle.name, op: "Placeholder", inputs: [], attributes};
}

/** That every write has its place among the other accesses. `list` is in an order that keeps all edges. */
function checkOrder(schedule: Schedule, list: readonly Access[]): void {
  let since: Access[] = [];
  for (const access of list) {
    const isWrite = isKeptWrite(access.node.op);
    const known = since.length === 0 ? new Set<string>() : ancestors(schedule, access.node);
    const needed = isWrite ? since : since.filter(({node}) => isKeptWrite(node.op));
    const loose = needed.find(({node}) => !known.has(node.name));
    if (loose !== undefined) {
      const names = `"${loose.node.name}" and "${access.node.name}"`;
      throw refusal(access.node.name, `the order of ${names}, which use the variable "${access.variable}", isn't told`);
    }
    since = isWrite ? [access] : [...since, access];
  }
}

function ancestors({nodes, before}: Schedule, of: NodeDef): ReadonlySet<string> {
  const found = new Set<string>();
  const pending = [...before(of)];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const node = nodes.get(name);
    if (node === undefined || found.has(name)) continue;
    found.add(name);
    pending.push(...before(node));
  }
  return found;
}

export function refusal(node: string, message: string): ConvertError {
  return new ConvertError("CONVERT_STATE", message, {details: {node}});
}
