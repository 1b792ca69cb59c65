/** The models that an engine has open: checked for size, loaded from a copy that is wiped afterwards, closed together. */
import type {Limits, LoadedModel, LoadOptions} from "./engine.ts";
import {defaultLimits, defaultLoadDeadlineMs} from "./limits.ts";
import {LitertError} from "./litert-error.ts";
import type {ModelHost} from "./model-host.ts";
import {ServedModel} from "./served-model.ts";

/** Starts what runs the model; `file` stays as it is until the model is closed. */
export type StartHost = (file: Uint8Array<SharedArrayBuffer>, limits: Limits) => ModelHost;

export class OpenModels {
  readonly #models = new Set<LoadedModel>();
  #closed = false;

  /** `options.limits` are filled from `defaults`. Throws as `Engine.load`. */
  async load(
    model: Uint8Array,
    options: LoadOptions,
    defaults: Partial<Limits>,
    start: StartHost,
  ): Promise<LoadedModel> {
    const {signal, deadlineMs = defaultLoadDeadlineMs} = options;
    if (this.#closed) throw new LitertError("CANCELLED", "the engine is closed");
    if (signal?.aborted) throw new LitertError("CANCELLED", "loading was cancelled", {cause: signal.reason});
    const limits: Limits = {...defaultLimits, ...defaults, ...options.limits};
    // Before the copy: what is refused for its size must not cost memory.
    if (model.length > limits.maxModelBytes) {
      throw new LitertError("TOO_LARGE", `the model has ${model.length} bytes; the limit is ${limits.maxModelBytes}`);
    }
    const own = isWholeShared(model) ? undefined : copyShared(model);
    const file = own ?? (model as Uint8Array<SharedArrayBuffer>);
    let loaded: LoadedModel | undefined;
    loaded = await ServedModel.load(
      {
        startWorker: () => start(file, limits),
        limits,
        onClose: () => {
          own?.fill(0);
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

function isWholeShared({buffer, length}: Uint8Array): boolean {
  return buffer instanceof SharedArrayBuffer && buffer.byteLength === length;
}

function copyShared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}
