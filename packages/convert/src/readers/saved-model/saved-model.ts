/**
 * A SavedModel folder: its MetaGraphs and signatures (specs/convert.md §2.1, §2.2). Values of variables stay in the
 * checkpoint until somebody asks for them.
 */
import {decodeMessage, type Message, type MessageMap} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import type {ValueDType} from "../../ir/graph.ts";
import {type GraphDef, graphDefOf} from "../graphdef/graph-def.ts";
import {dataTypes} from "../graphdef/schema.ts";
import {parseTextMessage} from "../graphdef/text-format.ts";
import {type ModelFiles, readWhole} from "../model-files.ts";
import {savedModel} from "./schema.ts";

/** An input or output of a signature: the name that callers use, and the value in the graph, `node:k`. */
export interface SignaturePort {
  readonly name: string;
  readonly tensor: string;
  readonly dtype: ValueDType;
  /** -1 where unknown; `undefined` = unknown rank. */
  readonly shape: readonly number[] | undefined;
}

export interface Signature {
  readonly name: string;
  /** Sorted by name, as SavedModels have no order. */
  readonly inputs: readonly SignaturePort[];
  readonly outputs: readonly SignaturePort[];
}

export interface MetaGraph {
  readonly tags: readonly string[];
  readonly graph: GraphDef;
  readonly signatures: readonly Signature[];
  /** Of TensorFlow 2: the tree of objects, and which of them functions capture. */
  readonly objects?: Message;
}

/** Whether a folder is one. */
export const isSavedModel = (files: ModelFiles): boolean =>
  files.paths.some((path) => /^saved_model\.(pb|pbtxt|cpb)$/.test(path));

/** Throws `CONVERT_SAVED_MODEL`, and what reading a GraphDef throws. */
export async function readSavedModel(files: ModelFiles, maxBytes: number): Promise<readonly MetaGraph[]> {
  const isText = !files.paths.includes("saved_model.pb") && files.paths.includes("saved_model.pbtxt");
  if (!isText && !files.paths.includes("saved_model.pb") && files.paths.includes("saved_model.cpb")) {
    throw refusal("it is stored in chunks (saved_model.cpb), which isn't read; save it in parts below 2 GB");
  }
  const bytes = await readWhole(files, isText ? "saved_model.pbtxt" : "saved_model.pb", maxBytes);
  const message = isText
    ? parseTextMessage(savedModel, new TextDecoder().decode(bytes))
    : decodeMessage(savedModel, bytes);
  const metaGraphs = ((message.meta_graphs ?? []) as Message[]).map((each) => ({
    tags: (((each.meta_info_def ?? {}) as Message).tags ?? []) as string[],
    graph: graphDefOf((each.graph_def ?? {}) as Message),
    signatures: [...((each.signature_def ?? new Map()) as MessageMap)].map(([name, signature]) => ({
      name,
      inputs: portsOf(name, signature.inputs as MessageMap | undefined),
      outputs: portsOf(name, signature.outputs as MessageMap | undefined),
    })),
    ...(each.object_graph_def !== undefined && {objects: each.object_graph_def as Message}),
  }));
  if (metaGraphs.length === 0) throw refusal("it has no MetaGraph");
  return metaGraphs;
}

/** The one with exactly these tags; without a wish, the one for serving, or the only one. Throws `CONVERT_SAVED_MODEL`. */
export function chooseMetaGraph(metaGraphs: readonly MetaGraph[], tags: readonly string[] | undefined): MetaGraph {
  const same = (a: readonly string[], b: readonly string[]) => [...a].sort().join() === [...b].sort().join();
  const found = metaGraphs.find((each) => same(each.tags, tags ?? ["serve"]));
  if (found) return found;
  if (tags === undefined && metaGraphs.length === 1) return metaGraphs[0]!;
  const known = metaGraphs.map((each) => `{${each.tags.join(", ")}}`).join(" ");
  throw refusal(`it has no MetaGraph with the tags {${(tags ?? ["serve"]).join(", ")}}; it has ${known}`);
}

/** Initialisers, which TensorFlow lists among the signatures. */
const notForCallers: ReadonlySet<string> = new Set(["__saved_model_init_op", "__saved_model_train_op"]);

export const servedSignatures = ({signatures}: MetaGraph): readonly Signature[] =>
  signatures.filter(({name}) => !notForCallers.has(name));

/** The named one; without a name `serving_default`, or the only one. Throws `CONVERT_SAVED_MODEL`. */
export function chooseSignature(metaGraph: MetaGraph, wanted: string | undefined): Signature {
  const served = servedSignatures(metaGraph);
  const found = served.find(({name}) => name === (wanted ?? "serving_default"));
  if (found) return found;
  if (wanted === undefined && served.length === 1) return served[0]!;
  const names = served.map(({name}) => `"${name}"`).join(", ") || "none";
  throw refusal(`it has no signature "${wanted ?? "serving_default"}"; it has ${names}`);
}

/**
 * The named ones, in that order; without names all that are served, the one that callers mean who name none first. Throws
 * `CONVERT_SAVED_MODEL`.
 */
export function chooseSignatures(metaGraph: MetaGraph, wanted: readonly string[] | undefined): readonly Signature[] {
  if (wanted !== undefined && wanted.length > 0) {
    return [...new Set(wanted)].map((name) => chooseSignature(metaGraph, name));
  }
  const served = servedSignatures(metaGraph);
  if (served.length === 0) throw refusal("it has no signature");
  const isDefault = ({name}: Signature) => name === "serving_default";
  return [...served.filter(isDefault), ...served.filter((each) => !isDefault(each))];
}

function portsOf(signature: string, map: MessageMap | undefined): readonly SignaturePort[] {
  return [...(map ?? new Map<string, Message>())]
    .map(([name, info]) => {
      if (info.coo_sparse !== undefined || info.composite_tensor !== undefined) {
        throw refusal(`"${name}" of its signature "${signature}" is sparse or ragged; expected plain tensors`);
      }
      const shape = info.tensor_shape as Message | undefined;
      const dims = shape === undefined || shape.unknown_rank === true ? undefined : ((shape.dim ?? []) as Message[]);
      return {
        name,
        tensor: (info.name ?? "") as string,
        dtype: dataTypes[Number(info.dtype ?? 0)] ?? "variant",
        shape: dims?.map((dim) => Number((dim.size ?? 0n) as bigint)),
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function refusal(message: string): ConvertError {
  return new ConvertError("CONVERT_SAVED_MODEL", `the SavedModel can't be converted: ${message}`);
}
