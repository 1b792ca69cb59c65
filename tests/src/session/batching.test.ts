/** Calls of several callers joined in an enclave: the same numbers, and a refusal where rows may not be independent. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {connect, launchSimulated} from "@tf-trusted/client";
import {Tensor} from "@tf-trusted/tensor";
import {digitsModel, fixedDigitsModel} from "./harness.ts";

const image = (seed: number, rows = 1) =>
  Tensor.from(
    Float32Array.from({length: 64 * rows}, (_, at) => ((at * (seed + 3) + seed) % 17) / 16),
    {shape: [rows, 8, 8, 1]},
  );

test("callers of a model that joins calls get what they get alone", async (t) => {
  const server = await launchSimulated({configuration: {maxBatch: 16, workers: 1}});
  const enclave = await connect({address: server.address, policy: server.policy});
  try {
    const file = await digitsModel();
    const joined = await enclave.load(file, {name: "joined"});
    const apart = await enclave.load(file, {name: "apart", maxBatch: 1});
    assert.equal(joined.signatures[0]!.maxBatch, 16);
    assert.equal(apart.signatures[0]!.maxBatch, undefined);
    const alone: Record<string, Tensor>[] = [];
    for (let seed = 0; seed < 40; seed++) alone.push(await apart.predict({image: image(seed, 1 + (seed % 3))}));
    const found = await Promise.all(alone.map((_, seed) => joined.predict({image: image(seed, 1 + (seed % 3))})));
    for (const [seed, {probabilities}] of found.entries()) {
      const wanted = alone[seed]!.probabilities!;
      assert.deepEqual(probabilities!.shape, wanted.shape);
      const theirs = wanted.values() as number[];
      (probabilities!.values() as number[]).forEach((value, at) => {
        assert.ok(Math.abs(value - theirs[at]!) < 1e-6, `call ${seed}, element ${at}`);
      });
    }
    const {figures} = await joined.describe();
    assert.equal(figures!.calls, 40);
    t.diagnostic(`${figures!.engineMs.toFixed(1)} ms of computing for 40 calls`);
    // One caller sends nonsense among others.
    const outcomes = await Promise.allSettled([
      ...Array.from({length: 6}, (_, seed) => joined.predict({image: image(seed)})),
      joined.predict({image: Tensor.from(new Float32Array(16), {shape: [1, 4, 4, 1]})}),
    ]);
    assert.deepEqual(
      outcomes.map(({status}) => status),
      [...Array(6).fill("fulfilled"), "rejected"],
    );
  } finally {
    await enclave.close();
    await server.stop();
  }
});

test("batches asked for of a model that may mix rows are refused, and leave nothing behind", async () => {
  const server = await launchSimulated();
  const enclave = await connect({address: server.address, policy: server.policy});
  try {
    const file = await digitsModel();
    await assert.rejects(enclave.load(file, {name: "digits", maxBatch: 129}), {code: "MODEL_BATCH"});
    assert.deepEqual(await enclave.list(), []);
    const model = await enclave.load(file, {name: "digits", maxBatch: 4, maxDelayMs: 5});
    assert.equal(model.signatures[0]!.maxBatch, 4);
    const oneImage = await fixedDigitsModel();
    const fixed = await enclave.load(oneImage, {name: "fixed"});
    await assert.rejects(enclave.load(oneImage, {name: "other", maxBatch: 4}), {
      code: "MODEL_BATCH",
      message: /first dimension isn't open/,
    });
    assert.deepEqual(
      (await enclave.list()).map(({name}) => name),
      ["digits", "fixed"],
    );
    assert.ok(Object.keys(await fixed.predict({image: image(0)})).length > 0);
  } finally {
    await enclave.close();
    await server.stop();
  }
});
