/**
 * Whether the rows of a batch are computed apart, so that the calls of several callers may be run as one: told from the
 * graph, by a table of operators that do so (`row-rules.ts`). What isn't proven is refused: a model may normalise over
 * its batch, sort it, or count it.
 *
 * For each number of rows up to the most, shapes are inferred and every operator is held against its rule, which notes
 * what it does to one row. These notes have to be the same for all numbers: a graph may compute with the size of its batch.
 */
import {type Inference, inferShapes, isDynamic} from "../infer-shapes.ts";
import type {TfliteModel, TfliteOperator} from "../model.ts";
import {defaultOptions, optionsTableOf} from "../schema/schema.ts";
import {claimedShapes} from "../shapes/formulas.ts";
import type {Shape} from "../shapes/rule.ts";
import type {Shapes} from "../specialise.ts";
import {TfliteError} from "../tflite-error.ts";
import {type Content, Mixed, pureOperators, type RowNode, rowRules} from "./row-rules.ts";

/** Operators looked at in all, for all numbers of rows: what takes longer is refused. */
const maxSteps = 1_000_000;

/** A signature whose inputs all have an open first dimension, and no other. */
export interface BatchedSignature {
  /** Key in the file; "" where it has no signatures. */
  readonly key: string;
  readonly subgraph: number;
  /** Tensors, in the signature's order. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Dimensions of the inputs beside the first. */
  readonly rowShapes: Shapes;
}

/**
 * Why the rows can't be told apart for every batch of 1 to `maxRows`, `undefined` where they can: then a batch gives, row by
 * row, what its rows give in batches of any other size. The model has no findings of `checkModel` and keeps no state.
 */
export function mixesRows(model: TfliteModel, signature: BatchedSignature, maxRows: number): string | undefined {
  const {operators} = model.subgraphs[signature.subgraph]!;
  if (operators.length * maxRows > maxSteps) {
    return `${operators.length} operators are too many to be looked at for ${maxRows} rows`;
  }
  const [one, two] = [inferBatch(model, signature, 1), inferBatch(model, signature, 2)];
  if (typeof one === "string") return one;
  if (typeof two === "string") return two;
  const grows = one.tensors.map((shape, at) => String(shape) !== String(two.tensors[at]));
  let first: readonly string[] | undefined;
  for (let batch = 1; batch <= maxRows; batch++) {
    const notes = rowNotes(model, signature, batch, grows);
    if (typeof notes === "string") return `${notes} (batch of ${batch})`;
    first ??= notes;
    const differs = notes.findIndex((note, at) => note !== first![at]);
    if (differs !== -1) {
      return `${nameOf(model, operators[differs]!)} (operator ${differs}) does something else to each row of ${batch} than to one`;
    }
  }
  return undefined;
}

/** What each operator does to one row of `batch`; or why that can't be told. `grows`: tensors whose shape has the batch in it. */
function rowNotes(
  model: TfliteModel,
  signature: BatchedSignature,
  batch: number,
  grows: readonly boolean[],
): readonly string[] | string {
  const {key, subgraph, outputs, rowShapes} = signature;
  const graph = model.subgraphs[subgraph]!;
  const inference = inferBatch(model, signature, batch);
  if (typeof inference === "string") return inference;
  const {tensors, values} = inference;
  const contents: (Content | undefined)[] = graph.tensors.map(() => "constant");
  for (const tensor of graph.inputs) contents[tensor] = "rows";
  const notes: string[] = [];
  for (const [at, operator] of graph.operators.entries()) {
    const name = nameOf(model, operator);
    const where = (reason: string) => `${name} (operator ${at}): ${reason}`;
    const rule = Object.hasOwn(rowRules, name) ? rowRules[name] : undefined;
    if (!pureOperators.has(name)) return where("not known to treat rows apart");
    const read = operator.inputs.filter((tensor) => tensor !== -1).map((tensor) => contents[tensor]!);
    const isOpen = [...operator.inputs, ...operator.outputs].some(
      (tensor) => tensor !== -1 && isDynamic(tensors[tensor]!),
    );
    if (isOpen) return where("its shapes depend on data");
    let content: Content;
    if (read.every((each) => each === "constant")) content = "constant";
    else if (name === "RANK") content = "constant";
    else if (name === "SHAPE") content = "sizes";
    else if (!read.includes("rows") && !operator.outputs.some((tensor) => grows[tensor])) content = "sizes";
    else content = "rows";
    const facts: unknown[] = [];
    if (content === "rows") {
      if (rule === undefined) return where("it takes rows as sizes");
      try {
        rule(rowNode(model, subgraph, operator, {batch, contents, tensors: tensors as Shapes, values}, facts));
      } catch (error) {
        if (error instanceof Mixed) return where(error.reason);
        throw error;
      }
    } else if (content === "sizes" && operator.outputs.some((tensor) => values[tensor] === undefined)) {
      return where("a size isn't known before the run");
    }
    notes.push(JSON.stringify(facts));
    for (const tensor of operator.outputs) contents[tensor] = content;
  }
  const claimed = claimedShapes(
    model,
    key,
    rowShapes.map((shape) => [batch, ...shape]),
  );
  for (const [at, tensor] of outputs.entries()) {
    const {name} = graph.tensors[tensor]!;
    const shape = tensors[tensor] as Shape;
    if (contents[tensor] !== "rows") return `output "${name}" has no rows`;
    if (shape[0] !== batch) return `output "${name}" is [${shape}], whose first dimension isn't the batch`;
    const claim = claimed[at];
    if (claim !== undefined && claim[0] !== batch) return `output "${name}" is said to be [${claim}]`;
    notes.push(JSON.stringify(shape.slice(1)));
  }
  return notes;
}

function inferBatch(
  model: TfliteModel,
  {subgraph, inputs, rowShapes}: BatchedSignature,
  batch: number,
): Inference | string {
  const shapes = model.subgraphs[subgraph]!.inputs.map((tensor) => [
    batch,
    ...(rowShapes[inputs.indexOf(tensor)] ?? []),
  ]);
  try {
    return inferShapes(model, subgraph, shapes);
  } catch (error) {
    if (error instanceof TfliteError) return error.message;
    throw error;
  }
}

function nameOf({operatorCodes}: TfliteModel, {opcodeIndex}: TfliteOperator): string {
  const {builtin, customCode} = operatorCodes[opcodeIndex]!;
  return builtin === "CUSTOM" ? `custom ${customCode ?? ""}` : builtin;
}

interface Known {
  readonly batch: number;
  readonly contents: readonly (Content | undefined)[];
  readonly tensors: Shapes;
  readonly values: readonly (readonly number[] | undefined)[];
}

function rowNode(
  model: TfliteModel,
  subgraph: number,
  operator: TfliteOperator,
  {batch, contents, tensors, values}: Known,
  facts: unknown[],
): RowNode {
  const {builtin} = model.operatorCodes[operator.opcodeIndex]!;
  const input = (index: number): number => {
    const tensor = operator.inputs[index] ?? -1;
    if (tensor === -1) throw new Mixed(`input ${index} is missing`);
    return tensor;
  };
  const output = (index: number): number => {
    const tensor = operator.outputs[index] ?? -1;
    if (tensor === -1) throw new Mixed(`output ${index} is missing`);
    return tensor;
  };
  return {
    batch,
    options: operator.options ?? defaultOptions(optionsTableOf(builtin) ?? ""),
    inputCount: operator.inputs.length,
    outputCount: operator.outputs.length,
    has: (index) => (operator.inputs[index] ?? -1) !== -1,
    content: (index) => contents[input(index)]!,
    shape: (index) => tensors[input(index)]!,
    outputShape: (index) => tensors[output(index)]!,
    type: (index) => model.subgraphs[subgraph]!.tensors[input(index)]!.type,
    value: (index) => {
      const value = contents[input(index)] === "rows" ? undefined : values[input(index)];
      if (value === undefined) throw new Mixed(`input ${index} isn't known before the run`);
      return value;
    },
    note: (...given) => facts.push(...given),
  };
}
