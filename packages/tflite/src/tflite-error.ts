/** Failures of the TensorFlow Lite file format: reading, writing, specialising. */
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";

export const tfliteErrors = {
  TFLITE_IDENTIFIER: {
    when: "The bytes are not a TensorFlow Lite file: no `TFL3` at offset 4.",
    todo: "Give a `.tflite` file; convert other formats first.",
  },
  TFLITE_VERSION: {
    when: "The schema version of the file is not 3.",
    todo: "Convert the model again with a current converter.",
  },
  TFLITE_TRUNCATED: {
    when: "A structure of the file reaches past its end, or the file is too short to be one.",
    todo: "Check that the whole file arrived.",
  },
  TFLITE_OFFSET: {
    when: "An offset points nowhere, backwards, outside the file, or not at a multiple of what it points to.",
    todo: "The file is damaged or forged: get it again from where it was made.",
  },
  TFLITE_LAYOUT: {
    when: "A table's field list is impossible: fields outside the table, impossible sizes, required parts missing.",
    todo: "The file is damaged or forged: get it again from where it was made.",
  },
  TFLITE_UNKNOWN_FIELD: {
    when: "A table has a field that the known schema doesn't have.",
    todo: "Convert the model again for the schema of LiteRT 2.3, or update TF Trusted.",
  },
  TFLITE_UNKNOWN_VALUE: {
    when: "An enumeration, union or truth value is none of the known ones (operator, tensor type, padding …).",
    todo: "Convert the model again for the schema of LiteRT 2.3, or update TF Trusted.",
  },
  TFLITE_STRING: {
    when: "A string is not UTF-8 or not terminated.",
    todo: "The file is damaged or forged: get it again from where it was made.",
  },
  TFLITE_BUFFER: {
    when: "A buffer's data, stored after the tables, lies outside the file.",
    todo: "Check that the whole file arrived.",
  },
  TFLITE_EXTERNAL: {
    when: "The file refers to weights in other files.",
    todo: "Make one self-contained file.",
  },
  TFLITE_LIMIT: {
    when: "The file exceeds a limit: bytes, tables, or structures that share so many parts that reading would explode.",
    todo: "Raise the limit if the file is trusted; else refuse it.",
  },
  TFLITE_UNWRITABLE: {
    when: "A model value doesn't fit the schema: unknown name, number out of range, sparse tensor.",
    todo: "Correct the field that the message names.",
  },
  TFLITE_TOO_LARGE: {
    when: "The file to be written would have 2 GiB or more, which its 32-bit offsets can't reach.",
    todo: "Quantise the weights, or split the model.",
  },
  TFLITE_SPECIALISE: {
    when: "Shapes given for a signature don't fit it: other names, another rank, other fixed dimensions.",
    todo: "Give a shape of the declared rank for each input and output; only unknown dimensions may vary.",
  },
  TFLITE_SHAPES: {
    when: "An operator can't take the shapes that the given input shapes lead to, or inferring them takes too long.",
    todo: "Give input shapes that the model can take (the message names the operator that can't).",
  },
} as const satisfies ErrorTable;

export type TfliteErrorCode = keyof typeof tfliteErrors;

/** A file or model value that is refused; `details.offset` or `details.at` says where. */
export class TfliteError extends TfTrustedError<TfliteErrorCode> {}
