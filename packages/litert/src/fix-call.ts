/**
 * What shapes the outputs of a call will have and what its tensors take, before the engine runs: by inference over the
 * graph, else by formulas that the converter wrote into the file, else, where an operator has no shape rule, by a probe
 * (specs/litert.md §5.2). Where a shape depends on data, the engine is asked for it (`ask-shapes.ts`); outputs that stay
 * open are refused: LiteRT returns garbage for them (T3).
 */
import {
  claimedShapes,
  type Inference,
  inferableOperators,
  inferShapes,
  isDynamic,
  type Shapes,
  type TfliteModel,
  type Value,
} from "@tf-trusted/tflite";
import {type AdmittedModel, computedBytes, fromTflite} from "./admission.ts";
import {type Ask, type Asked, askShape} from "./ask-shapes.ts";
import type {Limits} from "./engine.ts";
import {LitertError} from "./litert-error.ts";
import {checkMemory, type FixedFile, fixShapes, isFixed} from "./specialise.ts";

/** Runs a file whose outputs are declared too large, and gives the dimensions that came. */
export type Probe = (file: FixedFile) => Promise<Shapes>;

/** Operators without a shape rule because no rule can exist; a probe's answer would hold for its own values only. */
const dataDependentOperators: ReadonlySet<string> = new Set([
  "WHERE",
  "UNIQUE",
  "SKIP_GRAM",
  "EMBEDDING_LOOKUP_SPARSE",
]);

/** Tensors that the engine is asked for in a call: each costs a file and an instance. */
const maxRounds = 32;

/** How much larger than plausible a probe declares the open dimension (specs/litert.md §5.2 (c)). */
const probeSlack = 64;

/**
 * The file for a call of signature `index` with these input shapes (in its order), and these elements of inputs that
 * shapes depend on: the file then holds for them only, and with `ask` for this call only. Throws `DYNAMIC_OUTPUT`,
 * `TOO_LARGE`; and `INVALID_INPUT` where an operator can't take these shapes, `INVALID_MODEL` where it never can.
 */
export async function fixCall(
  admitted: AdmittedModel,
  index: number,
  inputs: Shapes,
  probe: Probe,
  limits: Limits,
  values: readonly (Value | undefined)[] = [],
  ask?: Ask,
): Promise<FixedFile> {
  if (ask === undefined) return fixKnown(admitted, index, inputs, probe, limits, values);
  const asked: Asked = [];
  try {
    let known = admitted;
    for (let round = 0; round < maxRounds; round++) {
      const inference = infer(known, index, inputs, values);
      const graph = known.model.subgraphs[known.places[index]!.subgraph]!;
      if (!graph.outputs.some((tensor) => isDynamic(inference.tensors[tensor]!))) break;
      checkMemory(inferredBytes(known.model, known.places[index]!.subgraph, inference), known, limits);
      const next = await askShape(known, index, inputs, inference, ask, limits, asked);
      if (next === undefined) break;
      known = next;
    }
    return {...(await fixKnown(known, index, inputs, probe, limits, values)), reusable: false};
  } finally {
    for (const bytes of asked) bytes.fill(0);
  }
}

async function fixKnown(
  admitted: AdmittedModel,
  index: number,
  inputs: Shapes,
  probe: Probe,
  limits: Limits,
  values: readonly (Value | undefined)[],
): Promise<FixedFile> {
  const {model, places, signatures} = admitted;
  const place = places[index]!;
  const graph = model.subgraphs[place.subgraph]!;
  const specs = signatures[index]!.outputs;
  const inference = infer(admitted, index, inputs, values);
  checkMemory(inferredBytes(model, place.subgraph, inference), admitted, limits);
  const inferred = place.outputs.map((tensor) => inference.outputs[graph.outputs.indexOf(tensor)]!);
  inferred.forEach((shape, at) => {
    if (!isDynamic(shape)) checkDeclared(shape, specs[at]!.shape, specs[at]!.name);
  });
  const claimed = claimedShapes(model, place.key ?? "", inputs);
  const known = inferred.map((shape, at) => {
    const claim = claimed[at];
    if (!isDynamic(shape)) {
      if (claim !== undefined) checkDeclared(shape, claim, specs[at]!.name);
      return shape;
    }
    if (claim !== undefined) {
      checkDeclared(claim, specs[at]!.shape, specs[at]!.name);
      return claim;
    }
    // The file promises a shape although a tensor on the way varies; what comes is compared after every run.
    return specs[at]!.shape.includes(-1) ? undefined : specs[at]!.shape;
  });
  if (!known.includes(undefined)) return fixShapes(admitted, index, inputs, known as Shapes, inference, limits);
  if (!probeMayTell(model)) {
    const problems = inferred.flatMap((shape, at) =>
      isDynamic(shape) && known[at] === undefined ? [`output "${specs[at]!.name}": ${shape.dynamic}`] : [],
    );
    throw new LitertError("DYNAMIC_OUTPUT", problems.join("; "), {details: {problems}});
  }
  const largest = Math.max(1, ...inputs.flat());
  const generous = known.map((shape, at) => shape ?? enlarge(specs[at]!.shape, largest));
  const found = await probe(fixShapes(admitted, index, inputs, generous, inference, limits));
  found.forEach((shape, at) => {
    checkDeclared(shape, known[at] ?? specs[at]!.shape, specs[at]!.name);
  });
  return fixShapes(admitted, index, inputs, found, inference, limits);
}

function infer(
  {model, places, signatures}: AdmittedModel,
  index: number,
  inputs: Shapes,
  values: readonly (Value | undefined)[],
): Inference {
  const {subgraph, inputs: indices} = places[index]!;
  const graph = model.subgraphs[subgraph]!;
  try {
    return inferShapes(
      model,
      subgraph,
      graph.inputs.map((tensor) => inputs[indices.indexOf(tensor)]!),
      graph.inputs.map((tensor) => values[indices.indexOf(tensor)]),
    );
  } catch (cause) {
    throw fromTflite(cause, isFixed(signatures[index]!) ? "INVALID_MODEL" : "INVALID_INPUT");
  }
}

function checkDeclared(shape: readonly number[], declared: readonly number[], name: string): void {
  if (shape.length === declared.length && shape.every((dim, axis) => declared[axis] === -1 || declared[axis] === dim)) {
    return;
  }
  throw new LitertError(
    "INVALID_MODEL",
    `output "${name}" is declared as [${declared.join(", ")}], but the graph gives [${shape.join(", ")}]`,
  );
}

/** Whether each operator that has no shape rule at least has a shape that only depends on shapes. */
function probeMayTell({operatorCodes}: TfliteModel): boolean {
  const unknown = operatorCodes.filter(({builtin, customCode}) => {
    return !inferableOperators.has(builtin === "CUSTOM" ? (customCode ?? builtin) : builtin);
  });
  return unknown.length > 0 && unknown.every(({builtin}) => !dataDependentOperators.has(builtin));
}

function enlarge(declared: readonly number[], largest: number): readonly number[] {
  const first = declared.indexOf(-1);
  return declared.map((dim, axis) => (dim !== -1 ? dim : axis === first ? probeSlack * largest : largest));
}

/** Bytes of all computed tensors at the inferred shapes; the other subgraphs at those that they declare. */
function inferredBytes(model: TfliteModel, subgraph: number, {tensors}: Inference): number {
  const graph = model.subgraphs[subgraph]!;
  const inferred = graph.tensors.map((tensor, at) => {
    const shape = tensors[at]!;
    return isDynamic(shape) ? tensor : {...tensor, shape};
  });
  const bytes = computedBytes({
    ...model,
    subgraphs: model.subgraphs.map((each, at) => (at === subgraph ? {...graph, tensors: inferred} : each)),
  });
  return Number.isFinite(bytes) ? bytes : Number.MAX_VALUE;
}
