/** What the engines are compared on: MobileNetV2 at full size, and networks of the corpus with every shape fixed. */
import {existsSync, readFileSync} from "node:fs";
import {fileURLToPath} from "node:url";
import {convert} from "@tf-trusted/convert";
import {inferShapes, isDynamic, readModel, specialise} from "@tf-trusted/tflite";
import {mobilenetV2} from "../mobilenet-v2.ts";

export interface BenchModel {
  readonly name: string;
  /** Of fixed shapes. */
  readonly file: Uint8Array;
}

const root = process.env.TF_TRUSTED_CORPUS ?? fileURLToPath(new URL("../../../../shared", import.meta.url));
const folder = `${root}/models/tflite`;

/** Networks of the corpus that run long enough to be timed. */
const names = [
  "mobilenet_v2",
  "mobilenet_v1_int8",
  "mobilenet_v3_int8",
  "efficientnet_int8",
  "squeezenet_int8",
  "unet_int8",
  "resnet_int8_uint8_io",
  "bert_int8_float_io",
  "bert",
  "vit",
];

export function benchModels(words: readonly string[]): readonly BenchModel[] {
  const all = [
    {name: "MobileNetV2 1.0/224", load: () => convert(mobilenetV2()).model},
    ...names
      .filter((name) => existsSync(`${folder}/${name}.tflite`))
      .map((name) => ({name, load: () => new Uint8Array(readFileSync(`${folder}/${name}.tflite`))})),
  ];
  return all
    .filter(({name}) => words.every((word) => name.toLowerCase().includes(word.toLowerCase())))
    .map(({name, load}) => ({name, file: fixedFile(load())}));
}

/** The file at batch 1: the same bytes go to every engine. */
function fixedFile(file: Uint8Array): Uint8Array {
  const model = readModel(file);
  const graph = model.subgraphs[0]!;
  const inputs = graph.inputs.map((at) => {
    const {shape, shapeSignature = shape} = graph.tensors[at]!;
    return shapeSignature.map((dim) => (dim === -1 ? 1 : dim));
  });
  const outputs = inferShapes(model, 0, inputs).outputs.map((shape, at) => {
    if (isDynamic(shape)) throw new Error(`output ${at}: ${shape.dynamic}`);
    return shape;
  });
  return specialise(model, {subgraph: 0, inputs, outputs});
}
