/**
 * While and its functions → a node with the regions `cond` and `body`. What the loop only reads is told apart from what it
 * changes: constants go into the regions, and what nothing reads goes away. Shapes of variables are those that hold before
 * and after a turn, found by inferring until nothing changes.
 */
import type {Tensor} from "@tf-trusted/tensor";
import type {Message} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import {type Graph, nodeOf, type Ref, type TensorType} from "../../ir/graph.ts";
import {joinTypes, sameTypes} from "../../ir/join.ts";
import type {GraphDef, NodeDef} from "./graph-def.ts";
import {calledFunction} from "./inline.ts";
import {prepareGraph} from "./prepare.ts";
import {dataTypeNumbers} from "./schema.ts";
import {indexNodes, type NodeIndex, type Selection, selectNodes} from "./select.ts";

/** An operand of the loop: its type, and its value where it is a constant. */
export interface Operand {
  readonly type: TensorType;
  readonly constant: Tensor | undefined;
}

export interface ImportedLoop {
  readonly cond: Graph;
  readonly body: Graph;
  /** Variables that are left, by their place among the operands. */
  readonly kept: readonly number[];
  /** Their types. */
  readonly types: readonly TensorType[];
  /** Operands that come out as they went in. */
  readonly unchanged: readonly boolean[];
}

/** A function made ready: as a graph whose placeholders are its arguments. */
interface Part {
  readonly graph: GraphDef;
  readonly index: NodeIndex;
  readonly arguments: readonly string[];
  readonly results: readonly Ref[];
}

export type ImportPart = (graph: GraphDef, index: NodeIndex, selection: Selection) => Graph;

/** Turns of inference after which a shape is still not settled: none of the rules grows for so long. */
const maxTurns = 16;

export function isLoop(node: NodeDef): boolean {
  return node.op === "While" || node.op === "StatelessWhile";
}

/** Throws `CONVERT_GRAPH_INVALID` and what importing the functions throws. */
export function importLoop(
  graph: GraphDef,
  node: NodeDef,
  operands: readonly Operand[],
  importPart: ImportPart,
): ImportedLoop {
  const cond = preparePart(graph, node, "cond", operands.length, 1);
  const body = preparePart(graph, node, "body", operands.length, operands.length);
  const unchanged = operands.map((_, i) => passesOn(body, i));
  const changing = body.results.filter((_, i) => !unchanged[i]);
  const read = new Set([...readArguments(body, changing), ...readArguments(cond, cond.results)]);
  const kept = [...operands.keys()].filter((i) => !unchanged[i] || (read.has(i) && !operands[i]!.constant));

  const run = (part: Part, types: readonly TensorType[], results: readonly Ref[]): Graph => {
    const requests = part.arguments.map((name) => ({name}));
    // Two results may be one value.
    const selection = {...selectNodes(part.index, requests, [...new Set(results)]), outputs: results};
    const inputs = selection.inputs.flatMap((input, i) => {
      const place = kept.indexOf(i);
      const value = operands[i]!.constant;
      if (place >= 0) return [{...input, given: types[place]!}];
      return value && unchanged[i] ? [{...input, given: value}] : [];
    });
    return importPart(part.graph, part.index, {...selection, inputs});
  };
  // Values change from turn to turn, so that only what is merely read keeps its elements.
  let types = kept.map((i): TensorType => {
    const {type} = operands[i]!;
    return unchanged[i] ? type : {dtype: type.dtype, shape: type.shape, ...(type.list && {list: type.list})};
  });
  for (let turn = 0; turn < maxTurns; turn++) {
    const region = run(
      body,
      types,
      kept.map((i) => body.results[i]!),
    );
    const after = region.outputs.map(({ref}) => typeOf(region, ref));
    const joined = types.map((type, k) => (unchanged[kept[k]!] ? type : joinTypes(type, after[k]!)));
    checkDTypes(node, types, after);
    if (joined.every((type, k) => sameTypes(type, types[k]!))) {
      return {cond: run(cond, types, cond.results), body: region, kept, types, unchanged};
    }
    types = joined;
  }
  throw invalid(node, "the shapes of its variables don't settle");
}

/** The function that attribute `key` names, called by a node of that name over placeholders. */
function preparePart(graph: GraphDef, node: NodeDef, key: string, arity: number, results: number): Part {
  const {name, attributes} = calledFunction(node, key);
  const prefix = `${node.name}/${key}`;
  const types = ((node.attributes.get("T")?.list as Message | undefined)?.type ?? []) as number[];
  const names = Array.from({length: arity}, (_, i) => `${prefix}/argument_${i}`);
  const placeholders = names.map(
    (each, i): NodeDef => ({
      name: each,
      op: "Placeholder",
      inputs: [],
      attributes: new Map<string, Message>([["dtype", {type: types[i] ?? 1}]]),
    }),
  );
  const call: NodeDef = {
    name: prefix,
    op: "StatefulPartitionedCall",
    inputs: names,
    attributes: new Map<string, Message>([
      ["f", {func: {name, attr: attributes}}],
      ["Tout", {list: {type: key === "cond" ? [dataTypeNumbers.DT_BOOL!] : types}}],
    ]),
  };
  const prepared = prepareGraph({...graph, nodes: [...placeholders, call]});
  const index = indexNodes(prepared);
  const found = index.inputsOf(index.nodes.get(prefix)!);
  if (found.length !== results) throw invalid(node, `its ${key} gives ${found.length} results, expected ${results}`);
  return {graph: prepared, index, arguments: names, results: found};
}

/** Whether result `i` is argument `i`. */
function passesOn({index, arguments: names, results}: Part, i: number): boolean {
  let ref = results[i]!;
  for (let steps = 0; steps < 64; steps++) {
    if (ref === `${names[i]}:0`) return true;
    const node = index.nodes.get(nodeOf(ref));
    if (node?.op !== "Identity" && node?.op !== "IdentityN") return false;
    ref = index.inputsOf(node)[Number(ref.slice(ref.lastIndexOf(":") + 1))] ?? "";
  }
  return false;
}

/** Places of the arguments that the results need. */
function readArguments({index, arguments: names}: Part, results: readonly Ref[]): readonly number[] {
  const seen = new Set<string>();
  const pending = [...results];
  for (let ref = pending.pop(); ref !== undefined; ref = pending.pop()) {
    const node = index.nodes.get(nodeOf(ref));
    if (node === undefined) continue;
    // Of the results of an inner call only the asked one.
    const inputs =
      node.op === "IdentityN"
        ? [index.inputsOf(node)[Number(ref.slice(ref.lastIndexOf(":") + 1))]!]
        : index.inputsOf(node);
    const key = node.op === "IdentityN" ? ref : node.name;
    if (seen.has(key)) continue;
    seen.add(key);
    pending.push(...inputs);
  }
  return names.flatMap((name, i) => (seen.has(name) ? [i] : []));
}

function typeOf(graph: Graph, ref: Ref): TensorType {
  const node = graph.nodes.find((each) => each.name === nodeOf(ref))!;
  return node.outputs[Number(ref.slice(ref.lastIndexOf(":") + 1))]!;
}

function checkDTypes(node: NodeDef, before: readonly TensorType[], after: readonly TensorType[]): void {
  before.forEach(({dtype}, i) => {
    const found = after[i]!.dtype;
    if (found !== dtype && found !== "variant" && dtype !== "variant") {
      throw invalid(node, `variable ${i} is ${dtype} before a turn and ${found} after it`);
    }
  });
}

function invalid(node: NodeDef, message: string): ConvertError {
  return new ConvertError("CONVERT_GRAPH_INVALID", `node "${node.name}" (${node.op}): ${message}`, {
    details: {node: node.name, operator: node.op},
  });
}
