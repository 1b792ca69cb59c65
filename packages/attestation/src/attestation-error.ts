/** What the parsers and the policy reader of this package throw. Verification itself never throws: it reports. */
import {CoreError, type ErrorTable, TfTrustedError} from "@tf-trusted/core";
import type {AttestationCode} from "./codes.ts";

/** Codes that are thrown and never stand in a report; the report's own are in `attestationCodes`. */
export const attestationErrors = {
  POLICY_INVALID: {
    when: "A policy isn't JSON, has unknown or missing members, or values out of range.",
    todo: "Correct all places that the message lists; `tf-trusted policy check` shows them too.",
  },
  BUNDLE_INVALID: {
    when: "A bundle of evidence, time, files and policy lacks a part, or has one of another kind.",
    todo: "Correct the place that the message names; docs/attestation.md has the form.",
  },
  CBOR_INVALID: {
    when: "CBOR isn't in its strict form, or a value isn't what its place asks for.",
    todo: "Check that the document was transported whole, as raw bytes.",
  },
  DER_INVALID: {
    when: "Bytes aren't strict DER (X.690): a length, tag or value in another than its only encoding.",
    todo: "Check that the file is DER and whole.",
  },
  JSON_INVALID: {
    when: "Text isn't strict JSON: syntax, a member given twice, nesting too deep, or invalid UTF-8.",
    todo: "Correct the text at the offset that the message names.",
  },
  LAYOUT_INVALID: {
    when: "A value to be written doesn't fit its field of a byte layout.",
    todo: "Give a value of the length and range that the message names.",
  },
  RATLS_INVALID: {
    when: "A certificate isn't one of RA-TLS: it can't be read, isn't signed by its own key, or has no evidence about that key.",
    todo: "Check that the server's own certificate was taken, and no proxy's; the message says what it lacks.",
  },
  CLOCK_INVALID: {
    when: "The time of verification isn't a time, so that no date could be compared with it.",
    todo: "Pass a valid Date as `now`.",
  },
  SIMULATION_STATE: {
    when: "The stored state of a simulated platform can't be read.",
    todo: "Delete the file; a new simulated root is made, and policies have to name it.",
  },
} as const satisfies ErrorTable;

export type AttestationErrorCode = AttestationCode | keyof typeof attestationErrors;

/** A failure with the code of `attestationCodes` or {@link attestationErrors}. `details` has `expected` and `found`. */
export class AttestationError extends TfTrustedError<AttestationErrorCode> {}

/** An {@link AttestationError} from what was found and what was expected. */
export function unexpected(
  code: AttestationErrorCode,
  found: string,
  expected: string,
  cause?: unknown,
): AttestationError {
  return new AttestationError(code, `found ${found}, expected ${expected}`, {details: {found, expected}, cause});
}

/**
 * Runs a parser and gives every failure of the readers beneath it the code of the structure that is being read, so that
 * a truncated integer in a CRL is a `CRL_FORMAT`. Codes that are already of a report pass through.
 */
export function parsing<T>(code: AttestationCode, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof CoreError || (error instanceof AttestationError && error.code in attestationErrors)) {
      throw unexpected(code, `${what} that can't be read (${error.message})`, `a well-formed ${what}`, error);
    }
    throw error;
  }
}
