/**
 * Shapes of all tensors of a graph for given input shapes, without running it (specs/litert.md §5.2 (b)). Shape operands
 * that the graph computes from shapes are evaluated; what depends on other data is reported as dynamic, with the reason.
 */
import {bytesOf} from "@tf-trusted/tensor";
import {MAX_RANK} from "./check/tensors.ts";
import {elements} from "./element-bytes.ts";
import type {BufferData, Subgraph, TfliteModel, TfliteOperator, TfliteTensor} from "./model.ts";
import {defaultOptions, optionsTableOf} from "./schema/schema.ts";
import {type Callees, controlRules, type InferredShape, isDynamic, type Known} from "./shapes/control.ts";
import {convShapes} from "./shapes/conv.ts";
import {elementwiseShapes} from "./shapes/elementwise.ts";
import {moveShapes} from "./shapes/move.ts";
import {reduceShapes} from "./shapes/reduce.ts";
import {dimension, Impossible, type Node, type Shape, type ShapeRules, Unknown, type Value} from "./shapes/rule.ts";
import {stateShapes} from "./shapes/state.ts";
import {constantSum, resolved, type Sum, type SymbolicNode, symbolicRules, symbolSum} from "./shapes/symbolic.ts";
import {valueRules} from "./shapes/values.ts";
import {declaredShape} from "./specialise.ts";
import {TfliteError} from "./tflite-error.ts";

export {type DynamicShape, type InferredShape, isDynamic} from "./shapes/control.ts";
export type {Value} from "./shapes/rule.ts";

const shapeRules: ShapeRules = {...elementwiseShapes, ...convShapes, ...reduceShapes, ...moveShapes, ...stateShapes};

/** Tensors with more elements are not shape arithmetic. */
const MAX_VALUE_ELEMENTS = 1024;
/** Tensors with more unknown elements get no symbols: shapes have at most 8 dimensions. */
const MAX_SYMBOLS = 8;
/** Nodes visited in all, loops and branches included: a forged file must not make inference expensive. */
const MAX_NODES = 2_000_000;
const MAX_DEPTH = 64;

/** Operators that have a shape rule; what the others give is dynamic. */
export const inferableOperators: ReadonlySet<string> = new Set([
  ...Object.keys(shapeRules),
  ...Object.keys(controlRules),
]);

export interface Inference {
  /** One for each tensor of the subgraph. */
  readonly tensors: readonly InferredShape[];
  /** The elements of each tensor of the subgraph, where they are few and follow from shapes, constants and `inputValues`. */
  readonly values: readonly (Value | undefined)[];
  /** One for each output of the subgraph, in order. */
  readonly outputs: readonly InferredShape[];
}

/**
 * Infers a subgraph of a model without findings of `checkModel`. `inputShapes` are those of the subgraph's inputs, in order;
 * `inputValues` the elements of integer inputs that shapes depend on, where the caller knows them. Throws `TFLITE_SHAPES`
 * if an operator can't take the shapes, or the inputs' number or ranks are wrong.
 */
export function inferShapes(
  model: TfliteModel,
  subgraph: number,
  inputShapes: readonly Shape[],
  inputValues: readonly (Value | undefined)[] = [],
): Inference {
  const graph = model.subgraphs[subgraph];
  if (graph === undefined) throw new TfliteError("TFLITE_SHAPES", `subgraph ${subgraph} doesn't exist`);
  if (inputShapes.length !== graph.inputs.length) {
    throw new TfliteError("TFLITE_SHAPES", `found ${inputShapes.length} input shapes; expected ${graph.inputs.length}`);
  }
  const inputs = inputShapes.map((shape, position): Known => {
    const tensor = graph.tensors[graph.inputs[position]!]!;
    const declared = declaredShape(tensor);
    const fits =
      shape.length === declared.length &&
      shape.every((size, axis) => Number.isInteger(size) && size >= 0 && [-1, size].includes(declared[axis]!));
    if (!fits) {
      throw new TfliteError(
        "TFLITE_SHAPES",
        `input ${position} "${tensor.name}": found [${shape}]; expected [${declared}], -1 for any`,
      );
    }
    const value = inputValues[position];
    return value === undefined ? {shape} : {shape, value};
  });
  const known = new Run(model).graph(subgraph, inputs, 0);
  return {
    tensors: known.map(({shape}) => shape),
    values: known.map(({value}) => value),
    outputs: graph.outputs.map((tensor) => known[tensor]!.shape),
  };
}

class Run {
  readonly #model: TfliteModel;
  /** Symbols of tensors that nothing is known of: the same for all that read one. */
  readonly #symbols = new Map<Known, readonly Sum[]>();
  #nodes = 0;

  constructor(model: TfliteModel) {
    this.#model = model;
  }

  /** What is known of each tensor of the subgraph. */
  graph(subgraph: number, inputs: readonly Known[], depth: number): readonly Known[] {
    if (depth > MAX_DEPTH)
      throw new TfliteError("TFLITE_SHAPES", `subgraphs call each other ${depth} deep; the limit is ${MAX_DEPTH}`);
    const graph = this.#model.subgraphs[subgraph]!;
    this.#spend(graph.tensors.length);
    const known: Known[] = graph.tensors.map((tensor) => this.#atStart(tensor));
    graph.inputs.forEach((tensor, position) => {
      known[tensor] = inputs[position]!;
    });
    graph.operators.forEach((operator, index) => {
      this.#spend(1 + operator.inputs.length + operator.outputs.length);
      const results = this.#operator(graph, operator, known, {subgraph, index, depth});
      operator.outputs.forEach((tensor, position) => {
        known[tensor] = results[position] ?? {shape: {dynamic: "its operator has no such output"}};
      });
    });
    return known;
  }

  #operator(
    graph: Subgraph,
    operator: TfliteOperator,
    known: readonly Known[],
    at: {readonly subgraph: number; readonly index: number; readonly depth: number},
  ): readonly Known[] {
    const {builtin, customCode} = this.#model.operatorCodes[operator.opcodeIndex]!;
    const name = builtin === "CUSTOM" ? (customCode ?? builtin) : builtin;
    try {
      const control = Object.hasOwn(controlRules, builtin) ? controlRules[builtin] : undefined;
      if (control !== undefined) {
        const inputs = operator.inputs.map((tensor) => known[tensor] ?? {shape: []});
        return control(operator, inputs, this.#callees(at.depth + 1));
      }
      return this.#plain(
        nodeOf(graph, operator, builtin, known, this.#symbols),
        dataDependent[builtin] ?? `the shape of ${name} isn't known before running`,
      );
    } catch (thrown) {
      if (thrown instanceof Unknown) return operator.outputs.map(() => ({shape: {dynamic: thrown.reason}}));
      if (!(thrown instanceof Impossible)) throw thrown;
      const where = `subgraph ${at.subgraph}, operator ${at.index} (${name})`;
      throw new TfliteError("TFLITE_SHAPES", `${where}: can't take ${thrown.reason}`, {details: {...at}});
    }
  }

  /** Operators without subgraphs: by their rule, else by symbols. */
  #plain(node: SymbolicNode, otherwise: string): readonly Known[] {
    const rule = Object.hasOwn(shapeRules, node.builtin) ? shapeRules[node.builtin] : undefined;
    if (rule === undefined) throw new Unknown(otherwise);
    const symbolic = Object.hasOwn(symbolicRules, node.builtin) ? symbolicRules[node.builtin] : undefined;
    let shapes: readonly Shape[];
    try {
      shapes = rule(node);
    } catch (thrown) {
      if (!(thrown instanceof Unknown) || symbolic?.shape === undefined) throw thrown;
      const sizes = symbolic.shape(node);
      const shape = resolved(sizes);
      return [shape === undefined ? {shape: {dynamic: thrown.reason}, sizes} : {shape}];
    }
    for (const shape of shapes) {
      if (shape.length > MAX_RANK) throw new Impossible(`more than ${MAX_RANK} dimensions`);
      shape.forEach(dimension);
    }
    return shapes.map((shape, position) => {
      const value = position === 0 ? smallValue(node, shape) : undefined;
      if (value !== undefined) return {shape, value};
      const sums = position === 0 && symbolic?.value !== undefined ? smallSums(node, shape, symbolic.value) : undefined;
      return sums === undefined ? {shape} : {shape, sums};
    });
  }

  #callees(depth: number): Callees {
    return {
      infer: (subgraph, inputs) => {
        const known = this.graph(subgraph, inputs, depth);
        return this.#model.subgraphs[subgraph]!.outputs.map((tensor) => known[tensor]!);
      },
      passed: (subgraph) => {
        const {inputs, outputs} = this.#model.subgraphs[subgraph]!;
        const positions = new Map(inputs.map((tensor, position) => [tensor, position]));
        return outputs.map((tensor) => positions.get(tensor) ?? -1);
      },
    };
  }

  #atStart(tensor: TfliteTensor): Known {
    const declared = declaredShape(tensor);
    if (declared.includes(-1)) return {shape: {dynamic: `"${tensor.name}" has the open shape [${declared}]`}};
    const value = tensor.isVariable === true ? undefined : constantValue(tensor, this.#model.buffers[tensor.buffer]!);
    return {shape: declared, ...(value === undefined ? {} : {value})};
  }

  #spend(nodes: number): void {
    this.#nodes += nodes;
    if (this.#nodes > MAX_NODES) throw new TfliteError("TFLITE_SHAPES", `inference takes more than ${MAX_NODES} steps`);
  }
}

/** Why no rule can tell. */
const dataDependent: Readonly<Record<string, string>> = {
  WHERE: "WHERE gives as many rows as its condition has true elements",
  UNIQUE: "UNIQUE gives as many elements as differ",
  SKIP_GRAM: "SKIP_GRAM gives as many strings as the text has",
  EMBEDDING_LOOKUP_SPARSE: "EMBEDDING_LOOKUP_SPARSE takes its shape from data",
};

function nodeOf(
  {tensors}: Subgraph,
  operator: TfliteOperator,
  builtin: string,
  known: readonly Known[],
  symbols: Map<Known, readonly Sum[]>,
): SymbolicNode {
  const tensor = (index: number) => operator.inputs[index] ?? -1;
  const label = (index: number) => `tensor ${tensor(index)} "${tensors[tensor(index)]?.name ?? ""}"`;
  return {
    builtin,
    options: operator.options ?? defaultOptions(optionsTableOf(builtin) ?? ""),
    inputCount: operator.inputs.length,
    outputCount: operator.outputs.length,
    has: (index) => tensor(index) !== -1,
    shape(index) {
      const found = known[tensor(index)];
      if (found === undefined) throw new Impossible(`a missing input ${index}`);
      if (isDynamic(found.shape)) throw new Unknown(found.shape.dynamic);
      return found.shape;
    },
    value(index) {
      const found = known[tensor(index)];
      if (found === undefined) throw new Impossible(`a missing input ${index}`);
      if (found.value === undefined) throw new Unknown(`${builtin} takes its shape from the data of ${label(index)}`);
      return found.value;
    },
    sizes(index) {
      const found = known[tensor(index)];
      if (found?.sizes !== undefined) return found.sizes;
      return this.shape(index).map(constantSum);
    },
    sums(index) {
      const found = known[tensor(index)];
      if (found === undefined) throw new Impossible(`a missing input ${index}`);
      if (found.value !== undefined) return found.value.map(constantSum);
      if (found.sums !== undefined) return found.sums;
      const count = elements(this.shape(index));
      if (count > MAX_SYMBOLS || !/^u?int/.test(this.type(index)))
        throw new Unknown(`${label(index)} is no small list`);
      const made = symbols.get(found) ?? Array.from({length: count}, () => symbolSum(label(index)));
      symbols.set(found, made);
      return made;
    },
    type: (index) => tensors[tensor(index)]!.type,
    outputType: (index) => tensors[operator.outputs[index]!]!.type,
    declaredOutput: (index) => declaredShape(tensors[operator.outputs[index]!]!),
  };
}

/** The elements of output 0, where the operator has a value rule and its operands are known. */
function smallValue(node: Node, shape: Shape): Value | undefined {
  const rule = Object.hasOwn(valueRules, node.builtin) ? valueRules[node.builtin] : undefined;
  const largest = largestValue[node.outputType(0)];
  if (rule === undefined || largest === undefined || elements(shape) > MAX_VALUE_ELEMENTS) return undefined;
  const value = unlessUnknown(() =>
    rule(node, shape).map(node.outputType(0) === "float32" ? Math.fround : (each) => each),
  );
  return value?.length === elements(shape) && value.every((each) => Math.abs(each) <= largest) ? value : undefined;
}

function smallSums(
  node: SymbolicNode,
  shape: Shape,
  rule: (node: SymbolicNode, shape: Shape) => readonly Sum[],
): readonly Sum[] | undefined {
  if (elements(shape) > MAX_SYMBOLS || !/^int/.test(node.outputType(0))) return undefined;
  const sums = unlessUnknown(() => rule(node, shape));
  return sums?.length === elements(shape) ? sums : undefined;
}

function unlessUnknown<Result>(evaluate: () => Result): Result | undefined {
  try {
    return evaluate();
  } catch (thrown) {
    if (thrown instanceof Unknown || thrown instanceof Impossible) return undefined;
    throw thrown;
  }
}

/** Types that shape arithmetic uses, and up to where it is exact in a JavaScript number. */
const largestValue: Readonly<Record<string, number>> = {
  int32: 0x7fff_ffff,
  int64: Number.MAX_SAFE_INTEGER,
  bool: 1,
  float32: Number.MAX_VALUE,
};

function constantValue({type, shape}: TfliteTensor, buffer: BufferData): Value | undefined {
  const count = elements(shape);
  if (count > MAX_VALUE_ELEMENTS) return undefined;
  if (count === 0) return [];
  const read = elementReaders[type];
  if (read === undefined || buffer.length !== count * read.bytes) return undefined;
  const data = bytesOf(buffer);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const value = Array.from({length: count}, (_, index) => read.get(view, index * read.bytes));
  return value.every((each) => !Number.isInteger(each) || Number.isSafeInteger(each)) ? value : undefined;
}

const elementReaders: Readonly<
  Record<string, {readonly bytes: number; readonly get: (view: DataView, at: number) => number}>
> = {
  int32: {bytes: 4, get: (view, at) => view.getInt32(at, true)},
  int64: {bytes: 8, get: (view, at) => Number(view.getBigInt64(at, true))},
  bool: {bytes: 1, get: (view, at) => view.getUint8(at)},
  float32: {bytes: 4, get: (view, at) => view.getFloat32(at, true)},
};
