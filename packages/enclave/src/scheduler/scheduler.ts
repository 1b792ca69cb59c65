/**
 * Which call computes next, and on which worker. A model may always run one call, so that none waits for another model's
 * long one to end: the system divides the cores between them. Beyond that, a model gets further workers while cores are
 * free, and the one that had the least computing time goes first.
 *
 * Memory: models' files and workers together stay within a budget; when they don't, idle workers go, those of the model
 * that wasn't used for longest first, and are loaded again when a call needs them.
 */
import {type Engine, LitertError, type RunOptions, type RunResult} from "@tf-trusted/litert";
import type {Tensor} from "@tf-trusted/tensor";
import {EnclaveError} from "../enclave-error.ts";
import {chooseCalls, rowsOf, runJoined} from "./joined-calls.ts";
import {ModelPool, type PoolWorker} from "./model-pool.ts";
import {keepBounds, type WaitingCall} from "./waiting-call.ts";

export interface SchedulerLimits {
  /** Calls that compute at once, over all models, but for the one that each may always run. */
  readonly cores: number;
  /** Calls of one model that may wait. */
  readonly maxWaiting: number;
  /** Of all files and workers. */
  readonly memoryBytes: number;
}

export interface ScheduledCall extends RunOptions {
  readonly signature: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly deadlineMs: number;
}

export interface PoolWishes {
  readonly signal?: AbortSignal;
  readonly threads?: number;
  /** Rows of calls that may be joined, where the model allows it; 1 by default. */
  readonly maxBatch?: number;
  /** How long a call waits for others to be joined with; 0 by default: for as long as no worker is free. */
  readonly maxDelayMs?: number;
}

/** A worker beyond a model's first goes when it was idle for so long. */
const spareMs = 60_000;

export class Scheduler {
  readonly #engine: Engine;
  readonly #limits: SchedulerLimits;
  readonly #pools = new Set<ModelPool>();
  readonly #sweep: NodeJS.Timeout;
  /** Cores taken by calls, and by workers that are being loaded beside others of their model. */
  #busy = 0;
  /** Computing time of the model that was served last: one that comes back can't claim what it didn't use. */
  #shareMs = 0;

  constructor(engine: Engine, limits: SchedulerLimits) {
    this.#engine = engine;
    this.#limits = limits;
    this.#sweep = setInterval(() => this.#dropSpare(), spareMs / 2).unref();
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const pool of this.#pools) bytes += pool.memoryBytes;
    return bytes;
  }

  /**
   * Loads a model; `file` is the pool's from now on. Throws `MODEL_BUDGET` where it doesn't fit beside what can't be
   * unloaded, and what the engine throws.
   */
  async load(file: Uint8Array, options: PoolWishes): Promise<ModelPool> {
    const {cores} = this.#limits;
    const threads = this.#engine.capabilities.threads ? Math.min(options.threads || 1, cores) : 1;
    const {signal, maxBatch = 1, maxDelayMs = 0} = options;
    const first = await this.#engine.load(file, {threads, limits: {maxBatch}, ...(signal && {signal})});
    const maxWorkers = Math.max(1, Math.floor(cores / threads));
    return this.#admit(new ModelPool(this.#engine, file, first, {threads, maxWorkers, maxRows: maxBatch, maxDelayMs}));
  }

  /** The same model once more, apart from the first, whose file it shares. That one has to be closed after it. Throws as `load`. */
  async loadBeside({file, threads, maxWorkers, maxRows, maxDelayMs}: ModelPool): Promise<ModelPool> {
    const first = await this.#engine.load(file, {threads});
    const options = {threads, maxWorkers, maxRows, maxDelayMs, sharesFile: true};
    return this.#admit(new ModelPool(this.#engine, file, first, options));
  }

  async #admit(pool: ModelPool): Promise<ModelPool> {
    this.#pools.add(pool);
    // Nobody may unload it before its first call.
    pool.running++;
    this.#makeRoom();
    pool.running--;
    const {memoryBytes} = this.#limits;
    if (this.memoryBytes <= memoryBytes) return pool;
    const used = this.memoryBytes;
    await this.close(pool);
    throw new EnclaveError(
      "MODEL_BUDGET",
      `with this model ${used} bytes would be in use; the enclave has ${memoryBytes} for models and their workers`,
      {details: {used, budget: memoryBytes}},
    );
  }

  /** Throws `MODEL_BUSY`, and what the engine throws; `DEADLINE` and `CANCELLED` while it waits, too. */
  run(pool: ModelPool, {signature, inputs, deadlineMs, signal}: ScheduledCall): Promise<RunResult> {
    if (signal?.aborted) return Promise.reject(new LitertError("CANCELLED", "the call was cancelled"));
    if (pool.idle) pool.shareMs = Math.max(pool.shareMs, this.#shareMs);
    const endsAt = performance.now() + deadlineMs;
    const joining = joiningOf(pool, signature, inputs, endsAt);
    const mayStart = pool.waiting.length === 0 && joining.waitsUntil === undefined && this.#mayStart(pool);
    const worker = mayStart ? freeWorker(pool) : undefined;
    return new Promise((resolve, reject) => {
      const call = {signature, inputs, endsAt, signal, resolve, reject, ...joining};
      if (worker !== undefined) this.#start(pool, worker, call);
      else this.#wait(pool, call);
    });
  }

  /** The pool has no calls under way. */
  async close(pool: ModelPool): Promise<void> {
    this.#pools.delete(pool);
    await pool.close();
  }

  stop(): void {
    clearInterval(this.#sweep);
  }

  #mayStart(pool: ModelPool): boolean {
    return pool.running === 0 || this.#busy + pool.threads <= this.#limits.cores;
  }

  #wait(pool: ModelPool, call: WaitingCall): void {
    const {maxWaiting} = this.#limits;
    if (pool.waiting.length >= maxWaiting) {
      call.reject(new EnclaveError("MODEL_BUSY", `${maxWaiting} calls of this model wait already`));
      return;
    }
    pool.waiting.push(waitingCall(pool, call));
    this.#grow(pool);
    // What waits for others may have waited for this one.
    if (freeWorker(pool) !== undefined) this.#next();
  }

  #start(pool: ModelPool, worker: PoolWorker, call: WaitingCall): void {
    call.started?.();
    pool.calls++;
    const ended = this.#occupy(pool, worker);
    const {signature, inputs, signal, endsAt} = call;
    const options = {deadlineMs: Math.max(1, endsAt - performance.now()), ...(signal && {signal})};
    worker.model.run(signature, inputs, options).then(
      (result) => {
        pool.engineMs += result.engineMs;
        ended();
        call.resolve(result);
      },
      (error: unknown) => {
        ended();
        call.reject(error);
      },
    );
  }

  #startJoined(pool: ModelPool, worker: PoolWorker, calls: readonly WaitingCall[], size: number): void {
    for (const call of calls) call.started?.();
    pool.calls += calls.length;
    const ended = this.#occupy(pool, worker);
    const signature = pool.signatures.find(({name}) => name === calls[0]!.signature)!;
    void runJoined(worker.model, signature, calls, size).then(({engineMs, failed}) => {
      pool.engineMs += engineMs;
      if (failed !== undefined) {
        if (isTooLarge(failed.error)) pool.maxRows = Math.max(1, Math.floor(size / 2));
        pool.calls -= failed.calls.length;
        const alone = failed.calls.map(({rows: _, waitsUntil: __, ...call}) => waitingCall(pool, call));
        pool.waiting.unshift(...alone);
      }
      ended();
    });
  }

  /** The result gives the worker back and starts what waits. */
  #occupy(pool: ModelPool, worker: PoolWorker): () => void {
    worker.busy = true;
    pool.running++;
    this.#busy += pool.threads;
    this.#shareMs = pool.shareMs;
    const start = performance.now();
    return () => {
      worker.busy = false;
      pool.running--;
      this.#busy -= pool.threads;
      const now = performance.now();
      worker.usedAt = pool.usedAt = now;
      pool.shareMs += (now - start) * pool.threads;
      this.#makeRoom();
      this.#next();
    };
  }

  /** Starts what waits, as far as there are workers and cores. */
  #next(): void {
    for (;;) {
      let chosen: {readonly pool: ModelPool; readonly worker: PoolWorker} | undefined;
      for (const pool of this.#pools) {
        if (pool.waiting.length === 0 || !this.#mayStart(pool) || this.#isDelayed(pool)) continue;
        const worker = freeWorker(pool);
        if (worker === undefined) this.#grow(pool);
        else if (chosen === undefined || pool.shareMs < chosen.pool.shareMs) chosen = {pool, worker};
      }
      if (chosen === undefined) return;
      const {pool, worker} = chosen;
      const {calls, size} = takeCalls(pool);
      if (calls.length === 1) this.#start(pool, worker, calls[0]!);
      else this.#startJoined(pool, worker, calls, size);
    }
  }

  /** Whether all that waits waits for more to be joined with; it is looked at again when the first has waited for so long. */
  #isDelayed(pool: ModelPool): boolean {
    const now = performance.now();
    let firstAt = Number.POSITIVE_INFINITY;
    const rows = new Map<string, number>();
    for (const {signature, rows: own, waitsUntil} of pool.waiting) {
      if (own === undefined || waitsUntil === undefined || waitsUntil <= now) return false;
      const sum = (rows.get(signature) ?? 0) + own;
      if (sum >= pool.maxRows) return false;
      rows.set(signature, sum);
      firstAt = Math.min(firstAt, waitsUntil);
    }
    clearTimeout(pool.delay);
    pool.delay = setTimeout(() => this.#next(), Math.ceil(firstAt - now));
    return true;
  }

  /** Another worker for a model whose calls wait, if it has none, or a core is free for it. */
  #grow(pool: ModelPool): void {
    const {workers, loading, threads} = pool;
    const isFirst = workers.length === 0;
    if (loading || workers.length >= pool.maxWorkers) return;
    if (!isFirst && this.#busy + threads > this.#limits.cores) return;
    if (freeWorker(pool) !== undefined) return;
    if (!isFirst) this.#busy += threads;
    pool
      .grow()
      .then(
        () => this.#makeRoom(),
        (error: unknown) => {
          // What is there goes on; a model that can't be loaded again fails its calls.
          if (isFirst) for (const call of pool.waiting.splice(0)) fail(call, error);
          else pool.maxWorkers = workers.length;
        },
      )
      .finally(() => {
        if (!isFirst) this.#busy -= threads;
        this.#next();
      });
  }

  /** Unloads what is idle, until the rest fits into the budget. */
  #makeRoom(): void {
    let bytes = this.memoryBytes;
    while (bytes > this.#limits.memoryBytes) {
      const victim = this.#leastUseful();
      if (victim === undefined) return;
      this.#drop(victim.pool, victim.worker);
      bytes = this.memoryBytes;
    }
  }

  /** Spare workers first, then those of the model that wasn't used for longest. */
  #leastUseful(): {readonly pool: ModelPool; readonly worker: PoolWorker} | undefined {
    let found: {readonly pool: ModelPool; readonly worker: PoolWorker; readonly rank: number} | undefined;
    for (const pool of this.#pools) {
      const spare = pool.workers.length > 1;
      if (pool.stateful || (!spare && !pool.idle)) continue;
      const worker = freeWorker(pool);
      if (worker === undefined) continue;
      const rank = pool.usedAt - (spare ? Number.MAX_SAFE_INTEGER : 0);
      if (found === undefined || rank < found.rank) found = {pool, worker, rank};
    }
    return found;
  }

  #dropSpare(): void {
    const before = performance.now() - spareMs;
    for (const pool of this.#pools) {
      for (const worker of pool.workers.slice(1)) {
        if (!worker.busy && worker.usedAt < before) this.#drop(pool, worker);
      }
    }
  }

  #drop(pool: ModelPool, worker: PoolWorker): void {
    // It is out of the pool at once; what the engine says of its end concerns no call.
    pool.drop(worker).catch(() => undefined);
  }
}

/** Its bounds are kept from now on: it leaves the queue when they are reached. */
function waitingCall(pool: ModelPool, call: WaitingCall): WaitingCall {
  const clear = keepBounds(call, "was over before its turn", (error) => {
    pool.waiting.splice(pool.waiting.indexOf(waiting), 1);
    clear();
    call.reject(error);
  });
  const waiting: WaitingCall = {...call, started: clear};
  return waiting;
}

/** Rows of a call that may be joined with others, and how long it waits for them: half of the time it has, at most. */
function joiningOf(
  {signatures, maxRows, maxDelayMs}: ModelPool,
  name: string,
  inputs: ScheduledCall["inputs"],
  endsAt: number,
): Pick<WaitingCall, "rows" | "waitsUntil"> {
  if (maxRows <= 1) return {};
  const signature = signatures.find((each) => each.name === name);
  if (signature?.batching === undefined || "refused" in signature.batching) return {};
  const rows = rowsOf(signature, inputs);
  if (rows === undefined || rows >= maxRows) return {};
  const now = performance.now();
  return {rows, ...(maxDelayMs > 0 && {waitsUntil: Math.min(now + maxDelayMs, (now + endsAt) / 2)})};
}

/** The first call, with those that it is joined with. */
function takeCalls(pool: ModelPool): {readonly calls: readonly WaitingCall[]; readonly size: number} {
  const {signature, rows} = pool.waiting[0]!;
  if (rows === undefined || rows >= pool.maxRows) return {calls: [pool.waiting.shift()!], size: rows ?? 0};
  const alike = pool.waiting.filter((call) => call.signature === signature && call.rows !== undefined);
  const {calls, size} = chooseCalls(
    alike.map((call) => call.rows!),
    pool.maxRows,
  );
  const taken = new Set(alike.slice(0, calls));
  pool.waiting.splice(0, Number.POSITIVE_INFINITY, ...pool.waiting.filter((call) => !taken.has(call)));
  return {calls: [...taken], size};
}

/** A batch was too much, although each of its calls may be fine. */
function isTooLarge(error: unknown): boolean {
  return error instanceof LitertError && (error.code === "TOO_LARGE" || error.code === "OUT_OF_MEMORY");
}

function fail(call: WaitingCall, error: unknown): void {
  call.started?.();
  call.reject(error);
}

/** The first that is free, so that the last ones become idle for long. */
function freeWorker({workers}: ModelPool): PoolWorker | undefined {
  return workers.find(({busy}) => !busy);
}
