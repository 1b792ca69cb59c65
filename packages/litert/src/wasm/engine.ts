/** The WASM engine: LiteRT from npm, in a worker a model. `createWasmEngine` → `load` → `run`. */
import type {Engine, Limits, LoadedModel, LoadOptions} from "../engine.ts";
import {defaultLimits, defaultLoadDeadlineMs} from "../limits.ts";
import {LitertError} from "../litert-error.ts";
import {selfTest} from "../self-test.ts";
import {ServedModel} from "../served-model.ts";
import {type Blobs, type EngineFiles, installedFiles, loadBlobs, runtimeVersion} from "./blobs.ts";
import {ModelWorker} from "./model-worker.ts";

export interface WasmEngineOptions {
  /** Default: the files of the installed packages. */
  readonly files?: EngineFiles;
}

/**
 * Checks the engine's files against their pinned hashes, compiles, and computes a known answer. Throws `ENGINE_ERROR`.
 *
 * ```ts
 * const engine = await createWasmEngine();
 * const model = await engine.load(await readFile("digits.tflite"));
 * const {outputs} = await model.run("serving_default", {image: Tensor.from(pixels, {shape: [1, 8, 8, 1]})});
 * ```
 */
export async function createWasmEngine({files = installedFiles()}: WasmEngineOptions = {}): Promise<Engine> {
  const engine = new WasmEngine(files, await loadBlobs(files));
  try {
    await selfTest(engine);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

class WasmEngine implements Engine {
  readonly id: string;
  readonly digest: string;
  readonly capabilities: Engine["capabilities"] = {
    strings: false,
    threads: false,
    profile: false,
    maxModelBytes: defaultLimits.maxModelBytes,
  };
  readonly #files: EngineFiles;
  readonly #blobs: Blobs;
  readonly #models = new Set<LoadedModel>();
  #closed = false;

  constructor(files: EngineFiles, blobs: Blobs) {
    this.#files = files;
    this.#blobs = blobs;
    this.id = `wasm/${runtimeVersion}/${blobs.variant}`;
    this.digest = blobs.digest;
  }

  async load(model: Uint8Array, options: LoadOptions = {}): Promise<LoadedModel> {
    const {signal, deadlineMs = defaultLoadDeadlineMs} = options;
    if (this.#closed) throw new LitertError("CANCELLED", "the engine is closed");
    if (signal?.aborted) throw new LitertError("CANCELLED", "loading was cancelled", {cause: signal.reason});
    const limits: Limits = {...defaultLimits, ...options.limits};
    // Before the copy: what is refused for its size must not cost memory.
    if (model.length > limits.maxModelBytes) {
      throw new LitertError("TOO_LARGE", `the model has ${model.length} bytes; the limit is ${limits.maxModelBytes}`);
    }
    const shared = wholeShared(model);
    const file = shared ?? copyShared(model);
    const {glue, module} = this.#blobs;
    let loaded: LoadedModel | undefined;
    loaded = await ServedModel.load(
      {
        startWorker: () => new ModelWorker(this.#files.worker, {glue, module, file, limits}),
        limits,
        onClose: () => {
          if (shared === undefined) new Uint8Array(file).fill(0);
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

function wholeShared({buffer, length}: Uint8Array): SharedArrayBuffer | undefined {
  return buffer instanceof SharedArrayBuffer && buffer.byteLength === length ? buffer : undefined;
}

function copyShared(bytes: Uint8Array): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  return shared;
}
