/** `quantize` over nets of the corpus: sizes, errors against TensorFlow's results in the engine, and the same bytes twice. */
import assert from "node:assert/strict";
import {existsSync, statSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {type ConvertOptions, type ConvertResult, convert} from "@tf-trusted/convert";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import type {Tensor} from "@tf-trusted/tensor";
import {type Goldens, models, readGoldens, readModelFile, skipReason} from "./corpus.ts";

interface Row {
  readonly id: string;
  /** Most of the float file's size. Below 1024 elements weights stay float32, and small nets have many of those. */
  readonly weights: number;
  readonly float16: number;
  /** Largest difference, over the largest number that comes out. */
  readonly error: {readonly weights: number; readonly float16: number};
}

const rows: readonly Row[] = [
  {id: "nets/mobilenet_v1", weights: 0.42, float16: 0.56, error: {weights: 0.06, float16: 0.02}},
  {id: "nets/mobilenet_v2", weights: 0.53, float16: 0.58, error: {weights: 0.06, float16: 0.04}},
  {id: "nets/mobilenet_v3", weights: 0.42, float16: 0.56, error: {weights: 0.01, float16: 0.002}},
  {id: "nets/bert", weights: 0.5, float16: 0.64, error: {weights: 0.06, float16: 1e-3}},
  {id: "nets/unet", weights: 0.38, float16: 0.57, error: {weights: 0.05, float16: 0.005}},
  {id: "nets/text_lstm", weights: 0.8, float16: 0.8, error: {weights: 0.005, float16: 1e-3}},
  // A spectrum of a large range, whose logarithm is taken.
  {id: "nets/speech", weights: 0.72, float16: 0.78, error: {weights: 0.005, float16: 1e-3}},
  {id: "real/antispoof", weights: 0.26, float16: 0.51, error: {weights: 0.002, float16: 1e-4}},
];

/** Files of Google's converter in the corpus, of the same nets and in the same mode. */
const official: readonly {readonly id: string; readonly quantize: "weights" | "float16"; readonly file: string}[] = [
  {id: "nets/mobilenet_v1", quantize: "weights", file: "tflite/mobilenet_v1_dynamic.tflite"},
  {id: "nets/bert", quantize: "weights", file: "tflite/bert_dynamic.tflite"},
  {id: "nets/mobilenet_v2", quantize: "float16", file: "tflite/mobilenet_v2_float16.tflite"},
];

const goldensOf = (id: string) => readGoldens({io: `${id}/io.npz`, inputs: [], outputs: []});

function convertNet(id: string, goldens: Goldens, options: ConvertOptions): ConvertResult {
  return convert(readModelFile(`${id}/model.pb`), {outputs: [...goldens.outputs.keys()], verify: true, ...options});
}

test("weights and float16: size and error", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  try {
    for (const row of rows) {
      const goldens = await goldensOf(row.id);
      const float = convertNet(row.id, goldens, {});
      for (const quantize of ["weights", "float16"] as const) {
        const result = convertNet(row.id, goldens, {quantize});
        const ratio = result.model.length / float.model.length;
        const error = await largestError(engine, result, goldens);
        t.diagnostic(`${row.id} ${quantize}: ${ratio.toFixed(3)} of the size, error ${error.toExponential(1)}`);
        assert.ok(ratio <= row[quantize], `${row.id} ${quantize}: ${ratio}`);
        assert.ok(error <= row.error[quantize], `${row.id} ${quantize}: ${error}`);
        const {mode, constants} = result.report.quantisation!;
        assert.equal(mode, quantize);
        assert.ok(constants.every(({dtype}) => dtype === (quantize === "weights" ? "int8" : "float16")));
        assert.deepEqual(convertNet(row.id, goldens, {quantize}).model, result.model, "same input, same bytes");
      }
    }
  } finally {
    await engine.close();
  }
});

test("weights and float16: no larger than Google's", {skip: models ? false : skipReason}, async (t) => {
  for (const {id, quantize, file} of official) {
    assert.ok(existsSync(join(models!, file)), file);
    const theirs = statSync(join(models!, file)).size;
    const ours = convertNet(id, await goldensOf(id), {quantize}).model.length;
    t.diagnostic(`${id} ${quantize}: ${ours} bytes, Google's ${theirs}`);
    assert.ok(ours <= theirs, `${id}: ${ours} of ${theirs}`);
  }
});

/** Of all outputs that are floats, over the largest number of each. */
async function largestError(engine: Engine, {model, signature}: ConvertResult, goldens: Goldens): Promise<number> {
  const loaded = await engine.load(model);
  try {
    const inputs = Object.fromEntries(signature.inputs.map(({name}) => [name, goldens.inputs.get(name)!]));
    const {outputs} = await loaded.run(signature.name, inputs, {deadlineMs: 60_000});
    const errors = [...goldens.outputs].map(([key, golden]) => errorOf(outputs[key.replace(/:0$/, "")]!, golden));
    return Math.max(...errors);
  } finally {
    await loaded.close();
  }
}

function errorOf(found: Tensor, golden: Tensor): number {
  assert.deepEqual([found.dtype, found.shape], [golden.dtype, golden.shape]);
  const [a, b] = [found.data as ArrayLike<number>, golden.data as ArrayLike<number>];
  let [largest, most] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs(Number(a[i]!) - Number(b[i]!));
    // NaN is no error that anything is larger than.
    largest = difference <= largest ? largest : Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    most = Math.max(most, Math.abs(Number(b[i]!)));
  }
  return largest / (most || 1);
}
