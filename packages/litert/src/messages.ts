/** What the caller's thread and a model's worker (a thread or a process) say to each other. One request at a time; each has one answer. */
import type {Signature} from "./engine.ts";
import {LitertError, type LitertErrorCode} from "./litert-error.ts";

export type Request =
  /** Reads and checks the model. The first request, once. */
  | {readonly kind: "admit"}
  /** Compiles what has fixed shapes. */
  | {readonly kind: "prepare"}
  /** Runs what is compiled on zeros. */
  | {readonly kind: "warmUp"}
  /** `inputs` are given away; `shapes` and `inputs` in the signature's order. */
  | {
      readonly kind: "run";
      readonly signature: number;
      readonly shapes: readonly (readonly number[])[];
      readonly inputs: readonly Uint8Array<ArrayBuffer>[];
    }
  /** Wipes all instances. The last request. */
  | {readonly kind: "close"};

export interface Output {
  readonly shape: readonly number[];
  /** The engine's bytes, given away. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type Answer =
  | {readonly kind: "admitted"; readonly signatures: readonly Signature[]}
  /** `memoryBytes`: of the model's heaps. */
  | {readonly kind: "done"; readonly memoryBytes: number}
  /** `inputs`: the memory that the request gave away, overwritten, for the next one. */
  | {
      readonly kind: "outputs";
      readonly outputs: readonly Output[];
      readonly engineMs: number;
      readonly inputs: readonly Uint8Array<ArrayBuffer>[];
      readonly memoryBytes: number;
    }
  | {readonly kind: "failed"; readonly error: WireError};

/** An error without its prototype, which messages between threads lose. */
export interface WireError {
  readonly code: LitertErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export function toWire(error: unknown): WireError {
  if (error instanceof LitertError) {
    return {code: error.code, message: error.message.slice(error.code.length + 2), details: error.details};
  }
  // Anything else is a bug or an exhausted heap of this worker; the model's owner learns the kind only.
  const name = error instanceof Error ? `${error.name}: ${error.message}` : typeof error;
  return {code: "ENGINE_ERROR", message: `unexpected failure in the worker: ${name}`, details: {}};
}

export function fromWire({code, message, details}: WireError): LitertError {
  return new LitertError(code, message, {details});
}
