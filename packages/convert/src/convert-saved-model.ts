/** SavedModel → TensorFlow Lite: MetaGraph and signature chosen, variables frozen, and then as any graph. */
import type {DType} from "@tf-trusted/tensor";
import {type ConvertOptions, type ConvertResult, convertSource} from "./convert.ts";
import {ConvertError} from "./convert-error.ts";
import type {PortDescription} from "./inspect.ts";
import {defaultLimits} from "./limits.ts";
import {tfTable} from "./ops/tf/index.ts";
import {Checkpoint} from "./readers/checkpoint/checkpoint.ts";
import {operatorsOf} from "./readers/graphdef/graph-def.ts";
import {importGraph} from "./readers/graphdef/import-graph.ts";
import {prepareGraph} from "./readers/graphdef/prepare.ts";
import {indexNodes, parseRef, selectNodes} from "./readers/graphdef/select.ts";
import type {ModelFiles} from "./readers/model-files.ts";
import {freezeVariables} from "./readers/saved-model/freeze.ts";
import {
  chooseMetaGraph,
  chooseSignature,
  readSavedModel,
  type Signature,
  type SignaturePort,
  servedSignatures,
} from "./readers/saved-model/saved-model.ts";
import {countBy} from "./report.ts";

export interface SavedModelOptions
  extends Pick<ConvertOptions, "verify" | "dumpPass" | "limits" | "float64" | "quantize" | "ioType" | "reference"> {
  /** Default: `serving_default`, or the only one. */
  readonly signature?: string;
  /** Default: `serve`. */
  readonly tags?: readonly string[];
  /** Outputs of the signature that are wanted; default: all. */
  readonly outputs?: readonly string[];
  /** Shapes for inputs of the signature, by name; -1 leaves a dimension open. Default: the signature's own. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
}

const variablesPrefix = "variables/variables";

/**
 * Converts one signature; inputs and outputs keep its names, sorted. Reads no more of the variables than it needs. Throws
 * {@link ConvertError}: `CONVERT_SAVED_MODEL`, `CONVERT_NOT_FROZEN` for models that keep state, and what `convert` throws.
 *
 * ```ts
 * import {openFolder} from "@tf-trusted/convert/node";
 * const {model} = await convertSavedModel(await openFolder("saved_model"), {signature: "serving_default"});
 * ```
 */
export async function convertSavedModel(files: ModelFiles, options: SavedModelOptions = {}): Promise<ConvertResult> {
  const limits = {...defaultLimits, ...options.limits};
  const metaGraph = chooseMetaGraph(await readSavedModel(files, limits.maxBytes), options.tags);
  const signature = withOutputs(chooseSignature(metaGraph, options.signature), options.outputs);
  const unknown = Object.keys(options.shapes ?? {}).find(
    (name) => !signature.inputs.some((each) => each.name === name),
  );
  if (unknown !== undefined) {
    const names = signature.inputs.map(({name}) => `"${name}"`).join(", ");
    throw new ConvertError(
      "CONVERT_NAME_UNKNOWN",
      `the signature "${signature.name}" has no input "${unknown}"; it has ${names}`,
    );
  }
  const hasVariables = files.paths.includes(`${variablesPrefix}.index`);
  const outputs = signature.outputs.map(({tensor}) => parseRef(tensor));
  const frozen = await freezeVariables(
    metaGraph.graph,
    outputs,
    hasVariables ? await Checkpoint.open(files, variablesPrefix) : undefined,
  );
  const definition = prepareGraph(frozen);
  const index = indexNodes(definition);
  const requests = signature.inputs.map(({name, tensor, shape: declared}) => {
    const shape = options.shapes?.[name] ?? declared;
    return {name: tensor, as: name, ...(shape && {shape})};
  });
  // Two names may stand for one value.
  const selection = {
    ...selectNodes(index, requests, [...new Set(outputs)]),
    outputs,
    outputNames: signature.outputs.map(({name}) => name),
  };
  if (selection.nodes.length > limits.maxNodes) {
    throw new ConvertError("CONVERT_LIMIT", `${selection.nodes.length} nodes, expected at most ${limits.maxNodes}`);
  }
  const graph = importGraph(definition, index, selection, tfTable, {
    bytes: limits.maxConstantBytes,
    tensorBytes: limits.maxTensorBytes,
  });
  return convertSource({graph, notes: selection.notes, format: "saved-model", name: signature.name}, options);
}

/** What a SavedModel offers, without its variables. */
export interface SavedModelStructure {
  readonly metaGraphs: readonly {
    readonly tags: readonly string[];
    readonly signatures: readonly {
      readonly name: string;
      readonly inputs: readonly PortDescription[];
      readonly outputs: readonly PortDescription[];
    }[];
    /** Operators of the graph and of all its functions, with their numbers. */
    readonly operators: Readonly<Record<string, number>>;
    readonly functions: number;
  }[];
  /** Variables of the checkpoint by key, with optimiser state and copies that no signature may need. */
  readonly variables: readonly {readonly name: string; readonly dtype: DType; readonly shape: readonly number[]}[];
  readonly assets: readonly string[];
}

/** Describes a SavedModel. Throws what reading it throws. */
export async function inspectSavedModel(
  files: ModelFiles,
  options: Pick<SavedModelOptions, "limits"> = {},
): Promise<SavedModelStructure> {
  const limits = {...defaultLimits, ...options.limits};
  const metaGraphs = await readSavedModel(files, limits.maxBytes);
  const hasVariables = files.paths.includes(`${variablesPrefix}.index`);
  const checkpoint = hasVariables ? await Checkpoint.open(files, variablesPrefix) : undefined;
  const describe = ({name, dtype, shape}: SignaturePort): PortDescription => ({name, dtype, shape});
  return {
    metaGraphs: metaGraphs.map((metaGraph) => ({
      tags: metaGraph.tags,
      signatures: servedSignatures(metaGraph).map(({name, inputs, outputs}) => ({
        name,
        inputs: inputs.map(describe),
        outputs: outputs.map(describe),
      })),
      operators: countBy(operatorsOf(metaGraph.graph)),
      functions: metaGraph.graph.functions.length,
    })),
    variables: (checkpoint?.keys ?? [])
      .filter((key) => key !== "_CHECKPOINTABLE_OBJECT_GRAPH")
      .map((name) => ({name, ...checkpoint!.entry(name)})),
    assets: files.paths.filter((path) => path.startsWith("assets/")),
  };
}

/** Throws `CONVERT_NAME_UNKNOWN`. */
function withOutputs(signature: Signature, wanted: readonly string[] = []): Signature {
  if (wanted.length === 0) return signature;
  const outputs = wanted.map((name) => {
    const found = signature.outputs.find((each) => each.name === name);
    if (found) return found;
    const names = signature.outputs.map((each) => `"${each.name}"`).join(", ");
    throw new ConvertError(
      "CONVERT_NAME_UNKNOWN",
      `the signature "${signature.name}" has no output "${name}"; it has ${names}`,
    );
  });
  return {...signature, outputs};
}
