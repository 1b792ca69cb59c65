/** A model that is loaded: checks and queues calls, keeps its worker alive, replaces it when it is gone. */
import {setMaxListeners} from "node:events";
import {Tensor, TensorError} from "@tf-trusted/tensor";
import {unpackInt4} from "./element-types.ts";
import type {Limits, LoadedModel, RunOptions, RunResult, Signature, TensorSpec} from "./engine.ts";
import {checkInputs} from "./inputs.ts";
import {LitertError} from "./litert-error.ts";
import type {Answer, Output} from "./messages.ts";
import {type Bounds, cancelled, late, type ModelHost} from "./model-host.ts";

/** How long `close` lets a call that is running end by itself, so that its heaps can be wiped. */
const closeGraceMs = 1_000;
/** Memory of a larger input isn't kept for the next call. */
const keepBytes = 4 * 2 ** 20;
/** How long a model may run on zeros; some never end. */
const warmUpDeadlineMs = 3_000;

/** What a model needs of its engine. */
export interface ServedModelOptions {
  /** Starts a worker that holds the model's file; called again whenever the last one has ended. */
  readonly startWorker: () => ModelHost;
  readonly limits: Limits;
  /** Called once, when the model is closed or couldn't be loaded: the file isn't needed any more. */
  readonly onClose: () => void;
}

export class ServedModel implements LoadedModel {
  readonly signatures: readonly Signature[];
  readonly #options: ServedModelOptions;
  #worker: ModelHost;
  /** The end of the last call that was queued. */
  #queue: Promise<unknown> = Promise.resolve();
  memoryBytes: number | undefined;
  /** What the last call's inputs lay in, overwritten. */
  #memory: readonly Uint8Array<ArrayBuffer>[] = [];
  /** Calls that run or wait. */
  #queued = 0;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  private constructor(options: ServedModelOptions, worker: ModelHost, signatures: readonly Signature[]) {
    this.#options = options;
    this.#worker = worker;
    this.signatures = signatures;
    setMaxListeners(0, this.#closing.signal);
  }

  /** Admits, compiles and warms up in a new worker. */
  static async load(options: ServedModelOptions, bounds: Bounds): Promise<ServedModel> {
    const worker = options.startWorker();
    try {
      const signatures = await admit(worker, bounds);
      const model = new ServedModel(options, worker, signatures);
      await model.#warmUp(bounds);
      return model;
    } catch (error) {
      await worker.terminate();
      options.onClose();
      throw error;
    }
  }

  async run(
    signatureName: string,
    inputs: Readonly<Record<string, Tensor>>,
    {deadlineMs, signal}: RunOptions = {},
  ): Promise<RunResult> {
    const index = this.signatures.findIndex(({name}) => name === signatureName);
    const signature = this.signatures[index];
    if (signature === undefined) {
      const known = this.signatures.map(({name}) => `"${name}"`).join(", ");
      throw new LitertError(
        "INVALID_INPUT",
        `there is no signature "${signatureName.slice(0, 100)}"; the model has ${known}`,
      );
    }
    const {shapes, bytes} = checkInputs(signature, inputs, this.#options.limits, (size) => this.#takeMemory(size));
    // Many calls may wait on one signal: that is no leak.
    if (signal !== undefined) setMaxListeners(0, signal);
    const bounds = {signal, endsAt: deadlineMs === undefined ? undefined : performance.now() + deadlineMs};
    const call = this.#inTurn(bounds, async () => {
      const worker = await this.#liveWorker(bounds);
      try {
        const request = {kind: "run", signature: index, shapes, inputs: bytes} as const;
        return await worker.ask(request, bounds);
      } catch (error) {
        throw signature.stateful ? withoutState(error) : error;
      }
    });
    const answer = await call.finally(() => {
      // A call that never reached the worker still has its copies.
      for (const each of bytes) if (each.length > 0) each.fill(0);
    });
    if (answer.kind !== "outputs") throw new LitertError("ENGINE_ERROR", `the worker answered "${answer.kind}"`);
    this.memoryBytes = answer.memoryBytes;
    this.#memory = answer.inputs.filter(({length}) => length > 0 && length <= keepBytes);
    if (answer.outputs.length !== signature.outputs.length) {
      throw new LitertError("ENGINE_ERROR", `${answer.outputs.length} outputs came, not ${signature.outputs.length}`);
    }
    const outputs = signature.outputs.map((spec, at) => [spec.name, toTensor(spec, answer.outputs[at]!)] as const);
    return {outputs: Object.fromEntries(outputs), engineMs: answer.engineMs};
  }

  /** New memory for a large input costs more than the copy into it: each of its pages is a fault. */
  #takeMemory(bytes: number): Uint8Array<ArrayBuffer> {
    const found = this.#memory.find(({length}) => length === bytes);
    if (found === undefined) return new Uint8Array(bytes);
    this.#memory = this.#memory.filter((each) => each !== found);
    return found;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    // Calls that wait fail at once; the one that runs gets a moment, because a stopped worker can't wipe its heap.
    this.#closing.abort();
    const grace = new Promise<boolean>((resolve) => setTimeout(resolve, closeGraceMs, false).unref());
    const isIdle = await Promise.race([this.#queue.then(() => true), grace]);
    try {
      // A worker is asked one thing at a time: the call that still runs would never hear of its end.
      if (isIdle && !this.#worker.ended)
        await this.#worker.ask({kind: "close"}, {endsAt: performance.now() + closeGraceMs});
    } catch {
      // A worker that can't answer any more is stopped below, which frees its heaps.
    }
    await this.#worker.terminate();
    this.#options.onClose();
  }

  /** One call at a time: LiteRT gives wrong results silently when calls overlap (specs/litert.md T10). */
  #inTurn(bounds: Bounds, work: () => Promise<Answer>): Promise<Answer> {
    const before = this.#queue;
    // Where nobody waits, waiting in turn would cost more than a small model computes.
    const turn = this.#queued === 0 ? this.#atOnce(bounds, work) : this.#wait(before, bounds).then(work);
    this.#queued++;
    // A call that gave up waiting must not let the next one overtake the one that runs.
    this.#queue = Promise.allSettled([before, turn]).then(() => {
      this.#queued--;
    });
    return turn;
  }

  async #atOnce(bounds: Bounds, work: () => Promise<Answer>): Promise<Answer> {
    this.#checkBounds(bounds);
    return work();
  }

  /** Until the calls before are done. Throws `DEADLINE` or `CANCELLED`, leaving the worker alone. */
  async #wait(before: Promise<unknown>, {endsAt, signal}: Bounds): Promise<void> {
    const closing = this.#closing.signal;
    const stopped = new AbortController();
    try {
      await Promise.race([
        before,
        rejectWhen(closing, stopped.signal, () => new LitertError("CANCELLED", "the model was closed")),
        ...(signal === undefined ? [] : [rejectWhen(signal, stopped.signal, () => cancelled(signal))]),
        ...(endsAt === undefined ? [] : [rejectAt(endsAt, stopped.signal)]),
      ]);
    } finally {
      stopped.abort();
    }
    this.#checkBounds({endsAt, signal});
  }

  #checkBounds({endsAt, signal}: Bounds): void {
    if (this.#closing.signal.aborted) throw new LitertError("CANCELLED", "the model was closed");
    if (signal?.aborted) throw cancelled(signal);
    if (endsAt !== undefined && performance.now() >= endsAt) throw late();
  }

  /** The worker, or a new one where the last call ended it. */
  async #liveWorker(bounds: Bounds): Promise<ModelHost> {
    if (this.#worker.ended) {
      this.#worker = this.#options.startWorker();
      await admit(this.#worker, bounds);
    }
    return this.#worker;
  }

  async #warmUp(bounds: Bounds): Promise<void> {
    this.#note(await this.#worker.ask({kind: "prepare"}, bounds));
    const ends = performance.now() + warmUpDeadlineMs;
    const first = Math.min(ends, bounds.endsAt ?? ends);
    try {
      this.#note(await this.#worker.ask({kind: "warmUp"}, {...bounds, endsAt: first}));
    } catch (error) {
      // Loops that never end on zeros: the model is loaded, its first call starts a new worker.
      if (!(error instanceof LitertError && error.code === "DEADLINE" && first === ends)) throw error;
    }
  }

  #note(answer: Answer): void {
    if (answer.kind === "done") this.memoryBytes = answer.memoryBytes;
  }
}

async function admit(worker: ModelHost, bounds: Bounds): Promise<readonly Signature[]> {
  const answer = await worker.ask({kind: "admit"}, bounds);
  if (answer.kind !== "admitted") throw new LitertError("ENGINE_ERROR", `the worker answered "${answer.kind}"`);
  return answer.signatures;
}

/** Says that a failed call also cost a stateful model its state: instance and variables are gone together. */
function withoutState(error: unknown): unknown {
  if (!(error instanceof LitertError) || error.code === "INVALID_INPUT") return error;
  const {code, message, details, cause} = error;
  return new LitertError(code, `${message.slice(code.length + 2)}; the model's state starts anew`, {
    cause,
    details: {...details, stateLost: true},
  });
}

/** Throws `ENGINE_ERROR` where it isn't what the signature promises: a worker may have been taken over by its model. */
function toTensor({name, dtype, shape: declared}: TensorSpec, {shape, bytes}: Output): Tensor {
  const fits = shape.length === declared.length && shape.every((dim, axis) => [-1, dim].includes(declared[axis]!));
  if (!fits) {
    throw new LitertError(
      "ENGINE_ERROR",
      `output "${name}" came as [${shape.join(", ")}], expected [${declared.join(", ")}]`,
    );
  }
  const elements = shape.reduce((product, dim) => product * dim, 1);
  try {
    if (dtype === "int4") return new Tensor(dtype, shape, unpackInt4(bytes, elements));
    // Kernels take any byte as a bool; a tensor is 0 or 1.
    return new Tensor(dtype, shape, dtype === "bool" ? bytes.map((byte) => (byte === 0 ? 0 : 1)) : bytes);
  } catch (cause) {
    if (!(cause instanceof TensorError)) throw cause;
    throw new LitertError("ENGINE_ERROR", `output "${name}" is no tensor: ${cause.message}`, {cause});
  }
}

function rejectWhen(signal: AbortSignal, stopped: AbortSignal, error: () => LitertError): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(error());
    signal.addEventListener("abort", () => reject(error()), {once: true, signal: stopped});
  });
}

function rejectAt(endsAt: number, stopped: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const left = endsAt - performance.now();
    if (left >= 2 ** 31) return;
    const timer = setTimeout(() => reject(late()), Math.max(0, left));
    stopped.addEventListener("abort", () => clearTimeout(timer), {once: true});
  });
}
