/**
 * Where to cut a graph around what can't be converted: behind it (its results become inputs), as is meant where
 * it prepares data, or before it (its operands become outputs), as where it works on results. A cut is only offered after
 * the rest went through all passes and the lowering.
 */
import {isDType} from "@tf-trusted/tensor";
import {isKnown, symbolOf, toNumbers} from "./ir/dims.ts";
import {type Graph, type Node, nodeOf, originOf, type Port, type Ref, refTo, type TensorType} from "./ir/graph.ts";
import {lowerGraph} from "./lower/index.ts";
import {runPass, sourcePasses} from "./passes/index.ts";
import {pruneGraph} from "./passes/prune.ts";

/** What `inputs` or `outputs` of the options would have to be. */
export interface Cut {
  readonly inputs?: readonly CutInput[];
  readonly outputs?: readonly string[];
  /** How many operators of the source are left. */
  readonly operators: number;
}

export interface CutInput {
  readonly name: string;
  /** -1 where open; only told where the graph doesn't declare it. */
  readonly shape?: readonly number[];
}

/** More names than these are no hint any more. */
const maxNames = 16;

/** The cut that leaves more of the graph; `undefined` where neither works. */
export function findCut(graph: Graph, unsupported: ReadonlySet<string>): Cut | undefined {
  const wall = new Set(graph.nodes.filter((node) => holds(node, unsupported)).map((node) => node.name));
  if (wall.size === 0) return undefined;
  const candidates = [cutBehind(graph, wall), cutBefore(graph, wall)]
    .filter((each) => each !== undefined)
    .map((each) => ({...each, operators: liveOperators(each.graph)}))
    .sort((a, b) => b.operators - a.operators);
  for (const {graph: rest, cut, operators} of candidates) {
    if (operators > 0 && convertible(rest)) return {...cut, operators};
  }
  return undefined;
}

function holds(node: Node, names: ReadonlySet<string>): boolean {
  if (names.has(originOf(node))) return true;
  return Object.values(node.regions ?? {}).some((region) => region.nodes.some((inner) => holds(inner, names)));
}

interface Candidate {
  readonly graph: Graph;
  readonly cut: Omit<Cut, "operators">;
}

/** Results of the wall become inputs; what isn't a tensor of known rank there puts its consumers into the wall, too. */
function cutBehind(graph: Graph, walls: ReadonlySet<string>): Candidate | undefined {
  const wall = new Set(walls);
  const types = typesOf(graph);
  const frontier = new Set<Ref>();
  for (const node of graph.nodes) {
    if (wall.has(node.name)) continue;
    const fed = node.inputs.filter((ref) => wall.has(nodeOf(ref)));
    if (fed.every((ref) => isTensor(types.get(ref)!))) for (const ref of fed) frontier.add(ref);
    else wall.add(node.name);
  }
  if (graph.outputs.some(({ref}) => wall.has(nodeOf(ref)))) return undefined;
  const added = [...frontier].map((ref): Node => {
    const {dtype, shape} = types.get(ref)!;
    const open = shape!.map((dim, axis) => (isKnown(dim) ? dim : symbolOf(ref, axis)));
    return {name: inputName(ref), op: "input", inputs: [], attributes: {}, outputs: [{dtype, shape: open}]};
  });
  const rest = graph.nodes
    .filter((node) => !wall.has(node.name))
    .map((node): Node => {
      const inputs = node.inputs.map((ref) => (frontier.has(ref) ? refTo(inputName(ref)) : ref));
      return {...node, inputs};
    });
  const pruned = pruneGraph({inputs: [], outputs: graph.outputs, nodes: [...added, ...rest]});
  const left = new Set(pruned.nodes.map(({name}) => name));
  const own = graph.inputs.filter(({ref}) => left.has(nodeOf(ref)));
  const fed = [...frontier].filter((ref) => left.has(inputName(ref)));
  // Once an input is named all of them have to be.
  if (own.length + fed.length > maxNames) return undefined;
  const ports = fed.map((ref): Port => ({name: ref, ref: refTo(inputName(ref))}));
  return {
    graph: {...pruned, inputs: [...own, ...ports]},
    cut: {
      inputs: [
        ...own.map(({name}) => ({name})),
        ...fed.map((ref) => ({name: spell(ref), shape: toNumbers(types.get(ref)!.shape!)})),
      ],
    },
  };
}

const inputName = (ref: Ref): string => `cut/${ref.replace(":", "_")}`;

/** What feeds the wall, and outputs that don't need it, become the outputs. */
function cutBefore(graph: Graph, wall: ReadonlySet<string>): Candidate | undefined {
  const behind = new Set<string>();
  const outputs = new Set<Ref>();
  const types = typesOf(graph);
  const plain = new Set(graph.nodes.filter(({op}) => op === "const" || op === "input").map(({name}) => name));
  for (const node of graph.nodes) {
    if (!wall.has(node.name) && !node.inputs.some((ref) => behind.has(nodeOf(ref)))) continue;
    behind.add(node.name);
    for (const ref of node.inputs) {
      if (ref !== "" && !behind.has(nodeOf(ref)) && !plain.has(nodeOf(ref))) outputs.add(ref);
    }
  }
  for (const {ref} of graph.outputs) if (!behind.has(nodeOf(ref))) outputs.add(ref);
  const refs = [...outputs].filter((ref) => isTensor(types.get(ref)!));
  if (refs.length === 0 || refs.length > maxNames) return undefined;
  const ports = refs.map((ref): Port => ({name: ref, ref}));
  return {graph: pruneGraph({...graph, outputs: ports}), cut: {outputs: refs.map(spell)}};
}

const isTensor = ({dtype, shape}: TensorType): boolean => isDType(dtype) && dtype !== "string" && shape !== undefined;

/** `node` for its first output. */
const spell = (ref: Ref): string => (ref.endsWith(":0") ? ref.slice(0, -2) : ref);

function typesOf(graph: Graph): ReadonlyMap<Ref, TensorType> {
  return new Map(graph.nodes.flatMap((node) => node.outputs.map((type, i) => [`${node.name}:${i}`, type] as const)));
}

const liveOperators = (graph: Graph): number => graph.nodes.filter(({op}) => op !== "const" && op !== "input").length;

function convertible(graph: Graph): boolean {
  const prepared = sourcePasses.reduce((at, pass) => runPass(pass, at, () => {}), graph);
  return lowerGraph(prepared).unsupported.length === 0;
}
