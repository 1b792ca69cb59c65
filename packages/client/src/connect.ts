/** The SDK: `connect` → `load` → `predict`. One connection, several calls at once; every reconnection is attested anew. */
import {createHash} from "node:crypto";
import {create, type MessageInitShape} from "@bufbuild/protobuf";
import type {Client} from "@connectrpc/connect";
import {type Evidence, type Policy, type PolicyInput, parsePolicy, type Report} from "@tf-trusted/attestation";
import type {ConvertResult} from "@tf-trusted/convert";
import {encodeHex} from "@tf-trusted/core";
import {
  dtypeFromMessage,
  type EnclaveClaims,
  type Model as ModelMessage,
  type ModelService,
  maxSessionMs,
  PredictRequestSchema,
  type ModelSummary as SummaryMessage,
  type TensorSpec,
  tensorsFromMessages,
  tensorsToMessages,
  type UploadModelRequest_StartSchema,
  UploadModelRequestSchema,
} from "@tf-trusted/protocol";
import type {Tensor} from "@tf-trusted/tensor";
import {parseAddress} from "./address.ts";
import {toCallError} from "./call-error.ts";
import {CallError, ClientError} from "./client-error.ts";
import type {CollateralSource} from "./collateral/source.ts";
import type {
  CallOptions,
  Model,
  ModelDescription,
  ModelFigures,
  ModelSummary,
  ModelTensor,
  Prediction,
  PredictRequest,
} from "./model.ts";
import {type AttestedSession, openSession, type SessionOptions} from "./session.ts";

export interface ConnectOptions {
  /** `host:port` */
  readonly address: string;
  /** What is accepted: JSON text or value, or one that was parsed. */
  readonly policy: Policy | PolicyInput | string;
  /** The clock for dates of certificates and collateral; default: this machine's. */
  readonly now?: () => Date;
  /** For connecting and attesting; default: 30 s. */
  readonly timeoutMs?: number;
  /** Where collateral comes from; default: with the evidence. */
  readonly collateral?: CollateralSource;
  /** Age at which a session is replaced by a new one; default and most: 55 minutes. */
  readonly renewAfterMs?: number;
  readonly signal?: AbortSignal;
}

export interface LoadOptions extends CallOptions {
  readonly name: string;
  /** Cores that a call may use, where the enclave's engine can; default: 1. */
  readonly threads?: number;
  /**
   * Rows up to which calls of several callers are joined and run as one; 1: never; default: as the enclave is configured.
   * Refused with `MODEL_BATCH` for models that aren't proven to treat the rows of a batch apart.
   */
  readonly maxBatch?: number;
  /** Milliseconds that a call waits for others to be joined with; only beside `maxBatch`; default: 0. */
  readonly maxDelayMs?: number;
}

export interface EnclaveConnection {
  readonly address: string;
  /** Of the current session, as all below. */
  readonly report: Report;
  readonly claims: EnclaveClaims;
  readonly evidence: Evidence;
  /**
   * Sends a `.tflite` file, or what `convert` gave, and waits until it can be called; a model of that name is replaced.
   * Throws `CallError` with `INVALID_MODEL`, `UNSUPPORTED_OP` …
   */
  load(model: Uint8Array | Pick<ConvertResult, "model">, options: LoadOptions): Promise<Model & ModelDescription>;
  /** A handle on a model that is there; nothing is asked. */
  model(name: string): Model;
  list(options?: CallOptions): Promise<readonly ModelSummary[]>;
  delete(name: string, options?: CallOptions): Promise<void>;
  predict(request: PredictRequest): Promise<Record<string, Tensor>>;
  predictDetailed(request: PredictRequest): Promise<Prediction>;
  /** Ends calls under way. Idempotent. */
  close(): Promise<void>;
}

const defaultRenewMs = maxSessionMs - 300_000;
const chunkBytes = 2 ** 20;

/**
 * Connects, verifies evidence against the policy, and only then lets calls through. Throws `AttestationError` (with the
 * report), `ClientError`, and `POLICY_INVALID`.
 *
 * ```ts
 * const enclave = await connect({address: "localhost:50051", policy: await readFile("policy.json", "utf8")});
 * const model = await enclave.load(await readFile("digits.tflite"), {name: "digits"});
 * const {probabilities} = await model.predict({image: readNpy(await readFile("x.npy"))});
 * ```
 */
export async function connect(options: ConnectOptions): Promise<EnclaveConnection> {
  const {policy, now = () => new Date(), timeoutMs = 30_000, renewAfterMs = defaultRenewMs, signal} = options;
  const sessionOptions: SessionOptions = {
    address: parseAddress(options.address),
    policy: parsePolicy(policy as PolicyInput | string),
    now,
    timeoutMs,
    ...(options.collateral && {collateral: options.collateral}),
  };
  const first = await openSession({...sessionOptions, signal});
  return new Connection(options.address, first, sessionOptions, Math.min(renewAfterMs, defaultRenewMs));
}

class Connection implements EnclaveConnection {
  readonly address: string;
  readonly #options: SessionOptions;
  readonly #renewAfterMs: number;
  readonly #retired = new Set<AttestedSession>();
  /** Where models were called last: what one keeps from call to call is in that session. */
  readonly #calledIn = new Map<string, AttestedSession>();
  #session: AttestedSession;
  #opening: Promise<AttestedSession> | undefined;
  #closed = false;

  constructor(address: string, session: AttestedSession, options: SessionOptions, renewAfterMs: number) {
    this.address = address;
    this.#session = session;
    this.#options = options;
    this.#renewAfterMs = renewAfterMs;
  }

  get report(): Report {
    return this.#session.report;
  }

  get claims(): EnclaveClaims {
    return this.#session.claims;
  }

  get evidence(): Evidence {
    return this.#session.evidence;
  }

  async load(
    source: Uint8Array | Pick<ConvertResult, "model">,
    {name, threads = 0, maxBatch = 0, maxDelayMs = 0, ...options}: LoadOptions,
  ): Promise<Model & ModelDescription> {
    const file = source instanceof Uint8Array ? source : source.model;
    const sha256 = Uint8Array.from(createHash("sha256").update(file).digest());
    const start = {name, threads, maxBatch, maxDelayMs, size: BigInt(file.length), sha256};
    const {model} = await this.#call(options, ({models}, call) =>
      models.uploadModel(uploadMessages(start, file), call),
    );
    this.#calledIn.delete(name);
    return Object.assign(this.model(name), descriptionFrom(model));
  }

  model(name: string): Model {
    return {
      name,
      describe: async (options = {}) => {
        const {model} = await this.#call(options, ({models}, call) => models.describeModel({name}, call));
        return descriptionFrom(model);
      },
      predict: (inputs, options) => this.predict({...options, model: name, inputs}),
      predictDetailed: (inputs, options) => this.predictDetailed({...options, model: name, inputs}),
      delete: (options) => this.delete(name, options),
    };
  }

  async list(options: CallOptions = {}): Promise<readonly ModelSummary[]> {
    const {models} = await this.#call(options, (session, call) => session.models.listModels({}, call));
    return models.map(summaryFrom);
  }

  async delete(name: string, options: CallOptions = {}): Promise<void> {
    await this.#call(options, ({models}, call) => models.deleteModel({name}, call));
    this.#calledIn.delete(name);
  }

  async predict(request: PredictRequest): Promise<Record<string, Tensor>> {
    return (await this.predictDetailed(request)).outputs;
  }

  async predictDetailed({model, inputs, signature = "", ...options}: PredictRequest): Promise<Prediction> {
    const start = performance.now();
    const request = create(PredictRequestSchema, {
      model,
      signature,
      inputs: tensorsToMessages(inputs),
      deadlineMs: Math.ceil(options.deadlineMs ?? 0),
      wantTimings: true,
    });
    const {deadlineMs, signal} = options;
    const answer = await this.#retrying(async (session) => {
      if (this.#calledIn.get(model) !== session) await this.#enter(session, model);
      return session.predict(request, {
        ...(deadlineMs !== undefined && {timeoutMs: deadlineMs}),
        ...(signal && {signal}),
      });
    });
    const {queueMs = 0, engineMs = 0, enclaveMs = 0} = answer.timings ?? {};
    return {
      outputs: {...tensorsFromMessages(answer.outputs)},
      timings: {queueMs, engineMs, enclaveMs, callMs: performance.now() - start},
      modelSha256: encodeHex(answer.modelSha256),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#session.destroy();
    for (const session of this.#retired) session.destroy();
    await this.#opening?.then(
      (session) => session.destroy(),
      () => undefined,
    );
  }

  /** A model's first call in a session. Throws `STATE_LOST` where an earlier session took what the model keeps with it. */
  async #enter(session: AttestedSession, name: string): Promise<void> {
    const before = this.#calledIn.get(name);
    if (before !== undefined) {
      const {model} = await session.models.describeModel({name});
      if (model?.signatures.some(({stateful}) => stateful)) {
        this.#calledIn.delete(name);
        throw new ClientError(
          "STATE_LOST",
          `the session in which "${name}" was called before ended, and its state with it`,
        );
      }
    }
    this.#calledIn.set(name, session);
  }

  /** A call that notices the end of its session by a signal. */
  #call<T>(
    {deadlineMs, signal}: CallOptions,
    run: (
      session: AttestedSession,
      call: NonNullable<Parameters<Client<typeof ModelService>["listModels"]>[1]>,
    ) => Promise<T>,
  ): Promise<T> {
    return this.#retrying(async (session) => {
      const abort = new AbortController();
      const stop = () => abort.abort();
      for (const source of [session.ended, signal]) source?.addEventListener("abort", stop, {once: true});
      if (session.ended.aborted || signal?.aborted) stop();
      try {
        return await run(session, {...(deadlineMs !== undefined && {timeoutMs: deadlineMs}), signal: abort.signal});
      } finally {
        for (const source of [session.ended, signal]) source?.removeEventListener("abort", stop);
      }
    });
  }

  /** Runs a call on an attested session; once more on a new one if the enclave says that the session ended before it. */
  async #retrying<T>(run: (session: AttestedSession) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const session = await this.#current();
      try {
        return await run(session);
      } catch (error) {
        const failure = toCallError(error, session.usable);
        if (this.#closed) throw new ClientError("CLOSED", "the connection was closed during the call", {cause: error});
        const refusedUnseen = failure instanceof CallError && failure.code === "SESSION_EXPIRED";
        if (!refusedUnseen || attempt > 1) throw failure;
        this.#retire(session);
      }
    }
  }

  /** The session, or a new one, attested in the same way, where it ended or grew old. */
  #current(): Promise<AttestedSession> {
    if (this.#closed) return Promise.reject(new ClientError("CLOSED", "the connection was closed"));
    const session = this.#session;
    const young = performance.now() - session.since < this.#renewAfterMs;
    if (session.usable && young && !this.#retired.has(session)) return Promise.resolve(session);
    this.#opening ??= openSession(this.#options)
      .then((opened) => {
        if (this.#closed) {
          opened.destroy();
          throw new ClientError("CLOSED", "the connection was closed");
        }
        this.#retire(session);
        this.#session = opened;
        return opened;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  #retire(session: AttestedSession): void {
    for (const old of this.#retired) if (!old.usable) this.#retired.delete(old);
    this.#retired.add(session);
    session.retire();
  }
}

async function* uploadMessages(start: MessageInitShape<typeof UploadModelRequest_StartSchema>, file: Uint8Array) {
  yield create(UploadModelRequestSchema, {part: {case: "start", value: start}});
  for (let offset = 0; offset < file.length; offset += chunkBytes) {
    const chunk = file.subarray(offset, offset + chunkBytes) as Uint8Array<ArrayBuffer>;
    yield create(UploadModelRequestSchema, {part: {case: "chunk", value: chunk}});
  }
}

function summaryFrom({name, size, sha256}: SummaryMessage): ModelSummary {
  return {name, size: Number(size), sha256: encodeHex(sha256)};
}

function descriptionFrom(model: ModelMessage | undefined): ModelDescription {
  if (model?.summary === undefined) throw new ClientError("PROTOCOL", "the answer has no model, expected one");
  return {
    ...summaryFrom(model.summary),
    signatures: model.signatures.map(({name, inputs, outputs, stateful, maxBatch, batchingRefused}) => ({
      name,
      inputs: inputs.map(tensorFrom),
      outputs: outputs.map(tensorFrom),
      stateful,
      ...(maxBatch > 0 && {maxBatch}),
      ...(batchingRefused !== "" && {batchingRefused}),
    })),
    ...(model.figures && {figures: figuresFrom(model.figures)}),
  };
}

function figuresFrom({
  workers,
  threads,
  memoryBytes,
  calls,
  running,
  waiting,
  engineMs,
}: NonNullable<ModelMessage["figures"]>): ModelFigures {
  return {workers, threads, memoryBytes: Number(memoryBytes), calls: Number(calls), running, waiting, engineMs};
}

function tensorFrom({name, dataType, shape, quantization}: TensorSpec): ModelTensor {
  return {
    name,
    dtype: dtypeFromMessage(dataType),
    shape: shape.map(Number),
    ...(quantization && {quantization}),
  };
}
