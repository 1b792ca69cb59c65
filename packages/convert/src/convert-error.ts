/** Failures of reading and converting graphs. */
import {type ErrorTable, TfTrustedError} from "@tf-trusted/core";

export const convertErrors = {
  CONVERT_NOT_A_GRAPH: {
    when: "The bytes are neither a GraphDef (binary or text) nor a TensorFlow Lite file.",
    todo: "Give a frozen GraphDef (.pb, .pbtxt) or a .tflite file.",
  },
  CONVERT_TRUNCATED: {
    when: "A field of a binary GraphDef reaches past the end of the file.",
    todo: "Check that the file is complete.",
  },
  CONVERT_WIRE: {
    when: "A binary GraphDef breaks the protobuf encoding: a bad tag, wire type or length, or too deep nesting.",
    todo: "Write the file again; text-format files are recognised by their content.",
  },
  CONVERT_TEXT_SYNTAX: {
    when: "A text-format GraphDef has a syntax error, an unknown field or a value of the wrong kind.",
    todo: "Correct the line that the message names.",
  },
  CONVERT_GRAPH_INVALID: {
    when: "The graph contradicts itself: two nodes of one name, a missing input, a cycle, an argument of the wrong type.",
    todo: "Correct the node that the message names, or export the graph again.",
  },
  CONVERT_ATTRIBUTE: {
    when: "A node lacks a required attribute, or one has a value of the wrong kind or out of range.",
    todo: "Export the graph again, or correct the node that the message names.",
  },
  CONVERT_TENSOR: {
    when: "A constant's data doesn't fit its dtype and shape.",
    todo: "Correct the node that the message names.",
  },
  CONVERT_LIMIT: {
    when: "The graph exceeds a limit: size, nodes, nesting, or constants that expand beyond all measure.",
    todo: "Raise the limit if the graph is trusted.",
  },
  CONVERT_FILE_MISSING: {
    when: "A model that is a folder lacks one of its files.",
    todo: "Copy the whole folder, with `variables/` and `assets/`.",
  },
  CONVERT_CHECKPOINT: {
    when: "A checkpoint is damaged, or lacks a variable: a wrong magic number, CRC-32C, size, dtype or key.",
    todo: "Copy the checkpoint again (`.index` and all `.data-…` files), or save the model again.",
  },
  CONVERT_JSON: {
    when: "A model's JSON is damaged, or a field of it isn't what it has to be.",
    todo: "Correct the field that the message names, or convert the model for TensorFlow.js again.",
  },
  CONVERT_SAVED_MODEL: {
    when: "A SavedModel has no MetaGraph or signature of the asked name, or one that can't be converted.",
    todo: "Choose among those that the message lists.",
  },
  CONVERT_HDF5: {
    when: "An HDF5 file (`.h5`, or the weights within a `.keras`) is damaged, or uses what h5py doesn't write for Keras.",
    todo: "Copy the file again, or save the model again with Keras.",
  },
  CONVERT_KERAS: {
    when: "A Keras file lacks its model or its weights, or its configuration contradicts itself or the weights.",
    todo: "Save the whole model (`model.save(...)`) rather than its weights, or correct the layer that the message names.",
  },
  CONVERT_LAYER_UNSUPPORTED: {
    when: "A Keras model has layers that can't be converted: custom ones, Lambda, or options that change what they compute.",
    todo: "Export the model (`model.export(folder)`) and convert the SavedModel, which holds the layers' computation.",
  },
  CONVERT_NOT_FROZEN: {
    when: "The graph reads variables, whose values aren't in the file.",
    todo: "Freeze the graph (variables to constants), then convert it.",
  },
  CONVERT_STATE: {
    when: "State was to be kept, and it can't be: where a variable is written isn't certain, or its shape isn't.",
    todo: "Write variables outside of conditions and loops and in one order, or hand the state in and out as tensors.",
  },
  CONVERT_NAME_UNKNOWN: {
    when: "An input or output was asked for that the graph doesn't have.",
    todo: "Choose from the names that the message lists, as `node` or `node:0`.",
  },
  CONVERT_NAME_TWICE: {
    when: "The same value was asked for twice as an input, or twice as an output.",
    todo: "Name each value once; `x` and `x:0` are the same.",
  },
  CONVERT_OUTPUTS_AMBIGUOUS: {
    when: "No output was named, and the graph has none that could be meant.",
    todo: "Name the outputs (`outputs: [...]`, --output-name).",
  },
  CONVERT_INPUT_SHAPE: {
    when: "An input has an unknown rank, or a shape given for one doesn't fit it.",
    todo: "Give the shape of the input (`inputs: [{name, shape}]`, --input-shape NAME=1,224,224,3).",
  },
  CONVERT_SHAPE: {
    when: "The shapes of a node's inputs don't fit each other.",
    todo: "Check the shapes given for the inputs, and the node that the message names.",
  },
  CONVERT_OP_UNSUPPORTED: {
    when: "Operators of the graph have no lowering to TensorFlow Lite, or not in the form in which they are used.",
    todo: "As the message says: give sizes of inputs, or cut the graph before these nodes (`outputs`) or after them (`inputs`).",
  },
  CONVERT_PRECISION: {
    when: 'The graph computes with float64, and `float64: "refuse"` asked for what float32 can\'t give.',
    todo: 'Compute these nodes outside of the model, or accept seven digits (`float64: "narrow"`, the default).',
  },
  CONVERT_NO_REFERENCE: {
    when: "The reference evaluator has no values for an operator: random numbers, strings, or a form it doesn't know.",
    todo: "Check a part of the graph without it (`outputs`, `inputs`), or compare with TensorFlow.",
  },
  CONVERT_IR_TEXT: {
    when: "The text of an IR graph can't be parsed.",
    todo: "Correct the line that the message names.",
  },
  CONVERT_IR_INVALID: {
    when: "A pass made a graph that breaks the rules of the IR (only found with `verify`). This is a bug here.",
    todo: "Report it with the text of the graph before the pass.",
  },
} as const satisfies ErrorTable;

export type ConvertErrorCode = keyof typeof convertErrors;

/** The error that this package throws; `details.node` names the node where there is one. */
export class ConvertError extends TfTrustedError<ConvertErrorCode> {}
