/** Models and predictions over the attested session: what works, what is refused, and what happens when things die. */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {CallError, connect, type EnclaveConnection, launchSimulated, type SimulatedEnclave} from "@tf-trusted/client";
import {
  DataType,
  ListModelsResponseSchema,
  PredictRequestSchema,
  PredictResponseSchema,
  UploadModelRequestSchema,
} from "@tf-trusted/protocol";
import {Tensor} from "@tf-trusted/tensor";
import {decode, digitsModel, encode, images, rawAttest, rawCall, rawSession} from "./harness.ts";

let server: SimulatedEnclave;
let enclave: EnclaveConnection;
before(async () => {
  server = await launchSimulated();
  enclave = await connect({address: server.address, policy: server.policy});
});
after(async () => {
  await enclave.close();
  await server.stop();
});

const code = (expected: string) => (error: unknown) => {
  assert.equal((error as {code?: string}).code, expected, String(error));
  return true;
};

test("load, describe, list, predict, delete", async () => {
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  const [signature] = model.signatures;
  assert.deepEqual(
    signature!.inputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
    [{name: "image", dtype: "float32", shape: [-1, 8, 8, 1]}],
  );
  assert.deepEqual((await model.describe()).signatures, model.signatures);
  assert.deepEqual(
    (await enclave.list()).map(({name, sha256}) => [name, sha256]),
    [["digits", model.sha256]],
  );
  const {outputs, timings, modelSha256} = await model.predictDetailed(images(3));
  assert.deepEqual(outputs.probabilities!.shape, [3, 10]);
  for (let row = 0; row < 3; row++) {
    const values = outputs.probabilities!.values().slice(10 * row, 10 * row + 10) as number[];
    const sum = values.reduce((total, value) => total + value, 0);
    assert.ok(Math.abs(sum - 1) < 1e-5, `probabilities add up to ${sum}`);
  }
  assert.equal(modelSha256, model.sha256);
  assert.ok(timings.engineMs > 0 && timings.engineMs <= timings.enclaveMs && timings.enclaveMs <= timings.callMs);
  await model.delete();
  assert.deepEqual(await enclave.list(), []);
  await assert.rejects(model.predict(images(1)), code("MODEL_UNKNOWN"));
  await assert.rejects(model.delete(), code("MODEL_UNKNOWN"));
});

test("many calls at once on one connection give what they give alone", async () => {
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  const alone = await model.predict(images(2));
  const together = await Promise.all(Array.from({length: 40}, () => model.predict(images(2))));
  for (const {probabilities} of together) assert.ok(probabilities!.equals(alone.probabilities!));
  await model.delete();
});

test("inputs of the wrong name, dtype, shape and number are refused, and the next call works", async () => {
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  const {image} = images(1);
  await assert.rejects(model.predict({picture: image}), code("INVALID_INPUT"));
  await assert.rejects(model.predict({}), code("INVALID_INPUT"));
  await assert.rejects(model.predict({image, more: image}), code("INVALID_INPUT"));
  await assert.rejects(model.predict({image: image.cast("float64")}), code("INVALID_INPUT"));
  await assert.rejects(model.predict({image: image.reshape([1, 64])}), code("INVALID_INPUT"));
  await assert.rejects(model.predict({image: Tensor.from([["a"]])}), code("INVALID_INPUT"));
  await assert.rejects(model.predict({image}, {signature: "other"}), code("MODEL_SIGNATURE"));
  await assert.rejects(enclave.predict({model: "no such", inputs: {image}}), code("MODEL_NAME"));
  assert.deepEqual((await model.predict({image})).probabilities!.shape, [1, 10]);
  const error = (await model.predict({picture: image}).catch((failure: unknown) => failure)) as CallError;
  assert.ok(error instanceof CallError);
  assert.match(error.message, /image/, "the message says what was expected");
  assert.ok(String(error.details.todo).length > 0);
  await model.delete();
});

test("a tensor whose bytes don't fit its shape, from a client that isn't ours", async () => {
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  const session = await rawSession(server.process.port);
  await rawAttest(session);
  const predict = (tensor: object) =>
    rawCall(
      session,
      "/tf_trusted.v1.PredictionService/Predict",
      encode(PredictRequestSchema, {model: "digits", inputs: [{name: "image", ...tensor}]}),
    );
  const shape = [1n, 8n, 8n, 1n];
  const dataType = DataType.FLOAT32;
  for (const [tensor, expected] of [
    [{dataType, shape, data: new Uint8Array(255)}, "TENSOR_SIZE"],
    [{dataType, shape: [-1n, 8n, 8n, 1n], data: new Uint8Array(0)}, "TENSOR_MESSAGE"],
    [{dataType, shape: [2n ** 62n, 8n], data: new Uint8Array(0)}, "TENSOR_MESSAGE"],
    [{dataType: 99, shape, data: new Uint8Array(256)}, "TENSOR_MESSAGE"],
    [{dataType: DataType.STRING, shape: [2n], strings: [new Uint8Array(1)]}, "TENSOR_MESSAGE"],
    [{dataType: DataType.BOOL, shape: [1n], data: Uint8Array.of(7)}, "TENSOR_VALUE"],
  ] as const) {
    const answer = await predict(tensor);
    assert.equal(answer.status, 3, answer.message);
    assert.ok(answer.message.startsWith(`${expected}: `), answer.message);
  }
  const garbage = await rawCall(session, "/tf_trusted.v1.PredictionService/Predict", new Uint8Array(50).fill(0xff));
  assert.ok(garbage.status > 0);
  const right = await predict({dataType, shape, data: images(1).image.bytes});
  assert.equal(right.status, 0, right.message);
  assert.equal(decode(PredictResponseSchema, right).outputs[0]?.name, "probabilities");
  session.close();
  await model.delete();
});

test("garbage, truncated and oversized models are refused; the model of that name stays", async () => {
  const file = await digitsModel();
  const model = await enclave.load(file, {name: "digits"});
  const before = await model.predict(images(1));
  for (const bad of [new Uint8Array(1000), file.slice(0, 5000), new Uint8Array([1])]) {
    await assert.rejects(enclave.load(bad, {name: "digits"}), code("INVALID_MODEL"));
  }
  await assert.rejects(enclave.load(new Uint8Array(0), {name: "digits"}), code("UPLOAD_SIZE"));
  await assert.rejects(enclave.load(file, {name: "../digits"}), code("MODEL_NAME"));
  assert.ok((await model.predict(images(1))).probabilities!.equals(before.probabilities!));
  await model.delete();
});

test("uploads that break their word: size, digest, order", async () => {
  const session = await rawSession(server.process.port);
  await rawAttest(session);
  const upload = async (...parts: readonly object[]) => {
    const messages = parts.map((part) => encode(UploadModelRequestSchema, {part: part as never}));
    return rawCall(session, "/tf_trusted.v1.ModelService/UploadModel", ...messages);
  };
  const start = {case: "start", value: {name: "m", size: 10n, sha256: new Uint8Array(32)}};
  const chunk = (bytes: number) => ({case: "chunk", value: new Uint8Array(bytes)});
  const huge = {case: "start", value: {...start.value, size: 2n ** 60n}};
  for (const [expected, ...parts] of [
    ["UPLOAD_ORDER", chunk(10)],
    ["UPLOAD_ORDER", start, start],
    ["UPLOAD_ORDER"],
    ["UPLOAD_SIZE", start, chunk(9)],
    ["UPLOAD_SIZE", start, chunk(9), chunk(9)],
    ["UPLOAD_SIZE", huge],
    ["UPLOAD_DIGEST", start, chunk(10)],
  ] as const) {
    const answer = await upload(...parts);
    assert.ok(answer.message.startsWith(`${expected}: `), `${expected}: ${answer.message}`);
  }
  const list = await rawCall(session, "/tf_trusted.v1.ModelService/ListModels", new Uint8Array(0));
  assert.deepEqual(decode(ListModelsResponseSchema, list).models, []);
  session.close();
});

test("no room: models beyond the budget are refused, and deleting makes room", async () => {
  const file = await digitsModel();
  const small = await launchSimulated({configuration: {modelBudgetBytes: Math.floor(file.length * 2.5)}});
  const tight = await connect({address: small.address, policy: small.policy});
  const first = await tight.load(file, {name: "a"});
  await tight.load(file, {name: "b"});
  await assert.rejects(tight.load(file, {name: "c"}), code("MODEL_BUDGET"));
  assert.deepEqual(
    (await tight.list()).map(({name}) => name),
    ["a", "b"],
  );
  await first.delete();
  await tight.load(file, {name: "c"});
  // Failed uploads give back what they had reserved.
  await tight.delete("c");
  for (let i = 0; i < 5; i++) {
    await assert.rejects(tight.load(new Uint8Array(file.length), {name: "c"}), code("INVALID_MODEL"));
  }
  await tight.load(file, {name: "c"});
  await tight.close();
  await small.stop();
});

test("deadlines and cancellation stop a call; others go on", async () => {
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  await model.predict(images(20_000));
  await assert.rejects(model.predict(images(20_000), {deadlineMs: 5}), code("DEADLINE"));
  const controller = new AbortController();
  const cancelled = assert.rejects(model.predict(images(20_000), {signal: controller.signal}), code("CANCELLED"));
  setTimeout(() => controller.abort(), 10);
  await cancelled;
  assert.deepEqual((await model.predict(images(1))).probabilities!.shape, [1, 10]);
  await model.delete();
});

test("a model replaced or deleted during a call: the call gets its answer", async () => {
  const file = await digitsModel();
  const model = await enclave.load(file, {name: "digits"});
  await model.predict(images(5000));
  const underWay = model.predict(images(5000));
  await new Promise((resolve) => setTimeout(resolve, 5));
  await enclave.load(file, {name: "digits"});
  assert.deepEqual((await underWay).probabilities!.shape, [5000, 10]);
  const last = model.predict(images(5000));
  await new Promise((resolve) => setTimeout(resolve, 5));
  await model.delete();
  assert.deepEqual((await last).probabilities!.shape, [5000, 10]);
});
