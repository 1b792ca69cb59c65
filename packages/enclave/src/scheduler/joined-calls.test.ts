/** Joined calls: right for every caller, whoever leaves, fails or comes late. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {type Engine, LitertError, type LoadedModel, type RunOptions, type Signature} from "@tf-trusted/litert";
import {Tensor} from "@tf-trusted/tensor";
import fc from "fast-check";
import {chooseCalls, rowsOf} from "./joined-calls.ts";
import {Scheduler} from "./scheduler.ts";

const signature: Signature = {
  name: "s",
  inputs: [
    {name: "a", dtype: "float32", shape: [-1, 2]},
    {name: "b", dtype: "int8", shape: [-1]},
  ],
  outputs: [{name: "y", dtype: "float32", shape: [-1]}],
  stateful: false,
  batching: {maxRows: 8},
};

/** Gives a[0] + 10·a[1] + 100·b of each row; a row whose b is -1 fails the run, one of -2 for want of memory. */
class RowEngine implements Engine {
  readonly id = "rows";
  readonly digest = "";
  readonly capabilities = {strings: false, threads: false, profile: false, maxModelBytes: 2 ** 30};
  readonly sizes: number[] = [];
  aborted = 0;
  readonly #ms: number;
  /** What the last run was given, to see that it is overwritten. */
  given: Readonly<Record<string, Tensor>> = {};

  constructor(ms: number) {
    this.#ms = ms;
  }

  async load(): Promise<LoadedModel> {
    return {
      signatures: [signature],
      memoryBytes: 1,
      run: async (_, inputs, {signal}: RunOptions = {}) => {
        this.given = inputs;
        const {a, b} = inputs as {readonly [name in "a" | "b"]: Tensor};
        const rows = b.shape[0]!;
        this.sizes.push(rows);
        const [left, right] = [Float32Array.from(a.values() as number[]), Int8Array.from(b.values() as number[])];
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(resolve, this.#ms);
          signal?.addEventListener("abort", () => {
            this.aborted++;
            clearTimeout(timer);
            reject(new LitertError("CANCELLED", "as told"));
          });
        });
        if (right.includes(-1)) throw new LitertError("ENGINE_ERROR", "a row of -1");
        if (right.includes(-2) && rows > 1) throw new LitertError("OUT_OF_MEMORY", "a row of -2");
        const values = Float32Array.from(right, (each, at) => left[2 * at]! + 10 * left[2 * at + 1]! + 100 * each);
        return {outputs: {y: new Tensor("float32", [rows], new Uint8Array(values.buffer))}, engineMs: 1};
      },
      close: async () => undefined,
    };
  }

  async close(): Promise<void> {
    // Nothing is left open.
  }
}

const limits = {cores: 1, maxWaiting: 1000, memoryBytes: 1000};
const inputsOf = (rows: readonly (readonly [number, number, number])[]) => ({
  a: Tensor.from(
    rows.flatMap((row) => row.slice(0, 2)),
    {shape: [rows.length, 2], dtype: "float32"},
  ),
  b: Tensor.from(
    rows.map(([, , z]) => z),
    {shape: [rows.length], dtype: "int8"},
  ),
});
const expected = (rows: readonly (readonly [number, number, number])[]) =>
  rows.map(([x, y, z]) => x + 10 * y + 100 * z);

async function start(ms: number, maxDelayMs = 0) {
  const engine = new RowEngine(ms);
  const scheduler = new Scheduler(engine, limits);
  const pool = await scheduler.load(new Uint8Array(4), {maxBatch: 8, maxDelayMs});
  const call = (
    rows: readonly (readonly [number, number, number])[],
    options: {signal?: AbortSignal; deadlineMs?: number} = {},
  ) =>
    scheduler
      .run(pool, {signature: "s", inputs: inputsOf(rows), deadlineMs: 60_000, ...options})
      .then(({outputs}) => outputs.y!.values() as number[]);
  return {engine, scheduler, pool, call};
}

test("each caller gets what is theirs, whatever the others send, and whoever fails or leaves", async () => {
  const row = fc.tuple(fc.integer({min: -9, max: 9}), fc.integer({min: -9, max: 9}), fc.integer({min: -1, max: 9}));
  const calls = fc.array(
    fc.record({rows: fc.array(row, {minLength: 1, maxLength: 10}), leaves: fc.boolean()}, {requiredKeys: ["rows"]}),
    {minLength: 1, maxLength: 20},
  );
  await fc.assert(
    fc.asyncProperty(calls, fc.integer({min: 0, max: 2}), async (given, delay) => {
      const {scheduler, pool, call, engine} = await start(1, delay);
      const outcomes = given.map(({rows, leaves}) => {
        const controller = new AbortController();
        const outcome = call(rows, {signal: controller.signal}).then(
          (values) => ({values}),
          (error: {code: string}) => ({code: error.code}),
        );
        if (leaves === true) setTimeout(() => controller.abort(), 1);
        return outcome;
      });
      for (const [at, outcome] of (await Promise.all(outcomes)).entries()) {
        const {rows, leaves} = given[at]!;
        if ("values" in outcome) assert.deepEqual(outcome.values, expected(rows));
        else if (outcome.code === "CANCELLED") assert.equal(leaves, true);
        else assert.ok(outcome.code === "ENGINE_ERROR" && rows.some(([, , z]) => z === -1), outcome.code);
        if ("values" in outcome) assert.ok(!rows.some(([, , z]) => z === -1));
      }
      assert.ok(engine.sizes.every((size) => size <= 10));
      // Who leaves doesn't wait until the run has ended.
      await new Promise((resolve) => setTimeout(resolve, 3));
      assert.deepEqual([pool.figures.running, pool.figures.waiting], [0, 0]);
      scheduler.stop();
    }),
    {numRuns: 60},
  );
});

test("calls that wait are run as one, in sizes of powers of two; their memory is overwritten", async () => {
  const {scheduler, pool, call, engine} = await start(5);
  const rows = Array.from({length: 12}, (_, at) => [[at, 0, 1]] as const);
  const found = await Promise.all(rows.map((each) => call(each)));
  assert.deepEqual(found, rows.map(expected));
  assert.deepEqual(engine.sizes, [1, 8, 2, 1]);
  assert.deepEqual([pool.figures.calls, pool.figures.engineMs], [12, 4]);
  await Promise.all([call(rows[0]!), call(rows[1]!), call(rows[2]!)]);
  assert.deepEqual(engine.sizes.slice(4), [1, 2]);
  for (const {bytes} of Object.values(engine.given)) assert.ok(bytes.every((byte) => byte === 0));
  scheduler.stop();
});

test("with a delay the first call waits for others, until the batch is full or the time is over", async () => {
  const {scheduler, call, engine} = await start(1, 50);
  const begin = performance.now();
  await Promise.all(Array.from({length: 8}, (_, at) => call([[at, 0, 0]])));
  assert.ok(performance.now() - begin < 45, "a full batch waited");
  assert.deepEqual(engine.sizes, [8]);
  const second = performance.now();
  await Promise.all([call([[1, 0, 0]]), call([[2, 0, 0]])]);
  assert.ok(performance.now() - second >= 49, "nobody waited");
  assert.deepEqual(engine.sizes, [8, 2]);
  // Half of the time that a call has.
  await call([[1, 0, 0]], {deadlineMs: 20});
  // What can't be joined waits for nobody.
  const third = performance.now();
  await call(Array.from({length: 9}, () => [1, 1, 1] as const));
  assert.ok(performance.now() - third < 45);
  scheduler.stop();
});

test("who cancels or is late leaves alone; when all have left, the run is stopped", async () => {
  const {scheduler, call, engine} = await start(30);
  const first = call([[0, 0, 0]]);
  const cancel = new AbortController();
  const cancelled = assert.rejects(call([[1, 0, 0]], {signal: cancel.signal}), {code: "CANCELLED"});
  const late = assert.rejects(call([[2, 0, 0]], {deadlineMs: 45}), {code: "DEADLINE"});
  const stays = [call([[3, 0, 0]]), call([[4, 0, 0]])];
  await first;
  setTimeout(() => cancel.abort(), 5);
  await Promise.all([cancelled, late]);
  assert.equal(engine.aborted, 0);
  assert.deepEqual(await Promise.all(stays), [[3], [4]]);
  assert.deepEqual(engine.sizes, [1, 4]);
  const again = call([[0, 0, 0]]);
  const all = new AbortController();
  const left = [1, 2].map((at) => assert.rejects(call([[at, 0, 0]], {signal: all.signal}), {code: "CANCELLED"}));
  await again;
  setTimeout(() => all.abort(), 5);
  await Promise.all(left);
  assert.equal(engine.aborted, 1);
  assert.deepEqual(await call([[5, 0, 0]]), [5]);
  scheduler.stop();
});

test("a batch that fails is run call by call: who caused it is told, the others are answered", async () => {
  const {scheduler, pool, call, engine} = await start(1);
  const first = call([[0, 0, 0]]);
  const bad = assert.rejects(call([[1, 0, -1]]), {code: "ENGINE_ERROR"});
  const good = call([[2, 0, 0]]);
  assert.deepEqual(await good, [2]);
  await Promise.all([first, bad]);
  assert.deepEqual(engine.sizes, [1, 2, 1, 1]);
  assert.equal(pool.figures.calls, 3);
  // For want of memory: smaller batches from now on.
  await Promise.all([0, 1, 2, 3, 4].map((at) => call([[at, 0, -2]])));
  assert.equal(pool.maxRows, 2);
  scheduler.stop();
});

test("only calls that are exactly what the signature takes are joined", () => {
  const good = inputsOf([[1, 2, 3]]);
  assert.equal(rowsOf(signature, good), 1);
  const other = inputsOf([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  for (const wrong of [
    {},
    {a: good.a},
    {...good, c: good.a},
    {a: good.a, b: other.b},
    {a: good.a, b: Tensor.from([1], {shape: [1], dtype: "uint8"})},
    {a: Tensor.from([1, 2, 3], {shape: [1, 3], dtype: "float32"}), b: good.b},
    {a: Tensor.from([1, 2], {shape: [2], dtype: "float32"}), b: good.b},
  ]) {
    assert.equal(rowsOf(signature, wrong), undefined);
  }
});

test("the batch with the least padding is taken", () => {
  assert.deepEqual(chooseCalls([1, 1, 1, 1, 1], 8), {calls: 4, size: 4});
  assert.deepEqual(chooseCalls([3, 3, 3], 16), {calls: 2, size: 8});
  assert.deepEqual(chooseCalls([3, 5], 16), {calls: 2, size: 8});
  assert.deepEqual(chooseCalls([5], 6), {calls: 1, size: 6});
  assert.deepEqual(chooseCalls([3, 3, 1], 6), {calls: 2, size: 6});
});
