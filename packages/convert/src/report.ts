/** What a conversion did, and what it couldn't do and why. */
import {ConvertError} from "./convert-error.ts";
import {formatDims} from "./ir/dims.ts";
import type {UnsupportedNode} from "./lower/index.ts";
import type {QuantisationReport} from "./quantise/describe.ts";

export interface ConvertReport {
  readonly format: "graphdef" | "graphdef-text" | "saved-model" | "tflite";
  /** What passes did, by kind: `{"batch norms spelled out": 12}`. */
  readonly passes: Readonly<Record<string, number>>;
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

/** All nodes at once, by operator, each with the reason and what to do. */
export function unsupportedError(unsupported: readonly UnsupportedNode[]): ConvertError {
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
  const message = `${unsupported.length} nodes can't be converted:\n${lines.join("\n")}\nCut the graph before them with \`outputs\` (--output-name), or behind them with \`inputs\` (--input-name).`;
  return new ConvertError("CONVERT_OP_UNSUPPORTED", message, {
    details: {nodes: unsupported.map(({node, operator, reason}) => ({node, operator, reason}))},
  });
}

export function countBy(names: Iterable<string>): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
