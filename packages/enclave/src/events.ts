/**
 * What the enclave tells its untrusted host: typed events, one JSON line each. An event has the fields of its type and no
 * others, so that nothing of callers (names, tensors, keys, addresses, messages of errors) can slip in.
 */
import {EnclaveError, type EnclaveErrorCode} from "./enclave-error.ts";
import type {PlatformKind} from "./platforms/platform.ts";

export type EnclaveEvent =
  | {
      readonly event: "started";
      readonly engine: string;
      readonly port: number;
      readonly platform: PlatformKind;
      /** What evidence will say, hexadecimal. */
      readonly measurement: string;
    }
  /** Before any caller came: what is wrong with the platform, the flags or the configuration. */
  | {readonly event: "start-refused"; readonly code: EnclaveErrorCode; readonly message: string}
  | {readonly event: "session-attested"; readonly milliseconds: number}
  | {readonly event: "session-refused"; readonly code: string}
  | {readonly event: "session-expired"}
  | {readonly event: "model-loaded"; readonly models: number; readonly milliseconds: number}
  | {readonly event: "model-deleted"; readonly models: number}
  | {readonly event: "call-failed"; readonly method: string; readonly code: string}
  /** A bug of ours. `where` is the innermost place in our own code: file and line, no text of the error. */
  | {readonly event: "internal-error"; readonly name: string; readonly where: string}
  | {readonly event: "stopping"};

export type EventSink = (event: EnclaveEvent) => void;

/** The event for an error that should not have happened. */
export function internalError(error: unknown): EnclaveEvent {
  const name = error instanceof Error ? error.constructor.name : typeof error;
  const where = error instanceof Error ? (/\n\s+at .*?([\w.-]+:\d+:\d+)/.exec(error.stack ?? "")?.[1] ?? "") : "";
  return {event: "internal-error", name, where};
}

/** The event for what ends a start: of its own surroundings, told before there is anything secret. */
export function startRefusal(error: unknown): EnclaveEvent {
  return error instanceof EnclaveError
    ? {event: "start-refused", code: error.code, message: error.message}
    : internalError(error);
}
