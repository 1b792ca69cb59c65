/** The digits fixture: converted, and prediction for prediction what TensorFlow says on the whole test split. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {dirname, resolve} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {convert, inspectGraph} from "@tf-trusted/convert";
import {createWasmEngine} from "@tf-trusted/litert";
import {readNpz} from "@tf-trusted/tensor";

const fixture = (name: string) =>
  readFileSync(resolve(dirname(fileURLToPath(import.meta.url)), "../../../fixtures/digits", name));

test("digits.pb without any names", async () => {
  const {model, report, signature} = convert(fixture("digits.pb"), {verify: true});
  assert.deepEqual(
    signature.inputs.map(({name, shape}) => [name, ...shape]),
    [["image", -1, 8, 8, 1]],
  );
  assert.deepEqual(
    signature.outputs.map(({name, shape}) => [name, ...shape]),
    [["probabilities", -1, 10]],
  );
  assert.deepEqual(report.operators, {
    CONV_2D: 2,
    DEPTHWISE_CONV_2D: 1,
    FULLY_CONNECTED: 2,
    MAX_POOL_2D: 1,
    RESHAPE: 1,
    SOFTMAX: 1,
  });
  assert.deepEqual(inspectGraph(fixture("digits.pb")).unsupported, []);

  const goldens = readNpz(fixture("test-split.npz"));
  const engine = await createWasmEngine();
  try {
    const loaded = await engine.load(model);
    const {outputs} = await loaded.run("serving_default", {image: goldens.get("images")!});
    const probabilities = outputs.probabilities!.data as Float32Array;
    const wanted = goldens.get("probabilities")!.data as Float32Array;
    const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - probabilities[i]!)), 0);
    assert.ok(worst < 1e-5, `probabilities differ by up to ${worst}`);
    const predictions = Array.from({length: 450}, (_, row) => {
      const scores = probabilities.subarray(row * 10, row * 10 + 10);
      return scores.indexOf(Math.max(...scores));
    });
    assert.deepEqual(predictions, Array.from(goldens.get("predictions")!.data as BigInt64Array, Number));
  } finally {
    await engine.close();
  }
});
