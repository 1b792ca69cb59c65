/**
 * Bytes of a `.tflite` file → {@link TfliteModel}. Strict: what the schema doesn't know is refused, because an engine that
 * knows more than the check would run what was not checked. Meaning (indices, sizes, graphs) is `checkModel`'s.
 */
import {type Decoded, type DecodedTable, type DecodedUnion, FlatbufferReader} from "./flatbuffer/reader.ts";
import {defaultLimits, type TfliteLimits} from "./limits.ts";
import type {
  OperatorCode,
  Options,
  Quantization,
  SignatureDef,
  Subgraph,
  TfliteModel,
  TfliteOperator,
  TfliteTensor,
  TfliteType,
} from "./model.ts";
import {enums} from "./schema/schema.ts";
import {TfliteError} from "./tflite-error.ts";

/** The file identifier, and the only schema version there is. */
export const FILE_IDENTIFIER = "TFL3";
export const SCHEMA_VERSION = 3;

/**
 * Reads a file. Buffers and custom options are views into `bytes`; everything else is copied. Throws the `TFLITE_*` codes
 * of reading, never anything else, in time proportional to the file's tables.
 */
export function readModel(bytes: Uint8Array, options: {readonly limits?: Partial<TfliteLimits>} = {}): TfliteModel {
  const limits = {...defaultLimits, ...options.limits};
  if (bytes.length > limits.maxFileBytes) {
    throw new TfliteError("TFLITE_LIMIT", `the file has ${bytes.length} bytes; the limit is ${limits.maxFileBytes}`);
  }
  const root = new FlatbufferReader(bytes, limits.maxDecodedBytes).decodeRoot("Model", FILE_IDENTIFIER);
  const version = number(root.version);
  if (version !== SCHEMA_VERSION) {
    throw new TfliteError("TFLITE_VERSION", `found schema version ${version}; expected ${SCHEMA_VERSION}`);
  }
  if (list(root.externalBuffers).length > 0 || list(root.externalBufferGroups).length > 0) {
    throw new TfliteError("TFLITE_EXTERNAL", "the file keeps weights in other files; expected one self-contained file");
  }
  return {
    version,
    description: text(root.description),
    operatorCodes: list(root.operatorCodes).map(operatorCode),
    subgraphs: list(root.subgraphs).map((table) => subgraph(table, bytes)),
    buffers: list(root.buffers).map((table, index) => bufferData(table, bytes, index)),
    metadata: list(root.metadata).map((table) => ({name: text(table.name), buffer: number(table.buffer)})),
    signatures: list(root.signatureDefs).map(signature),
  };
}

function operatorCode(table: DecodedTable): OperatorCode {
  const {values, names} = enums.get("BuiltinOperator")!;
  // Codes up to 126 stand in the old one-byte field, in old files only there: readers take the larger.
  const code = Math.max(number(table.deprecatedBuiltinCode), values.get(text(table.builtinCode))!);
  const builtin = names.get(code);
  if (builtin === undefined) throw new TfliteError("TFLITE_UNKNOWN_VALUE", `BuiltinOperator has no value ${code}`);
  return {
    builtin,
    version: number(table.version),
    ...(table.customCode === undefined ? {} : {customCode: text(table.customCode)}),
  };
}

function subgraph(table: DecodedTable, file: Uint8Array): Subgraph {
  return {
    name: text(table.name),
    tensors: list(table.tensors).map(tensor),
    inputs: numbers(table.inputs),
    outputs: numbers(table.outputs),
    operators: list(table.operators).map((each) => operator(each, file)),
  };
}

function tensor(table: DecodedTable): TfliteTensor {
  if (number(table.externalBuffer) !== 0) {
    throw new TfliteError("TFLITE_EXTERNAL", `tensor "${text(table.name)}" has its data in another file`);
  }
  const signatureOf = numbers(table.shapeSignature);
  const details = quantization(table.quantization as DecodedTable | undefined);
  return {
    name: text(table.name),
    type: typeName(table.type),
    shape: numbers(table.shape),
    ...(signatureOf.length > 0 ? {shapeSignature: signatureOf} : {}),
    buffer: number(table.buffer),
    ...(details === undefined ? {} : {quantization: details}),
    ...(table.isVariable === true ? {isVariable: true} : {}),
    ...(table.hasRank === true ? {hasRank: true} : {}),
    ...(table.variantTensors === undefined
      ? {}
      : {
          variantTensors: list(table.variantTensors).map((each) => ({
            shape: numbers(each.shape),
            type: typeName(each.type),
            hasRank: each.hasRank === true,
          })),
        }),
    ...(table.sparsity === undefined ? {} : {sparse: true}),
  };
}

/** `undefined` for the empty table that converters store with every float tensor. */
function quantization(table: DecodedTable | undefined): Quantization | undefined {
  if (table === undefined) return undefined;
  const {min, max} = table;
  const details = table.details as DecodedUnion | undefined;
  const found: Quantization = {
    scale: numbers(table.scale),
    zeroPoint: (table.zeroPoint ?? []) as readonly bigint[],
    quantizedDimension: number(table.quantizedDimension),
    ...(min === undefined ? {} : {min: numbers(min)}),
    ...(max === undefined ? {} : {max: numbers(max)}),
    ...(details === undefined ? {} : {details: {type: details.type, value: details.value as Options}}),
  };
  const empty =
    found.scale.length === 0 &&
    found.zeroPoint.length === 0 &&
    found.quantizedDimension === 0 &&
    numbers(min).length === 0 &&
    numbers(max).length === 0 &&
    details === undefined;
  return empty ? undefined : found;
}

function operator(table: DecodedTable, file: Uint8Array): TfliteOperator {
  const first = table.builtinOptions as DecodedUnion | undefined;
  const second = table.builtinOptions2 as DecodedUnion | undefined;
  if (first !== undefined && second !== undefined) {
    throw new TfliteError(
      "TFLITE_LAYOUT",
      `an operator has two options tables, ${first.type} and ${second.type}; expected one`,
    );
  }
  const options = first ?? second;
  const customOptions = inlineOrAfter(
    table.customOptions as Uint8Array | undefined,
    table.largeCustomOptionsOffset as bigint,
    table.largeCustomOptionsSize as bigint,
    file,
    "custom options",
  );
  return {
    opcodeIndex: number(table.opcodeIndex),
    inputs: numbers(table.inputs),
    outputs: numbers(table.outputs),
    ...(options === undefined ? {} : {optionsType: options.type, options: options.value as Options}),
    ...(customOptions === undefined ? {} : {customOptions}),
    ...(table.mutatingVariableInputs === undefined
      ? {}
      : {mutatingVariableInputs: table.mutatingVariableInputs as readonly boolean[]}),
    ...(table.intermediates === undefined ? {} : {intermediates: numbers(table.intermediates)}),
  };
}

function signature(table: DecodedTable): SignatureDef {
  const names = (entries: Decoded) =>
    list(entries).map((entry) => ({name: text(entry.name), tensor: number(entry.tensorIndex)}));
  return {
    key: text(table.signatureKey),
    subgraph: number(table.subgraphIndex),
    inputs: names(table.inputs),
    outputs: names(table.outputs),
  };
}

function bufferData(table: DecodedTable, file: Uint8Array, index: number): Uint8Array {
  const inline = table.data as Uint8Array | undefined;
  return (
    inlineOrAfter(inline, table.offset as bigint, table.size as bigint, file, `buffer ${index}`) ?? new Uint8Array(0)
  );
}

/**
 * Data is inline, or, in files over 2 GiB, anywhere in the file by absolute offset and size. Offsets 0 and 1 mean that
 * there is none (1 is what writers put before they know).
 */
function inlineOrAfter(
  inline: Uint8Array | undefined,
  offset: bigint,
  size: bigint,
  file: Uint8Array,
  what: string,
): Uint8Array | undefined {
  if (offset <= 1n && size === 0n) return inline;
  if (inline !== undefined)
    throw new TfliteError("TFLITE_BUFFER", `${what} is stored both inline and at offset ${offset}`);
  if (offset <= 1n || offset + size > BigInt(file.length)) {
    throw new TfliteError(
      "TFLITE_BUFFER",
      `${what} is stored at offset ${offset} with ${size} bytes; the file has ${file.length}`,
    );
  }
  return file.subarray(Number(offset), Number(offset + size));
}

const list = (value: Decoded): readonly DecodedTable[] => (value ?? []) as readonly DecodedTable[];
const numbers = (value: Decoded): readonly number[] => (value ?? []) as readonly number[];
const number = (value: Decoded): number => value as number;
const text = (value: Decoded): string => (value ?? "") as string;
const typeName = (value: Decoded): TfliteType => text(value).toLowerCase() as TfliteType;
