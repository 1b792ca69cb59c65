/**
 * The instances of a model that keeps state, one for each session: what a session's calls left is for its next calls only,
 * and ends with it (specs/litert.md T5). The instance that came with the upload is the first session's that asks; once that
 * session ended it is unloaded, and loaded anew for another.
 */
import type {ModelPool, PoolFigures} from "../scheduler/model-pool.ts";
import type {Scheduler} from "../scheduler/scheduler.ts";

interface Instance {
  readonly pool: Promise<ModelPool>;
  calls: number;
  ended: boolean;
}

export class SessionPools {
  readonly #scheduler: Scheduler;
  readonly #uploaded: ModelPool;
  readonly #instances = new Map<object, Instance>();
  /** Loaded beside the uploaded one. */
  readonly #beside = new Set<ModelPool>();
  #isUploadedTaken = false;

  constructor(scheduler: Scheduler, uploaded: ModelPool) {
    this.#scheduler = scheduler;
    this.#uploaded = uploaded;
  }

  /** Of all instances together. */
  get figures(): PoolFigures {
    const all = [this.#uploaded, ...this.#beside].map((pool) => pool.figures);
    const sum = (key: keyof PoolFigures) => all.reduce((total, each) => total + each[key], 0);
    return {
      workers: sum("workers"),
      threads: this.#uploaded.threads,
      memoryBytes: sum("memoryBytes"),
      calls: sum("calls"),
      running: sum("running"),
      waiting: sum("waiting"),
      engineMs: sum("engineMs"),
    };
  }

  /** Runs a call on the session's instance. Throws as `Scheduler.load` where another doesn't fit, and what the call throws. */
  async run<T>(session: object, call: (pool: ModelPool) => Promise<T>): Promise<T> {
    const instance = this.#instances.get(session) ?? this.#begin(session);
    instance.calls++;
    try {
      return await call(await instance.pool);
    } finally {
      instance.calls--;
      if (instance.ended && instance.calls === 0) await this.#finish(instance);
    }
  }

  /** Ends what the session's calls left, after the last of them. */
  async end(session: object): Promise<void> {
    const instance = this.#instances.get(session);
    if (instance === undefined) return;
    this.#instances.delete(session);
    instance.ended = true;
    if (instance.calls === 0) await this.#finish(instance);
  }

  /** All but the uploaded one. No calls are under way. */
  async close(): Promise<void> {
    await Promise.all([...this.#instances.keys()].map((session) => this.end(session)));
  }

  #begin(session: object): Instance {
    const pool = this.#isUploadedTaken ? this.#loadBeside() : Promise.resolve(this.#uploaded);
    this.#isUploadedTaken = true;
    const instance = {pool, calls: 0, ended: false};
    this.#instances.set(session, instance);
    // The session's next call tries again.
    pool.catch(() => this.#instances.delete(session));
    return instance;
  }

  async #loadBeside(): Promise<ModelPool> {
    const pool = await this.#scheduler.loadBeside(this.#uploaded);
    this.#beside.add(pool);
    return pool;
  }

  async #finish({pool: loading}: Instance): Promise<void> {
    const pool = await loading.catch(() => undefined);
    if (pool === undefined) return;
    if (pool !== this.#uploaded) {
      this.#beside.delete(pool);
      await this.#scheduler.close(pool);
      return;
    }
    await Promise.all([...pool.workers].map((worker) => pool.drop(worker)));
    this.#isUploadedTaken = false;
  }
}
