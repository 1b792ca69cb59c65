/**
 * What to do with a graph that can't be converted as it is: give sizes that it leaves open, where that is enough, or cut it
 * around the operators in question: behind them (their results become inputs), as is meant where they prepare data, or
 * before them (their operands become outputs), as where they work on results. Nothing is offered before what is left went
 * through all passes and the lowering.
 */
import {TfTrustedError} from "@tf-trusted/core";
import {isDType} from "@tf-trusted/tensor";
import {type Rewrite, rewriteGraph} from "./ir/builder.ts";
import {type Dim, isKnown, type Shape, symbolOf, toNumbers} from "./ir/dims.ts";
import {type Graph, type Node, nodeOf, originOf, type Port, type Ref, refTo, type TensorType} from "./ir/graph.ts";
import {lowerGraph} from "./lower/index.ts";
import {tfTable} from "./ops/tf/index.ts";
import {runPass, sourcePasses} from "./passes/index.ts";
import {pruneGraph} from "./passes/prune.ts";

/** What `inputs` or `outputs` of the options would have to be. */
export interface Cut {
  readonly inputs?: readonly CutInput[];
  readonly outputs?: readonly string[];
  /** How many operators of the source are left. */
  readonly operators: number;
  /** Nothing is cut: `inputs` only have sizes where the graph leaves them open. Those behind the first are examples. */
  readonly whole?: true;
}

export interface CutInput {
  readonly name: string;
  /** -1 where open; only told where the graph doesn't declare it. */
  readonly shape?: readonly number[];
}

/** More names than these are no hint any more. */
const maxNames = 16;

/** Sizes where they are enough, else the cut that leaves more of the graph; `undefined` where nothing works. */
export function findCut(graph: Graph, unsupported: ReadonlySet<string>): Cut | undefined {
  const sizes = findSizes(graph);
  if (sizes !== undefined) return {inputs: sizes, operators: liveOperators(graph), whole: true};
  const wall = new Set(graph.nodes.filter((node) => holds(node, unsupported)).map((node) => node.name));
  if (wall.size === 0) return undefined;
  const candidates = [cutBehind(graph, wall), cutBefore(graph, wall)]
    .filter((each) => each !== undefined)
    .map((each) => ({...each, operators: liveOperators(each.graph)}))
    .sort((a, b) => b.operators - a.operators);
  for (const {graph: rest, cut, operators} of candidates) {
    if (operators > 0 && isConvertible(() => rest)) return {...cut, operators};
  }
  return undefined;
}

/** Of a batch and of other dimensions, in the order in which they are tried. */
const sizesTried: readonly ((dim: Dim, axis: number) => Dim)[] = [
  (dim, axis) => (axis === 0 ? 1 : dim),
  (_, axis) => (axis === 0 ? 1 : 64),
];

/** Shapes of inputs with which all converts. Not of graphs with loops, whose bodies would have to be inferred anew. */
function findSizes(graph: Graph): readonly CutInput[] | undefined {
  if (graph.nodes.some(({regions}) => regions !== undefined)) return undefined;
  const types = typesOf(graph);
  const open = graph.inputs.filter(({ref}) => types.get(ref)!.shape?.some((dim) => !isKnown(dim)));
  const names = new Set(open.map(({ref}) => nodeOf(ref)));
  for (const sizeOf of sizesTried) {
    const filled = (ref: Ref) => types.get(ref)!.shape!.map((dim, axis) => (isKnown(dim) ? dim : sizeOf(dim, axis)));
    if (open.every(({ref}) => sameDims(filled(ref), types.get(ref)!.shape!))) continue;
    const rewrite: Rewrite = (node, b) => {
      const ref = refTo(node.name);
      return names.has(node.name)
        ? [b.input(node.name, {dtype: types.get(ref)!.dtype, shape: filled(ref)})]
        : undefined;
    };
    if (isConvertible(() => rewriteGraph(graph, tfTable, rewrite)))
      return open.map(({name, ref}) => ({name, shape: toNumbers(filled(ref))}));
  }
  return undefined;
}

const sameDims = (a: Shape, b: Shape): boolean => a.every((dim, i) => dim === b[i]);

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

/** Sizes that don't fit an operator are errors. */
function isConvertible(make: () => Graph): boolean {
  try {
    const prepared = sourcePasses.reduce((at, pass) => runPass(pass, at, () => {}), make());
    return lowerGraph(prepared).unsupported.length === 0;
  } catch (error) {
    if (error instanceof TfTrustedError) return false;
    throw error;
  }
}
