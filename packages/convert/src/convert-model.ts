/**
 * One front door: what a model is, told by its content, and its conversion. Bytes are a GraphDef, a TensorFlow Lite or
 * Keras file or an archive of a folder; files are a SavedModel or a TensorFlow.js model.
 */
import {encodeHex} from "@tf-trusted/core";
import {readZip, TensorError, type ZipMember} from "@tf-trusted/tensor";
import {type ConvertOptions, type ConvertResult, convert, recogniseFormat} from "./convert.ts";
import {ConvertError} from "./convert-error.ts";
import {convertKeras, recogniseKerasFile} from "./convert-keras.ts";
import {convertSavedModel} from "./convert-saved-model.ts";
import {convertTfjs} from "./convert-tfjs.ts";
import {defaultLimits} from "./limits.ts";
import type {InputRequest} from "./readers/graphdef/select.ts";
import type {ModelFiles} from "./readers/model-files.ts";
import {isSavedModel} from "./readers/saved-model/saved-model.ts";
import {isTfjs} from "./readers/tfjs/model-json.ts";

/** A model as it lies there: one file's bytes, or the files of a folder. */
export type ModelSource = Uint8Array | ModelFiles;

export type RecognisedModel =
  | {readonly kind: "graphdef" | "graphdef-text" | "tflite" | "keras"; readonly bytes: Uint8Array}
  | {readonly kind: "saved-model" | "tfjs"; readonly files: ModelFiles};

export interface ModelOptions extends Omit<ConvertOptions, "format"> {
  /** Of a SavedModel with several: one or more. Default: all. */
  readonly signature?: string | readonly string[];
  /** Of a SavedModel's MetaGraph. Default: `serve`. */
  readonly tags?: readonly string[];
  /** Of a SavedModel: what it writes into variables is kept for its next call. Default: false. */
  readonly keepState?: boolean;
}

const magicOf = (letters: string): Uint8Array => new TextEncoder().encode(letters);

/** What people hand over by mistake, by its first bytes. */
const others: readonly {readonly magic: readonly number[]; readonly what: string}[] = [
  {magic: [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59], what: "a NumPy array, which is an input for a model"},
  {magic: [0x1f, 0x8b], what: "compressed with gzip; unpack it first"},
  {magic: [0x08, 0x01, 0x12], what: "the saved_model.pb of a SavedModel, which needs its folder"},
  ...[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((version) => ({
    magic: [0x08, version, 0x12],
    what: "an ONNX model, which isn't TensorFlow's",
  })),
  {magic: [...magicOf("GGUF")], what: "a GGUF file of weights, which has no graph"},
  {magic: [0x80, 0x02], what: "a Python pickle, as PyTorch writes them"},
  {magic: [0x89, ...magicOf("PNG")], what: "a PNG image"},
  {magic: [0xff, 0xd8, 0xff], what: "a JPEG image"},
  {magic: [...magicOf("%PDF")], what: "a PDF document"},
  {magic: [0x7f, ...magicOf("ELF")], what: "a program"},
  {magic: [0x3c], what: "XML or HTML, as a web server answers with an error page"},
  {magic: [0x7b], what: "JSON; a TensorFlow.js model needs the files beside its model.json"},
];

/**
 * Looks at the content only; names of files don't count. Throws `CONVERT_NOT_A_GRAPH` with what was found instead, and
 * `CONVERT_LIMIT`.
 */
export function recogniseModel(source: ModelSource, maxBytes: number = defaultLimits.maxBytes): RecognisedModel {
  if (!(source instanceof Uint8Array)) return recogniseFiles(source);
  if (recogniseKerasFile(source, maxBytes) !== undefined) return {kind: "keras", bytes: source};
  if (source[0] === 0x50 && source[1] === 0x4b) return recogniseFiles(filesInZip(source, maxBytes));
  const other = others.find(({magic}) => magic.every((byte, i) => source[i] === byte));
  if (other !== undefined) throw notAModel(`this is ${other.what}`);
  if (source.length === 0) throw notAModel("the file is empty");
  const kind = recogniseFormat(source, "auto", {...defaultLimits, maxBytes});
  if (kind === "graphdef" && !graphDefTags.has(source[0]!)) throw notAModel(`this is ${guess(source)}`);
  return {kind, bytes: source};
}

/** The fields that a GraphDef has: node, library, version, versions, debug_info. */
const graphDefTags: ReadonlySet<number> = new Set([0x0a, 0x12, 0x18, 0x22, 0x2a]);

/** For what isn't known: the beginning, as it is. */
function guess(bytes: Uint8Array): string {
  const head = bytes.subarray(0, 40);
  const isText = head.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09);
  return isText
    ? `text that begins with ${JSON.stringify(new TextDecoder().decode(head))}`
    : `a file of another kind: its first bytes are ${encodeHex(bytes.subarray(0, 8))}`;
}

/** Converts whatever `recogniseModel` knows. Throws what the readers throw. */
export async function convertModel(source: ModelSource, options: ModelOptions = {}): Promise<ConvertResult> {
  const model = recogniseModel(source, options.limits?.maxBytes);
  switch (model.kind) {
    case "tfjs":
      return convertTfjs(model.files, options);
    case "saved-model": {
      return convertSavedModel(model.files, options);
    }
    case "keras": {
      const {inputs = [], ...rest} = options;
      return convertKeras(model.bytes, {...rest, shapes: shapesOf(inputs)});
    }
    default:
      return convert(model.bytes, {...options, format: model.kind});
  }
}

/** Of the inputs that are asked for with a shape. */
function shapesOf(inputs: readonly (string | InputRequest)[]): Readonly<Record<string, readonly number[]>> {
  return Object.fromEntries(
    inputs.flatMap((each) => (typeof each !== "string" && each.shape ? [[each.name, each.shape] as const] : [])),
  );
}

function recogniseFiles(files: ModelFiles): RecognisedModel {
  if (isSavedModel(files)) return {kind: "saved-model", files};
  if (isTfjs(files)) return {kind: "tfjs", files};
  const some = files.paths.slice(0, 5).join(", ") || "nothing";
  throw notAModel(`the folder has neither saved_model.pb nor model.json; it has ${some}`);
}

/**
 * The files of an archive, without the folder that all of them may be in. Throws `CONVERT_NOT_A_GRAPH` for a damaged or
 * hostile archive: links out of it, members that expand beyond `maxBytes`.
 */
function filesInZip(bytes: Uint8Array, maxBytes: number): ModelFiles {
  try {
    const members = readZip(bytes, maxBytes).filter(({name}) => !name.endsWith("/"));
    const unsafe = members.find(
      ({name}) => name.startsWith("/") || /\\|\0/.test(name) || name.split("/").includes(".."),
    );
    if (unsafe !== undefined) throw notAModel(`the archive has a member ${JSON.stringify(unsafe.name)}`);
    const first = members[0]?.name.split("/", 1)[0];
    const prefix = members.length > 0 && members.every(({name}) => name.startsWith(`${first}/`)) ? `${first}/` : "";
    const byPath = new Map(members.map((each) => [each.name.slice(prefix.length), each]));
    // Readers take a file piece by piece; only the one that is being read is kept.
    let last: {readonly path: string; readonly bytes: Uint8Array} | undefined;
    const contentOf = (path: string): Uint8Array => {
      if (last?.path !== path) last = {path, bytes: readMember(byPath.get(path)!)};
      return last.bytes;
    };
    return {
      paths: [...byPath.keys()],
      size: async (path) => byPath.get(path)!.size,
      read: async (path, offset, length) => contentOf(path).subarray(offset, offset + length),
    };
  } catch (error) {
    throw asRefusal(error);
  }
}

function readMember(member: ZipMember): Uint8Array {
  try {
    return member.read();
  } catch (error) {
    throw asRefusal(error);
  }
}

function asRefusal(error: unknown): unknown {
  if (!(error instanceof TensorError)) return error;
  return new ConvertError("CONVERT_NOT_A_GRAPH", `the archive can't be read: ${error.message}`, {cause: error});
}

function notAModel(found: string): ConvertError {
  return new ConvertError(
    "CONVERT_NOT_A_GRAPH",
    `${found}; expected a frozen graph (.pb, .pbtxt), a .tflite, .keras or .h5 file, or a SavedModel or TensorFlow.js model, as a folder or zipped`,
  );
}
