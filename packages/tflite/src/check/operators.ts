/** Operators by themselves: number of inputs and outputs, options of the right kind (specs/litert.md T4, convert.md §6.4). */
import type {OperatorCode, TfliteModel, TfliteOperator} from "../model.ts";
import {arityOf} from "../operators/arity.ts";
import {wrongOutputType} from "../operators/output-types.ts";
import {optionsTableOf, tables} from "../schema/schema.ts";
import type {Findings, Place} from "./finding.ts";

/** Custom operators that crash while loading if they have no options (data/litert-ops.json, customNotes). */
const customNeedsOptions: ReadonlySet<string> = new Set([
  "TFLite_Detection_PostProcess",
  "Mfcc",
  "AudioSpectrogram",
  "NumericVerify",
  "odml.scaled_dot_product_attention",
  // These read a C structure from their options.
  "Convolution2DTransposeBias",
  "MaxPoolingWithArgmax2D",
  "MaxUnpooling2D",
]);

/** Operators whose options only refine what happens without them; all others with fields in their table need it. */
const optionsMayBeAbsent: ReadonlySet<string> = new Set([
  "ADD",
  "SUB",
  "MUL",
  "DIV",
  "CAST",
  "RESHAPE",
  "GATHER",
  "BATCH_MATMUL",
  "RESIZE_BILINEAR",
  "RESIZE_NEAREST_NEIGHBOR",
  "EMBEDDING_LOOKUP_SPARSE",
  "SPARSE_TO_DENSE",
]);

/** Options that repeat the number of inputs or outputs: kernels count by them. */
const countOptions: Readonly<Record<string, readonly [option: string, side: "inputs" | "outputs"]>> = {
  SPLIT: ["numSplits", "outputs"],
  SPLIT_V: ["numSplits", "outputs"],
  UNPACK: ["num", "outputs"],
  PACK: ["valuesCount", "inputs"],
};

/** Options that kernels use for addresses without looking, with what they may be. */
const optionRanges: Readonly<Record<string, readonly [option: string, min: number, max: number]>> = {
  LOCAL_RESPONSE_NORMALIZATION: ["radius", 0, 0xffff],
};

export function checkOperators(model: TfliteModel, findings: Findings): void {
  model.subgraphs.forEach(({operators}, subgraph) => {
    operators.forEach((each, operator) => {
      const code = model.operatorCodes[each.opcodeIndex]!;
      const place = {subgraph, operator};
      checkArity(model, each, code, place, findings);
      checkOptions(model, each, code, place, findings);
      checkOutputTypes(model, each, code, place, findings);
    });
  });
}

function checkArity(
  model: TfliteModel,
  each: TfliteOperator,
  code: OperatorCode,
  place: Place,
  findings: Findings,
): void {
  const arity = arityOf(code.builtin === "CUSTOM" ? (code.customCode ?? "") : code.builtin);
  if (arity === undefined) {
    // Admission refuses operators that aren't known; a left-out input of one that is must be in the table.
    if (each.inputs.includes(-1))
      findings.add(model, "ARITY", place, "leaves out an input; none of its inputs is optional");
    return;
  }
  for (const [what, [min, max], found] of [
    ["inputs", arity.inputs, each.inputs.length],
    ["outputs", arity.outputs, each.outputs.length],
  ] as const) {
    if (found >= min && found <= max) continue;
    const expected = min === max ? `${min}` : max === Number.POSITIVE_INFINITY ? `${min} or more` : `${min} to ${max}`;
    findings.add(model, "ARITY", place, `has ${found} ${what}; expected ${expected}`);
  }
  const [option, side] = countOptions[code.builtin] ?? [];
  if (option !== undefined && side !== undefined && each.options?.[option] !== each[side].length) {
    findings.add(model, "ARITY", place, `has ${each[side].length} ${side}; its ${option} is ${each.options?.[option]}`);
  }
  const missing = each.inputs.findIndex((tensor, index) => tensor === -1 && !arity.optional.includes(index));
  if (missing !== -1) findings.add(model, "ARITY", place, `leaves out input ${missing}, which is needed`);
}

function checkOptions(
  model: TfliteModel,
  each: TfliteOperator,
  code: OperatorCode,
  place: Place,
  findings: Findings,
): void {
  if (code.builtin === "CUSTOM") {
    const needs = customNeedsOptions.has(code.customCode ?? "");
    if (needs && (each.customOptions?.length ?? 0) === 0) {
      findings.add(model, "OPTIONS", place, "has no custom options; its kernel crashes without");
    }
    return;
  }
  const expected = optionsTableOf(code.builtin);
  const found = each.optionsType;
  if (found !== undefined && found !== expected) {
    findings.add(model, "OPTIONS", place, `has ${found}; expected ${expected ?? "none"}`);
  }
  const [option, min, max] = optionRanges[code.builtin] ?? [];
  if (option !== undefined && !(Number(each.options?.[option]) >= min! && Number(each.options?.[option]) <= max!)) {
    findings.add(model, "OPTIONS", place, `has the ${option} ${each.options?.[option]}; expected ${min} to ${max}`);
  }
  if (found !== undefined || expected === undefined || optionsMayBeAbsent.has(code.builtin)) return;
  if (tables.get(expected)!.fields.length === 0) return;
  findings.add(
    model,
    "OPTIONS",
    place,
    `has no options; expected ${expected}, whose fields have no meaning when absent`,
  );
}

function checkOutputTypes(
  model: TfliteModel,
  each: TfliteOperator,
  {builtin}: OperatorCode,
  {subgraph, operator}: Place,
  findings: Findings,
): void {
  const {tensors} = model.subgraphs[subgraph!]!;
  const inputs = each.inputs.map((index) => tensors[index]?.type);
  each.outputs.forEach((tensor, index) => {
    const {type} = tensors[tensor]!;
    const expected = wrongOutputType(builtin, index, type, inputs);
    if (expected === undefined) return;
    findings.add(model, "TYPE", {subgraph: subgraph!, operator: operator!, tensor}, `is ${type}; expected ${expected}`);
  });
}
