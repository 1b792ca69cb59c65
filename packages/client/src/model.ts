/** A model in an enclave, and what can be done with it. */
import type {Quantization} from "@tf-trusted/protocol";
import type {DType, Tensor} from "@tf-trusted/tensor";

export type Tensors = Readonly<Record<string, Tensor>>;

export interface ModelTensor {
  readonly name: string;
  readonly dtype: DType;
  /** Dimensions, -1 where any size is allowed. */
  readonly shape: readonly number[];
  /** scale · (value − zero point). */
  readonly quantization?: Pick<Quantization, "scales" | "zeroPoints" | "dimension">;
}

export interface ModelSignature {
  readonly name: string;
  readonly inputs: readonly ModelTensor[];
  readonly outputs: readonly ModelTensor[];
  /** Whether the graph keeps state from call to call. */
  readonly stateful: boolean;
  /** Rows up to which calls of several callers are joined; absent where they aren't. */
  readonly maxBatch?: number;
  /** Why they aren't, where that was asked for. */
  readonly batchingRefused?: string;
}

export interface ModelSummary {
  readonly name: string;
  /** Bytes of the file. */
  readonly size: number;
  /** Of the file, hexadecimal. */
  readonly sha256: string;
}

export interface ModelDescription extends ModelSummary {
  readonly signatures: readonly ModelSignature[];
  /** Of `describe` alone. */
  readonly figures?: ModelFigures;
}

/** A model's life in the enclave's memory. */
export interface ModelFigures {
  /** Workers that hold it; 0 while it is unloaded, until the next call. */
  readonly workers: number;
  readonly threads: number;
  /** The file and what its workers hold. */
  readonly memoryBytes: number;
  /** Since it was uploaded. */
  readonly calls: number;
  readonly running: number;
  readonly waiting: number;
  /** Computing time of all calls. */
  readonly engineMs: number;
}

export interface CallOptions {
  /** Milliseconds until the call fails with `DEADLINE`. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface PredictOptions extends CallOptions {
  /** May be left out where the model has one, or `serving_default`. */
  readonly signature?: string;
}

export interface PredictRequest extends PredictOptions {
  readonly model: string;
  readonly inputs: Tensors;
}

export interface Prediction {
  readonly outputs: Record<string, Tensor>;
  readonly timings: PredictionTimings;
  /** Of the model file that gave the outputs, hexadecimal. */
  readonly modelSha256: string;
}

/** Milliseconds. */
export interface PredictionTimings {
  /** In the enclave, but not computing: waiting for the model, checks, handing tensors over. */
  readonly queueMs: number;
  readonly engineMs: number;
  readonly enclaveMs: number;
  /** The whole call, as seen here. */
  readonly callMs: number;
}

export interface Model {
  readonly name: string;
  /** Asks the enclave. Throws `MODEL_UNKNOWN`. */
  describe(options?: CallOptions): Promise<ModelDescription>;
  /** Outputs by name. */
  predict(inputs: Tensors, options?: PredictOptions): Promise<Record<string, Tensor>>;
  /** The same, with timings and the digest of the model. */
  predictDetailed(inputs: Tensors, options?: PredictOptions): Promise<Prediction>;
  delete(options?: CallOptions): Promise<void>;
}
