/** What the checks of a model report: all that is wrong, up to a bound, each with its place. */
import type {ErrorTable} from "@tf-trusted/core";
import type {TfliteModel} from "../model.ts";

/** Codes of findings, for messages and for callers that map them to their own errors. */
export const tfliteFindings = {
  NO_SUBGRAPH: {when: "The model holds no graph.", todo: "Convert the model again."},
  INDEX: {
    when: "A tensor, buffer, operator code or subgraph is referred to that doesn't exist.",
    todo: "The file is damaged or forged: get it again from where it was made.",
  },
  SHAPE: {
    when: "A shape has a negative dimension, more than 8 dimensions, or contradicts its signature.",
    todo: "Convert the model again; merge adjacent axes where the rank is too high.",
  },
  LIMIT: {
    when: "Tensors, subgraphs or nested calls exceed a limit.",
    todo: "Raise the limit if the model is trusted, or use a smaller one.",
  },
  CONSTANT: {
    when: "A constant's bytes are not exactly what its shape and type take, or its strings are packed wrongly.",
    todo: "The file is damaged or forged: get it again from where it was made.",
  },
  SPARSE: {when: "A tensor is stored sparse.", todo: "Convert the model with dense weights."},
  QUANTIZATION: {
    when: "Quantisation parameters contradict each other or the tensor, or use a scheme that isn't supported.",
    todo: "Quantise the model again: per tensor, or per channel with one scale a channel.",
  },
  ORDER: {
    when: "An operator reads a tensor, or the graph returns one, that nothing has computed by then.",
    todo: "The file is damaged or forged: get it again from where it was made.",
  },
  WRITTEN: {
    when: "A tensor is written twice, or one that is an input or a constant is written.",
    todo: "The file is damaged or forged: get it again from where it was made.",
  },
  CALL: {
    when: "Subgraphs call each other in a circle, or with other inputs and outputs than they declare.",
    todo: "Convert the model again; recursion can't be expressed.",
  },
  SIGNATURE: {
    when: "A signature doesn't name the inputs and outputs of its subgraph, or names them twice.",
    todo: "Convert the model again with its signatures.",
  },
  ARITY: {
    when: "An operator has a number of inputs or outputs that its kernel doesn't take, or lacks a needed one.",
    todo: "Convert the model again; engines crash on some of these.",
  },
  TYPE: {
    when: "An operator's output is declared with an element type that its kernel doesn't write.",
    todo: "The file is damaged or forged: get it again from where it was made.",
  },
  OPTIONS: {
    when: "An operator's options are missing, or those of another operator.",
    todo: "Convert the model again; engines read garbage or crash without them.",
  },
  OPERATOR_UNSUPPORTED: {
    when: "The engine has no kernel for an operator (TensorFlow operators, Flex, unknown custom ones).",
    todo: "Convert with built-in operators only, or cut the graph before the operator.",
  },
  OPERATOR_VERSION: {
    when: "The engine's kernel is older than the operator's version in the file.",
    todo: "Convert for an older runtime, or use the native engine.",
  },
  KERNEL_CRASH: {
    when: "The kernel is known to crash on such an operand.",
    todo: "Cast the operand to int32 or float32 before the operator, or give it quantisation parameters.",
  },
  KERNEL_WRONG: {
    when: "The kernel is known to give wrong numbers for such an operand.",
    todo: "Cast the operand to int32 or float32 before the operator, or give it quantisation parameters.",
  },
} as const satisfies ErrorTable;
export type FindingCode = keyof typeof tfliteFindings;

/** Where a finding is: indices into the model. */
export interface Place {
  readonly subgraph?: number;
  readonly operator?: number;
  readonly tensor?: number;
}

export interface Finding extends Place {
  readonly code: FindingCode;
  /** What was found, what was expected, where. */
  readonly message: string;
}

/** Reports after this many are dropped: a forged file must not make a report larger than itself. */
const MAX_FINDINGS = 100;
/** Names and shapes in messages come from the file. */
const MAX_MESSAGE = 500;

/** Collects findings in the order of the checks. */
export class Findings {
  readonly #found: Finding[] = [];

  get all(): readonly Finding[] {
    return this.#found;
  }

  get none(): boolean {
    return this.#found.length === 0;
  }

  /** Names the place in front of the message. */
  add(model: TfliteModel, code: FindingCode, place: Place, message: string): void {
    if (this.#found.length >= MAX_FINDINGS) return;
    const where = describePlace(model, place);
    const whole = where === "" ? message : `${where}: ${message}`;
    this.#found.push({code, message: whole.slice(0, MAX_MESSAGE), ...place});
  }
}

/** `subgraph 1, operator 4 (CONV_2D)`; parts that the place leaves out are left out. */
export function describePlace(model: TfliteModel, {subgraph, operator, tensor}: Place): string {
  const parts: string[] = [];
  const graph = subgraph === undefined ? undefined : model.subgraphs[subgraph];
  if (subgraph !== undefined && model.subgraphs.length > 1) parts.push(`subgraph ${subgraph}`);
  if (operator !== undefined) {
    const code = model.operatorCodes[graph?.operators[operator]?.opcodeIndex ?? -1];
    const name =
      code === undefined ? "" : ` (${code.builtin === "CUSTOM" ? (code.customCode ?? "CUSTOM") : code.builtin})`;
    parts.push(`operator ${operator}${name}`);
  }
  if (tensor !== undefined) {
    const name = graph?.tensors[tensor]?.name;
    parts.push(`tensor ${tensor}${name ? ` "${name}"` : ""}`);
  }
  return parts.join(", ");
}
