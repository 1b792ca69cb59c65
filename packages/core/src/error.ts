/**
 * The one error class of TF Trusted. Each package extends it with its own closed set of codes, declared as a table that
 * the documentation (`docs/errors.md`) is generated from.
 */

/** One row of a package's error table: when the code is given, and what the reader should do about it. */
export interface ErrorEntry {
  readonly when: string;
  readonly todo: string;
}

/** A package's codes. Keys are stable, `UPPER_SNAKE`, and start with the package's subject (`NPY_…`, `TFLITE_…`). */
export type ErrorTable = Readonly<Record<string, ErrorEntry>>;

/** Machine-readable facts about a failure. Never tensor values, keys or other callers' data. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ErrorOptions {
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/**
 * An error with a stable `code`. The message says what was found, what was expected, where, and what to do;
 * `toString()` and `stack` show the code in front of it.
 */
export class TfTrustedError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly details: ErrorDetails;

  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super(`${code}: ${message}`, options.cause === undefined ? undefined : {cause: options.cause});
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }
}
