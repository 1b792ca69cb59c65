/**
 * Function calls → the nodes of the functions' bodies (specs/convert.md §1.3, §4.2), and conditions → both branches and
 * a choice: branches of frozen graphs have no side effects, so computing both gives the same numbers.
 *
 * A call becomes an IdentityN of its own name over the results, so that whatever refers to the call still does.
 */
import type {Message, MessageMap} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import {operatorDefinitions} from "../../gen/operator-definitions.ts";
import type {GraphDef, NodeDef} from "./graph-def.ts";

/** Marks the Select that a condition became: both sides must have the same shape. */
export const branchesAttribute = "branches";

const maxDepth = 32;
const maxNodes = 1_000_000;

interface FunctionBody {
  readonly name: string;
  readonly arguments: readonly string[];
  readonly nodes: readonly NodeDef[];
  /** For each result, the reference in the body. */
  readonly results: readonly string[];
  /** Nodes that run with every call, whether their results are wanted or not. */
  readonly effects: readonly string[];
}

export interface InlineOptions {
  /**
   * Keeps control edges: a body runs after what its call waits for, and what waits for a call waits for the body's effects.
   * Without, bodies have data edges only, which are all that numbers depend on where nothing is written.
   */
  readonly control?: boolean;
}

/** Throws `CONVERT_GRAPH_INVALID` for calls of functions that aren't there or don't fit, and `CONVERT_LIMIT`. */
export function inlineCalls(graph: GraphDef, {control = false}: InlineOptions = {}): GraphDef {
  if (graph.functions.length === 0) return graph;
  const functions = new Map(graph.functions.map((each) => [functionName(each), each]));
  const bodies = new Map<string, FunctionBody>();
  const nodes: NodeDef[] = [];
  const stack = [...graph.nodes].reverse().map((node) => ({node, depth: 0}));
  while (stack.length > 0) {
    const {node, depth} = stack.pop()!;
    const expanded = expand(node);
    if (expanded === undefined) nodes.push(node);
    else {
      if (depth >= maxDepth) throw invalid(node, `calls are nested more than ${maxDepth} deep`);
      for (const each of expanded) stack.push({node: each, depth: depth + 1});
    }
    if (nodes.length + stack.length > maxNodes) {
      throw new ConvertError("CONVERT_LIMIT", `the calls expand to more than ${maxNodes} nodes`);
    }
  }
  return {...graph, nodes};

  function expand(node: NodeDef): readonly NodeDef[] | undefined {
    switch (node.op) {
      case "PartitionedCall":
      case "StatefulPartitionedCall":
        return call(node, calledFunction(node, "f"), node.inputs, node.name);
      case "If":
      case "StatelessIf":
        return choose(
          node,
          ["else_branch", "then_branch"].map((key) => calledFunction(node, key)),
        );
      case "Case":
      case "StatelessCase":
        return choose(node, calledFunctions(node, "branches"));
      default:
        return functions.has(node.op)
          ? call(node, {name: node.op, attributes: node.attributes}, node.inputs, node.name)
          : undefined;
    }
  }

  /** The nodes of a body, and an IdentityN of the results. */
  function call(node: NodeDef, target: Called, inputs: readonly string[], prefix: string): NodeDef[] {
    const body = bodyOf(node, target.name);
    const data = inputs.filter((input) => !isControl(input));
    if (data.length !== body.arguments.length) {
      throw invalid(node, `calls "${target.name}" with ${data.length} arguments, expected ${body.arguments.length}`);
    }
    const given = new Map(body.arguments.map((name, i) => [name, data[i]!]));
    const byName = new Map(body.nodes.map((each) => [each.name, each]));
    const resolve = (ref: string): string => resolveRef(node, ref, given, byName, prefix, functions);
    const awaited = control ? node.inputs.filter(isControl) : [];
    // In a body, arguments may be waited for as well: they are there before it.
    const within = (ref: string): readonly string[] => (byName.has(ref.slice(1)) ? [`^${prefix}/${ref.slice(1)}`] : []);
    const inner = body.nodes.map(
      (each): NodeDef => ({
        name: `${prefix}/${each.name}`,
        op: each.op,
        inputs: [
          ...each.inputs.filter((input) => !isControl(input)).map(resolve),
          ...(control ? [...each.inputs.filter(isControl).flatMap(within), ...awaited] : []),
        ],
        attributes: substitute(each.attributes, target.attributes),
      }),
    );
    const effects = control ? body.effects.flatMap((name) => within(`^${name}`)) : [];
    const results = [...body.results.map(resolve), ...effects, ...awaited];
    return [...inner, identityOf(node.name === prefix ? node.name : prefix, results, node)];
  }

  /** All branches, and for each result the one that the first input chooses. */
  function choose(node: NodeDef, branches: readonly Called[]): NodeDef[] {
    const [index, ...inputs] = node.inputs.filter((input) => !isControl(input));
    if (index === undefined || branches.length === 0) throw invalid(node, "a condition without branches");
    const names = branches.map((_, i) => `${node.name}/branch_${i}`);
    const expanded = branches.flatMap((branch, i) => call(node, branch, inputs, names[i]!));
    const results = bodyOf(node, branches[0]!.name).results.length;
    const isCase = node.op.endsWith("Case");
    const made: NodeDef[] = [];
    const conditions = branches.slice(0, -1).map((_, i): string => {
      if (!isCase) return index;
      const [number, equal] = [`${node.name}/number_${i}`, `${node.name}/is_${i}`];
      made.push(scalarNode(number, i), {name: equal, op: "Equal", inputs: [index, number], attributes: typed("T", 3)});
      return equal;
    });
    const chosen = Array.from({length: results}, (_, k) => {
      // Case: the last branch serves every other index. If: branch 1 is taken where the predicate holds.
      let value = `${names.at(-1)}:${k}`;
      for (let i = branches.length - 2; i >= 0; i--) {
        const name = `${node.name}/choice_${k}_${i}`;
        const [taken, other] = isCase ? [`${names[i]}:${k}`, value] : [value, `${names[i]}:${k}`];
        made.push({name, op: "Select", inputs: [conditions[i]!, taken, other], attributes: selectAttributes(node, k)});
        value = name;
      }
      return value;
    });
    return [...expanded, ...made, identityOf(node.name, chosen, node)];
  }

  function bodyOf(node: NodeDef, name: string): FunctionBody {
    let body = bodies.get(name);
    if (body === undefined) {
      const message = functions.get(name);
      if (message === undefined) throw invalid(node, `calls the function "${name}", which the graph doesn't have`);
      body = readBody(message);
      bodies.set(name, body);
    }
    return body;
  }
}

export interface Called {
  readonly name: string;
  readonly attributes: MessageMap;
}

const functionName = (message: Message): string => ((message.signature as Message | undefined)?.name ?? "") as string;

function readBody(message: Message): FunctionBody {
  const signature = (message.signature ?? {}) as Message;
  const names = (key: string) => ((signature[key] ?? []) as Message[]).map((arg) => (arg.name ?? "") as string);
  const results = new Map(
    ((message.ret ?? []) as Message[]).map((entry) => [entry.key as string, (entry.value ?? "") as string]),
  );
  return {
    name: functionName(message),
    arguments: names("input_arg"),
    nodes: ((message.node_def ?? []) as Message[]).map((node) => ({
      name: (node.name ?? "") as string,
      op: (node.op ?? "") as string,
      inputs: (node.input ?? []) as string[],
      attributes: (node.attr ?? new Map()) as MessageMap,
    })),
    results: names("output_arg").map((name) => results.get(name) ?? name),
    effects: ((message.control_ret ?? []) as Message[]).map((entry) => (entry.value ?? "") as string),
  };
}

const isControl = (input: string): boolean => input.startsWith("^");

/** `arg`, or `node:output:k` where k counts within that output argument. */
function resolveRef(
  call: NodeDef,
  ref: string,
  given: ReadonlyMap<string, string>,
  nodes: ReadonlyMap<string, NodeDef>,
  prefix: string,
  functions: ReadonlyMap<string, Message>,
): string {
  const [name, output, index] = ref.split(":");
  const argument = given.get(name!);
  if (argument !== undefined) return argument;
  const node = nodes.get(name!);
  if (node === undefined) throw invalid(call, `its function refers to "${ref}", which isn't in it`);
  const offset =
    output === undefined || /^\d+$/.test(output) ? Number(output ?? 0) : outputOffset(node, output, functions);
  return `${prefix}/${name}:${offset + Number(index ?? 0)}`;
}

/** How many outputs come before those of the output argument `name`. */
function outputOffset(node: NodeDef, name: string, functions: ReadonlyMap<string, Message>): number {
  const own = functions.get(node.op);
  if (own !== undefined) {
    const outputs = (((own.signature as Message).output_arg ?? []) as Message[]).map((arg) => arg.name);
    return Math.max(0, outputs.indexOf(name));
  }
  const definition = Object.hasOwn(operatorDefinitions, node.op) ? operatorDefinitions[node.op] : undefined;
  let offset = 0;
  for (const output of definition?.[1] ?? []) {
    const [own = "", spec = ""] = output.split(":");
    if (own === name) return offset;
    offset += lengthOf(node, spec);
  }
  return offset;
}

function lengthOf(node: NodeDef, spec: string): number {
  const list = /^\[(.*)\]$/.exec(spec);
  if (list) return (((node.attributes.get(list[1]!)?.list as Message | undefined)?.type ?? []) as unknown[]).length;
  const [count, type] = spec.split("*");
  return type === undefined ? 1 : Number((node.attributes.get(count!)?.i ?? 0n) as bigint);
}

/** The function that an attribute names, with the attributes for it. Throws `CONVERT_GRAPH_INVALID`. */
export function calledFunction(node: NodeDef, key: string): Called {
  return readCalled(node, node.attributes.get(key)?.func as Message | undefined);
}

function calledFunctions(node: NodeDef, key: string): Called[] {
  const list = node.attributes.get(key)?.list as Message | undefined;
  return ((list?.func ?? []) as Message[]).map((each) => readCalled(node, each));
}

function readCalled(node: NodeDef, message: Message | undefined): Called {
  if (message?.name === undefined) throw invalid(node, "it doesn't say which function it calls");
  return {name: message.name as string, attributes: (message.attr ?? new Map()) as MessageMap};
}

/** `placeholder` attributes take the call's values. */
function substitute(attributes: MessageMap, call: MessageMap): MessageMap {
  const entries = [...attributes].map(([key, value]): [string, Message] => {
    const name = value.placeholder as string | undefined;
    return [key, name === undefined ? value : (call.get(name) ?? value)];
  });
  return new Map(entries);
}

/** IdentityN over the results; its types are found when it is imported. */
function identityOf(name: string, inputs: readonly string[], call: NodeDef): NodeDef {
  const types = call.attributes.get("Tout") ?? {list: {type: []}};
  return {name, op: "IdentityN", inputs, attributes: new Map([["T", types]])};
}

function selectAttributes(node: NodeDef, k: number): MessageMap {
  const types = ((node.attributes.get("Tout")?.list as Message | undefined)?.type ?? []) as number[];
  return new Map<string, Message>([
    ["T", {type: types[k] ?? 1}],
    [branchesAttribute, {b: true}],
  ]);
}

const typed = (key: string, type: number): MessageMap => new Map<string, Message>([[key, {type}]]);

function scalarNode(name: string, value: number): NodeDef {
  const tensor: Message = {dtype: 3, tensor_shape: {}, int_val: [value]};
  return {
    name,
    op: "Const",
    inputs: [],
    attributes: new Map<string, Message>([
      ["dtype", {type: 3}],
      ["value", {tensor}],
    ]),
  };
}

function invalid(node: NodeDef, message: string): ConvertError {
  return new ConvertError("CONVERT_GRAPH_INVALID", `node "${node.name}" (${node.op}): ${message}`, {
    details: {node: node.name, operator: node.op},
  });
}
