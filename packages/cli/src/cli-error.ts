/** Failures of the command itself; those of the packages below keep their own codes. */
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";

export const cliErrors = {
  CLI_USAGE: {
    when: "The command line can't be understood: an unknown command or flag, or a value that isn't what the flag takes.",
    todo: "See the command's --help, which ends with an example.",
  },
  CLI_FILE_READ: {
    when: "A file can't be read.",
    todo: "Check the path and who may read it.",
  },
  CLI_FILE_WRITE: {
    when: "A file or standard output can't be written.",
    todo: "Check the path, who may write there, and the space that is left.",
  },
  CLI_FILE_KIND: {
    when: "A file isn't of the kind that its place on the command line takes.",
    todo: "Models are frozen graphs, TensorFlow Lite files, SavedModels and TensorFlow.js models; inputs are .npy or .npz.",
  },
  CLI_INPUT_NAME: {
    when: "The inputs on the command line aren't the inputs of the model: a name is unknown, missing or there twice.",
    todo: "Name each input once, in the order of the files; `tf-trusted inspect MODEL` lists them.",
  },
  CLI_INPUT_DTYPE: {
    when: "An input's elements can't be converted to the model's without losing more than float precision.",
    todo: "Convert the array in NumPy, so that it is clear what is meant: a.astype('uint8').",
  },
  CLI_INPUT_SHAPE: {
    when: "An input's shape doesn't fit the model, or fits it in more than one way.",
    todo: "Reshape the array in NumPy, or give the model's shape with --input-shape.",
  },
  CLI_BATCH: {
    when: "--batch-size contradicts the input file or the model.",
    todo: "The batch size is the first dimension of each input; leave --batch-size out to take the file's.",
  },
  CLI_OUTPUT_NAME: {
    when: "An output was asked for that the model doesn't have.",
    todo: "Choose from those that the message lists; `tf-trusted inspect MODEL` shows them.",
  },
  CLI_CHECK: {
    when: "`convert --check` found the converted model's outputs further from TensorFlow's than --tolerance allows.",
    todo: "Look at the outputs that the message names; report it, with the model if you can: the converter should not do this.",
  },
  CLI_SIGNATURE: {
    when: "A signature was asked for that the model doesn't have.",
    todo: "Choose from those that the message lists; `tf-trusted inspect MODEL` shows them.",
  },
  CLI_POLICY_NEEDED: {
    when: "A server was named without the policy that it has to satisfy.",
    todo: "Give --policy FILE; `serve` writes one for a simulated enclave, `policy init` a template.",
  },
  CLI_PLATFORM: {
    when: "The native engine was asked for on a kind of machine for which there is none.",
    todo: "Use the wasm engine, which needs no installation.",
  },
  CLI_DOWNLOAD: {
    when: "pip couldn't bring the native engine's library.",
    todo: "See what pip says; or fetch the wheel elsewhere and give it with --from.",
  },
  CLI_INTERRUPTED: {
    when: "Ctrl-C, or a signal to stop.",
    todo: "Start it again; nothing is left running.",
  },
  INTERNAL: {
    when: "A bug of ours.",
    todo: "Please report it with what you typed; TF_TRUSTED_DEBUG=1 shows the stack.",
  },
} as const satisfies ErrorTable;

export type CliErrorCode = keyof typeof cliErrors;

/** The error that commands throw for their own reasons. */
export class CliError extends TfTrustedError<CliErrorCode> {}
