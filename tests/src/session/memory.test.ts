/** Models in the enclave's memory: unloaded and loaded again within the budget, and what `describe` tells of it. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {connect, launchSimulated, type Model} from "@tf-trusted/client";
import {digitsModel, images} from "./harness.ts";

/** A heap of the WASM engine with the digits has somewhat more. */
const heapBytes = 16 * 2 ** 20;

test("beyond the budget the least recently used model is unloaded, and its next call loads it again", async () => {
  const server = await launchSimulated({configuration: {memoryBudgetBytes: 2.5 * heapBytes, workers: 1}});
  const enclave = await connect({address: server.address, policy: server.policy});
  try {
    const file = await digitsModel();
    const models: Model[] = [];
    let expected: Uint8Array | undefined;
    for (const name of ["a", "b", "c"]) {
      const model = await enclave.load(file, {name});
      models.push(model);
      const {probabilities} = await model.predict(images(1));
      expected ??= probabilities!.bytes;
      assert.deepEqual(probabilities!.bytes, expected);
    }
    const workers = async () => Promise.all(models.map(async (model) => (await model.describe()).figures!.workers));
    assert.deepEqual(await workers(), [0, 1, 1]);
    const {probabilities} = await models[0]!.predict(images(1));
    assert.deepEqual(probabilities!.bytes, expected);
    assert.deepEqual(await workers(), [1, 0, 1]);
    const {figures} = await models[0]!.describe();
    assert.deepEqual([figures!.calls, figures!.running, figures!.waiting, figures!.threads], [2, 0, 0, 1]);
    assert.ok(figures!.memoryBytes > heapBytes && figures!.engineMs > 0);
  } finally {
    await enclave.close();
    await server.stop();
  }
});

test("a warm prediction compiles nothing: other shapes cost a heap, the same ones none", async () => {
  const server = await launchSimulated();
  const enclave = await connect({address: server.address, policy: server.policy});
  try {
    const model = await enclave.load(await digitsModel(), {name: "digits"});
    const memoryAfter = async (batch: number) => {
      await model.predict(images(batch));
      return (await model.describe()).figures!.memoryBytes;
    };
    const one = await memoryAfter(1);
    for (let round = 0; round < 5; round++) assert.equal(await memoryAfter(1), one);
    assert.ok((await memoryAfter(2)) > one + heapBytes / 2);
  } finally {
    await enclave.close();
    await server.stop();
  }
});
