/** A failed call as the error that the caller gets: the enclave's own coded error where it sent one. */
import {Code, ConnectError} from "@connectrpc/connect";
import {TfTrustedError} from "@tf-trusted/core";
import {ErrorDetailSchema} from "@tf-trusted/protocol";
import {CallError, ClientError} from "./client-error.ts";

const lostCodes: ReadonlySet<Code> = new Set([Code.Unavailable, Code.Aborted]);

/** `connected` tells whether the connection is still there. Errors with a code of ours pass through. */
export function toCallError(error: unknown, connected: boolean): TfTrustedError {
  if (error instanceof TfTrustedError) return error;
  if (!(error instanceof ConnectError)) throw error;
  const detail = error.findDetails(ErrorDetailSchema)[0];
  if (detail) {
    const {code, message, todo} = detail;
    return new CallError(code, message, {details: {todo, grpc: Code[error.code]}, cause: error});
  }
  const {code, rawMessage} = error;
  if (code === Code.DeadlineExceeded) {
    return new CallError("DEADLINE", "the call took longer than its deadline", {cause: error});
  }
  if (code === Code.Canceled && connected) return new CallError("CANCELLED", "the call was cancelled", {cause: error});
  // With the connection gone, gRPC libraries report whatever they noticed first.
  if (!connected || lostCodes.has(code)) {
    return new ClientError("CONNECTION_LOST", `the connection ended during the call (${rawMessage})`, {cause: error});
  }
  if (code === Code.ResourceExhausted) {
    return new CallError("TOO_LARGE", `a message is larger than allowed (${rawMessage})`, {cause: error});
  }
  return new ClientError("PROTOCOL", `found the gRPC status ${Code[code]} (${rawMessage}), expected an answer`, {
    cause: error,
  });
}
