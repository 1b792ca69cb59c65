/**
 * A model as text, a line a tensor use: for `inspect`, goldens, and reading. Constants are shown by type, shape and, up to
 * eight elements of integers, by value; weights never.
 */
import {bytesOf} from "@tf-trusted/tensor";
import {elements} from "./element-bytes.ts";
import type {BufferData, OptionValue, Subgraph, TfliteModel, TfliteOperator, TfliteTensor} from "./model.ts";
import {defaultOptions} from "./schema/schema.ts";
import {declaredShape} from "./specialise.ts";

/** The whole model. Options at their defaults are left out; `?` stands for an unknown dimension. */
export function printModel(model: TfliteModel): string {
  const lines = [
    `tflite version ${model.version}${model.description === "" ? "" : ` ${JSON.stringify(model.description)}`}`,
  ];
  for (const {key, subgraph, inputs, outputs} of model.signatures) {
    const names = (entries: typeof inputs) => entries.map(({name, tensor}) => `${name}=%${tensor}`).join(", ");
    lines.push(`signature ${JSON.stringify(key)} graph ${subgraph} (${names(inputs)}) -> (${names(outputs)})`);
  }
  model.subgraphs.forEach((graph, index) => {
    lines.push("", ...printGraph(model, graph, index));
  });
  for (const {name, buffer} of model.metadata)
    lines.push("", `metadata ${JSON.stringify(name)} ${model.buffers[buffer]?.length ?? "?"} bytes`);
  return `${lines.join("\n")}\n`;
}

/** `float32[1,8,8,3]`, with `?` for unknown dimensions and the quantisation behind. */
export function printTensorType(tensor: TfliteTensor): string {
  const shape = declaredShape(tensor).map((size) => (size === -1 ? "?" : size));
  const {scale = [], zeroPoint = [], quantizedDimension = 0} = tensor.quantization ?? {};
  if (scale.length === 0) return `${tensor.type}[${shape}]`;
  const quantization =
    scale.length === 1
      ? `${Number(scale[0]!.toPrecision(7))}, ${zeroPoint[0]}`
      : `${scale.length} scales on axis ${quantizedDimension}`;
  return `${tensor.type}[${shape}]{${quantization}}`;
}

function printGraph(model: TfliteModel, graph: Subgraph, index: number): readonly string[] {
  const typed = (tensors: readonly number[]) =>
    tensors
      .map((at) => `%${at} ${JSON.stringify(graph.tensors[at]?.name ?? "")}: ${printType(graph.tensors[at])}`)
      .join(", ");
  return [
    `graph ${index}${graph.name === "" ? "" : ` ${JSON.stringify(graph.name)}`} (${typed(graph.inputs)})`,
    ...graph.operators.map((operator) => `  ${printOperator(model, graph, operator)}`),
    `  return ${graph.outputs.map((at) => `%${at}`).join(", ")}`,
  ];
}

function printOperator(model: TfliteModel, graph: Subgraph, operator: TfliteOperator): string {
  const code = model.operatorCodes[operator.opcodeIndex];
  const name = code === undefined ? "?" : code.builtin === "CUSTOM" ? `CUSTOM:${code.customCode ?? ""}` : code.builtin;
  const results = operator.outputs.map((at) => `%${at}: ${printType(graph.tensors[at])}`).join(", ");
  const inputs = operator.inputs.map((at) => printOperand(model, graph.tensors[at], at)).join(", ");
  const custom = operator.customOptions === undefined ? "" : ` <${operator.customOptions.length} bytes>`;
  return `${results}${results === "" ? "" : " = "}${name}.${code?.version ?? "?"}(${inputs})${printOptions(operator)}${custom}`;
}

function printOperand(model: TfliteModel, tensor: TfliteTensor | undefined, at: number): string {
  if (at === -1) return "none";
  const data = tensor === undefined || tensor.buffer === 0 ? undefined : model.buffers[tensor.buffer];
  if (tensor === undefined || data === undefined || data.length === 0) return `%${at}`;
  const integers = smallIntegers(tensor, data);
  return integers === undefined
    ? `const ${printType(tensor)}`
    : `${tensor.type}[${declaredShape(tensor)}](${integers})`;
}

/** Shapes, axes, sizes: integers that aren't quantised weights. */
function smallIntegers({type, shape, quantization}: TfliteTensor, buffer: BufferData): string | undefined {
  if (quantization !== undefined) return undefined;
  const width = type === "int32" ? 4 : type === "int64" ? 8 : 0;
  if (width === 0 || elements(shape) > 8 || buffer.length !== elements(shape) * width) return undefined;
  const data = bytesOf(buffer);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({length: elements(shape)}, (_, index) =>
    width === 4 ? view.getInt32(index * 4, true) : view.getBigInt64(index * 8, true),
  ).join(", ");
}

function printOptions({optionsType, options = {}}: TfliteOperator): string {
  if (optionsType === undefined) return "";
  const defaults = defaultOptions(optionsType);
  const shown = Object.entries(options).filter(([name, value]) => value !== defaults[name]);
  return shown.length === 0 ? "" : ` {${shown.map(([name, value]) => `${name}: ${printOption(value)}`).join(", ")}}`;
}

function printOption(value: OptionValue): string {
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  if (Array.isArray(value)) return `[${value.map(printOption).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([name, each]) => `${name}: ${printOption(each)}`)
      .join(", ")}}`;
  return String(value);
}

const printType = (tensor: TfliteTensor | undefined): string => (tensor === undefined ? "?" : printTensorType(tensor));
