/** What can be wrong with a message, apart from protobuf itself. */
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";

export const protocolErrors = {
  CLAIMS_INVALID: {
    when: "The enclave's claims aren't canonical JSON with exactly the members of this protocol version.",
    todo: "Use a client and an enclave of the same version; the message names the member.",
  },
  SESSION_FIELD: {
    when: "A field of the session's report data has another length than the protocol prescribes.",
    todo: "The nonce, the exporter and the digests have 32 bytes each.",
  },
  MESSAGE_INVALID: {
    when: "A message on a stream is compressed, cut off, or not a protocol buffer of its type.",
    todo: "Send uncompressed gRPC messages of the type that the service has.",
  },
  MESSAGE_SIZE: {
    when: "A message on a stream is longer than is allowed, or all streams together hold too much.",
    todo: "Send smaller batches, or fewer at once.",
  },
  TENSOR_MESSAGE: {
    when: "A tensor in a message has no name, an unknown data type, a bad shape, or a name that came before.",
    todo: "The message names the tensor; shapes have whole dimensions >= 0, each name occurs once.",
  },
} as const satisfies ErrorTable;

export type ProtocolErrorCode = keyof typeof protocolErrors;

/** The only error that this package throws, beside those of `Tensor`. */
export class ProtocolError extends TfTrustedError<ProtocolErrorCode> {}
