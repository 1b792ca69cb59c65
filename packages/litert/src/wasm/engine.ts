/** The WASM engine: LiteRT from npm, in a worker a model. `createWasmEngine` → `load` → `run`. */
import type {Engine, LoadedModel, LoadOptions} from "../engine.ts";
import {defaultLimits} from "../limits.ts";
import {OpenModels} from "../open-models.ts";
import {selfTest} from "../self-test.ts";
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
  readonly #models = new OpenModels();

  constructor(files: EngineFiles, blobs: Blobs) {
    this.#files = files;
    this.#blobs = blobs;
    this.id = `wasm/${runtimeVersion}/${blobs.variant}`;
    this.digest = blobs.digest;
  }

  async load(model: Uint8Array, options: LoadOptions = {}): Promise<LoadedModel> {
    const {glue, module} = this.#blobs;
    return this.#models.load(
      model,
      options,
      {},
      (file, limits) => new ModelWorker(this.#files.worker, {glue, module, file: file.buffer, limits}),
    );
  }

  close(): Promise<void> {
    return this.#models.close();
  }
}
