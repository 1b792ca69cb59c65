/** The digits through an attested session: prediction for prediction what TensorFlow says on the whole test split. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {connect, launchSimulated} from "@tf-trusted/client";
import {convert} from "@tf-trusted/convert";
import {Tensor} from "@tf-trusted/tensor";
import {compareWithGoldens, fixture, images, labels} from "./goldens.ts";

test("450 images, in one batch and one by one", async (t) => {
  const server = await launchSimulated();
  const enclave = await connect({address: server.address, policy: server.policy});
  try {
    const digits = await enclave.load(convert(fixture("digits.pb")), {name: "digits"});
    const batch = await digits.predict({image: images});
    const right = compareWithGoldens(batch.probabilities!);
    t.diagnostic(`accuracy through the enclave: ${right} of ${labels.length}`);
    assert.equal(right, 446);

    const pixels = images.data as Float32Array;
    const single = new Float32Array(labels.length * 10);
    for (const row of labels.keys()) {
      const image = Tensor.from(pixels.slice(row * 64, row * 64 + 64), {shape: [1, 8, 8, 1]});
      single.set((await digits.predict({image})).probabilities!.data as Float32Array, row * 10);
    }
    assert.equal(compareWithGoldens(Tensor.from(single, {shape: [labels.length, 10]})), right);
  } finally {
    await enclave.close();
    await server.stop();
  }
});
