/** Whether the calls of a signature may be run as one batch: only where the file proves it (`mixesRows`), else refused. */
import {mixesRows, type TfliteModel} from "@tf-trusted/tflite";
import type {SignaturePlace} from "./admission.ts";
import type {Batching, Signature, TensorSpec} from "./engine.ts";

/**
 * For batches of up to `maxRows` rows. Every input and output has to have an open first dimension and no other: then the
 * shapes of a call are known but for the number of its rows, and the proof holds for all of them.
 */
export function batchingOf(
  model: TfliteModel,
  {inputs, outputs, stateful}: Signature,
  place: SignaturePlace,
  maxRows: number,
): Batching {
  if (stateful) return {refused: "the model keeps state from call to call"};
  if (inputs.length === 0) return {refused: "there is no input"};
  for (const [side, specs] of Object.entries({input: inputs, output: outputs})) {
    for (const spec of specs) {
      const problem = specProblem(spec);
      if (problem !== undefined) return {refused: `${side} "${spec.name}" ${problem}`};
    }
  }
  const rowShapes = inputs.map(({shape}) => shape.slice(1));
  const refused = mixesRows(model, {...place, key: place.key ?? "", rowShapes}, maxRows);
  return refused === undefined ? {maxRows} : {refused};
}

function specProblem({dtype, shape}: TensorSpec): string | undefined {
  if (dtype === "string") return "has strings, which have no rows of equal size";
  if (shape[0] !== -1) return `is [${shape.join(", ")}]; its first dimension isn't open`;
  if (shape.slice(1).includes(-1)) return `is [${shape.join(", ")}]; a dimension beside the first is open, too`;
  return undefined;
}
