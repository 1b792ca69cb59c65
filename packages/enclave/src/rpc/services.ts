/** The services of tf_trusted.v1 over sessions and models: messages in, messages out, nothing else. */
import {create} from "@bufbuild/protobuf";
import {type ConnectRouter, createContextKey, type HandlerContext} from "@connectrpc/connect";
import type {Signature, TensorSpec} from "@tf-trusted/litert";
import {
  AttestationService,
  AttestResponseSchema,
  DeleteModelResponseSchema,
  DescribeModelResponseSchema,
  dtypeToMessage,
  evidenceToMessage,
  ListModelsResponseSchema,
  type Model,
  Model_FiguresSchema,
  ModelSchema,
  ModelService,
  type ModelSummary,
  ModelSummarySchema,
  PredictionService,
  type Quantization as QuantizationMessage,
  QuantizationSchema,
  type Signature as SignatureMessage,
  SignatureSchema,
  type TensorSpec as TensorSpecMessage,
  TensorSpecSchema,
  UploadModelResponseSchema,
} from "@tf-trusted/protocol";
import type {Quantization} from "@tf-trusted/tflite";
import type {EnclaveConfiguration} from "../configuration.ts";
import type {EventSink} from "../events.ts";
import type {ModelInfo, ModelRegistry} from "../models/registry.ts";
import type {Session} from "../session/session.ts";
import {predict} from "./predict.ts";
import {toConnectError} from "./wire-error.ts";

/** The connection's session, for handlers. */
export const sessionKey = createContextKey<Session | undefined>(undefined, {description: "session"});

export interface Services {
  readonly configuration: EnclaveConfiguration;
  readonly registry: ModelRegistry;
  readonly events: EventSink;
}

/** An Attest request has 34 bytes; a chunk of an upload is bounded so that it needs no more memory than that. */
const messageLimits = {attest: 1024, chunk: 8 * 2 ** 20} as const;

export function addServices(router: ConnectRouter, {configuration, registry, events}: Services): void {
  /** Runs a handler and gives its failures the form that travels. */
  async function answer<T>(context: HandlerContext, run: () => Promise<T> | T): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw toConnectError(error, context.method.name, events);
    }
  }

  router.service(
    AttestationService,
    {
      attest: ({nonce}, context) =>
        answer(context, async () => {
          const {evidence, claims} = await context.values.get(sessionKey)!.attest(nonce);
          return create(AttestResponseSchema, {
            evidence: evidenceToMessage(evidence),
            claims: claims as Uint8Array<ArrayBuffer>,
          });
        }),
    },
    {readMaxBytes: messageLimits.attest},
  );

  router.service(
    ModelService,
    {
      uploadModel: (requests, context) =>
        answer(context, async () => {
          const start = performance.now();
          const info = await registry.upload(requests, context.signal);
          const milliseconds = Math.round(performance.now() - start);
          events({event: "model-loaded", models: registry.count, milliseconds});
          return create(UploadModelResponseSchema, {model: modelMessage(info)});
        }),
      listModels: (_, context) =>
        answer(context, () => create(ListModelsResponseSchema, {models: registry.list().map(summaryMessage)})),
      describeModel: ({name}, context) =>
        answer(context, () => create(DescribeModelResponseSchema, {model: describedMessage(registry.describe(name))})),
      deleteModel: ({name}, context) =>
        answer(context, async () => {
          await registry.delete(name);
          events({event: "model-deleted", models: registry.count});
          return create(DeleteModelResponseSchema);
        }),
    },
    {readMaxBytes: messageLimits.chunk},
  );

  router.service(
    PredictionService,
    {
      predict: (request, context) =>
        answer(context, () =>
          predict(
            request,
            {configuration, registry},
            {session: context.values.get(sessionKey)!, timeoutMs: context.timeoutMs(), signal: context.signal},
          ),
        ),
    },
    {readMaxBytes: configuration.maxMessageBytes},
  );
}

function summaryMessage({name, size, sha256}: ModelInfo): ModelSummary {
  return create(ModelSummarySchema, {name, size: BigInt(size), sha256: sha256 as Uint8Array<ArrayBuffer>});
}

function modelMessage(info: ModelInfo): Model {
  return create(ModelSchema, {summary: summaryMessage(info), signatures: info.signatures.map(signatureMessage)});
}

function describedMessage({figures, ...info}: ReturnType<ModelRegistry["describe"]>): Model {
  const {memoryBytes, calls} = figures;
  const message = {...figures, memoryBytes: BigInt(memoryBytes), calls: BigInt(calls)};
  return {...modelMessage(info), figures: create(Model_FiguresSchema, message)};
}

function signatureMessage({name, inputs, outputs, stateful, batching}: Signature): SignatureMessage {
  return create(SignatureSchema, {
    name,
    inputs: inputs.map(specMessage),
    outputs: outputs.map(specMessage),
    stateful,
    ...(batching && ("refused" in batching ? {batchingRefused: batching.refused} : {maxBatch: batching.maxRows})),
  });
}

function specMessage({name, dtype, shape, quantization}: TensorSpec): TensorSpecMessage {
  return create(TensorSpecSchema, {
    name,
    dataType: dtypeToMessage(dtype),
    shape: shape.map(BigInt),
    ...(quantization && {quantization: quantizationMessage(quantization)}),
  });
}

function quantizationMessage({scale, zeroPoint, quantizedDimension}: Quantization): QuantizationMessage {
  return create(QuantizationSchema, {
    scales: [...scale],
    zeroPoints: [...zeroPoint],
    dimension: quantizedDimension,
  });
}
