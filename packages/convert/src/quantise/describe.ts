/** What a graph has that is quantised, for the report. */
import type {Tensor} from "@tf-trusted/tensor";
import {countBy} from "../counts.ts";
import {allNodes, type Graph, originOf} from "../ir/graph.ts";
import type {Quantize} from "./index.ts";

/** Operators that only change how a number is stored. */
export const conversions: ReadonlySet<string> = new Set(["tfl.QUANTIZE", "tfl.DEQUANTIZE"]);

export interface QuantisationReport {
  readonly mode: Quantize;
  /** Constants that aren't float32 any more: weights, and biases of integer operators. */
  readonly constants: readonly QuantisedConstant[];
  /** Values that are computed, or come in, as quantised integers. */
  readonly levels: number;
  /** Operators that compute with quantised integers. */
  readonly operators: Readonly<Record<string, number>>;
}

export interface QuantisedConstant {
  /** The node of the source that it was made from, or its own name. */
  readonly name: string;
  readonly dtype: string;
  readonly elements: number;
  /** How many scales it has: 1, or one for each channel; 0 for float16. */
  readonly scales: number;
}

export function describeQuantisation(graph: Graph, mode: Quantize): QuantisationReport {
  const nodes = [...allNodes(graph)];
  const constants = nodes.flatMap((node): QuantisedConstant[] => {
    const value = node.op === "const" ? (node.attributes.value as Tensor) : undefined;
    const scales = node.outputs[0]?.quantisation?.scale.length ?? 0;
    if (value === undefined || (scales === 0 && value.dtype !== "float16")) return [];
    return [{name: originOf(node), dtype: value.dtype, elements: value.size, scales}];
  });
  const operators = nodes.filter(
    (node) => !["const", "input"].includes(node.op) && !conversions.has(node.op) && node.outputs[0]?.quantisation,
  );
  const levels = nodes.filter((node) => node.op !== "const" && node.outputs[0]?.quantisation).length;
  return {mode, constants, levels, operators: countBy(operators.map((node) => node.op.replace(/^tfl\./, "")))};
}

const nothing: Readonly<Record<Quantize, string>> = {
  weights: "no weights of products have 1024 elements or more",
  float16: "no constants have 128 elements or more, within the range of float16",
  keep: "the graph has no fake quantisation by constant ranges of up to 8 bits",
};

/** Who asked for quantisation is told if there was nothing to quantise. */
export function quantisationNotes(report: QuantisationReport | undefined): readonly string[] {
  if (report === undefined || report.constants.length > 0 || report.levels > 0) return [];
  return [`nothing was quantised: ${nothing[report.mode]}`];
}
