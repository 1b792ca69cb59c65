/**
 * A call's shapes → a file of fixed shapes and what it will give. LiteRT's own resizing leaves sizes stale and then writes
 * past them (specs/litert.md T1), so it only ever sees files where nothing is left open (§5).
 */
import {checkKernels, type Inference, type Shapes, specialiseModel, writeModel} from "@tf-trusted/tflite";
import {type AdmittedModel, computedBytes, fromTflite, refuseFindings} from "./admission.ts";
import {typeInEngine} from "./element-types.ts";
import type {Limits, TensorSpec} from "./engine.ts";
import type {FixedSignature, FixedTensor} from "./instance.ts";
import {heapBudgets} from "./limits.ts";
import {LitertError} from "./litert-error.ts";
import {ownOutputs} from "./own-outputs.ts";
import {settleShapes} from "./settle-shapes.ts";
import {withoutEmpty} from "./without-empty.ts";

/** A file that may be compiled. `signatures[i]` is absent where signature i keeps dimensions open in it. */
export interface FixedFile {
  readonly file: Uint8Array;
  /** Whether an instance may run it more than once (`settle-shapes.ts`). */
  readonly reusable: boolean;
  readonly signatures: readonly (FixedSignature | undefined)[];
}

/** Whether a signature has one set of shapes only, so that it can be compiled before any call. */
export function isFixed({
  inputs,
  outputs,
}: {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}): boolean {
  return [...inputs, ...outputs].every(({shape}) => !shape.includes(-1));
}

/**
 * The file for a call of signature `index` with `inputs` giving `outputs` (shapes in the signature's order), everything
 * inside as far as `inference` knows it. Throws `TOO_LARGE` where its heap would pass what the engine or the limits allow, `INVALID_MODEL` where the shapes contradict
 * what the file declares.
 */
export function fixShapes(
  admitted: AdmittedModel,
  index: number,
  inputs: Shapes,
  outputs: Shapes,
  inference: Inference,
  limits: Limits,
): FixedFile {
  const {model, places, signatures} = admitted;
  const place = places[index]!;
  const graph = model.subgraphs[place.subgraph]!;
  const byTensor = new Map<number, readonly number[]>();
  place.inputs.forEach((tensor, position) => {
    byTensor.set(tensor, inputs[position]!);
  });
  place.outputs.forEach((tensor, position) => {
    byTensor.set(tensor, outputs[position]!);
  });
  // Outputs that the signature doesn't name keep their declared shape; nobody reads them.
  const shapeOf = (tensor: number) => byTensor.get(tensor) ?? graph.tensors[tensor]!.shape;
  try {
    const fixed = specialiseModel(model, {
      subgraph: place.subgraph,
      inputs: graph.inputs.map(shapeOf),
      outputs: graph.outputs.map(shapeOf),
    });
    const {model: settledShapes, settled} = settleShapes(fixed, place.subgraph, inference);
    const called = fixedSubgraphs(admitted, index);
    const {model: settledModel, delayed} = ownOutputs(withoutEmpty(settledShapes, called), called);
    // Kernels' known faults depend on shapes (broadcasting), so they are looked for only here.
    refuseFindings(checkKernels(settledModel));
    checkMemory(computedBytes(settledModel), admitted, limits);
    return {
      file: writeModel(settledModel),
      reusable: settled,
      signatures: signatures.map((signature, at) => {
        const {key, subgraph} = places[at]!;
        const file = {key, ...(delayed.has(subgraph) && {isDelayed: true})};
        if (at === index) return fixedSignature(file, signature, inputs, outputs);
        if (!isFixed(signature)) return undefined;
        return fixedSignature(
          file,
          signature,
          signature.inputs.map(({shape}) => shape),
          signature.outputs.map(({shape}) => shape),
        );
      }),
    };
  } catch (cause) {
    throw fromTflite(cause);
  }
}

/** Subgraphs of signature `index`, and of those whose shapes are fixed anyway: all that the file can be called by. */
function fixedSubgraphs({places, signatures}: AdmittedModel, index: number): ReadonlySet<number> {
  return new Set(places.flatMap(({subgraph}, at) => (at === index || isFixed(signatures[at]!) ? [subgraph] : [])));
}

/** Throws `TOO_LARGE` where the tensors pass the limit, or all that the engine holds passes what it has (`limits.ts`). */
export function checkMemory(
  tensorBytes: number,
  {engine, fileBytes}: Pick<AdmittedModel, "engine" | "fileBytes">,
  limits: Limits,
): void {
  if (tensorBytes > limits.maxTensorBytes) {
    throw new LitertError("TOO_LARGE", `the tensors take ${tensorBytes} bytes; the limit is ${limits.maxTensorBytes}`);
  }
  const {copies, bytes} = heapBudgets[engine];
  const heap = copies * fileBytes + tensorBytes;
  if (heap > bytes) {
    throw new LitertError(
      "TOO_LARGE",
      `the model (${fileBytes} bytes, held ${copies} times) and its tensors (${tensorBytes}) take ${heap} bytes; ` +
        `the ${engine} engine has ${bytes}`,
    );
  }
}

function fixedSignature(
  file: Pick<FixedSignature, "key" | "isDelayed">,
  {inputs, outputs}: {readonly inputs: readonly TensorSpec[]; readonly outputs: readonly TensorSpec[]},
  inputShapes: Shapes,
  outputShapes: Shapes,
): FixedSignature {
  const fix = (specs: readonly TensorSpec[], shapes: Shapes): readonly FixedTensor[] =>
    specs.map(({name, dtype}, at) => ({name, type: typeInEngine(dtype), dims: shapes[at]!}));
  return {...file, inputs: fix(inputs, inputShapes), outputs: fix(outputs, outputShapes)};
}
