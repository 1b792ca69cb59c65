import {type ErrorTable, TfTrustedError} from "./error.ts";

export const coreErrors = {
  BYTES_TRUNCATED: {
    when: "A structure claims more bytes than there are.",
    todo: "Check that the file or message is complete.",
  },
  BYTES_TRAILING: {
    when: "Bytes are left after the end of a structure.",
    todo: "Check where the input comes from: nothing may follow.",
  },
  HEX_INVALID: {
    when: "A hexadecimal string has an odd length or other characters.",
    todo: "Give pairs of 0-9, a-f or A-F, without separators.",
  },
  JSON_NOT_CANONICAL: {
    when: "A value to be hashed holds what JSON can't carry (NaN, infinity, lone surrogates, undefined).",
    todo: "Use finite numbers, well-formed strings, arrays and plain objects.",
  },
} as const satisfies ErrorTable;

/** Failures of the shared readers and encodings. */
export class CoreError extends TfTrustedError<keyof typeof coreErrors> {}
