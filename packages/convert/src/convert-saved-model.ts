/** SavedModel → TensorFlow Lite: MetaGraph and signature chosen, variables frozen, and then as any graph. */
import type {DType} from "@tf-trusted/tensor";
import {
  type ConvertOptions,
  type ConvertResult,
  convertSources,
  leftOut,
  type Source,
  type StateOfSource,
} from "./convert.ts";
import {ConvertError} from "./convert-error.ts";
import {countBy} from "./counts.ts";
import type {PortDescription} from "./inspect.ts";
import type {Ref} from "./ir/graph.ts";
import {type ConvertLimits, defaultLimits} from "./limits.ts";
import {tfTable} from "./ops/tf/index.ts";
import {Checkpoint} from "./readers/checkpoint/checkpoint.ts";
import {type GraphDef, operatorsOf} from "./readers/graphdef/graph-def.ts";
import {importGraph} from "./readers/graphdef/import-graph.ts";
import {prepareGraph} from "./readers/graphdef/prepare.ts";
import {
  type InputRequest,
  indexNodes,
  type NodeIndex,
  nodeName,
  parseRef,
  selectNodes,
} from "./readers/graphdef/select.ts";
import type {ModelFiles} from "./readers/model-files.ts";
import {freezeVariables, type KeptVariable} from "./readers/saved-model/freeze.ts";
import {
  chooseMetaGraph,
  chooseSignature,
  chooseSignatures,
  type MetaGraph,
  readSavedModel,
  type Signature,
  type SignaturePort,
  servedSignatures,
} from "./readers/saved-model/saved-model.ts";

export interface SavedModelOptions
  extends Pick<ConvertOptions, "verify" | "dumpPass" | "limits" | "float64" | "quantize" | "ioType" | "reference"> {
  /**
   * One, or several for a file with as many. Default: all that are served, `serving_default` first. Of these, those that
   * can't be converted are left out, with a note in the report; the first has to convert, and those that are named.
   */
  readonly signature?: string | readonly string[];
  /** Default: `serve`. */
  readonly tags?: readonly string[];
  /**
   * Where the graph of one signature (the named one, or `serving_default`, or the only one) begins: its inputs, or nodes
   * of the graph with calls inlined (`node`, `node:1`), as errors and reports name them. Default: all its inputs, and
   * those that aren't named where no node is.
   */
  readonly inputs?: readonly (string | InputRequest)[];
  /** Where it ends: its outputs, or nodes. Default: all its outputs. */
  readonly outputs?: readonly string[];
  /** Shapes for inputs of the signatures, by name; -1 leaves a dimension open. Default: the signature's own. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /**
   * Keeps what signatures write into variables for their next call: as resource variables of the file, which begin with the
   * values of the checkpoint. Default: false, and models that write variables are refused.
   */
  readonly keepState?: boolean;
}

const variablesPrefix = "variables/variables";

/**
 * Converts signatures; their inputs and outputs keep their names, sorted, and they share constants. Reads no more of the
 * variables than they need. Throws {@link ConvertError}: `CONVERT_SAVED_MODEL`, `CONVERT_NOT_FROZEN` for models that keep
 * state, and what `convert` throws.
 *
 * ```ts
 * import {openFolder} from "@tf-trusted/convert/node";
 * const {model} = await convertSavedModel(await openFolder("saved_model"), {signature: "serving_default"});
 * ```
 */
export async function convertSavedModel(files: ModelFiles, options: SavedModelOptions = {}): Promise<ConvertResult> {
  const limits = {...defaultLimits, ...options.limits};
  const metaGraph = chooseMetaGraph(await readSavedModel(files, limits.maxBytes), options.tags);
  const wanted = typeof options.signature === "string" ? [options.signature] : options.signature;
  const leaveOut = wanted === undefined || wanted.length === 0;
  const signatures = signaturesFor(metaGraph, wanted, options);
  checkShapeNames(signatures, options.shapes);
  const hasVariables = files.paths.includes(`${variablesPrefix}.index`);
  const checkpoint = hasVariables ? await Checkpoint.open(files, variablesPrefix) : undefined;
  const {graph, kept, notes, state} = await freezeSignatures(metaGraph, signatures, checkpoint, leaveOut, options);
  const definition = prepareGraph(graph);
  const index = indexNodes(definition);
  const importOne = (signature: Signature): Source =>
    importSignature(definition, index, signature, options, limits, state.get(signature));
  const sources: Source[] = [];
  for (const signature of kept) {
    try {
      sources.push(importOne(signature));
    } catch (error) {
      if (!(error instanceof ConvertError) || !leaveOut || signature === signatures[0]) throw error;
      notes.push(leftOut(signature.name, error));
    }
  }
  return convertSources(sources, options, leaveOut, notes);
}

/** Inputs and outputs that are picked belong to one signature. */
function signaturesFor(
  metaGraph: MetaGraph,
  wanted: readonly string[] | undefined,
  {inputs = [], outputs = []}: SavedModelOptions,
): readonly Signature[] {
  if (inputs.length === 0 && outputs.length === 0) return chooseSignatures(metaGraph, wanted);
  if (wanted !== undefined && wanted.length > 1) {
    throw new ConvertError(
      "CONVERT_NAME_UNKNOWN",
      "inputs and outputs can be picked of one signature only; name one signature",
    );
  }
  const signature = chooseSignature(metaGraph, wanted?.[0]);
  const picked = signature.outputs.filter(({name}) => outputs.includes(name));
  // Nodes are known once calls are inlined; until then, all that leads to the signature's own outputs is needed.
  return [picked.length > 0 && picked.length === outputs.length ? {...signature, outputs: picked} : signature];
}

/** Throws `CONVERT_NAME_UNKNOWN`. */
function checkShapeNames(signatures: readonly Signature[], shapes: SavedModelOptions["shapes"]): void {
  const known = new Set(signatures.flatMap(({inputs}) => inputs.map(({name}) => name)));
  const unknown = Object.keys(shapes ?? {}).find((name) => !known.has(name));
  if (unknown === undefined) return;
  const owner = signatures.length === 1 ? `the signature "${signatures[0]!.name}" has` : "the signatures have";
  const names = [...known].map((name) => `"${name}"`).join(", ");
  throw new ConvertError("CONVERT_NAME_UNKNOWN", `${owner} no input "${unknown}", but ${names}`);
}

const outputRefs = (signatures: readonly Signature[]): readonly Ref[] => [
  ...new Set(signatures.flatMap(({outputs}) => outputs.map(({tensor}) => parseRef(tensor)))),
];

/** All signatures in one graph, so that a variable is read once. One that can't be frozen would stop the others. */
export async function freezeSignatures(
  metaGraph: Pick<MetaGraph, "graph" | "objects">,
  signatures: readonly Signature[],
  checkpoint: Checkpoint | undefined,
  leaveOut: boolean,
  {keepState = false}: Pick<SavedModelOptions, "keepState"> = {},
): Promise<{
  readonly graph: GraphDef;
  readonly kept: readonly Signature[];
  readonly notes: string[];
  readonly state: ReadonlyMap<Signature, readonly KeptVariable[]>;
}> {
  const freeze = async (some: readonly Signature[]) => {
    const {graph, state} = await freezeVariables(
      metaGraph,
      some.map((each) => outputRefs([each])),
      checkpoint,
      keepState,
    );
    return {graph, state: new Map(some.map((each, i) => [each, state[i]!]))};
  };
  try {
    return {...(await freeze(signatures)), kept: signatures, notes: []};
  } catch (error) {
    if (!(error instanceof ConvertError) || !leaveOut || signatures.length === 1) throw error;
  }
  const [kept, notes]: [Signature[], string[]] = [[], []];
  for (const signature of signatures) {
    try {
      await freeze([signature]);
      kept.push(signature);
    } catch (error) {
      if (!(error instanceof ConvertError) || signature === signatures[0]) throw error;
      notes.push(leftOut(signature.name, error));
    }
  }
  return {...(await freeze(kept)), kept, notes};
}

export function importSignature(
  definition: GraphDef,
  index: NodeIndex,
  signature: Signature,
  options: SavedModelOptions,
  limits: ConvertLimits,
  variables: readonly KeptVariable[] = [],
): Source {
  const state = variables.map((each): StateOfSource => ({...each, ...portsOfState(each, signature)}));
  const ends = [
    ...outputsOf(signature, options.outputs, index),
    ...state.flatMap(({after, output}) => (after === undefined ? [] : [{name: output, tensor: after}])),
  ];
  const outputs = ends.map(({tensor}) => parseRef(tensor));
  const own = signature.inputs.map(({name, tensor, shape: declared}) => {
    const shape = options.shapes?.[name] ?? declared;
    return {name: tensor, as: name, ...(shape && {shape})};
  });
  const kept = state.map(({name, input, initial: {shape}}) => ({name: `${name}:0`, as: input, shape}));
  const asked = (options.inputs ?? []).map((each): InputRequest => (typeof each === "string" ? {name: each} : each));
  const merged = asked.map((each): InputRequest => {
    const found = own.find(({as}) => as === each.name);
    return found === undefined ? each : {...found, ...each, name: found.name, as: found.as};
  });
  // Its own inputs may be named for their shapes, and then not all of them.
  const isCut = merged.some(({as}) => as === undefined);
  const requests = isCut ? merged : own.map((each) => merged.find(({as}) => as === each.as) ?? each);
  // Two names may stand for one value.
  const selection = {
    ...selectNodes(index, [...requests, ...kept], [...new Set(outputs)]),
    outputs,
    outputNames: ends.map(({name}) => name),
  };
  if (selection.nodes.length > limits.maxNodes) {
    throw new ConvertError("CONVERT_LIMIT", `${selection.nodes.length} nodes, expected at most ${limits.maxNodes}`);
  }
  const graph = importGraph(definition, index, selection, tfTable, {
    bytes: limits.maxConstantBytes,
    tensorBytes: limits.maxTensorBytes,
  });
  const notes = [...selection.notes, ...state.map(describeState)];
  return {graph, notes, format: "saved-model", name: signature.name, ...(state.length > 0 && {state})};
}

function describeState({name, after, initial: {dtype, shape}}: StateOfSource): string {
  return `the variable "${name}", ${dtype} [${shape}], is kept from call to call${after === undefined ? ": this signature reads it" : ""}`;
}

/** Names that no input and no output of the signature has. */
function portsOfState(
  {name}: KeptVariable,
  {inputs, outputs}: Signature,
): {readonly input: string; readonly output: string} {
  const taken = new Set([...inputs, ...outputs].map((port) => port.name));
  const free = (wished: string): string => (taken.has(wished) ? free(`${wished}_`) : wished);
  return {input: free(`state/${name}`), output: free(`state/${name}/after`)};
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

/** Those that are wanted. Throws `CONVERT_NAME_UNKNOWN` for what is neither an output of the signature nor a node. */
function outputsOf(
  signature: Signature,
  wanted: readonly string[] = [],
  index: NodeIndex,
): readonly Pick<SignaturePort, "name" | "tensor">[] {
  if (wanted.length === 0) return signature.outputs;
  return wanted.map((name) => {
    const found = signature.outputs.find((each) => each.name === name);
    if (found) return found;
    if (index.nodes.has(nodeName(parseRef(name)))) return {name, tensor: name};
    const names = signature.outputs.map((each) => `"${each.name}"`).join(", ");
    throw new ConvertError(
      "CONVERT_NAME_UNKNOWN",
      `the signature "${signature.name}" has no output "${name}", nor its graph such a node; its outputs are ${names}`,
    );
  });
}
