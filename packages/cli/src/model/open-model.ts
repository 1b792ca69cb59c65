/**
 * A model file made ready to be loaded: read, recognised by its content, converted if it is a TensorFlow graph. What was
 * said about inputs, outputs and shapes on the command line is resolved against what the file has.
 */
import type {ModelTensor} from "@tf-trusted/client";
import {
  ConvertError,
  type ConvertOptions,
  type ConvertReport,
  type ConvertResult,
  convert,
  convertKeras,
  convertSavedModel,
  convertTfjs,
  type InputRequest,
  inspectGraph,
  inspectKeras,
  inspectModel,
  inspectSavedModel,
  type ModelFiles,
  type RecognisedModel,
  recogniseModel,
} from "@tf-trusted/convert";
import {openFolder, sourceOfFile} from "@tf-trusted/convert/node";
import {admitParsed, defaultLimits, type Signature, type TensorSpec} from "@tf-trusted/litert";
import type {LazyBytes} from "@tf-trusted/tensor";
import type {ShapeRequest} from "../arguments.ts";
import {CliError} from "../cli-error.ts";
import {isFolder, readInputFile} from "../files.ts";
import {formatShape} from "../render/quantities.ts";
import {findByName, listSpecs, sameName} from "./names.ts";

export interface Levels {
  readonly scale: number;
  readonly zero: number;
}

/** An input or output as far as the command has to know it. Dimensions are -1 where any size is allowed. */
export interface Port {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Whether its numbers stand for others (scale and zero point). */
  readonly quantized?: boolean;
  /** Where it has one scale: real = scale·(number − zero). */
  readonly levels?: Levels;
}

export interface ModelWishes {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly shapes: readonly ShapeRequest[];
  readonly batchSize?: number | undefined;
  /** Of a model with several. */
  readonly signature?: string | undefined;
  /** Of a SavedModel, for a file with as many: these, or all where none is named. Default: `signature` alone. */
  readonly signatures?: readonly string[] | undefined;
  /** Of a SavedModel's MetaGraph. */
  readonly tags?: readonly string[] | undefined;
  /** Of a SavedModel that writes variables. */
  readonly keepState?: boolean | undefined;
}

export interface SignaturePorts {
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

export interface OpenedModel {
  readonly path: string;
  /** A `.tflite` file; put together when it is asked for. */
  readonly model: Uint8Array;
  /** The same file as consecutive parts. */
  readonly parts: readonly (Uint8Array | LazyBytes)[];
  readonly sourceBytes: number;
  readonly report: ConvertReport;
  readonly convertMs: number;
  /** The one that is called: `inputs` and `outputs` are its. */
  readonly signature: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** All of the file. */
  readonly signatures: readonly SignaturePorts[];
  /** What TensorFlow computes, if `reference` was asked for and the file isn't TensorFlow Lite already. */
  readonly reference?: NonNullable<ConvertResult["reference"]>;
}

/** What commands may tell the conversion. */
export interface OpenOptions extends Pick<ConvertOptions, "dumpPass" | "quantize" | "ioType" | "reference"> {
  /** Of the `.tflite` file. Default: what the enclave's engine takes. */
  readonly maxModelBytes?: number;
}

/**
 * Reads, converts, and checks the result as the enclave's engine will. Throws `CLI_FILE_READ`, `CLI_FILE_KIND`,
 * `CLI_SIGNATURE`, `CLI_INPUT_NAME`, `CLI_INPUT_SHAPE`, `CLI_BATCH`, and what `convert` and `admitModel` throw.
 */
export async function openModel(path: string, wishes: ModelWishes, options: OpenOptions = {}): Promise<OpenedModel> {
  const source = await recognisePath(path);
  if (wishes.keepState && source.kind !== "saved-model") {
    throw new CliError("CLI_USAGE", `--keep-state is for SavedModels, and ${path} is another kind of model`);
  }
  switch (source.kind) {
    case "saved-model":
      return openSavedModel(path, source.files, wishes, options);
    case "tfjs":
      return openTfjs(path, source.files, wishes, options);
    case "keras":
      return openKeras(path, source.bytes, wishes, options);
    default:
      return openFile(path, source.bytes, wishes, options);
  }
}

/** What is at a path, by its content. Throws `CLI_FILE_READ`, and `CLI_FILE_KIND` for what is no model. */
export async function recognisePath(path: string): Promise<RecognisedModel> {
  const source = (await isFolder(path)) ? await openFolder(path) : await sourceOfFile(path, await readInputFile(path));
  try {
    return recogniseModel(source);
  } catch (error) {
    if (!(error instanceof ConvertError) || error.code !== "CONVERT_NOT_A_GRAPH") throw error;
    throw new CliError("CLI_FILE_KIND", `${path}: ${error.message.replace(/^[A-Z_]+: /, "")}`, {
      cause: error,
      details: {path},
    });
  }
}

async function openFile(
  path: string,
  bytes: Uint8Array,
  wishes: ModelWishes,
  options: OpenOptions,
): Promise<OpenedModel> {
  const started = performance.now();
  const isTflite = recogniseTflite(bytes);
  const requests = isTflite ? [] : resolveInputs(bytes, wishes);
  const converted = convert(bytes, {
    ...options,
    ...(requests.length > 0 && {inputs: requests}),
    ...(!isTflite && wishes.outputNames.length > 0 && {outputs: wishes.outputNames}),
  });
  const opened = describeOpened(path, bytes.length, converted, wishes.signature, started, options);
  if (isTflite) checkWishes(opened.inputs, wishes);
  return opened;
}

async function openTfjs(
  path: string,
  files: ModelFiles,
  wishes: ModelWishes,
  options: OpenOptions,
): Promise<OpenedModel> {
  const started = performance.now();
  const asked = {
    ...(wishes.inputNames.length > 0 && {inputs: wishes.inputNames}),
    ...(wishes.outputNames.length > 0 && {outputs: wishes.outputNames}),
  };
  const hasShapes = wishes.shapes.length > 0 || wishes.batchSize !== undefined;
  const inputs = hasShapes ? shapeRequests(await inputsOf(files, asked), wishes) : asked.inputs;
  const converted = await convertTfjs(files, {...options, ...asked, ...(inputs && {inputs})});
  return describeOpened(path, await sizeOf(files), converted, converted.signature.name, started, options);
}

/** Inputs of a model with one signature, as it declares them. */
async function inputsOf(
  files: ModelFiles,
  asked: {readonly inputs?: readonly string[]; readonly outputs?: readonly string[]},
): Promise<readonly {readonly name: string; readonly shape: readonly number[] | undefined}[]> {
  const {signatures} = (await inspectModel(files, asked)).structure;
  return (signatures[0]?.inputs ?? []).map(({name, shape}) => ({name, shape: shape ?? undefined}));
}

async function openKeras(
  path: string,
  bytes: Uint8Array,
  wishes: ModelWishes,
  options: OpenOptions,
): Promise<OpenedModel> {
  const started = performance.now();
  const {inputs} = inspectKeras(bytes);
  for (const name of wishes.inputNames) shapeOwner(inputs, name);
  const converted = convertKeras(bytes, {
    ...options,
    outputs: wishes.outputNames,
    shapes: Object.fromEntries(
      shapeRequests(inputs, wishes).flatMap(({name, shape}) => (shape === undefined ? [] : [[name, shape]])),
    ),
  });
  return describeOpened(path, bytes.length, converted, converted.signature.name, started, options);
}

/** What was converted, checked as the engine will. */
function describeOpened(
  path: string,
  sourceBytes: number,
  converted: ConvertResult,
  wanted: string | undefined,
  started: number,
  {maxModelBytes = defaultLimits.maxModelBytes}: OpenOptions,
): OpenedModel {
  const {parts, tflite, report, reference} = converted;
  const admitted = admitParsed(tflite, report.modelBytes, {...defaultLimits, maxModelBytes}, "wasm");
  const signatures: readonly SignaturePorts[] = admitted.signatures.map(toPorts);
  const {name, inputs, outputs} = chooseSignature(signatures, wanted);
  return {
    path,
    get model() {
      return converted.model;
    },
    parts,
    sourceBytes,
    report,
    convertMs: performance.now() - started,
    signature: name,
    inputs,
    outputs,
    signatures,
    ...(reference && {reference}),
  };
}

async function sizeOf(files: ModelFiles): Promise<number> {
  const sizes = await Promise.all(files.paths.map((path) => files.size(path)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

type NamedShape = Parameters<typeof shapeRequests>[0][number];

function nodeOrPort(ports: readonly NamedShape[], name: string): NamedShape {
  return findByName(ports, name) ?? {name, shape: undefined};
}

async function openSavedModel(
  path: string,
  files: ModelFiles,
  wishes: ModelWishes,
  options: OpenOptions,
): Promise<OpenedModel> {
  const started = performance.now();
  const {metaGraphs} = await inspectSavedModel(files);
  const served = chooseMetaGraph(metaGraphs, wishes.tags);
  const {signature, signatures = [chooseSignature(served.signatures, signature).name]} = wishes;
  // Outputs that are picked are those of one signature.
  const chosen =
    signatures.length === 0 && wishes.outputNames.length === 0
      ? served.signatures
      : (signatures.length > 0 ? signatures : [undefined]).map((name) => chooseSignature(served.signatures, name));
  const ports = [...new Map(chosen.flatMap(({inputs}) => inputs.map((port) => [port.name, port] as const))).values()];
  // Names that no signature has are nodes, where the graph is to be cut.
  const isCut = wishes.inputNames.some((name) => findByName(ports, name) === undefined);
  const requests = shapeRequests(isCut ? wishes.inputNames.map((name) => nodeOrPort(ports, name)) : ports, wishes);
  const converted = await convertSavedModel(files, {
    ...options,
    tags: served.tags,
    keepState: wishes.keepState === true,
    outputs: wishes.outputNames,
    signature: signatures,
    ...(isCut
      ? {inputs: requests}
      : {
          shapes: Object.fromEntries(requests.flatMap(({name, shape}) => (shape === undefined ? [] : [[name, shape]]))),
        }),
  });
  return describeOpened(path, await sizeOf(files), converted, converted.signature.name, started, options);
}

/** The one with these tags; else that for serving, or the first. Throws `CLI_SIGNATURE`. */
function chooseMetaGraph<T extends {readonly tags: readonly string[]}>(
  metaGraphs: readonly T[],
  wanted: readonly string[] | undefined,
): T {
  const sorted = (tags: readonly string[]) => tags.toSorted().join();
  const found = metaGraphs.find(({tags}) => sorted(tags) === sorted(wanted ?? ["serve"]));
  const chosen = found ?? (wanted === undefined ? metaGraphs[0] : undefined);
  if (chosen !== undefined) return chosen;
  const known = metaGraphs.map(({tags}) => tags.join(",") || "no tags").join("; ");
  throw new CliError("CLI_SIGNATURE", `the model has no MetaGraph with the tags ${wanted?.join(",")}; it has ${known}`);
}

/** The one that was asked for; else `serving_default`, else the first. Throws `CLI_SIGNATURE`. */
export function chooseSignature<T extends {readonly name: string}>(
  signatures: readonly T[],
  wanted: string | undefined,
): T {
  const found = signatures.find(({name}) => name === (wanted ?? "serving_default"));
  const chosen = found ?? (wanted === undefined ? signatures[0] : undefined);
  if (chosen !== undefined) return chosen;
  const names = signatures.map(({name}) => `"${name}"`).join(", ") || "none";
  throw new CliError("CLI_SIGNATURE", `the model has no signature "${wanted ?? "serving_default"}"; it has ${names}`);
}

const toPorts = ({name, inputs, outputs}: Signature): SignaturePorts => ({
  name,
  inputs: inputs.map(toPort),
  outputs: outputs.map(toPort),
});

/** Of this machine's engine, or of what an enclave tells about a model. */
export function toPort({name, dtype, shape, quantization}: TensorSpec | ModelTensor): Port {
  const [scales, zeros] = levelsOf(quantization);
  const levels = scales.length === 1 ? {levels: {scale: scales[0]!, zero: Number(zeros[0] ?? 0)}} : {};
  return {name, dtype, shape, quantized: scales.length > 0, ...levels};
}

function levelsOf(
  quantization: (TensorSpec | ModelTensor)["quantization"],
): readonly [scales: readonly number[], zeros: readonly (bigint | number)[]] {
  if (quantization === undefined) return [[], []];
  return "scales" in quantization
    ? [quantization.scales, quantization.zeroPoints]
    : [quantization.scale, quantization.zeroPoint];
}

/** TensorFlow Lite files have `TFL3` at offset 4. */
export function recogniseTflite(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && String.fromCharCode(...bytes.subarray(4, 8)) === "TFL3";
}

/** The inputs to convert with: none where the graph's own will do. */
export function resolveInputs(
  bytes: Uint8Array,
  {inputNames, outputNames, shapes, batchSize}: ModelWishes,
): readonly InputRequest[] {
  if (shapes.length === 0 && batchSize === undefined) return inputNames.map((name) => ({name}));
  const {inputs} = inspectGraph(bytes, {
    ...(inputNames.length > 0 && {inputs: inputNames}),
    ...(outputNames.length > 0 && {outputs: outputNames}),
  });
  return shapeRequests(inputs, {shapes, batchSize});
}

/** Each input, with the shape that it should have where that isn't the model's own. */
function shapeRequests(
  inputs: readonly {readonly name: string; readonly shape: readonly number[] | undefined}[],
  {shapes, batchSize}: Pick<ModelWishes, "shapes" | "batchSize">,
): readonly InputRequest[] {
  const wanted = new Map<string, readonly number[]>();
  for (const {name, shape} of shapes) {
    const input = shapeOwner(inputs, name);
    wanted.set(input.name, fitBatch(input.name, shape, batchSize));
  }
  return inputs.map(({name, shape}) => {
    const given = wanted.get(name);
    if (given !== undefined) return {name, shape: given};
    if (shape === undefined || shape.length === 0 || batchSize === undefined) return {name};
    return {name, shape: fitBatch(name, shape, batchSize)};
  });
}

/** A `.tflite` file has its names and shapes; wishes can only agree with them. */
export function checkWishes(inputs: readonly Port[], {inputNames, shapes, batchSize}: ModelWishes): void {
  for (const name of inputNames) {
    if (findByName(inputs, name) === undefined) {
      throw new CliError("CLI_INPUT_NAME", `the model has no input "${name}"; it takes ${listSpecs(inputs)}`);
    }
  }
  for (const {name, shape} of shapes) {
    const input = shapeOwner(inputs, name);
    const wanted = fitBatch(input.name, shape, batchSize);
    const fits =
      wanted.length === input.shape.length &&
      wanted.every(
        (dimension, axis) => input.shape[axis] === -1 || dimension === -1 || dimension === input.shape[axis],
      );
    if (!fits) {
      throw new CliError(
        "CLI_INPUT_SHAPE",
        `--input-shape gives "${input.name}" ${formatShape(wanted)}, but the model has ${formatShape(input.shape)}`,
      );
    }
  }
}

function shapeOwner<T extends {readonly name: string}>(inputs: readonly T[], name: string | undefined): T {
  const found = name === undefined ? (inputs.length === 1 ? inputs[0] : undefined) : findByName(inputs, name);
  if (found !== undefined) return found;
  const names = inputs.map((input) => `"${input.name}"`).join(", ") || "no inputs";
  throw new CliError(
    "CLI_INPUT_NAME",
    name === undefined
      ? `--input-shape names no input, and the model has ${inputs.length}: ${names}; expected NAME=1,224,224,3`
      : `--input-shape names "${name}", which is none of the model's inputs: ${names}`,
  );
}

/** `shape` with its batch dimension set. Throws `CLI_BATCH` where it is another already. */
function fitBatch(name: string, shape: readonly number[], batchSize: number | undefined): readonly number[] {
  if (batchSize === undefined || shape.length === 0) return shape;
  if (shape[0] !== -1 && shape[0] !== batchSize) {
    throw new CliError(
      "CLI_BATCH",
      `--batch-size is ${batchSize}, but "${name}" has the shape ${formatShape(shape)}, whose first dimension is ${shape[0]}`,
    );
  }
  return [batchSize, ...shape.slice(1)];
}

/** The outputs that were asked for, in that order; all of them where none was. Throws `CLI_OUTPUT_NAME`. */
export function chooseOutputs(names: readonly string[], wanted: readonly string[]): readonly string[] {
  if (wanted.length === 0) return names;
  return wanted.map((name) => {
    const found = names.find((it) => it === name) ?? names.find((it) => sameName(it, name));
    if (found !== undefined) return found;
    const list = names.map((it) => `"${it}"`).join(", ");
    throw new CliError("CLI_OUTPUT_NAME", `the model has no output "${name}"; it gives ${list}`);
  });
}
