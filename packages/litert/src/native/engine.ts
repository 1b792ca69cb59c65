/** The native engine: LiteRT's C library, in a process a model. `createNativeEngine` → `load` → `run`. */
import type {Engine, Limits, LoadedModel, LoadOptions} from "../engine.ts";
import {defaultLimits, defaultLoadDeadlineMs, heapBudgets, nativeMemoryBytes} from "../limits.ts";
import {LitertError} from "../litert-error.ts";
import {selfTest} from "../self-test.ts";
import {ServedModel} from "../served-model.ts";
import {
  installedNativeFiles,
  type NativeFiles,
  nativePin,
  nativeTarget,
  nativeVersion,
  readNativeLibrary,
} from "./library.ts";
import {ModelProcess} from "./model-process.ts";

export interface NativeEngineOptions {
  /** Default: the files that npm and `tf-trusted engine install native` installed. */
  readonly files?: NativeFiles;
  /** What the process of a model may allocate beyond what Node.js and the library take; 4 GiB by default. */
  readonly memoryBytes?: number;
  /** Threads of a model that asks for none; 1 by default. */
  readonly threads?: number;
}

const maxThreads = 64;

/**
 * Checks the library against its pinned hash, starts a process and computes a known answer. Throws `ENGINE_ERROR`, also
 * where processes can't be started or don't let themselves be confined.
 */
export async function createNativeEngine(options: NativeEngineOptions = {}): Promise<Engine> {
  const files = options.files ?? installedNativeFiles();
  await readNativeLibrary(files.library);
  const engine = new NativeEngine(files, options);
  try {
    await selfTest(engine);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

class NativeEngine implements Engine {
  readonly id: string = `native/${nativeVersion}/${nativeTarget()}`;
  readonly digest: string = nativePin().sha256;
  readonly capabilities: Engine["capabilities"] = {
    strings: true,
    threads: true,
    profile: false,
    maxModelBytes: Math.floor(heapBudgets.native.bytes / heapBudgets.native.copies),
  };
  readonly #files: NativeFiles;
  readonly #memoryBytes: number;
  readonly #threads: number;
  readonly #models = new Set<LoadedModel>();
  #closed = false;

  constructor(files: NativeFiles, {memoryBytes = nativeMemoryBytes, threads = 1}: NativeEngineOptions) {
    this.#files = files;
    this.#memoryBytes = memoryBytes;
    this.#threads = threads;
  }

  async load(model: Uint8Array, options: LoadOptions = {}): Promise<LoadedModel> {
    const {signal, deadlineMs = defaultLoadDeadlineMs, threads = this.#threads} = options;
    if (this.#closed) throw new LitertError("CANCELLED", "the engine is closed");
    if (signal?.aborted) throw new LitertError("CANCELLED", "loading was cancelled", {cause: signal.reason});
    const {maxModelBytes} = this.capabilities;
    const limits: Limits = {...defaultLimits, maxModelBytes, ...options.limits};
    // Before the copy: what is refused for its size must not cost memory.
    if (model.length > limits.maxModelBytes) {
      throw new LitertError("TOO_LARGE", `the model has ${model.length} bytes; the limit is ${limits.maxModelBytes}`);
    }
    if (!Number.isInteger(threads) || threads < 1 || threads > maxThreads) {
      throw new LitertError("INVALID_INPUT", `found ${threads} threads, expected 1 to ${maxThreads}`);
    }
    // Kept for a process that has to be started again.
    const shared = model.buffer instanceof SharedArrayBuffer && model.buffer.byteLength === model.length;
    const file = shared ? model : Uint8Array.from(model);
    const start = {files: this.#files, limits, threads, memoryBytes: this.#memoryBytes};
    let loaded: LoadedModel | undefined;
    loaded = await ServedModel.load(
      {
        startWorker: () => new ModelProcess(start, file),
        limits,
        onClose: () => {
          if (!shared) file.fill(0);
          if (loaded !== undefined) this.#models.delete(loaded);
        },
      },
      {endsAt: performance.now() + deadlineMs, signal},
    );
    this.#models.add(loaded);
    if (this.#closed) {
      await loaded.close();
      throw new LitertError("CANCELLED", "the engine was closed while the model was loading");
    }
    return loaded;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#models].map((model) => model.close()));
  }
}
