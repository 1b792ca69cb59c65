/** What a conversion did, and what it couldn't do and why. */
import {ConvertError} from "./convert-error.ts";
import {countBy} from "./counts.ts";
import type {Cut} from "./cut.ts";
import {formatDims} from "./ir/dims.ts";
import {allNodes, type Graph, originOf} from "./ir/graph.ts";
import type {UnsupportedNode} from "./lower/index.ts";
import type {Effect} from "./passes/pass.ts";
import {conversions, type QuantisationReport} from "./quantise/describe.ts";

/** What a conversion did to nodes of the source. */
export interface Change {
  readonly effect: Effect | "decomposed";
  /** "biases fused", or for what TensorFlow Lite lacks what it became: "Erf → EXP, MUL ×3". */
  readonly what: string;
  /** Names in the source. A node may have been changed more than once. */
  readonly nodes: readonly string[];
}

export interface ConvertReport {
  readonly format: "graphdef" | "graphdef-text" | "saved-model" | "keras" | "h5" | "tfjs" | "tfjs-layers" | "tflite";
  /** What was folded, fused, narrowed, decomposed …, with the nodes. */
  readonly changes: readonly Change[];
  /** Where numbers are computed in another dtype, which outputs were chosen, and the like. */
  readonly notes: readonly string[];
  /** Operators of the source that the outputs need, with their numbers. */
  readonly sourceOperators: Readonly<Record<string, number>>;
  /** Operators of the result. */
  readonly operators: Readonly<Record<string, number>>;
  readonly modelBytes: number;
  /** What `quantize` did; absent without it. */
  readonly quantisation?: QuantisationReport;
}

/** What operators of the source became where that is several of TensorFlow Lite's, "Erf → EXP, MUL ×3", with the nodes. */
export function findDecomposed(source: Graph, result: Graph): ReadonlyMap<string, readonly string[]> {
  const operators = new Map([...allNodes(source)].map((node) => [originOf(node), node.op.replace(/^tf\./, "")]));
  const made = new Map<string, string[]>();
  for (const node of allNodes(result)) {
    if (!node.op.startsWith("tfl.") || conversions.has(node.op)) continue;
    const into = made.get(originOf(node));
    if (into) into.push(node.op.slice(4));
    else made.set(originOf(node), [node.op.slice(4)]);
  }
  const found = new Map<string, string[]>();
  for (const [name, into] of made) {
    const operator = operators.get(name);
    if (operator === undefined || into.length === 1) continue;
    const parts = Object.entries(countBy(into)).map(([op, count]) => (count > 1 ? `${op} ×${count}` : op));
    const what = `${operator} → ${parts.join(", ")}`;
    found.set(what, [...(found.get(what) ?? []), name]);
  }
  return found;
}

/** All nodes at once, by operator, each with the reason and what to do. */
export function unsupportedError(unsupported: readonly UnsupportedNode[], cut?: Cut): ConvertError {
  const byReason = new Map<string, UnsupportedNode[]>();
  for (const node of unsupported) {
    const key = `${node.operator}: ${node.reason}`;
    byReason.set(key, [...(byReason.get(key) ?? []), node]);
  }
  const lines = [...byReason.values()].map((nodes) => {
    const [{operator, reason}] = nodes as [UnsupportedNode];
    const names = nodes.slice(0, 5).map(({node, inputs}) => {
      const types = inputs.map(({dtype, shape}) => `${dtype} ${formatDims(shape)}`).join(", ");
      return `"${node}" (${types})`;
    });
    const more = nodes.length > names.length ? `, and ${nodes.length - names.length} more` : "";
    return `  operator ${operator}: ${reason}; node ${names.join(", ")}${more}`;
  });
  const count = unsupported.length === 1 ? "1 node" : `${unsupported.length} nodes`;
  const message = `${count} can't be converted:\n${lines.join("\n")}\n${cut ? describeCut(cut) : adviceWithoutCut}`;
  return new ConvertError("CONVERT_OP_UNSUPPORTED", message, {
    details: {
      nodes: unsupported.map(({node, operator, reason}) => ({node, operator, reason})),
      ...(cut && {cut}),
    },
  });
}

const adviceWithoutCut =
  "Cut the graph before them with `outputs` (--output-name), or behind them with `inputs` (--input-name).";

/** As typed on a command line. */
export function describeCut({inputs = [], outputs = [], operators, whole}: Cut): string {
  if (whole) {
    const shapes = inputs.map(({name, shape}) => ` --input-shape ${name}=${spellShape(shape!)}`);
    return `With sizes that are given it converts, for example:${shapes.join("")}`;
  }
  const flags = [
    ...inputs.flatMap(({name, shape}) => [
      `--input-name ${name}`,
      ...(shape ? [`--input-shape ${name}=${spellShape(shape)}`] : []),
    ]),
    ...outputs.map((name) => `--output-name ${name}`),
  ];
  const where = inputs.length > 0 ? "behind" : "before";
  return `Cut ${where} them, ${operators} operators are left, which convert: ${flags.join(" ")}`;
}

const spellShape = (shape: readonly number[]): string => shape.map((size) => (size < 0 ? "?" : size)).join(",");
