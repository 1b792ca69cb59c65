/** What an engine is, whichever way it computes (docs/decisions; `wasm` today, `native` behind the same interface). */
import type {DType, Tensor} from "@tf-trusted/tensor";
import type {Quantization} from "@tf-trusted/tflite";

/** An input or output of a signature. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  /** Dimensions, -1 where any size is allowed. */
  readonly shape: readonly number[];
  readonly quantization?: Quantization;
}

export interface Signature {
  /** `serving_default` for a file without signatures. */
  readonly name: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Whether the graph keeps state from call to call (resource variables, stateful RNN kernels). */
  readonly stateful: boolean;
  /** Where it was asked for (`Limits.maxBatch`): whether calls may be joined along the first dimension of all tensors. */
  readonly batching?: Batching;
}

/** Up to how many rows a batch of joined calls gives what they give apart; or why it may not. */
export type Batching = {readonly maxRows: number} | {readonly refused: string};

/** Bounds on what a model may claim; each has a default in `limits.ts`. */
export interface Limits {
  readonly maxModelBytes: number;
  /** All tensors of one run together, as specialised. */
  readonly maxTensorBytes: number;
  readonly maxTensors: number;
  readonly maxOperators: number;
  readonly maxSubgraphs: number;
  /** Shapes kept compiled at once per model. */
  readonly maxCompiled: number;
  /** Rows up to which it is to be proven that calls may be joined; 1 asks for nothing. */
  readonly maxBatch: number;
}

export interface LoadOptions {
  readonly limits?: Partial<Limits>;
  /** Ignored by engines without the capability. */
  readonly threads?: number;
  /** Milliseconds until loading fails with `DEADLINE`; 120,000 by default. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface RunOptions {
  /** Milliseconds until the worker is stopped and the call fails with `DEADLINE`. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Time that the engine itself computed, without queueing or copying. */
  readonly engineMs: number;
}

export interface Engine {
  /** For example `wasm/2.5.3/relaxed`. */
  readonly id: string;
  /** SHA-256 of the engine's binaries, hexadecimal. */
  readonly digest: string;
  readonly capabilities: {
    readonly strings: boolean;
    readonly threads: boolean;
    readonly profile: boolean;
    readonly maxModelBytes: number;
  };
  /**
   * Admits, specialises and compiles. The bytes are not kept by reference after the promise settles, unless they are the
   * whole of a SharedArrayBuffer: that is used as it is, must not change before the model is closed, and is not wiped.
   */
  load(model: Uint8Array, options?: LoadOptions): Promise<LoadedModel>;
  /** Closes every model and worker. */
  close(): Promise<void>;
}

export interface LoadedModel {
  readonly signatures: readonly Signature[];
  /** What its worker held at its last answer, the file not counted; absent where the engine can't tell. */
  readonly memoryBytes?: number | undefined;
  /**
   * Checks names, dtypes, shapes and sizes exactly, specialises to the given shapes, runs. Calls are queued, one at a
   * time a model. Throws `LitertError`.
   */
  run(signature: string, inputs: Readonly<Record<string, Tensor>>, options?: RunOptions): Promise<RunResult>;
  /** Zeroes and frees. Idempotent. */
  close(): Promise<void>;
}
