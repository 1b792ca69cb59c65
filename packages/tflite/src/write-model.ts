/**
 * {@link TfliteModel} → bytes of a `.tflite` file. Same model, same bytes. What the model type doesn't carry (debug
 * metadata indices, sparsity) isn't written; sparse tensors are refused.
 */

import type {DecodedTable, DecodedUnion} from "./flatbuffer/reader.ts";
import {encodeFlatbuffer, encodeFlatbufferParts} from "./flatbuffer/writer.ts";
import type {
  BufferData,
  Options,
  Quantization,
  SignatureDef,
  Subgraph,
  TfliteModel,
  TfliteOperator,
  TfliteTensor,
} from "./model.ts";
import {FILE_IDENTIFIER} from "./read-model.ts";
import {enums, optionsUnions} from "./schema/schema.ts";
import {TfliteError} from "./tflite-error.ts";

/**
 * Encodes a model. Weights start at multiples of 16 bytes. Throws `TFLITE_UNWRITABLE` with the path of the field at fault,
 * and `TFLITE_TOO_LARGE` from 2 GiB on.
 */
export function writeModel(model: TfliteModel): Uint8Array {
  return encodeFlatbuffer("Model", FILE_IDENTIFIER, modelTable(model));
}

/** The same file as consecutive parts, for writing it out: large weights are the model's own bytes, not copies. */
export function writeModelParts(model: TfliteModel): readonly BufferData[] {
  return encodeFlatbufferParts("Model", FILE_IDENTIFIER, modelTable(model));
}

function modelTable(model: TfliteModel): DecodedTable {
  const emptyConstants = findEmptyConstants(model);
  return {
    version: model.version,
    operatorCodes: model.operatorCodes.map(({builtin, version, customCode}) => ({
      deprecatedBuiltinCode: Math.min(builtinCode(builtin), 127),
      customCode,
      version,
      builtinCode: builtin,
    })),
    subgraphs: model.subgraphs.map(subgraph),
    description: unlessEmpty(model.description),
    buffers: model.buffers.map((data, index) => ({
      data: data.length > 0 || emptyConstants.has(index) ? data : undefined,
    })),
    metadata: model.metadata.length > 0 ? model.metadata.map(({name, buffer}) => ({name, buffer})) : undefined,
    signatureDefs: model.signatures.length > 0 ? model.signatures.map(signature) : undefined,
  };
}

function subgraph({name, tensors, inputs, outputs, operators}: Subgraph, index: number): DecodedTable {
  return {
    tensors: tensors.map((each, at) => tensor(each, `subgraph ${index}, tensor ${at}`)),
    inputs,
    outputs,
    operators: operators.map((each, at) => operator(each, `subgraph ${index}, operator ${at}`)),
    name: unlessEmpty(name),
  };
}

function tensor(value: TfliteTensor, where: string): DecodedTable {
  if (value.sparse === true) throw unwritable(where, `"${value.name}" is sparse; store it dense`);
  return {
    shape: value.shape,
    type: value.type.toUpperCase(),
    buffer: value.buffer,
    name: unlessEmpty(value.name),
    quantization: value.quantization && quantization(value.quantization),
    isVariable: value.isVariable ?? false,
    shapeSignature: value.shapeSignature,
    hasRank: value.hasRank ?? false,
    variantTensors: value.variantTensors?.map(({shape, type, hasRank}) => ({shape, type: type.toUpperCase(), hasRank})),
  };
}

function quantization({scale, zeroPoint, quantizedDimension, min, max, details}: Quantization): DecodedTable {
  return {
    min,
    max,
    scale: scale.length > 0 ? scale : undefined,
    zeroPoint: zeroPoint.length > 0 ? zeroPoint : undefined,
    details: details && {type: details.type, value: details.value as DecodedTable},
    quantizedDimension,
  };
}

function operator(value: TfliteOperator, where: string): DecodedTable {
  return {
    opcodeIndex: value.opcodeIndex,
    inputs: value.inputs,
    outputs: value.outputs,
    ...optionsFields(value.optionsType, value.options, where),
    customOptions: value.customOptions,
    mutatingVariableInputs: value.mutatingVariableInputs,
    intermediates: value.intermediates,
  };
}

/** Options go into the union that has their table. */
function optionsFields(type: string | undefined, options: Options | undefined, where: string): DecodedTable {
  if (type === undefined) {
    if (options !== undefined) throw unwritable(where, "options are given without optionsType");
    return {};
  }
  const field = Object.entries(optionsUnions).find(([, union]) => union.values.has(type))?.[0];
  if (field === undefined) throw unwritable(where, `the schema has no options table "${type}"`);
  const union: DecodedUnion = {type, value: (options ?? {}) as DecodedTable};
  return {[field]: union};
}

function signature({key, subgraph: index, inputs, outputs}: SignatureDef): DecodedTable {
  const entries = (names: SignatureDef["inputs"]) => names.map(({name, tensor: at}) => ({name, tensorIndex: at}));
  return {inputs: entries(inputs), outputs: entries(outputs), signatureKey: key, subgraphIndex: index};
}

/**
 * Buffers without bytes that are constants all the same (tensors of no elements): in the file these have an empty list of
 * data, where a tensor that is computed has none. A constant is what no operator writes and no caller gives.
 */
function findEmptyConstants({subgraphs, buffers}: TfliteModel): ReadonlySet<number> {
  const found = new Set<number>();
  for (const {tensors, inputs, outputs: results, operators} of subgraphs) {
    const computed = new Set([
      ...inputs,
      ...operators.flatMap(({outputs, intermediates = []}) => [...outputs, ...intermediates]),
    ]);
    const used = new Set([...results, ...operators.flatMap((each) => each.inputs)]);
    tensors.forEach(({buffer, isVariable, shape}, index) => {
      const constant = used.has(index) && !computed.has(index) && isVariable !== true && shape.includes(0);
      if (constant && buffer > 0 && buffers[buffer]?.length === 0) found.add(buffer);
    });
  }
  return found;
}

function builtinCode(builtin: string): number {
  const code = enums.get("BuiltinOperator")!.values.get(builtin);
  if (code === undefined) throw unwritable("operatorCodes", `the schema has no operator "${builtin}"`);
  return code;
}

const unlessEmpty = (value: string): string | undefined => (value === "" ? undefined : value);

function unwritable(where: string, message: string): TfliteError {
  return new TfliteError("TFLITE_UNWRITABLE", `${where}: ${message}`, {details: {at: where}});
}
