/**
 * A model's workers: as many as its calls need and cores allow, each a copy that the engine loaded from the one copy of the
 * file. None at all while the model is unloaded from memory; the file stays, so that it can be loaded again.
 */
import type {Engine, LoadedModel, Signature} from "@tf-trusted/litert";
import type {WaitingCall} from "./waiting-call.ts";

export interface PoolWorker {
  readonly model: LoadedModel;
  busy: boolean;
  /** `performance.now()` of its last answer. */
  usedAt: number;
}

export interface PoolOptions {
  readonly threads: number;
  readonly maxWorkers: number;
  /** 1: calls aren't joined. */
  readonly maxRows: number;
  readonly maxDelayMs: number;
  /** The file is another pool's, which outlives this one. */
  readonly sharesFile?: boolean;
}

/** What callers are told of a model's life in memory. */
export interface PoolFigures {
  /** Workers that hold the model; 0 while it is unloaded. */
  readonly workers: number;
  readonly threads: number;
  /** The file and what the workers hold. */
  readonly memoryBytes: number;
  readonly calls: number;
  readonly running: number;
  readonly waiting: number;
  /** Computing time of all calls. */
  readonly engineMs: number;
}

export class ModelPool {
  readonly signatures: readonly Signature[];
  /** Cores that a call takes. */
  readonly threads: number;
  /** Calls depend on those before: one worker, which is never unloaded. */
  readonly stateful: boolean;
  /** How long a call waits for others to be joined with, once a worker is free. */
  readonly maxDelayMs: number;
  /** Rows of joined calls at most; less than the signatures allow once a batch didn't fit into memory. */
  maxRows: number;
  /** Until the first call that waits for others needn't any longer. */
  delay: NodeJS.Timeout | undefined;
  readonly file: Uint8Array;
  readonly workers: PoolWorker[];
  readonly waiting: WaitingCall[] = [];
  readonly #engine: Engine;
  /** As cores allow; fewer where loading another failed. */
  maxWorkers: number;
  running = 0;
  /** Whether a worker is being loaded. */
  loading = false;
  closed = false;
  usedAt: number = performance.now();
  /** Computing time that it had, as the scheduler counts it for fair shares. */
  shareMs = 0;
  calls = 0;
  engineMs = 0;

  readonly #sharesFile: boolean;

  /** `file` is shared with the workers and, unless it is another pool's, overwritten at the end. */
  constructor(
    engine: Engine,
    file: Uint8Array,
    first: LoadedModel,
    {threads, maxWorkers, maxRows, maxDelayMs, sharesFile = false}: PoolOptions,
  ) {
    this.#engine = engine;
    this.maxRows = maxRows;
    this.maxDelayMs = maxDelayMs;
    this.#sharesFile = sharesFile;
    this.file = file;
    this.signatures = first.signatures;
    this.threads = threads;
    this.stateful = first.signatures.some(({stateful}) => stateful);
    this.maxWorkers = this.stateful ? 1 : maxWorkers;
    this.workers = [newWorker(first)];
  }

  get idle(): boolean {
    return this.running === 0 && this.waiting.length === 0 && !this.loading;
  }

  get memoryBytes(): number {
    const own = this.#sharesFile ? 0 : this.file.length;
    return this.workers.reduce((sum, {model}) => sum + (model.memoryBytes ?? this.file.length), own);
  }

  get figures(): PoolFigures {
    const {threads, memoryBytes, calls, running, engineMs} = this;
    return {workers: this.workers.length, threads, memoryBytes, calls, running, waiting: this.waiting.length, engineMs};
  }

  /** Loads another worker. Throws what the engine throws. */
  async grow(): Promise<void> {
    this.loading = true;
    try {
      const model = await this.#engine.load(this.file, {threads: this.threads});
      if (this.closed) await model.close();
      else this.workers.push(newWorker(model));
    } finally {
      this.loading = false;
    }
  }

  /** Unloads an idle worker. */
  async drop(worker: PoolWorker): Promise<void> {
    this.workers.splice(this.workers.indexOf(worker), 1);
    await worker.model.close();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.delay);
    await Promise.all(this.workers.splice(0).map(({model}) => model.close()));
    if (!this.#sharesFile) this.file.fill(0);
  }
}

function newWorker(model: LoadedModel): PoolWorker {
  return {model, busy: false, usedAt: performance.now()};
}
