/**
 * The thread of one model: started with everything it needs, asked one thing at a time, stopped when it takes too long.
 * Nothing of its own thread blocks the caller's event loop, and its end is nobody else's.
 */
import {Worker} from "node:worker_threads";
import type {Limits} from "../engine.ts";
import {LitertError} from "../litert-error.ts";
import {type Answer, fromWire, type Request} from "../messages.ts";
import {type Bounds, type ModelHost, OpenRequest} from "../model-host.ts";

/** `workerData`: everything a worker starts from. It reads no files. */
export interface WorkerStart {
  /** LiteRT's script as text, hashed by the engine's thread. */
  readonly glue: string;
  readonly module: WebAssembly.Module;
  /** The model as it came; shared, so that a replaced worker costs no copy. */
  readonly file: SharedArrayBuffer;
  readonly limits: Limits;
}

/** Bytes of JavaScript heap a worker may use for tables of a model; the WASM heaps don't count. */
const heapMegabytes = 1_024;

export class ModelWorker implements ModelHost {
  readonly #worker: Worker;
  readonly #request = new OpenRequest();

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
    this.#worker.on("message", (answer: Answer) => this.#request.answered(answer));
    this.#worker.on("error", (cause: unknown) => this.#request.end(crash(cause)));
    this.#worker.on("messageerror", (cause: unknown) => this.#request.end(crash(cause)));
    this.#worker.on("exit", () => this.#request.end(new LitertError("ENGINE_CRASHED", "the model's worker ended")));
    // A loaded model alone doesn't keep a program running; a call does.
    this.#worker.unref();
  }

  get ended(): boolean {
    return this.#request.ended;
  }

  async ask(request: Request, bounds: Bounds = {}): Promise<Answer> {
    const give = request.kind === "run" ? request.inputs.map(({buffer}) => buffer) : [];
    this.#worker.ref();
    try {
      const send = () => this.#worker.postMessage(request, give);
      const answer = await this.#request.ask(send, bounds, () => void this.#worker.terminate());
      if (answer.kind === "failed") throw fromWire(answer.error);
      return answer;
    } finally {
      // One that is being stopped keeps the program until it is gone: someone may wait for that.
      if (!this.#request.ended) this.#worker.unref();
    }
  }

  /** Stops the thread and frees its heaps (the system clears freed pages before anyone else gets them). */
  async terminate(): Promise<void> {
    this.#request.end(new LitertError("CANCELLED", "the model was closed during the call"));
    await this.#worker.terminate();
  }
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
