/** The native engine: LiteRT's C library, in a process a model. `createNativeEngine` → `load` → `run`. */
import type {Engine, LoadedModel, LoadOptions} from "../engine.ts";
import {heapBudgets, nativeMemoryBytes} from "../limits.ts";
import {LitertError} from "../litert-error.ts";
import {OpenModels} from "../open-models.ts";
import {selfTest} from "../self-test.ts";
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
  readonly #models = new OpenModels();

  constructor(files: NativeFiles, {memoryBytes = nativeMemoryBytes, threads = 1}: NativeEngineOptions) {
    this.#files = files;
    this.#memoryBytes = memoryBytes;
    this.#threads = threads;
  }

  async load(model: Uint8Array, options: LoadOptions = {}): Promise<LoadedModel> {
    const {threads = this.#threads} = options;
    if (!Number.isInteger(threads) || threads < 1 || threads > maxThreads) {
      throw new LitertError("INVALID_INPUT", `found ${threads} threads, expected 1 to ${maxThreads}`);
    }
    const {maxModelBytes} = this.capabilities;
    return this.#models.load(
      model,
      options,
      {maxModelBytes},
      // The file is kept for a process that has to be started again.
      (file, limits) => new ModelProcess({files: this.#files, limits, threads, memoryBytes: this.#memoryBytes}, file),
    );
  }

  close(): Promise<void> {
    return this.#models.close();
  }
}
