/**
 * Shapes that depend on data, settled by asking the engine: the tensor that decides an operator's output size is computed
 * by a file of its own from the call's inputs, and then stands in the graph as a constant. What is compiled for the call
 * has shapes that are known, and holds for that call only; the constants are the caller's data and are wiped.
 */
import {isDType, Tensor} from "@tf-trusted/tensor";
import {
  type Inference,
  isDynamic,
  type Subgraph,
  type TfliteModel,
  type TfliteOperator,
  type TfliteTensor,
  tensorBytes,
} from "@tf-trusted/tflite";
import type {AdmittedModel} from "./admission.ts";
import {elementTypes} from "./element-types.ts";
import type {Limits} from "./engine.ts";
import {LitertError} from "./litert-error.ts";
import {pruned, withGraph} from "./pruned.ts";
import {shapeOperands} from "./settle-shapes.ts";
import {type FixedFile, fixShapes} from "./specialise.ts";

/** Runs a file of one output with the call's inputs; its bytes. */
export type Ask = (file: FixedFile) => Promise<Uint8Array<ArrayBuffer>>;

/** Constants made of a call's data, to be wiped once the call's file is written. */
export type Asked = Uint8Array[];

/** Operators of which two computations differ, so that what one gave says nothing about the other. */
const random: ReadonlySet<string> = new Set([
  "MULTINOMIAL",
  "RANDOM_STANDARD_NORMAL",
  "RANDOM_UNIFORM",
  "STABLEHLO_RNG_BIT_GENERATOR",
]);

/** What an operator gives that is computed here, for the elements of its operand. */
type Answer = (operand: Tensor, outputs: readonly TfliteTensor[], limits: Limits) => readonly Constant[];
interface Constant {
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

const answers: Readonly<Record<string, Answer>> = {
  WHERE: (operand, _outputs, limits) => {
    const rank = operand.shape.length;
    const data = operand.data as ArrayLike<number | bigint>;
    let count = 0;
    for (let at = 0; at < data.length; at++) if (Number(data[at]) !== 0) count++;
    if (count * rank * 8 > limits.maxTensorBytes) {
      throw new LitertError("TOO_LARGE", `WHERE gives ${count} rows; the limit is ${limits.maxTensorBytes} bytes`);
    }
    const indices = new BigInt64Array(count * rank);
    let row = 0;
    for (let at = 0; at < data.length; at++) {
      if (Number(data[at]) === 0) continue;
      let rest = at;
      for (let axis = rank - 1; axis >= 0; axis--) {
        const size = operand.shape[axis]!;
        indices[row * rank + axis] = BigInt(rest % size);
        rest = Math.floor(rest / size);
      }
      row++;
    }
    return [{shape: [count, rank], bytes: new Uint8Array(indices.buffer)}];
  },
  UNIQUE: (operand, outputs) => {
    const data = operand.data as ArrayLike<number | bigint>;
    const width = data.length === 0 ? 1 : operand.bytes.length / data.length;
    const places = new Map<number | bigint, number>();
    const firsts: number[] = [];
    const indices = Array.from({length: data.length}, (_, at) => {
      const value = data[at]!;
      // No NaN is equal to another.
      const known = Number.isNaN(value) ? undefined : places.get(value);
      if (known !== undefined) return known;
      places.set(value, firsts.length);
      return firsts.push(at) - 1;
    });
    const bytes = new Uint8Array(firsts.length * width);
    firsts.forEach((from, to) => {
      bytes.set(operand.bytes.subarray(from * width, (from + 1) * width), to * width);
    });
    const numbers = outputs[1]!.type === "int64" ? BigInt64Array.from(indices, BigInt) : Int32Array.from(indices);
    return [
      {shape: [firsts.length], bytes},
      {shape: operand.shape, bytes: new Uint8Array(numbers.buffer)},
    ];
  },
};

/**
 * The model of signature `index` with one more tensor known that shapes depend on, `undefined` if there is none that can
 * be asked for. `asked` gets what has to be wiped. Throws what `ask` throws, and `TOO_LARGE`.
 */
export async function askShape(
  admitted: AdmittedModel,
  index: number,
  inputs: readonly (readonly number[])[],
  inference: Inference,
  ask: Ask,
  limits: Limits,
  asked: Asked,
): Promise<AdmittedModel | undefined> {
  const place = admitted.places[index]!;
  if (admitted.signatures[index]!.stateful) return undefined;
  if (admitted.model.operatorCodes.some(({builtin}) => random.has(builtin))) return undefined;
  const model = pruned(admitted.model, place.subgraph, admitted.model.subgraphs[place.subgraph]!.outputs);
  const graph = model.subgraphs[place.subgraph]!;
  for (const operator of graph.operators) {
    const operand = decisive(model, graph, operator, inference);
    if (operand === undefined) continue;
    const {type, name} = graph.tensors[operand]!;
    const shape = inference.tensors[operand]!;
    if (isDynamic(shape) || !isDType(type) || elementTypes[type]?.bits === 4 || elementTypes[type] === undefined)
      continue;
    let bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
    if (!shape.includes(0)) {
      const prefix: AdmittedModel = {
        engine: admitted.engine,
        fileBytes: admitted.fileBytes,
        model: {
          ...pruned(model, place.subgraph, [operand]),
          signatures: model.signatures
            .slice(index, index + 1)
            .map((each) => ({...each, outputs: [{name: "value", tensor: operand}]})),
        },
        places: [{...place, outputs: [operand]}],
        signatures: [
          {
            name: admitted.signatures[index]!.name,
            inputs: admitted.signatures[index]!.inputs,
            outputs: [{name: "value", dtype: type, shape}],
            stateful: false,
          },
        ],
      };
      bytes = await ask(fixShapes(prefix, 0, inputs, [shape], inference, limits));
    }
    asked.push(bytes);
    if (bytes.length !== tensorBytes(type, shape)) {
      throw new LitertError("ENGINE_ERROR", `tensor "${name}" came with ${bytes.length} bytes`);
    }
    const {builtin} = model.operatorCodes[operator.opcodeIndex]!;
    const answer = answers[builtin];
    if (answer === undefined) return {...admitted, model: fed(model, place.subgraph, operand, {shape, bytes})};
    const outputs = operator.outputs.map((tensor) => graph.tensors[tensor]!);
    const constants = answer(new Tensor(type, shape, bytes), outputs, limits);
    asked.push(...constants.map((each) => each.bytes));
    return {...admitted, model: answered(model, place.subgraph, operator, constants)};
  }
  return undefined;
}

/** The operand whose elements decide what the operator gives, where its outputs are open and its inputs aren't. */
function decisive(
  model: TfliteModel,
  {tensors}: Subgraph,
  {opcodeIndex, inputs, outputs}: TfliteOperator,
  inference: Inference,
): number | undefined {
  if (!outputs.some((tensor) => isDynamic(inference.tensors[tensor]!))) return undefined;
  if (inputs.some((tensor) => tensor !== -1 && isDynamic(inference.tensors[tensor]!))) return undefined;
  const {builtin} = model.operatorCodes[opcodeIndex]!;
  if (answers[builtin] !== undefined) return inputs[0];
  const operands = builtin === "IF" ? [0] : (shapeOperands[builtin] ?? []);
  return operands
    .map((at) => inputs[at] ?? -1)
    .find(
      (tensor) =>
        tensor !== -1 && inference.values[tensor] === undefined && model.buffers[tensors[tensor]!.buffer]!.length === 0,
    );
}

/** `operator` gone, its outputs constants. */
function answered(
  model: TfliteModel,
  subgraph: number,
  operator: TfliteOperator,
  constants: readonly Constant[],
): TfliteModel {
  const graph = model.subgraphs[subgraph]!;
  const buffers = [...model.buffers];
  const tensors = [...graph.tensors];
  operator.outputs.forEach((tensor, at) => {
    const {shape, bytes} = constants[at]!;
    const {shapeSignature: _, ...rest} = tensors[tensor]!;
    tensors[tensor] = {...rest, shape, buffer: buffers.push(bytes) - 1};
  });
  const operators = graph.operators.filter((each) => each !== operator);
  return pruned(withGraph({...model, buffers}, subgraph, {...graph, tensors, operators}), subgraph, graph.outputs);
}

/** A constant for all that read `tensor`. */
function fed(model: TfliteModel, subgraph: number, tensor: number, {shape, bytes}: Constant): TfliteModel {
  const graph = model.subgraphs[subgraph]!;
  const buffers = [...model.buffers, bytes];
  const {shapeSignature: _, ...rest} = graph.tensors[tensor]!;
  const tensors = [...graph.tensors, {...rest, name: `${rest.name}/asked`, shape, buffer: buffers.length - 1}];
  const operators = graph.operators.map((each) => ({
    ...each,
    inputs: each.inputs.map((input) => (input === tensor ? tensors.length - 1 : input)),
  }));
  return pruned(withGraph({...model, buffers}, subgraph, {...graph, tensors, operators}), subgraph, graph.outputs);
}
