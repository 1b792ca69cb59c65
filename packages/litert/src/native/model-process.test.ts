/**
 * What a model's process can do at worst: end. Here it has no front, and a will of its own (`testing/misbehaving-child.ts`),
 * while another model's process goes on.
 */
import assert from "node:assert/strict";
import {readFile} from "node:fs/promises";
import {after, before, describe, test} from "node:test";
import {fileURLToPath} from "node:url";
import {Tensor} from "@tf-trusted/tensor";
import type {Engine, LoadedModel} from "../engine.ts";
import {defaultLimits} from "../limits.ts";
import type {Answer} from "../messages.ts";
import {corpusCases, corpusMissing, readCorpusFile} from "../testing/corpus.ts";
import {nativeMissing} from "../testing/engines.ts";
import {binaryModel, countingModel, denseModel, floats, nodeModel} from "../testing/models.ts";
import {createNativeEngine} from "./engine.ts";
import {installedNativeFiles} from "./library.ts";
import {ModelProcess} from "./model-process.ts";

/** The names in `testing/misbehaving-child.ts`, in its order; that module can't be imported: it serves. */
const misdeeds = ["crash", "abort", "hang", "allocate", "escape", "read a file", "write nonsense"];
const escapeCount = 13;

if (nativeMissing !== undefined) console.log(`skipped: ${nativeMissing}`);

describe("a model's process", {skip: nativeMissing ?? false}, () => {
  let engine: Engine;
  let witness: LoadedModel;
  before(async () => {
    engine = await createNativeEngine();
    witness = await engine.load(binaryModel("ADD", "float32", [2], floats(1)));
  });
  after(() => engine.close());

  /** The other model still computes. */
  const othersGoOn = async () => {
    const {outputs} = await witness.run("serving_default", {x: Tensor.from([1, 2])});
    assert.deepEqual(outputs.y!.values(), [2, 3]);
  };

  const misbehave = async (misdeed: string, deadlineMs = 20_000): Promise<Answer> => {
    const host = misbehaving(new Uint8Array(1));
    try {
      await host.ask({kind: "admit"});
      const run = {kind: "run", signature: misdeeds.indexOf(misdeed), shapes: [], inputs: []} as const;
      return await host.ask(run, {endsAt: performance.now() + deadlineMs});
    } finally {
      await host.terminate();
    }
  };

  test("a segmentation fault, an abort, nonsense on the channel: ENGINE_CRASHED", async () => {
    await assert.rejects(misbehave("crash"), {code: "ENGINE_CRASHED", message: /SIGSEGV/});
    await othersGoOn();
    await assert.rejects(misbehave("abort"), {code: "ENGINE_CRASHED", message: /SIGABRT/});
    await othersGoOn();
    await assert.rejects(misbehave("write nonsense"), {code: "ENGINE_CRASHED", message: /nonsense/});
    await othersGoOn();
  });

  test("a hang ends at the deadline", async () => {
    const start = performance.now();
    await assert.rejects(misbehave("hang", 1_500), {code: "DEADLINE"});
    assert.ok(performance.now() - start < 5_000);
    await othersGoOn();
  });

  test("memory ends at the limit", async (context) => {
    if (process.platform !== "linux") return context.skip("limits of memory are Linux's");
    const answer = await misbehave("allocate");
    assert.ok(answer.kind === "outputs");
    const [blocks] = answer.outputs[0]!.bytes;
    assert.ok(blocks! > 0 && blocks! <= limitBytes / 2 ** 26, `${blocks} blocks of 64 MiB`);
    await othersGoOn();
  });

  test("no files, sockets, programs or other processes, although it runs any code", async (context) => {
    if (process.platform !== "linux") return context.skip("the list of system calls is Linux's");
    const answer = await misbehave("escape");
    assert.ok(answer.kind === "outputs");
    assert.deepEqual([...answer.outputs[0]!.bytes], Array(escapeCount).fill(0));
    await assert.rejects(misbehave("read a file"), {code: "ENGINE_ERROR"});
  });

  test("descriptors and environment: its channel, its pipes, one setting", async (context) => {
    if (process.platform !== "linux") return context.skip("reads /proc");
    process.env.TF_TRUSTED_TEST_SECRET = "secret";
    const host = misbehaving(new Uint8Array(1));
    try {
      delete process.env.TF_TRUSTED_TEST_SECRET;
      await host.ask({kind: "admit"});
      // The process has closed its memory to others of the same user, which takes /proc/PID along, but for root.
      const environment = await readFile(`/proc/${host.pid}/environ`, "utf8").catch(() => "");
      assert.doesNotMatch(environment, /secret/);
    } finally {
      await host.terminate();
    }
  });

  test("files that crash the library itself, given to it unread", async () => {
    let crashed = 0;
    for (const customCode of ["TFLite_Detection_PostProcess", "Mfcc", "AudioSpectrogram", "NumericVerify"]) {
      const tensor = {type: "float32", shape: [1, 4]} as const;
      const file = nodeModel({op: "CUSTOM", customCode}, {name: "x", ...tensor}, {name: "y", ...tensor});
      const error = await compileUnread(file);
      if (error === "ENGINE_CRASHED") crashed++;
      await othersGoOn();
    }
    assert.ok(crashed > 0, "none of them crashes any more: this test shows nothing");
  });

  test("the corpus's broken files, given to the library unread: refused or crashed, within their process", async (context) => {
    if (corpusMissing !== undefined) return context.skip(corpusMissing);
    const outcomes = new Map<string, number>();
    for (const {file, expect_error: broken} of corpusCases("tflite")) {
      if (broken === undefined) continue;
      const outcome = (await compileUnread(readCorpusFile(file))) ?? "compiled";
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      await othersGoOn();
    }
    console.log(`broken files, unread: ${JSON.stringify(Object.fromEntries(outcomes))}`);
    assert.equal(
      [...outcomes.values()].reduce((sum, count) => sum + count, 0),
      27,
    );
  });

  test("a model whose process is killed is loaded again for the next call", async () => {
    const model = await engine.load(countingModel(0));
    for (let round = 0; round < 3; round++) {
      const endless = model.run("serving_default", {x: Tensor.from([0])}, {deadlineMs: 300});
      await assert.rejects(endless, {code: "DEADLINE"});
      const {outputs} = await model.run("serving_default", {x: Tensor.from([7])});
      assert.deepEqual(outputs.y!.values(), [7]);
    }
    await model.close();
  });

  test("a call that needs more memory than its process may have fails, and the next is right", async (context) => {
    if (process.platform !== "linux") return context.skip("limits of memory are Linux's");
    const small = await createNativeEngine({memoryBytes: 400 * 2 ** 20});
    const model = await small.load(denseModel(1024, 2));
    const rows = (count: number) => ({x0: Tensor.from(new Float32Array(1024 * count), {shape: [count, 1024]})});
    await model.run("serving_default", rows(1));
    await assert.rejects(model.run("serving_default", rows(60_000)), (error: {code?: string}) =>
      ["OUT_OF_MEMORY", "ENGINE_CRASHED", "ENGINE_ERROR"].includes(error.code ?? ""),
    );
    const {outputs} = await model.run("serving_default", rows(2));
    assert.deepEqual(outputs.x2!.shape, [2, 1024]);
    await small.close();
  });

  test("threads: one to as many as asked for, the same numbers; others are refused", async () => {
    const file = denseModel(64, 3);
    const x0 = Tensor.from(
      Float32Array.from({length: 64 * 8}, (_, at) => (at % 13) - 6),
      {shape: [8, 64]},
    );
    const results: unknown[] = [];
    for (const threads of [1, 2, 4]) {
      const model = await engine.load(file, {threads});
      results.push((await model.run("serving_default", {x0})).outputs.x3!.values());
      await model.close();
    }
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
    for (const threads of [0, 1.5, 1000]) await assert.rejects(engine.load(file, {threads}), {code: "INVALID_INPUT"});
  });
});

const limitBytes = 2 ** 30;

function misbehaving(file: Uint8Array): ModelProcess {
  const files = {
    ...installedNativeFiles(),
    entry: fileURLToPath(new URL("../testing/misbehaving-child.js", import.meta.url)),
  };
  return new ModelProcess({files, limits: defaultLimits, threads: 1, memoryBytes: limitBytes}, file);
}

/** The code with which compiling a file fails that no front has read. */
async function compileUnread(file: Uint8Array): Promise<string | undefined> {
  const host = misbehaving(file);
  try {
    await host.ask({kind: "admit"});
    await host.ask({kind: "prepare"}, {endsAt: performance.now() + 10_000});
    return undefined;
  } catch (error) {
    return (error as {code: string}).code;
  } finally {
    await host.terminate();
  }
}
