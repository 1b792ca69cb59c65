/**
 * The thread of one model: started with everything it needs, asked one thing at a time, stopped when it takes too long.
 * Nothing of its own thread blocks the caller's event loop, and its end is nobody else's.
 */
import {Worker} from "node:worker_threads";
import {LitertError} from "../litert-error.ts";
import {type Answer, fromWire, type Request, type WorkerStart} from "./messages.ts";

/** Bytes of JavaScript heap a worker may use for tables of a model; the WASM heaps don't count. */
const heapMegabytes = 1_024;

/** What ends a request before its answer. */
export interface Bounds {
  /** `performance.now()` at which the request is over. */
  readonly endsAt?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class ModelWorker {
  readonly #worker: Worker;
  #waiting: {readonly resolve: (answer: Answer) => void; readonly reject: (error: LitertError) => void} | undefined;
  /** Set once the thread is gone or going; it takes no more requests. */
  #ended: LitertError | undefined;

  constructor(entry: URL | string, start: WorkerStart) {
    this.#worker = new Worker(entry, {
      workerData: start,
      // The worker gets nothing of its surroundings that it doesn't need. (Not `execArgv`: the permission model is there.)
      env: {},
      argv: [],
      stdin: false,
      stdout: true,
      stderr: true,
      resourceLimits: {maxOldGenerationSizeMb: heapMegabytes},
    });
    // Output that nobody reads would be kept in memory.
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
    this.#worker.on("message", (answer: Answer) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.resolve(answer);
    });
    this.#worker.on("error", (cause: unknown) => this.#end(crash(cause)));
    this.#worker.on("messageerror", (cause: unknown) => this.#end(crash(cause)));
    this.#worker.on("exit", () => this.#end(new LitertError("ENGINE_CRASHED", "the model's worker ended")));
    // A loaded model alone doesn't keep a program running; a call does.
    this.#worker.unref();
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /**
   * Sends a request and waits for its answer. When a bound is reached first, the thread is stopped, whatever it does, and
   * `DEADLINE` or `CANCELLED` is thrown; when it dies, `ENGINE_CRASHED` or `OUT_OF_MEMORY`; else what it failed with.
   */
  async ask(request: Request, {endsAt, signal}: Bounds = {}, give: readonly ArrayBuffer[] = []): Promise<Answer> {
    if (this.#ended !== undefined) throw this.#ended;
    if (signal?.aborted) throw cancelled(signal);
    const stop = (error: LitertError) => {
      this.#end(error);
      return this.#worker.terminate();
    };
    let timer: NodeJS.Timeout | undefined;
    const cancel = () => void stop(cancelled(signal));
    this.#worker.ref();
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        this.#waiting = {resolve, reject};
        if (endsAt !== undefined) timer = startTimer(endsAt, () => void stop(late()));
        signal?.addEventListener("abort", cancel, {once: true});
        this.#worker.postMessage(request, [...give]);
      });
      if (answer.kind === "failed") throw fromWire(answer.error);
      return answer;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
      // One that is being stopped keeps the program until it is gone: someone may wait for that.
      if (this.#ended === undefined) this.#worker.unref();
    }
  }

  /** Stops the thread and frees its heaps (the system clears freed pages before anyone else gets them). */
  async terminate(): Promise<void> {
    this.#end(new LitertError("CANCELLED", "the model was closed during the call"));
    await this.#worker.terminate();
  }

  #end(error: LitertError): void {
    this.#ended ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}

export function late(): LitertError {
  return new LitertError("DEADLINE", "the time of the call is over; its worker was stopped");
}

export function cancelled(signal: AbortSignal | undefined): LitertError {
  return new LitertError("CANCELLED", "the call was cancelled", {cause: signal?.reason});
}

/** Timers hold 2^31-1 ms at most; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

function startTimer(endsAt: number, fire: () => void): NodeJS.Timeout | undefined {
  const left = endsAt - performance.now();
  return left > longestTimerMs ? undefined : setTimeout(fire, Math.max(0, left));
}

function crash(cause: unknown): LitertError {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  if (code === "ERR_WORKER_OUT_OF_MEMORY") {
    return new LitertError("OUT_OF_MEMORY", `the model's worker used more than ${heapMegabytes} MB for its tables`, {
      cause,
    });
  }
  return new LitertError("ENGINE_CRASHED", "the model's worker died", {cause});
}
