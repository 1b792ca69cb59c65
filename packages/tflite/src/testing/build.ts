/** Small models for tests: one operator with its operands. */
import type {Options, Quantization, TfliteModel, TfliteTensor, TfliteType} from "../model.ts";
import {defaultOptions, optionsTableOf} from "../schema/schema.ts";

/** An operand: a shape to be given at run time (-1 = unknown), or a constant of integers. */
export interface Operand {
  readonly shape: readonly number[];
  readonly type?: TfliteType;
  readonly quantization?: Quantization;
  readonly constant?: readonly number[];
}

/** An int32 constant: a list, or a scalar. */
export function ints(values: readonly number[] | number): Operand {
  return typeof values === "number"
    ? {shape: [], type: "int32", constant: [values]}
    : {shape: [values.length], type: "int32", constant: values};
}

export interface OneOperator {
  readonly builtin: string;
  /** `null`: left out (-1). */
  readonly inputs: readonly (Operand | null)[];
  readonly outputs?: readonly Operand[];
  readonly options?: Options;
  readonly version?: number;
}

/** A model whose graph is one operator; operands that aren't constants are the graph's inputs. */
export function oneOperator({
  builtin,
  inputs,
  outputs = [{shape: [1]}],
  options,
  version = 1,
}: OneOperator): TfliteModel {
  const buffers: Uint8Array[] = [new Uint8Array(0)];
  const tensors: TfliteTensor[] = [];
  const add = (operand: Operand, name: string): number => {
    const {shape, type = "float32", constant, quantization} = operand;
    let buffer = 0;
    if (constant !== undefined) buffer = buffers.push(new Uint8Array(Int32Array.from(constant).buffer)) - 1;
    const fixed = shape.map((size) => (size === -1 ? 1 : size));
    tensors.push({
      name,
      type,
      shape: fixed,
      ...(shape.includes(-1) ? {shapeSignature: shape} : {}),
      buffer,
      ...(quantization === undefined ? {} : {quantization}),
    });
    return tensors.length - 1;
  };
  const operands = inputs.map((operand, index) => (operand === null ? -1 : add(operand, `in${index}`)));
  const results = outputs.map((operand, index) => add(operand, `out${index}`));
  const table = optionsTableOf(builtin);
  return {
    version: 3,
    description: "",
    operatorCodes: [{builtin, version}],
    subgraphs: [
      {
        name: "main",
        tensors,
        inputs: operands.filter((at, index) => at !== -1 && inputs[index]?.constant === undefined),
        outputs: results,
        operators: [
          {
            opcodeIndex: 0,
            inputs: operands,
            outputs: results,
            ...(table === undefined ? {} : {optionsType: table, options: {...defaultOptions(table), ...options}}),
          },
        ],
      },
    ],
    buffers,
    metadata: [],
    signatures: [],
  };
}
