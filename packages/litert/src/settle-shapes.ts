/**
 * Inside of a graph of fixed inputs and outputs: known shapes written down, and operands that only say shapes (RESHAPE fed
 * by SHAPE …) made constants. LiteRT allocates what depends on such an operand anew in every run, and after the first run
 * it may compute with memory that is something else by then: `bert` of the corpus gives its golden once and wrong numbers
 * from the second run on. Where a tensor can't be settled, an instance is good for one run only.
 */
import {
  type Inference,
  isDynamic,
  type Subgraph,
  type TfliteModel,
  type TfliteOperator,
  type TfliteTensor,
} from "@tf-trusted/tflite";

type Shape = readonly number[];

/**
 * Operands that decide about the size of an operator's outputs, by index. If the graph computes one, kernels allocate the
 * outputs during the run ("dynamic tensors").
 */
export const shapeOperands: Readonly<Record<string, readonly number[]>> = {
  ARG_MAX: [1],
  ARG_MIN: [1],
  BATCH_TO_SPACE_ND: [1, 2],
  BROADCAST_TO: [1],
  CONV_3D_TRANSPOSE: [0],
  EXPAND_DIMS: [1],
  FILL: [0],
  MEAN: [1],
  MIRROR_PAD: [1],
  MULTINOMIAL: [1],
  NON_MAX_SUPPRESSION_V4: [2],
  NON_MAX_SUPPRESSION_V5: [2],
  ONE_HOT: [1],
  PAD: [1],
  PADV2: [1],
  RANDOM_STANDARD_NORMAL: [0],
  RANDOM_UNIFORM: [0],
  RANGE: [0, 1, 2],
  REDUCE_ALL: [1],
  REDUCE_ANY: [1],
  REDUCE_MAX: [1],
  REDUCE_MIN: [1],
  REDUCE_PROD: [1],
  RESHAPE: [1],
  RESIZE_BILINEAR: [1],
  RESIZE_NEAREST_NEIGHBOR: [1],
  RFFT2D: [1],
  SCATTER_ND: [2],
  SEGMENT_SUM: [1],
  SLICE: [1, 2],
  SPACE_TO_BATCH_ND: [1, 2],
  SPARSE_TO_DENSE: [1],
  SPLIT: [0],
  SPLIT_V: [1, 2],
  STRIDED_SLICE: [1, 2, 3],
  SUM: [1],
  TILE: [1],
  TOPK_V2: [1],
  TRANSPOSE: [1],
  TRANSPOSE_CONV: [0],
  UNSORTED_SEGMENT_MAX: [2],
  UNSORTED_SEGMENT_MIN: [2],
  UNSORTED_SEGMENT_PROD: [2],
  UNSORTED_SEGMENT_SUM: [2],
};

/** Operators whose outputs are sized during the run, whatever their operands are. */
const alwaysDynamic: ReadonlySet<string> = new Set(["WHERE", "UNIQUE", "SKIP_GRAM", "EMBEDDING_LOOKUP_SPARSE"]);

/** What an operand has to be for an output of known shape: the operators where the shape says it all. */
const operandFromShapes: Readonly<Record<string, (output: Shape, input: (index: number) => Shape) => Shape>> = {
  BROADCAST_TO: (output) => output,
  CONV_3D_TRANSPOSE: (output) => output,
  FILL: (output) => output,
  RANDOM_STANDARD_NORMAL: (output) => output,
  RANDOM_UNIFORM: (output) => output,
  RESHAPE: (output) => output,
  RESIZE_BILINEAR: (output) => output.slice(1, 3),
  RESIZE_NEAREST_NEIGHBOR: (output) => output.slice(1, 3),
  SCATTER_ND: (output) => output,
  SPARSE_TO_DENSE: (output) => output,
  TILE: (output, input) => output.map((dim, axis) => (input(0)[axis]! > 0 ? dim / input(0)[axis]! : 1)),
  TRANSPOSE_CONV: (output) => output,
};

export interface SettledModel {
  readonly model: TfliteModel;
  /** Whether every tensor has a size that is known before the run, so that an instance may run more than once. */
  readonly settled: boolean;
}

/** Settles what `inference` of `subgraph` knows. The model's values are not changed. */
export function settleShapes(model: TfliteModel, subgraph: number, inference: Inference): SettledModel {
  const buffers = [...model.buffers];
  const graph = model.subgraphs[subgraph]!;
  const tensors = graph.tensors.map((tensor, index) => withShape(tensor, inference.tensors[index]!));
  const operators = graph.operators.map((operator) => {
    const {builtin} = model.operatorCodes[operator.opcodeIndex]!;
    const inputs = operator.inputs.map((tensor, index) => {
      const isOperand = shapeOperands[builtin]?.includes(index) === true && tensor !== -1;
      if (!isOperand || isConstant(model, graph.tensors[tensor]!)) return tensor;
      const settled = settledOperand(model, graph, operator, index, inference);
      if (settled === undefined) return tensor;
      const {name, type} = graph.tensors[tensor]!;
      tensors.push({name: `${name}/settled`, type, shape: settled.shape, buffer: buffers.length});
      buffers.push(encodeElements(settled.value, type));
      return tensors.length - 1;
    });
    return takenBranch(builtin, {...operator, inputs}, inference);
  });
  const settled: TfliteModel = {
    ...model,
    buffers,
    subgraphs: model.subgraphs.map((each, at) => (at === subgraph ? {...graph, tensors, operators} : each)),
  };
  const open = inference.tensors.some((shape, index) => isDynamic(shape) && !isHandle(graph.tensors[index]!));
  return {model: settled, settled: !open && !settled.subgraphs.some((each) => allocatesInRun(settled, each))};
}

/**
 * A condition that is known, with the branch that it takes in place of both: where these give other sizes, the kernel
 * allocates its outputs during the run, and LiteRT then gives whatever lies in the buffer.
 */
function takenBranch(builtin: string, operator: TfliteOperator, {values}: Inference): TfliteOperator {
  const condition = builtin === "IF" ? values[operator.inputs[0]!] : undefined;
  if (condition === undefined || condition.length !== 1) return operator;
  const {options = {}} = operator;
  const taken = condition[0] === 0 ? options.elseSubgraphIndex : options.thenSubgraphIndex;
  return {...operator, options: {...options, thenSubgraphIndex: taken!, elseSubgraphIndex: taken!}};
}

/**
 * Whether the outputs of an operator are allocated during the run, whatever their shapes: by its own operands, or because
 * it runs subgraphs in which something is.
 */
export function isAllocatedInRun(model: TfliteModel, graph: Subgraph, operator: TfliteOperator): boolean {
  const {opcodeIndex, inputs, options = {}} = operator;
  const {builtin} = model.operatorCodes[opcodeIndex]!;
  if (alwaysDynamic.has(builtin)) return true;
  const isComputed = (index: number) => {
    const tensor = inputs[index] ?? -1;
    return tensor !== -1 && !isConstant(model, graph.tensors[tensor]!);
  };
  if ((shapeOperands[builtin] ?? []).some(isComputed)) return true;
  return (subgraphOptions[builtin] ?? []).some((option) => {
    const inner = model.subgraphs[Number(options[option])]!;
    return inner.operators.some((each) => isAllocatedInRun(model, inner, each));
  });
}

/** Options that name the subgraphs of an operator. Calls never go in a circle (`checkModel`). */
const subgraphOptions: Readonly<Record<string, readonly string[]>> = {
  IF: ["thenSubgraphIndex", "elseSubgraphIndex"],
  WHILE: ["condSubgraphIndex", "bodySubgraphIndex"],
};

/** Resources and variants have no size of their own. */
function isHandle({type}: TfliteTensor): boolean {
  return type === "resource" || type === "variant";
}

function withShape(tensor: TfliteTensor, shape: Inference["tensors"][number]): TfliteTensor {
  if (isDynamic(shape) || tensor.shapeSignature === undefined) return tensor;
  const {shapeSignature: _, ...rest} = tensor;
  return {...rest, shape};
}

/** What operand `index` is, known from the outputs' shape or by inference. */
function settledOperand(
  model: TfliteModel,
  {tensors}: Subgraph,
  {opcodeIndex, inputs, outputs}: TfliteOperator,
  index: number,
  inference: Inference,
): {readonly shape: Shape; readonly value: readonly number[]} | undefined {
  const {type} = tensors[inputs[index]!]!;
  if (encoders[type] === undefined) return undefined;
  const {builtin} = model.operatorCodes[opcodeIndex]!;
  const derive = index === shapeOperands[builtin]![0] ? operandFromShapes[builtin] : undefined;
  const output = inference.tensors[outputs[0]!]!;
  const shapes = inputs.map((each) => (each === -1 ? [] : inference.tensors[each]!));
  if (derive !== undefined && !isDynamic(output) && !shapes.some(isDynamic)) {
    const value = derive(output, (at) => shapes[at] as Shape);
    return {shape: [value.length], value};
  }
  const [shape, value] = [shapes[index]!, inference.values[inputs[index]!]];
  return value === undefined || isDynamic(shape) ? undefined : {shape, value};
}

function allocatesInRun(model: TfliteModel, graph: Subgraph): boolean {
  return graph.operators.some((operator) => isAllocatedInRun(model, graph, operator));
}

function isConstant({buffers}: TfliteModel, {buffer, shape}: TfliteTensor): boolean {
  return buffers[buffer]!.length > 0 || shape.includes(0);
}

const encoders: Readonly<Record<string, (values: readonly number[]) => ArrayBufferView>> = {
  int32: (values) => Int32Array.from(values),
  int64: (values) => BigInt64Array.from(values, BigInt),
  float32: (values) => Float32Array.from(values),
};

function encodeElements(values: readonly number[], type: string): Uint8Array {
  const {buffer, byteLength} = encoders[type]!(values);
  return new Uint8Array(buffer as ArrayBuffer, 0, byteLength);
}
