/**
 * The models in memory, by name. A model is replaced in one step once its successor is ready; calls under way finish with
 * the one they began with, which is closed after the last of them.
 */
import {availableParallelism} from "node:os";
import type {Engine, RunOptions, RunResult, Signature} from "@tf-trusted/litert";
import type {UploadModelRequest} from "@tf-trusted/protocol";
import type {Tensor} from "@tf-trusted/tensor";
import type {EnclaveConfiguration} from "../configuration.ts";
import {EnclaveError} from "../enclave-error.ts";
import type {ModelPool, PoolFigures} from "../scheduler/model-pool.ts";
import {Scheduler} from "../scheduler/scheduler.ts";
import {SessionPools} from "./session-pools.ts";
import {checkModelName, parseStart, receiveChunks} from "./upload.ts";

export interface ModelInfo {
  readonly name: string;
  readonly size: number;
  readonly sha256: Uint8Array;
  readonly signatures: readonly Signature[];
}

export interface PredictionCall extends RunOptions {
  /** Whose call it is: a model that keeps state keeps it for each apart. */
  readonly session: object;
  readonly model: string;
  /** May be empty where there is one, or `serving_default`. */
  readonly signature: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly deadlineMs: number;
}

interface Entry {
  readonly info: ModelInfo;
  readonly pool: ModelPool;
  /** Of a model that keeps state; `pool` is among them. */
  readonly sessions: SessionPools | undefined;
  calls: number;
  retired: boolean;
}

export class ModelRegistry {
  readonly #engine: Engine;
  readonly #configuration: EnclaveConfiguration;
  readonly #scheduler: Scheduler;
  readonly #entries = new Map<string, Entry>();
  /** Sessions that ended: a call of theirs that comes late must not begin a new state. */
  readonly #ended = new WeakSet<object>();
  /** Bytes of all files in memory: loaded, being uploaded, and retired ones with calls under way. */
  #usedBytes = 0;
  #uploads = 0;

  constructor(engine: Engine, configuration: EnclaveConfiguration) {
    this.#engine = engine;
    this.#configuration = configuration;
    this.#scheduler = new Scheduler(engine, {
      cores: configuration.workers === 0 ? availableParallelism() : configuration.workers,
      maxWaiting: configuration.maxWaitingCalls,
      memoryBytes: configuration.memoryBudgetBytes,
    });
  }

  get count(): number {
    return this.#entries.size;
  }

  list(): readonly ModelInfo[] {
    return [...this.#entries.values()].map(({info}) => info).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws `MODEL_NAME`, `MODEL_UNKNOWN`. */
  describe(name: string): ModelInfo & {readonly figures: PoolFigures} {
    const {info, pool, sessions} = this.#entry(name);
    return {...info, figures: (sessions ?? pool).figures};
  }

  /** After the last call. The models end with their engine. */
  stop(): void {
    this.#scheduler.stop();
  }

  /**
   * Receives, checks, loads, and then replaces. Throws `UPLOAD_…`, `MODEL_NAME`, `MODEL_BUDGET`, `MODEL_BATCH`, and `LitertError` for
   * files that the engine doesn't admit; the model of that name stays as it was.
   */
  async upload(messages: AsyncIterable<UploadModelRequest>, signal: AbortSignal): Promise<ModelInfo> {
    const {maxModelBytes, modelBudgetBytes, maxModels} = this.#configuration;
    const iterator = messages[Symbol.asyncIterator]();
    const first = await iterator.next();
    const start = parseStart(first.done ? undefined : first.value, Math.min(maxModelBytes, this.#engineLimit));
    const {name, size, sha256, threads} = start;
    const batches = start.maxBatch > 0 ? start : this.#configuration;
    if (this.#usedBytes + size > modelBudgetBytes) {
      throw new EnclaveError(
        "MODEL_BUDGET",
        `the model has ${size} bytes; ${this.#usedBytes} of ${modelBudgetBytes} are used`,
        {details: {size, used: this.#usedBytes, budget: modelBudgetBytes}},
      );
    }
    if (this.#entries.size + this.#uploads >= maxModels && !this.#entries.has(name)) {
      throw new EnclaveError("MODEL_BUDGET", `there are ${this.#entries.size} models; ${maxModels} are allowed`);
    }
    this.#usedBytes += size;
    this.#uploads++;
    try {
      const file = await receiveChunks(start, iterator);
      const {maxBatch, maxDelayMs} = batches;
      const wishes = {threads: threads || this.#configuration.modelThreads, maxBatch, maxDelayMs};
      const pool = await this.#scheduler.load(file, {signal, ...wishes});
      if (start.maxBatch > 1) await this.#checkBatching(pool);
      const info = {name, size, sha256: Uint8Array.from(sha256), signatures: pool.signatures};
      const previous = this.#entries.get(name);
      const sessions = pool.stateful ? new SessionPools(this.#scheduler, pool) : undefined;
      this.#entries.set(name, {info, pool, sessions, calls: 0, retired: false});
      if (previous) await this.#retire(previous);
      return info;
    } catch (error) {
      this.#usedBytes -= size;
      throw error;
    } finally {
      this.#uploads--;
    }
  }

  /** Throws `MODEL_NAME`, `MODEL_UNKNOWN`. */
  async delete(name: string): Promise<void> {
    const entry = this.#entry(name);
    this.#entries.delete(name);
    await this.#retire(entry);
  }

  /** Throws `MODEL_NAME`, `MODEL_UNKNOWN`, `MODEL_SIGNATURE`, `MODEL_BUSY`, and `LitertError`. */
  async predict({
    session,
    model,
    signature,
    inputs,
    ...options
  }: PredictionCall): Promise<RunResult & {readonly info: ModelInfo}> {
    if (this.#ended.has(session))
      throw new EnclaveError("SESSION_EXPIRED", "the session ended; connect and attest again");
    const entry = this.#entry(model);
    const call = {signature: chooseSignature(entry.info, signature), inputs, ...options};
    const runIn = (pool: ModelPool) => this.#scheduler.run(pool, call);
    entry.calls++;
    try {
      const result = await (entry.sessions === undefined ? runIn(entry.pool) : entry.sessions.run(session, runIn));
      return {...result, info: entry.info};
    } finally {
      entry.calls--;
      if (entry.retired && entry.calls === 0) await this.#close(entry);
    }
  }

  /** Who asks for batches is told where there can be none; who has the enclave's default gets calls one by one. */
  async #checkBatching(pool: ModelPool): Promise<void> {
    const refusals = pool.signatures.flatMap(({name, batching}) =>
      batching !== undefined && "refused" in batching ? [`"${name}": ${batching.refused}`] : [],
    );
    if (refusals.length < pool.signatures.length) return;
    await this.#scheduler.close(pool);
    throw new EnclaveError("MODEL_BATCH", `calls can't be joined: ${refusals.join("; ")}`, {details: {refusals}});
  }

  get #engineLimit(): number {
    return this.#engine.capabilities.maxModelBytes;
  }

  #entry(name: string): Entry {
    checkModelName(name);
    const entry = this.#entries.get(name);
    if (entry) return entry;
    throw new EnclaveError("MODEL_UNKNOWN", `no model is called ${name}`, {details: {name}});
  }

  /** What models keep for the session goes, after its last calls. */
  async endSession(session: object): Promise<void> {
    this.#ended.add(session);
    await Promise.all([...this.#entries.values()].map(({sessions}) => sessions?.end(session)));
  }

  async #retire(entry: Entry): Promise<void> {
    entry.retired = true;
    if (entry.calls === 0) await this.#close(entry);
  }

  async #close({pool, sessions, info}: Entry): Promise<void> {
    try {
      await sessions?.close();
      await this.#scheduler.close(pool);
    } finally {
      this.#usedBytes -= info.size;
    }
  }
}

const conventional = "serving_default";

function chooseSignature({name, signatures}: ModelInfo, wanted: string): string {
  const names = signatures.map((signature) => signature.name);
  const chosen = wanted !== "" ? wanted : names.length === 1 ? names[0] : conventional;
  if (chosen !== undefined && names.includes(chosen)) return chosen;
  throw new EnclaveError(
    "MODEL_SIGNATURE",
    `model ${name} has ${wanted === "" ? "several signatures" : "no such signature"}; expected one of ${names.join(", ")}`,
    {details: {signatures: names}},
  );
}
