/**
 * Inputs and outputs without elements don't reach LiteRT, which has no buffers of no bytes: the former are left out, the
 * latter are answered here. Where elements are computed from an input that has none, kernels differ from TensorFlow (the
 * largest of no numbers), so that is refused.
 */
import type {TfliteModel} from "@tf-trusted/tflite";
import {elementTypes} from "./element-types.ts";
import type {FixedSignature, FixedTensor} from "./instance.ts";
import {LitertError} from "./litert-error.ts";
import {pruned, withGraph} from "./pruned.ts";

/** Operators that look at the shape of a tensor only. */
export const shapeReaders: ReadonlySet<string> = new Set(["SHAPE", "RANK"]);

/** The input that `ownOutputs` adds to a subgraph that has none to wait for: one truth value, true. */
export const delayName = "own/delay";

/**
 * Takes empty inputs and outputs out of each of `subgraphs` (those that signatures name), whose shapes are fixed; one
 * whose outputs are all empty stays as it is, because it never runs. Throws `UNSUPPORTED_OP` where other outputs depend on
 * an empty input.
 */
export function withoutEmpty(model: TfliteModel, subgraphs: ReadonlySet<number>): TfliteModel {
  return [...subgraphs].reduce(reduced, model);
}

function reduced(model: TfliteModel, subgraph: number): TfliteModel {
  const {tensors, inputs, outputs, operators} = model.subgraphs[subgraph]!;
  const isEmpty = (tensor: number) => tensors[tensor]!.shape.includes(0);
  if (!inputs.some(isEmpty) && !outputs.some(isEmpty)) return model;
  const kept = outputs.filter((tensor) => !isEmpty(tensor));
  if (kept.length === 0) return model;
  // What keeps state runs, whoever looks at its results.
  const keepsState = tensors.some(({isVariable, type}) => isVariable || type === "resource");
  const graph = keepsState
    ? {...model.subgraphs[subgraph]!, outputs: kept, operators}
    : pruned(model, subgraph, kept).subgraphs[subgraph]!;
  for (const operator of graph.operators) {
    const {builtin} = model.operatorCodes[operator.opcodeIndex]!;
    const missing = operator.inputs.find((tensor) => inputs.includes(tensor) && isEmpty(tensor));
    if (missing === undefined || shapeReaders.has(builtin)) continue;
    throw new LitertError(
      "UNSUPPORTED_OP",
      `input "${tensors[missing]!.name}" is [${tensors[missing]!.shape.join(", ")}], without elements, and ${builtin} computes other outputs from it, which LiteRT can't`,
    );
  }
  const changed = withGraph(model, subgraph, {...graph, inputs: inputs.filter((tensor) => !isEmpty(tensor))});
  return {
    ...changed,
    signatures: model.signatures.map((signature) => {
      if (signature.subgraph !== subgraph) return signature;
      const filled = <T extends {readonly tensor: number}>(ports: readonly T[]) =>
        ports.filter(({tensor}) => !isEmpty(tensor));
      return {...signature, inputs: filled(signature.inputs), outputs: filled(signature.outputs)};
    }),
  };
}

const isFilled = ({dims}: FixedTensor): boolean => !dims.includes(0);

/** Whether there is anything to compute. */
export const isAnswered = ({outputs}: FixedSignature): boolean => !outputs.some(isFilled);

/** A signature as the file has it: without what is empty, with the input that was added. */
export function signatureInFile(signature: FixedSignature): FixedSignature {
  if (isAnswered(signature)) return signature;
  const {inputs, outputs, isDelayed} = signature;
  const delay = isDelayed ? [{name: delayName, type: elementTypes.bool!, dims: []}] : [];
  return {...signature, inputs: [...inputs.filter(isFilled), ...delay], outputs: outputs.filter(isFilled)};
}

/** The inputs' bytes for {@link signatureInFile}. */
export function inputsInFile({inputs, isDelayed}: FixedSignature, bytes: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...bytes.filter((_, at) => isFilled(inputs[at]!)), ...(isDelayed ? [new Uint8Array([1])] : [])];
}

/** What there is for each output that the file has, and `empty` for the others. */
export function outputsOfFile<T>(
  {outputs}: FixedSignature,
  given: readonly T[],
  empty: (tensor: FixedTensor) => T,
): T[] {
  let at = 0;
  return outputs.map((tensor) => (isFilled(tensor) ? given[at++]! : empty(tensor)));
}
