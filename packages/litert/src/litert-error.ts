/** Failures of the engine (specs: codes of every engine, whichever way it computes). */
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";

export const litertErrors = {
  INVALID_MODEL: {
    when: "The file is not a sound TensorFlow Lite model: damaged, forged, or contradicting itself.",
    todo: "Convert the model again; the message names the first places that are wrong.",
  },
  UNSUPPORTED_OP: {
    when: "The model uses operators, operator versions or options that this engine doesn't run.",
    todo: "All of them are listed: replace them, or convert with builtin operators of an older version.",
  },
  UNSUPPORTED_TYPE: {
    when: "An input, an output or an operator has an element type that this engine doesn't run (strings, resources …).",
    todo: "Cut the graph at a supported type, or use the native engine for strings.",
  },
  DYNAMIC_OUTPUT: {
    when: "The shape of an output can't be told before the run: it depends on a loop that grows a tensor, on random numbers, on state, or on too many values.",
    todo: "Give the output a fixed size in the model, for example by padding. (WHERE, UNIQUE, and computed sizes are settled for each call.)",
  },
  INVALID_INPUT: {
    when: "Names, dtypes, shapes or sizes of the inputs of a call aren't those of the signature.",
    todo: "Every problem of the call is listed with what was expected.",
  },
  TOO_LARGE: {
    when: "The model, or its tensors at the shapes of this call, exceed a limit.",
    todo: "Use a smaller model or batch, or raise the limit as far as the engine goes.",
  },
  OUT_OF_MEMORY: {
    when: "The engine could not allocate memory, although the limits were kept.",
    todo: "Use a smaller model or batch.",
  },
  DEADLINE: {
    when: "The call or the loading of a model took longer than it was given; its worker was stopped.",
    todo: "Allow more time or use a smaller batch. The next call finds a fresh worker.",
  },
  CANCELLED: {
    when: "The caller cancelled, or closed the model or engine while the call was waiting.",
    todo: "Nothing: this is what was asked for.",
  },
  ENGINE_CRASHED: {
    when: "The engine trapped, aborted or died during the call. What it computed is discarded.",
    todo: "The next call finds a fresh instance. If the same input crashes again, report the model.",
  },
  ENGINE_ERROR: {
    when: "The engine reported an error, gave another shape than was expected, or its own files aren't the pinned ones.",
    todo: "The message holds the engine's own words. Reinstall where files differ; else report the model.",
  },
} as const satisfies ErrorTable;

export type LitertErrorCode = keyof typeof litertErrors;

/** What can go wrong between a file and its outputs. `details.problems` lists all findings where there are several. */
export class LitertError extends TfTrustedError<LitertErrorCode> {}
