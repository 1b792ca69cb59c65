/** The engine as its users see it: loading, calling, waiting, closing, several models, memory. */
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {once} from "node:events";
import {open, readFile} from "node:fs/promises";
import {after, before, test} from "node:test";
import {setTimeout as delay} from "node:timers/promises";
import {fileURLToPath} from "node:url";
import {Tensor} from "@tf-trusted/tensor";
import type {Engine} from "./engine.ts";
import {describeEngines} from "./testing/engines.ts";
import {binaryModel, countingModel, denseModel, floats, reshapeModel} from "./testing/models.ts";

describeEngines((kind) => {
  let engine: Engine;
  before(async () => {
    engine = await kind.create();
  });
  after(() => engine.close());

  const addOne = () => binaryModel("ADD", "float32", [2], floats(1));
  const x = Tensor.from([1, 2]);

  test("a model tells its signatures with types, open dimensions and names", async () => {
    const model = await engine.load(denseModel(4, 1));
    assert.deepEqual(model.signatures, [
      {
        name: "serving_default",
        inputs: [{name: "x0", dtype: "float32", shape: [-1, 4]}],
        outputs: [{name: "x1", dtype: "float32", shape: [-1, 4]}],
        stateful: false,
      },
    ]);
    await model.close();
  });

  test("the caller's bytes and tensors stay the caller's", async () => {
    const bytes = addOne();
    const model = await engine.load(bytes);
    bytes.fill(0);
    const mine = Tensor.from([1, 2]);
    const waiting = model.run("serving_default", {x: mine});
    mine.bytes.fill(0);
    const {outputs} = await waiting;
    assert.deepEqual(Array.from(outputs.y!.data as Float32Array), [2, 3]);
    assert.equal(mine.bytes.length, 8);
    await model.close();
  });

  test("an unknown signature is INVALID_INPUT and names the known ones", async () => {
    const model = await engine.load(addOne());
    await assert.rejects(model.run("predict", {x}), {
      code: "INVALID_INPUT",
      message: /"predict"; the model has "serving_default"/,
    });
    await model.close();
  });

  test("a deadline that passes while a call waits leaves the running call alone", async () => {
    const model = await engine.load(denseModel(512, 60));
    const x0 = Tensor.from(new Float32Array(512 * 256), {shape: [256, 512]});
    await model.run("serving_default", {x0});
    const running = model.run("serving_default", {x0});
    await assert.rejects(model.run("serving_default", {x0}, {deadlineMs: 1}), {code: "DEADLINE"});
    await assert.rejects(model.run("serving_default", {x0}, {signal: AbortSignal.abort()}), {code: "CANCELLED"});
    const after = model.run("serving_default", {x0});
    assert.equal((await running).outputs.x60!.size, 256 * 512);
    assert.equal((await after).outputs.x60!.size, 256 * 512);
    await model.close();
  });

  test("closing fails what waits, runs on the worker's end, is idempotent, and refuses later calls", async () => {
    const model = await engine.load(addOne());
    const first = model.run("serving_default", {x});
    const waiting = model.run("serving_default", {x});
    const closing = model.close();
    await assert.rejects(waiting, {code: "CANCELLED"});
    await first.catch((error: unknown) => assert.equal((error as {code?: unknown}).code, "CANCELLED"));
    await closing;
    await model.close();
    await assert.rejects(model.run("serving_default", {x}), {code: "CANCELLED"});
  });

  test("closing stops a call that never ends", async () => {
    const model = await engine.load(countingModel(0));
    const endless = model.run("serving_default", {x: Tensor.from([0])});
    const rejected = assert.rejects(endless, {code: "CANCELLED"});
    const start = performance.now();
    await model.close();
    await rejected;
    assert.ok(performance.now() - start < 5_000);
  });

  test("loading can be cancelled and has a deadline", async () => {
    await assert.rejects(engine.load(addOne(), {signal: AbortSignal.abort()}), {code: "CANCELLED"});
    await assert.rejects(engine.load(addOne(), {signal: AbortSignal.timeout(1)}), {code: "CANCELLED"});
    await assert.rejects(engine.load(addOne(), {deadlineMs: 1}), {code: "DEADLINE"});
  });

  test("a loop that doesn't end on zeros delays loading only", async () => {
    const start = performance.now();
    const model = await engine.load(countingModel(0));
    assert.ok(performance.now() - start < 20_000);
    const {outputs} = await model.run("serving_default", {x: Tensor.from([3])});
    assert.deepEqual(Array.from(outputs.y!.data as Float32Array), [3]);
    await model.close();
  });

  test("garbage is INVALID_MODEL, too much is TOO_LARGE", async () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(100), Uint8Array.from({length: 1000}, (_, i) => i * 7)]) {
      await assert.rejects(engine.load(bytes), {code: "INVALID_MODEL"});
    }
    const file = addOne();
    await assert.rejects(engine.load(file, {limits: {maxModelBytes: file.length - 1}}), {code: "TOO_LARGE"});
    await assert.rejects(engine.load(file, {limits: {maxTensors: 2}}), {code: "TOO_LARGE"});
    await assert.rejects(engine.load(file, {limits: {maxOperators: 0}}), {code: "TOO_LARGE"});
    await assert.rejects(engine.load(file, {limits: {maxTensorBytes: 10}}), {code: "TOO_LARGE"});
    const model = await engine.load(denseModel(16, 8), {limits: {maxTensorBytes: 4_000}});
    const batch = (size: number) => ({x0: Tensor.from(new Float32Array(16 * size), {shape: [size, 16]})});
    await model.run("serving_default", batch(4));
    await assert.rejects(model.run("serving_default", batch(40)), {code: "TOO_LARGE"});
    await model.close();
  });

  test("more shapes than are kept compiled still give right answers", async () => {
    const model = await engine.load(denseModel(4, 1), {limits: {maxCompiled: 2}});
    for (let round = 0; round < 2; round++) {
      for (const size of [1, 2, 3, 4]) {
        const {outputs} = await model.run("serving_default", {
          x0: Tensor.from(new Float32Array(4 * size).fill(1), {shape: [size, 4]}),
        });
        assert.deepEqual(outputs.x1!.shape, [size, 4]);
        assert.deepEqual(
          outputs.x1!.values().slice(0, 4),
          [-1.5, 0.5, -1, 1].map((_, i) => rowSum(i)),
        );
      }
    }
    await model.close();
  });

  /** Row `row` of the weights of `denseModel(4, 1)`, summed. */
  function rowSum(row: number): number {
    return [0, 1, 2, 3].reduce((sum, column) => sum + (((row * 4 + column) % 7) - 3) / 4, 0);
  }

  test("the caller's event loop isn't blocked by a long inference", async () => {
    const model = await engine.load(denseModel(512, 200));
    const x0 = Tensor.from(new Float32Array(512 * 512), {shape: [512, 512]});
    await model.run("serving_default", {x0});
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const {engineMs} = await model.run("serving_default", {x0});
    clearInterval(timer);
    console.log(`event loop: longest pause ${longest.toFixed(0)} ms during an inference of ${engineMs.toFixed(0)} ms`);
    assert.ok(engineMs > 300, `the inference took ${engineMs} ms only, which shows nothing`);
    assert.ok(longest < engineMs / 3, `the event loop stood still for ${longest} of ${engineMs} ms`);
    await model.close();
  });

  test("200 rounds of load, run and close leave the memory flat", async () => {
    const files = [addOne(), reshapeModel("float32"), denseModel(32, 2)];
    const inputs = [
      {x},
      {
        x: Tensor.from([
          [1, 2, 3],
          [4, 5, 6],
        ]),
      },
      {x0: Tensor.from(new Float32Array(64), {shape: [2, 32]})},
    ];
    const rss: number[] = [];
    for (let round = 0; round < 200; round++) {
      const model = await engine.load(files[round % 3]!);
      await model.run("serving_default", inputs[round % 3]!);
      await model.close();
      if (round % 50 === 49) rss.push(Math.round(process.memoryUsage.rss() / 1e6));
    }
    console.log(`memory: RSS after 50, 100, 150 and 200 rounds: ${rss.join(", ")} MB`);
    assert.ok(rss[3]! - rss[1]! < 40, `RSS grows: ${rss} MB`);
  });

  test("a closed engine refuses to load", async () => {
    const own = await kind.create();
    const model = await own.load(addOne());
    await own.close();
    await assert.rejects(model.run("serving_default", {x}), {code: "CANCELLED"});
    await assert.rejects(own.load(addOne()), {code: "CANCELLED"});
  });

  test("after a model is closed, neither its inputs, outputs nor weights are left in the process", async (context) => {
    if (process.platform !== "linux") return context.skip("reads /proc/PID/mem, which only Linux has");
    const child = spawn(process.execPath, [secretProcess, kind.name], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      const counts: Record<string, number> = {};
      for await (const line of linesOf(child.stdout)) {
        const found = await countSecrets(child.pid!);
        if (typeof found === "string") return context.skip(found);
        counts[line] = found;
        child.stdin.write("go\n");
      }
      console.log(`secrets found in the memory of the process: ${JSON.stringify(counts)}`);
      // Loaded, the weights are there: the search finds what there is to find.
      assert.ok(counts["wiped by the caller"]! > 0);
      assert.equal(counts.closed, 0);
    } finally {
      child.kill();
      await delay(0);
    }
  });
});

const secretProcess = fileURLToPath(new URL("./testing/secret-process.js", import.meta.url));

async function* linesOf(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  const end = once(stream, "end");
  for (;;) {
    const chunk = await Promise.race([once(stream, "data").then(([data]) => String(data)), end.then(() => undefined)]);
    if (chunk === undefined) return;
    yield chunk.trim();
  }
}

/** How often the secret of `secret-process.ts` is in the writable memory of a process; a text if it may not be read. */
async function countSecrets(pid: number): Promise<number | string> {
  const needle = Buffer.from(floats(...Array.from({length: 8}, (_, i) => 31_337.25 + i)));
  const maps = (await readFile(`/proc/${pid}/maps`, "utf8")).split("\n").filter((line) => /^\S+ rw/.test(line));
  const memory = await open(`/proc/${pid}/mem`).catch((error: unknown) => String(error));
  if (typeof memory === "string") return memory;
  let count = 0;
  try {
    for (const line of maps) {
      const [start, end] = line
        .split(" ")[0]!
        .split("-")
        .map((hex) => Number.parseInt(hex, 16)) as [number, number];
      if (end - start > 2 ** 31) continue;
      for (let at = start; at < end; at += chunkBytes) {
        const chunk = Buffer.alloc(Math.min(chunkBytes + needle.length, end - at));
        // Pages that can't be read (guards) hold nothing.
        const {bytesRead} = await memory.read(chunk, 0, chunk.length, at).catch(() => ({bytesRead: 0}));
        const part = chunk.subarray(0, bytesRead);
        for (let found = part.indexOf(needle); found !== -1; found = part.indexOf(needle, found + 1)) count++;
      }
    }
  } finally {
    await memory.close();
  }
  return count;
}

const chunkBytes = 1 << 24;
