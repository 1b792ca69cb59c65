/** One prediction, however it came: messages in, messages out. */
import {create} from "@bufbuild/protobuf";
import {
  type PredictRequest,
  type PredictResponse,
  PredictResponseSchema,
  TimingsSchema,
  tensorsFromMessages,
  tensorsToMessages,
} from "@tf-trusted/protocol";
import type {EnclaveConfiguration} from "../configuration.ts";
import type {ModelRegistry} from "../models/registry.ts";
import type {Session} from "../session/session.ts";

export interface PredictContext {
  readonly configuration: EnclaveConfiguration;
  readonly registry: ModelRegistry;
}

export interface PredictCaller {
  readonly session: Session;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * The bytes of the request's tensors are copied before the first `await` ends. `timeoutMs` is what the RPC allows. Throws
 * `TENSOR_…` and as `ModelRegistry.predict`.
 */
export async function predict(
  request: PredictRequest,
  {configuration, registry}: PredictContext,
  {session, timeoutMs, signal}: PredictCaller,
): Promise<PredictResponse> {
  const start = performance.now();
  const {outputs, engineMs, info} = await registry.predict({
    session,
    model: request.model,
    signature: request.signature,
    inputs: tensorsFromMessages(request.inputs),
    deadlineMs: deadlineOf(request.deadlineMs, timeoutMs, configuration.maxDeadlineMs),
    signal,
  });
  const enclaveMs = performance.now() - start;
  const timings = {queueMs: Math.max(0, enclaveMs - engineMs), engineMs, enclaveMs};
  return create(PredictResponseSchema, {
    outputs: tensorsToMessages(outputs),
    modelSha256: info.sha256 as Uint8Array<ArrayBuffer>,
    ...(request.wantTimings && {timings: create(TimingsSchema, timings)}),
  });
}

/** The shortest of what the caller, the RPC and the enclave allow. */
function deadlineOf(asked: number, rpc: number | undefined, most: number): number {
  return Math.max(1, Math.min(asked > 0 ? asked : most, rpc ?? most, most));
}
