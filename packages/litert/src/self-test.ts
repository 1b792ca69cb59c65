/** A known answer at start-up: the engine's files are the pinned ones, but do they compute here? */
import {Tensor} from "@tf-trusted/tensor";
import {type TfliteModel, writeModel} from "@tf-trusted/tflite";
import type {Engine} from "./engine.ts";
import {LitertError} from "./litert-error.ts";

/** `y = relu(x · wᵀ + b)` with x [1, 2]; every number is exact in float32. */
const weights = Float32Array.of(1, 2, -3, 4, 0.5, -8);
const bias = Float32Array.of(0.25, -1, 16);
export const selfTestInput: readonly number[] = [2, -1];
const answer = [0.25, 0, 25];

/** Throws `ENGINE_ERROR`. */
export async function selfTest(engine: Engine): Promise<void> {
  const model = await engine.load(writeModel(selfTestModel));
  try {
    const {outputs} = await model.run("serving_default", {x: Tensor.from([selfTestInput], {dtype: "float32"})});
    const found = [...outputs.y!.data];
    if (`${found}` !== `${answer}`) {
      throw new LitertError(
        "ENGINE_ERROR",
        `the self-test gave [${found}], expected [${answer}]; don't use this machine`,
      );
    }
  } finally {
    await model.close();
  }
}

const float = {type: "float32"} as const;

export const selfTestModel: TfliteModel = {
  version: 3,
  description: "self-test",
  operatorCodes: [{builtin: "FULLY_CONNECTED", version: 1}],
  subgraphs: [
    {
      name: "main",
      tensors: [
        {...float, name: "x", shape: [1, 2], buffer: 0},
        {...float, name: "w", shape: [3, 2], buffer: 1},
        {...float, name: "b", shape: [3], buffer: 2},
        {...float, name: "y", shape: [1, 3], buffer: 0},
      ],
      inputs: [0],
      outputs: [3],
      operators: [
        {
          opcodeIndex: 0,
          inputs: [0, 1, 2],
          outputs: [3],
          optionsType: "FullyConnectedOptions",
          options: {
            fusedActivationFunction: "RELU",
            weightsFormat: "DEFAULT",
            keepNumDims: false,
            asymmetricQuantizeInputs: false,
          },
        },
      ],
    },
  ],
  buffers: [new Uint8Array(0), bytesOf(weights), bytesOf(bias)],
  metadata: [],
  signatures: [],
};

function bytesOf(values: Float32Array<ArrayBuffer>): Uint8Array {
  return new Uint8Array(values.buffer);
}
