import assert from "node:assert/strict";
import {test} from "node:test";
import {type Engine, LitertError, type LoadedModel, type RunResult} from "@tf-trusted/litert";
import type {ModelPool} from "./model-pool.ts";
import {Scheduler} from "./scheduler.ts";

/** An engine that "computes" as long as its model's first byte says, in milliseconds, and holds as many bytes as its second. */
class Fake implements Engine {
  readonly id = "fake";
  readonly digest = "";
  readonly capabilities: Engine["capabilities"] = {
    strings: false,
    threads: true,
    profile: false,
    maxModelBytes: 2 ** 30,
  };
  loads = 0;
  open = 0;
  running = 0;
  most = 0;
  readonly finished: number[] = [];
  failing = false;

  async load(file: Uint8Array): Promise<LoadedModel> {
    this.loads++;
    if (this.failing) throw new LitertError("OUT_OF_MEMORY", "as told");
    await delay(1);
    this.open++;
    const [ms = 0, memoryBytes = 0, stateful = 0] = file;
    return {
      signatures: [{name: "s", inputs: [], outputs: [], stateful: stateful === 1}],
      memoryBytes,
      run: async (_, __, {signal} = {}): Promise<RunResult> => {
        this.most = Math.max(this.most, ++this.running);
        try {
          await delay(ms, signal);
        } finally {
          this.running--;
        }
        this.finished.push(ms);
        return {outputs: {}, engineMs: ms};
      },
      close: async () => {
        this.open--;
      },
    };
  }

  async close(): Promise<void> {
    // Nothing is left open.
  }
}

function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new LitertError("CANCELLED", "as told"));
    });
  });
}

const limits = {cores: 2, maxWaiting: 4, memoryBytes: 1000};
const call = {signature: "s", inputs: {}, deadlineMs: 60_000};
const file = (...bytes: number[]) => Uint8Array.from(bytes);

test("callers of one model get as many workers as there are cores, and no more", async () => {
  const engine = new Fake();
  const scheduler = new Scheduler(engine, {...limits, maxWaiting: 100});
  const pool = await scheduler.load(file(5, 10), {});
  await Promise.all(Array.from({length: 20}, () => scheduler.run(pool, call)));
  assert.equal(engine.most, 2);
  assert.equal(engine.loads, 2);
  const {workers, calls, running, waiting, memoryBytes, engineMs} = pool.figures;
  assert.deepEqual({workers, calls, running, waiting}, {workers: 2, calls: 20, running: 0, waiting: 0});
  assert.deepEqual([memoryBytes, engineMs], [2 * 10 + 2, 100]);
  scheduler.stop();
});

test("a model that takes two threads has one worker on two cores; one with state has one, in order", async () => {
  const engine = new Fake();
  const scheduler = new Scheduler(engine, {...limits, maxWaiting: 100});
  const wide = await scheduler.load(file(2, 0), {threads: 2});
  await Promise.all(Array.from({length: 5}, () => scheduler.run(wide, call)));
  assert.deepEqual([engine.most, wide.figures.workers, wide.figures.threads], [1, 1, 2]);
  const stateful = await scheduler.load(file(2, 0, 1), {});
  const order: number[] = [];
  await Promise.all([0, 1, 2, 3].map((i) => scheduler.run(stateful, call).then(() => order.push(i))));
  assert.deepEqual([order, stateful.figures.workers], [[0, 1, 2, 3], 1]);
  scheduler.stop();
});

test("a slow model doesn't hold up a fast one, and cores go to whom had the least", async () => {
  const engine = new Fake();
  const scheduler = new Scheduler(engine, {...limits, maxWaiting: 100});
  const slow = await scheduler.load(file(60), {});
  const fast = await scheduler.load(file(2), {});
  await Promise.all([scheduler.run(slow, call), scheduler.run(slow, call), scheduler.run(slow, call)]);
  const slowCalls = Array.from({length: 8}, () => scheduler.run(slow, call));
  const fastCalls = Array.from({length: 6}, () => scheduler.run(fast, call));
  await Promise.all(fastCalls);
  // Both cores were the slow one's; none of its second pair can have ended.
  assert.ok(engine.finished.slice(3).filter((ms) => ms === 60).length <= 2, engine.finished.join());
  await Promise.all(slowCalls);
  scheduler.stop();
});

test("what waits has bounds: number, time, cancellation; what runs keeps them by the engine", async () => {
  const engine = new Fake();
  const scheduler = new Scheduler(engine, {...limits, cores: 1});
  const pool = await scheduler.load(file(50), {});
  const cancel = new AbortController();
  const stop = new AbortController();
  const running = scheduler.run(pool, {...call, signal: stop.signal});
  const late = scheduler.run(pool, {...call, deadlineMs: 10});
  const cancelled = scheduler.run(pool, {...call, signal: cancel.signal});
  const waiting = [scheduler.run(pool, call), scheduler.run(pool, call)];
  await assert.rejects(scheduler.run(pool, call), {code: "MODEL_BUSY"});
  await assert.rejects(scheduler.run(pool, {...call, signal: AbortSignal.abort()}), {code: "CANCELLED"});
  const late10 = assert.rejects(late, {code: "DEADLINE"});
  cancel.abort();
  await assert.rejects(cancelled, {code: "CANCELLED"});
  await late10;
  stop.abort();
  await assert.rejects(running, {code: "CANCELLED"});
  await Promise.all(waiting);
  assert.equal(pool.figures.calls, 3);
  scheduler.stop();
});

test("idle models are unloaded, the least recently used first, and loaded again by their next call", async () => {
  const engine = new Fake();
  const scheduler = new Scheduler(engine, {...limits, memoryBytes: 210});
  const pools: ModelPool[] = [];
  for (let i = 0; i < 4; i++) {
    pools.push(await scheduler.load(file(1, 100), {}));
    await delay(2);
  }
  const held = () => pools.map(({figures}) => figures.workers);
  assert.deepEqual(held(), [0, 0, 1, 1]);
  assert.ok(scheduler.memoryBytes <= 210);
  await scheduler.run(pools[0]!, call);
  assert.deepEqual(held(), [1, 0, 0, 1]);
  await scheduler.run(pools[2]!, call);
  assert.deepEqual(held(), [1, 0, 1, 0]);
  assert.equal(engine.open, 2);
  // A file isn't overwritten before its model is closed.
  assert.equal(pools[1]!.file[1], 100);
  await scheduler.close(pools[1]!);
  assert.deepEqual([...pools[1]!.file], [0, 0]);
  scheduler.stop();
});

test("models with state stay; what doesn't fit beside them is refused, and takes nothing", async () => {
  const engine = new Fake();
  const scheduler = new Scheduler(engine, {...limits, memoryBytes: 210});
  const stateful = await scheduler.load(file(1, 150, 1), {});
  await assert.rejects(scheduler.load(file(1, 100), {}), {code: "MODEL_BUDGET"});
  assert.deepEqual([stateful.figures.workers, engine.open], [1, 1]);
  scheduler.stop();
});

test("spare workers go before models do; a spare that can't be loaded costs no call", async () => {
  const engine = new Fake();
  const scheduler = new Scheduler(engine, {...limits, memoryBytes: 310});
  const busy = await scheduler.load(file(3, 100), {});
  await Promise.all([1, 2, 3, 4].map(() => scheduler.run(busy, call)));
  assert.equal(busy.figures.workers, 2);
  const other = await scheduler.load(file(1, 150), {});
  assert.deepEqual([busy.figures.workers, other.figures.workers], [1, 1]);
  engine.failing = true;
  await Promise.all([1, 2, 3].map(() => scheduler.run(busy, call)));
  assert.equal(busy.figures.workers, 1);
  scheduler.stop();
});

test("a model that can't be loaded again fails its calls, and no others", async () => {
  const engine = new Fake();
  const scheduler = new Scheduler(engine, {...limits, memoryBytes: 110});
  const first = await scheduler.load(file(1, 100), {});
  const second = await scheduler.load(file(1, 100), {});
  engine.failing = true;
  await assert.rejects(scheduler.run(first, call), {code: "OUT_OF_MEMORY"});
  await scheduler.run(second, call);
  engine.failing = false;
  await scheduler.run(first, call);
  scheduler.stop();
});
