/** The digits fixture: converted, and prediction for prediction what TensorFlow says on the whole test split. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {convert, inspectGraph} from "@tf-trusted/convert";
import {createWasmEngine} from "@tf-trusted/litert";
import {compareWithGoldens, fixture, images} from "./goldens.ts";

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

  const engine = await createWasmEngine();
  try {
    const loaded = await engine.load(model);
    const {outputs} = await loaded.run("serving_default", {image: images});
    compareWithGoldens(outputs.probabilities!);
  } finally {
    await engine.close();
  }
});
