/** Any failure as what a caller may know of it: our code, message and advice for refusals; nothing for bugs of ours. */
import {create} from "@bufbuild/protobuf";
import {Code, ConnectError} from "@connectrpc/connect";
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";
import {litertErrors} from "@tf-trusted/litert";
import {type ErrorDetail, ErrorDetailSchema, grpcCodeOf, isWireCode, protocolErrors} from "@tf-trusted/protocol";
import {tensorErrors} from "@tf-trusted/tensor";
import {enclaveErrors} from "../enclave-error.ts";
import {type EventSink, internalError} from "../events.ts";

const advice: ErrorTable = {...tensorErrors, ...litertErrors, ...protocolErrors, ...enclaveErrors};

/** Longer messages (hundreds of findings) don't fit into trailers, for which peers allow 8 to 16 KB. */
const maxMessageLength = 3000;

/** Logs and translates. */
export function toConnectError(error: unknown, method: string, events: EventSink): ConnectError {
  if (error instanceof ConnectError) {
    events({event: "call-failed", method, code: Code[error.code] ?? "Unknown"});
    return error;
  }
  const value = toErrorDetail(error, method, events);
  const {code, message} = value;
  return new ConnectError(`${code}: ${message}`, grpcCodeOf(code) as Code, undefined, [
    {desc: ErrorDetailSchema, value},
  ]);
}

/** The same, as the message that travels. */
export function toErrorDetail(error: unknown, method: string, events: EventSink): ErrorDetail {
  if (!(error instanceof TfTrustedError) || !isWireCode(error.code)) {
    events(internalError(error));
    return create(ErrorDetailSchema, {
      code: "INTERNAL",
      message: "the enclave failed; its log says where",
      todo: "Report this: it is a bug.",
    });
  }
  const {code} = error;
  events({event: "call-failed", method, code});
  const prefix = `${code}: `;
  const message = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
  const short = message.length > maxMessageLength ? `${message.slice(0, maxMessageLength)} …` : message;
  return create(ErrorDetailSchema, {code, message: short, todo: advice[code]?.todo ?? ""});
}
