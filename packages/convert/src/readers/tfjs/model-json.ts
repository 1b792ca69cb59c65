/**
 * `model.json` of TensorFlow.js (specs/convert.md §3.4): what the model is, which weights it has, in which files, and the
 * names of its inputs and outputs.
 */
import type {DType} from "@tf-trusted/tensor";
import {ConvertError} from "../../convert-error.ts";
import {jsonError} from "../graphdef/json-format.ts";
import {dataTypeNumbers, dataTypes} from "../graphdef/schema.ts";
import {checkDepth} from "../keras/config.ts";
import {type ModelFiles, readWhole} from "../model-files.ts";

export const modelJson = "model.json";

export interface TfjsModel {
  readonly format: "graph-model" | "layers-model";
  /** A GraphDef in JSON, or a Keras model. */
  readonly topology: Readonly<Record<string, unknown>>;
  readonly weights: readonly WeightGroup[];
  readonly signature: TfjsSignature | undefined;
}

/** Weights that lie one behind the other in files that are one after the other. */
export interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly WeightEntry[];
}

export interface WeightEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly quantization: Quantization | undefined;
}

export interface Quantization {
  readonly dtype: "uint8" | "uint16" | "float16";
  readonly scale: number;
  readonly min: number;
}

export interface TfjsSignature {
  readonly inputs: readonly TfjsPort[];
  readonly outputs: readonly TfjsPort[];
}

export interface TfjsPort {
  /** In the signature. Callers of TensorFlow.js know the tensor's name instead. */
  readonly key: string;
  /** `node:0` */
  readonly tensor: string;
  /** -1 where open; `undefined` where it isn't told. */
  readonly shape: readonly number[] | undefined;
}

/** Whether the files are a TensorFlow.js model. */
export const isTfjs = (files: ModelFiles): boolean => files.paths.includes(modelJson);

type Json = Readonly<Record<string, unknown>>;

/** Throws `CONVERT_FILE_MISSING`, `CONVERT_LIMIT`, `CONVERT_JSON`. */
export async function readModelJson(files: ModelFiles, maxBytes: number): Promise<TfjsModel> {
  return parseModelJson(await readWhole(files, modelJson, maxBytes));
}

/** Throws `CONVERT_JSON`, `CONVERT_LIMIT`. */
export function parseModelJson(bytes: Uint8Array): TfjsModel {
  const value = parseJson(bytes);
  checkDepth(value, modelJson);
  const root = objectAt(value, modelJson);
  const topology = objectAt(root.modelTopology, "modelTopology");
  return {
    format: formatOf(root, topology),
    topology,
    weights: listAt(root.weightsManifest ?? [], "weightsManifest").map(readGroup),
    signature: readSignature(root),
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", {fatal: true}).decode(bytes));
  } catch (cause) {
    throw new ConvertError(
      "CONVERT_JSON",
      `${modelJson} is no JSON: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    );
  }
}

/** Old converters wrote no format: a graph has nodes, a Keras model a configuration. */
function formatOf(root: Json, topology: Json): TfjsModel["format"] {
  if (root.format === "graph-model" || root.format === "layers-model") return root.format;
  if (root.format !== undefined && root.format !== null && root.format !== "tfjs-graph-model") {
    throw jsonError("format", JSON.stringify(root.format), `"graph-model" or "layers-model"`);
  }
  return "node" in topology ? "graph-model" : "layers-model";
}

function readGroup(value: unknown, at: number): WeightGroup {
  const where = `weightsManifest[${at}]`;
  const group = objectAt(value, where);
  const paths = listAt(group.paths, `${where}.paths`).map((path, i) => safePath(path, `${where}.paths[${i}]`));
  const weights = listAt(group.weights, `${where}.weights`).map((each, i) => readEntry(each, `${where}.weights[${i}]`));
  return {paths, weights};
}

/** A file of the model's own folder. */
function safePath(value: unknown, where: string): string {
  const path = textAt(value, where);
  const parts = path.split("/");
  if (path !== "" && !/[\\:\0]/.test(path) && parts.every((part) => part !== "" && part !== "." && part !== "..")) {
    return path;
  }
  throw jsonError(where, JSON.stringify(path), "a file beside model.json");
}

/** The dtypes that manifests have. */
const weightDTypes: Readonly<Record<string, DType>> = {
  float32: "float32",
  int32: "int32",
  bool: "bool",
  string: "string",
  complex64: "complex64",
  float16: "float16",
  uint8: "uint8",
  int64: "int64",
};

const maxRank = 32;

function readEntry(value: unknown, where: string): WeightEntry {
  const entry = objectAt(value, where);
  const written = textAt(entry.dtype, `${where}.dtype`);
  const dtype = Object.hasOwn(weightDTypes, written) ? weightDTypes[written] : undefined;
  if (dtype === undefined) throw jsonError(`${where}.dtype`, JSON.stringify(entry.dtype), "a type of weights");
  const sizes = listAt(entry.shape, `${where}.shape`);
  if (sizes.length > maxRank)
    throw jsonError(`${where}.shape`, `a list of ${sizes.length}`, `at most ${maxRank} sizes`);
  const shape = sizes.map((size, i) => {
    if (Number.isSafeInteger(size) && (size as number) >= 0) return size as number;
    throw jsonError(`${where}.shape[${i}]`, JSON.stringify(size), "a size");
  });
  const quantization = entry.quantization === undefined ? undefined : readQuantization(entry.quantization, where);
  return {name: textAt(entry.name, `${where}.name`), dtype, shape, quantization};
}

function readQuantization(value: unknown, where: string): Quantization {
  const given = objectAt(value, `${where}.quantization`);
  const {dtype, scale = 1, min = 0} = given;
  if (dtype !== "uint8" && dtype !== "uint16" && dtype !== "float16") {
    throw jsonError(`${where}.quantization.dtype`, JSON.stringify(dtype), "uint8, uint16 or float16");
  }
  if (typeof scale !== "number" || typeof min !== "number") {
    throw jsonError(`${where}.quantization`, JSON.stringify({scale, min}), "numbers for scale and min");
  }
  return {dtype, scale, min};
}

/** Newer converters write it beside the topology, older ones under the user's metadata. */
function readSignature(root: Json): TfjsSignature | undefined {
  const metadata = isObject(root.userDefinedMetadata) ? root.userDefinedMetadata : {};
  const signature = root.signature ?? metadata.signature;
  if (!isObject(signature)) return undefined;
  return {
    inputs: readPorts(signature.inputs, "signature.inputs"),
    outputs: readPorts(signature.outputs, "signature.outputs"),
  };
}

function readPorts(value: unknown, where: string): readonly TfjsPort[] {
  return Object.entries(objectAt(value ?? {}, where)).map(([name, port]) => {
    const {name: tensor, tensorShape, dtype} = objectAt(port, `${where}.${name}`);
    const known = typeof dtype === "string" ? dataTypes[dataTypeNumbers[dtype] ?? 0] : undefined;
    if (dtype !== undefined && typeof dtype === "string" && known === undefined) {
      throw jsonError(`${where}.${name}.dtype`, JSON.stringify(dtype), "a type of TensorFlow");
    }
    return {key: name, tensor: textAt(tensor, `${where}.${name}.name`), shape: readShape(tensorShape)};
  });
}

function readShape(value: unknown): readonly number[] | undefined {
  if (!isObject(value) || value.unknownRank === true) return undefined;
  const sizes = (Array.isArray(value.dim) ? value.dim : []).map((dim) => Number(isObject(dim) ? (dim.size ?? 0) : NaN));
  return sizes.every((size) => Number.isSafeInteger(size) && size >= -1) ? sizes : undefined;
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function objectAt(value: unknown, where: string): Json {
  if (isObject(value)) return value;
  throw jsonError(where, JSON.stringify(value)?.slice(0, 40), "an object");
}

function listAt(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw jsonError(where, JSON.stringify(value)?.slice(0, 40), "a list");
}

function textAt(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  throw jsonError(where, JSON.stringify(value)?.slice(0, 40), "text");
}
