/**
 * What is called: the digits of the repository, a network of MobileNetV2's size with random weights, and means of an
 * image's channels, which take next to no time: what such a call takes, the way takes.
 */
import {readFile} from "node:fs/promises";
import {convert} from "@tf-trusted/convert";
import {GraphDefWriter} from "../graphdef-writer.ts";
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

/** `side` × `side` pixels of `channels` float32 each. */
export async function meansWorkload(side: number, channels: number): Promise<Workload> {
  const graph = new GraphDefWriter();
  const image = graph.placeholder("image", [-1, side, side, channels]);
  const axes = graph.constant("axes", Int32Array.of(1, 2), [2]);
  graph.node("means", "Mean", [image, axes], {T: {type: 1}, Tidx: {type: 3}, keep_dims: {bool: false}});
  const kilobytes = Math.round((side * side * channels * 4) / 1024);
  return makeWorkload(`means of ${kilobytes} KB`, graph.encode(), [1, side, side, channels]);
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
