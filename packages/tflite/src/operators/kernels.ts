/**
 * Operands that kernels are known to crash on or to compute wrongly without saying so (specs/convert.md §6.3), from
 * measurements of each operator with each type. A refusal here protects the caller from wrong numbers, and the native
 * engine's process.
 */
import {type Finding, Findings} from "../check/finding.ts";
import {kernelRows} from "../gen/rules-data.ts";
import type {TfliteModel, TfliteOperator, TfliteTensor} from "../model.ts";
import {operatorNode} from "./versions.ts";

/** What the table says of plain (not quantised) element types. */
export interface KernelRow {
  readonly accepts: readonly string[];
  readonly acceptsQuantized: readonly string[];
  readonly wrong: readonly string[];
  readonly crash: readonly string[];
  /** Ranks that ran right, as [min, max] or as a list. */
  readonly ranks: readonly number[];
  readonly note: string;
}

/** The measured row of an operator, or of `OPERATOR/variant`; `undefined` if it wasn't measured. */
export function kernelRow(name: string): KernelRow | undefined {
  const row = Object.hasOwn(kernelRows, name) ? kernelRows[name] : undefined;
  if (row === undefined) return undefined;
  const {accepts = [], acceptsQuantized = [], wrong = [], crash = [], ranks = [], note = ""} = row;
  return {accepts, acceptsQuantized, wrong, crash, ranks, note};
}

/** Operands that are misread at these types, whatever input 0 is: operator → input → types. */
const misreadOperands: Readonly<Record<string, readonly [input: number, types: readonly string[]]>> = {
  RESHAPE: [1, ["int64"]],
};

/**
 * Nodes that would crash or give wrong numbers. Broadcasting is judged by the shapes in the file: check the specialised
 * model.
 */
export function checkKernels(model: TfliteModel): readonly Finding[] {
  const findings = new Findings();
  model.subgraphs.forEach((graph, subgraph) => {
    graph.operators.forEach((each, operator) => {
      const builtin = model.operatorCodes[each.opcodeIndex]?.builtin ?? "";
      const place = {subgraph, operator};
      const {inputs} = operatorNode(graph, each);
      const [first, second] = inputs;
      const type = describeType(first);
      const broadcasts = first !== undefined && second !== undefined && first.shape.join() !== second.shape.join();
      const rows = [kernelRow(builtin), broadcasts ? kernelRow(`${builtin}/bcast`) : undefined];
      const plain = first !== undefined && (first.quantization?.scale.length ?? 0) === 0;
      const says = (list: "crash" | "wrong") => plain && rows.some((row) => row?.[list].includes(first.type) === true);
      if (says("crash")) findings.add(model, "KERNEL_CRASH", place, `crashes on ${type}`);
      else if (says("wrong"))
        findings.add(model, "KERNEL_WRONG", place, `gives wrong numbers on ${type}${broadcasts ? ", broadcast" : ""}`);
      if (builtin === "STRIDED_SLICE" && offsetsMasked(each)) {
        findings.add(model, "KERNEL_CRASH", place, "crashes on end offsets together with masks");
      }
      const [input, types] = misreadOperands[builtin] ?? [0, []];
      if (types.includes(inputs[input]?.type ?? "")) {
        findings.add(model, "KERNEL_WRONG", place, `misreads input ${input} of type ${inputs[input]!.type}`);
      }
    });
  });
  return findings.all;
}

/** With `offset` the kernel adds begin and end also where a mask says to ignore them, and reads outside (run: SIGSEGV). */
function offsetsMasked({options = {}}: TfliteOperator): boolean {
  const masks = ["beginMask", "endMask", "ellipsisMask", "newAxisMask", "shrinkAxisMask"];
  return options.offset === true && masks.some((mask) => options[mask] !== 0);
}

function describeType(tensor: TfliteTensor | undefined): string {
  return tensor === undefined ? "nothing" : `${tensor.type} without a scale`;
}
