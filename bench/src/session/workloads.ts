/** What is called: the digits of the repository, and a network of MobileNetV2's size with random weights. */
import {readFile} from "node:fs/promises";
import {convert} from "@tf-trusted/convert";
import {mobilenetV2} from "../mobilenet-v2.ts";

export interface Workload {
  readonly name: string;
  /** A `.tflite` file. */
  readonly model: Uint8Array;
  readonly input: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const digits = new URL("../../../fixtures/digits/digits.pb", import.meta.url);

export async function digitsWorkload(): Promise<Workload> {
  return makeWorkload("digits", await readFile(digits), [1, 8, 8, 1]);
}

export async function mobilenetWorkload(): Promise<Workload> {
  return makeWorkload("MobileNetV2 1.0/224", mobilenetV2(), [1, 224, 224, 3]);
}

function makeWorkload(name: string, graph: Uint8Array, shape: readonly number[]): Workload {
  const {model, signature} = convert(graph);
  const size = shape.reduce((product, dim) => product * dim, 1);
  return {
    name,
    model,
    input: signature.inputs[0]!.name,
    shape,
    values: Float32Array.from({length: size}, (_, i) => (i % 17) / 16),
  };
}
