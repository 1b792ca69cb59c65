/** Whatever the front door knows, described in one shape: `tf-trusted inspect`, and pages made of it. */
import {TfTrustedError} from "@tf-trusted/core";
import type {Tensor} from "@tf-trusted/tensor";
import {type ConvertOptions, readGraph} from "../convert.ts";
import type {ConvertError} from "../convert-error.ts";
import {type ModelOptions, type ModelSource, recogniseModel} from "../convert-model.ts";
import {freezeSignatures, importSignature} from "../convert-saved-model.ts";
import {layersOfTfjs, readTfjsGraph, requestsOf} from "../convert-tfjs.ts";
import {addCounts, countBy} from "../counts.ts";
import {controlFlowOf, describeGraph, type GraphStructure} from "../inspect.ts";
import type {Graph} from "../ir/graph.ts";
import {sameGraph} from "../ir/same-graph.ts";
import {type ConvertLimits, defaultLimits} from "../limits.ts";
import {Checkpoint} from "../readers/checkpoint/checkpoint.ts";
import {type GraphDef, operatorsOf, parseGraphDef} from "../readers/graphdef/graph-def.ts";
import {prepareGraph} from "../readers/graphdef/prepare.ts";
import {indexNodes} from "../readers/graphdef/select.ts";
import {buildModel, describePorts} from "../readers/keras/build-model.ts";
import {openKeras} from "../readers/keras/keras-file.ts";
import {type ParsedFile, type ParsedLayer, readModelConfig} from "../readers/keras/model-config.ts";
import {type WeightOwner, type WeightSource, weightsByName} from "../readers/keras/weights.ts";
import type {ModelFiles} from "../readers/model-files.ts";
import {objectGraphKey} from "../readers/saved-model/object-graph.ts";
import {
  chooseMetaGraph,
  readSavedModel,
  type Signature,
  type SignaturePort,
  servedSignatures,
} from "../readers/saved-model/saved-model.ts";
import {modelJson, readModelJson} from "../readers/tfjs/model-json.ts";
import {readWeights} from "../readers/tfjs/weights.ts";
import {signatureKey} from "../tflite/emit.ts";
import {type Budget, functionName, nodesOfFunction, viewsOfDefinition, viewsOfGraph} from "./graph-view.ts";
import {calls, describeLayers, viewOfLayers} from "./keras-view.ts";
import type {
  FunctionStructure,
  GraphView,
  InspectedModel,
  ModelStructure,
  PortStructure,
  ProblemStructure,
  SignatureStructure,
  UnsupportedStructure,
  VariableStructure,
} from "./structure.ts";
import {inspectTfliteFile} from "./tflite-structure.ts";

export interface InspectOptions extends Pick<ModelOptions, "inputs" | "outputs" | "signature" | "tags" | "limits"> {
  /** Graphs to look at, of together at most so many nodes. Default: none. */
  readonly maxGraphNodes?: number;
}

const nothing: ModelStructure = {
  format: "graphdef",
  fileBytes: 0,
  description: "",
  signatures: [],
  metaGraphs: [],
  functions: [],
  variables: [],
  layers: [],
  assets: [],
  operators: {},
  layerClasses: {},
  controlFlow: {},
  sizes: {nodes: 0, liveNodes: 0, constantBytes: 0, parameters: 0},
  unsupported: [],
  cut: null,
  problems: [],
  notes: [],
};

/**
 * Describes a model without converting it. What can't be converted is told by `unsupported` and `problems`; only what can't
 * be read at all throws, as `recogniseModel` and the readers do.
 */
export async function inspectModel(source: ModelSource, options: InspectOptions = {}): Promise<InspectedModel> {
  const limits = {...defaultLimits, ...options.limits};
  const budget = options.maxGraphNodes === undefined ? undefined : {nodes: options.maxGraphNodes};
  const model = recogniseModel(source, limits.maxBytes);
  switch (model.kind) {
    case "tflite":
      return inspectTfliteFile(model.bytes, budget);
    case "keras": {
      const file = openKeras(model.bytes, limits.maxConstantBytes);
      const inspected = inspectLayers(file.config, file.weights, file.version, options, budget);
      return withFacts(inspected, {format: file.format, fileBytes: model.bytes.length});
    }
    case "tfjs":
      return inspectTfjsFiles(model.files, options, limits, budget);
    case "saved-model":
      return inspectSavedModelFiles(model.files, options, limits, budget);
    default: {
      const definition = parseGraphDef(model.bytes, model.kind);
      const inspected = inspectDefinition(model.kind, definition, options, limits, budget);
      return withFacts(inspected, {fileBytes: model.bytes.length});
    }
  }
}

const withFacts = ({structure, graphs}: InspectedModel, facts: Partial<ModelStructure>): InspectedModel => ({
  structure: {...structure, ...facts},
  graphs,
});

/** What stops the conversion; bugs of ours go on. */
function problemOf(error: unknown, signature?: string): ProblemStructure {
  if (!(error instanceof TfTrustedError)) throw error;
  const message = error.message.replace(/^[A-Z_]+: /, "");
  return {code: error.code, message, ...(signature !== undefined && {signature})};
}

function inspectDefinition(
  format: GraphStructure["format"],
  definition: GraphDef,
  options: Pick<ConvertOptions, "inputs" | "outputs">,
  limits: ConvertLimits,
  budget: Budget | undefined,
): InspectedModel {
  const facts: ModelStructure = {
    ...nothing,
    format,
    functions: functionsOf(definition),
    controlFlow: controlFlowOf(definition),
    sizes: {...nothing.sizes, nodes: definition.nodes.length, liveNodes: definition.nodes.length},
  };
  try {
    const read = readGraph(definition, options, limits);
    const found = describeGraph(format, definition, read);
    const {nodes, liveNodes, constantBytes, operators, unsupported, cut = null, notes} = found;
    const signature = {name: signatureKey, ...portsOf(found), stateful: false};
    return {
      structure: {
        ...facts,
        signatures: [signature],
        operators,
        sizes: {nodes, liveNodes, constantBytes, parameters: 0},
        unsupported,
        cut,
        notes,
      },
      graphs: budget === undefined ? [] : viewsOfGraph(signatureKey, "signature", read.graph, unsupported, budget),
    };
  } catch (error) {
    return {
      structure: {...facts, operators: countBy(operatorsOf(definition)), problems: [problemOf(error)]},
      graphs: budget === undefined ? [] : viewsOfDefinition("graph", definition, [], budget),
    };
  }
}

function functionsOf({functions}: GraphDef): readonly FunctionStructure[] {
  return functions.map((each) => {
    const signature = (each.signature ?? {}) as {input_arg?: unknown[]; output_arg?: unknown[]};
    return {
      name: functionName(each),
      nodes: nodesOfFunction(each).length,
      inputs: signature.input_arg?.length ?? 0,
      outputs: signature.output_arg?.length ?? 0,
    };
  });
}

function portsOf({inputs, outputs}: Pick<GraphStructure, "inputs" | "outputs">) {
  const port = ({name, dtype, shape}: GraphStructure["inputs"][number]): PortStructure => ({
    name,
    dtype,
    shape: shape ?? null,
    quantized: false,
  });
  return {inputs: inputs.map(port), outputs: outputs.map(port)};
}

/** A model of layers: its calls to look at, and the operators that it becomes. */
function inspectLayers(
  config: unknown,
  weightsFor: (owners: readonly WeightOwner[]) => WeightSource,
  version: number,
  options: InspectOptions,
  budget: Budget | undefined,
): InspectedModel {
  const {file, problems: layerProblems} = readModelConfig(config, version);
  const {model} = file;
  const unsupported: UnsupportedStructure[] = layerProblems.map(({layer, className, reason}) => ({
    node: layer,
    operator: className,
    reason,
  }));
  const outputs = new Map<ParsedLayer, ReturnType<typeof typesOf>>();
  const problems: ProblemStructure[] = [];
  let built: GraphStructure | undefined;
  let graph: Graph | undefined;
  let weights: ReadonlyMap<string, readonly VariableStructure[]> = new Map();
  const attempt = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      problems.push(problemOf(error));
    }
  };
  attempt(() => {
    weights = describeWeights(file, weightsFor(file.owners));
  });
  if (unsupported.length === 0 && problems.length === 0) {
    attempt(() => {
      const read = buildFor(file, weightsFor(file.owners), version, options, (layer, types) => {
        if (!outputs.has(layer)) outputs.set(layer, types);
      });
      graph = read.graph;
      built = describeGraph("tfjs", {nodes: [], functions: [], producer: 0}, read);
      unsupported.push(...built.unsupported);
    });
  }
  const facts = {outputs, weights};
  const layers = describeLayers(model, facts);
  const declared = describePorts(model);
  const signature: SignatureStructure = {
    name: signatureKey,
    ...(built === undefined
      ? {
          inputs: declared.inputs.map((port) => ({...port, quantized: false})),
          outputs: declared.outputs.map((name) => ({name, dtype: "float32", shape: null, quantized: false})),
        }
      : portsOf(built)),
    stateful: false,
  };
  const variables = [...weights.values()].flat();
  const total = calls(model);
  const graphs: readonly GraphView[] =
    budget === undefined
      ? []
      : [
          viewOfLayers(model, facts, unsupported, budget),
          ...(graph === undefined ? [] : viewsOfGraph("operators", "graph", graph, unsupported, budget)),
        ];
  return {
    structure: {
      ...nothing,
      signatures: [signature],
      variables,
      layers,
      operators: built?.operators ?? {},
      layerClasses: countBy(layers.map(({className}) => className)),
      sizes: {
        nodes: total,
        liveNodes: total,
        constantBytes: built?.constantBytes ?? 0,
        parameters: layers.reduce((sum, {parameters}) => sum + parameters, 0),
      },
      unsupported,
      problems,
      notes: built?.notes ?? [],
    },
    graphs,
  };
}

type BuildOptions = Parameters<typeof buildModel>[2];
const typesOf = (types: Parameters<NonNullable<BuildOptions["onCall"]>>[1]) => types;

function buildFor(
  file: ParsedFile,
  weights: WeightSource,
  version: number,
  {outputs, limits}: InspectOptions,
  onCall: NonNullable<BuildOptions["onCall"]>,
) {
  const {maxNodes, maxTensorBytes} = {...defaultLimits, ...limits};
  return buildModel(file, weights, {version, maxNodes, maxTensorBytes, onCall, ...(outputs && {outputs})});
}

/** By the path of the layer. */
function describeWeights(
  {owners}: ParsedFile,
  source: WeightSource,
): ReadonlyMap<string, readonly VariableStructure[]> {
  return new Map(
    owners.map((owner) => {
      const path = owner.path.join("/");
      const weights = owner.specs.map((spec) => {
        const {dtype, shape}: Tensor = source(owner, spec);
        return {name: `${path}/${spec.key}`, dtype, shape};
      });
      return [path, weights] as const;
    }),
  );
}

const sizeOf = async (files: ModelFiles): Promise<number> => {
  const sizes = await Promise.all(files.paths.map((path) => files.size(path)));
  return sizes.reduce((sum, size) => sum + size, 0);
};

async function inspectTfjsFiles(
  files: ModelFiles,
  options: InspectOptions,
  limits: ConvertLimits,
  budget: Budget | undefined,
): Promise<InspectedModel> {
  const read = await readModelJson(files, limits.maxBytes);
  const fileBytes = await sizeOf(files);
  const weights = await readWeights(files, read.weights, limits.maxConstantBytes);
  const variables = [...weights].map(([name, {dtype, shape}]) => ({name, dtype, shape}));
  const parameters = [...weights.values()].reduce((sum, {size}) => sum + size, 0);
  const named = new Set([modelJson, ...read.weights.flatMap(({paths}) => paths)]);
  const others = files.paths.filter((path) => !named.has(path));
  const assets = await Promise.all(others.map(async (path) => ({path, bytes: await files.size(path)})));
  if (read.format === "layers-model") {
    const {config, version} = layersOfTfjs(read);
    const inspected = inspectLayers(config, () => weightsByName(weights), version, options, budget);
    return withFacts(inspected, {format: "tfjs-layers", fileBytes, variables, assets});
  }
  const {definition, signature} = readTfjsGraph(read, weights);
  const inspected = inspectDefinition("tfjs", definition, requestsOf(signature, options), limits, budget);
  const sizes = {...inspected.structure.sizes, parameters};
  return withFacts(inspected, {fileBytes, variables, assets, sizes});
}

async function inspectSavedModelFiles(
  files: ModelFiles,
  options: InspectOptions,
  limits: ConvertLimits,
  budget: Budget | undefined,
): Promise<InspectedModel> {
  const metaGraphs = await readSavedModel(files, limits.maxBytes);
  const hasVariables = files.paths.includes(`${variablesPrefix}.index`);
  const checkpoint = hasVariables ? await Checkpoint.open(files, variablesPrefix) : undefined;
  const variables = (checkpoint?.keys ?? [])
    .filter((key) => key !== objectGraphKey)
    .map((name) => ({name, ...checkpoint!.entry(name)}));
  const elements = variables.map(({shape}) => shape.reduce((product, size) => product * size, 1));
  const assetPaths = files.paths.filter((path) => path.startsWith("assets/"));
  const metaGraph = chooseOrFirst(metaGraphs, options.tags);
  const definition = metaGraph.graph;
  const wanted = typeof options.signature === "string" ? [options.signature] : (options.signature ?? []);
  const served = defaultFirst(servedSignatures(metaGraph));
  const chosen = wanted.length === 0 ? served : served.filter(({name}) => wanted.includes(name));
  const imported: {readonly names: string[]; readonly graph: Graph; readonly found: GraphStructure}[] = [];
  const problems: ProblemStructure[] = [];
  // Together, so that each variable is read once; apart where one would stop the others.
  const together = await freezeSignatures(metaGraph, chosen, checkpoint, false).catch((error: unknown) => {
    if (error instanceof TfTrustedError) return undefined;
    throw error;
  });
  for (const signature of chosen) {
    try {
      const {graph: frozen} = together ?? (await freezeSignatures(metaGraph, [signature], checkpoint, false));
      const prepared = prepareGraph(frozen);
      const {graph, notes} = importSignature(prepared, indexNodes(prepared), signature, {}, limits);
      const same = imported.find((each) => sameGraph(each.graph, graph));
      if (same !== undefined) same.names.push(signature.name);
      else {
        const found = describeGraph("graphdef", definition, {graph, notes});
        imported.push({names: [signature.name], graph, found});
      }
    } catch (error) {
      problems.push(problemOf(error, signature.name));
    }
  }
  const all = metaGraphs.map(({graph}) => countBy(operatorsOf(graph)));
  const unsupported = uniqueNodes(imported.flatMap(({found}) => found.unsupported));
  const shown = problems.length > 0 || imported.length === 0;
  return {
    structure: {
      ...nothing,
      format: "saved-model",
      fileBytes: await sizeOf(files),
      signatures: served.map((signature) => describeSignature(signature, problems)),
      metaGraphs: metaGraphs.map(({tags, graph, ...each}) => ({
        tags,
        signatures: servedSignatures({tags, graph, ...each}).map(({name}) => name),
        nodes: graph.nodes.length,
      })),
      functions: functionsOf(definition),
      variables,
      assets: await Promise.all(assetPaths.map(async (path) => ({path, bytes: await files.size(path)}))),
      operators: all.reduce(addCounts, {}),
      controlFlow: controlFlowOf(definition),
      sizes: {
        nodes: definition.nodes.length,
        liveNodes: imported.reduce((sum, {found}) => sum + found.liveNodes, 0),
        constantBytes: imported.reduce((sum, {found}) => sum + found.constantBytes, 0),
        parameters: elements.reduce((sum, count) => sum + count, 0),
      },
      unsupported,
      cut: imported.find(({found}) => found.cut !== undefined)?.found.cut ?? null,
      problems,
      notes: [...new Set(imported.flatMap(({found}) => found.notes))],
    },
    graphs:
      budget === undefined
        ? []
        : [
            ...imported.flatMap(({names, graph}) =>
              viewsOfGraph(names.join(", "), "signature", graph, unsupported, budget),
            ),
            // What couldn't be read as a graph is shown as it is written.
            ...(shown ? viewsOfDefinition("the file's graph", definition, unsupported, budget) : []),
          ],
  };
}

/** That which callers mean who name none. */
const defaultFirst = (signatures: readonly Signature[]): readonly Signature[] =>
  signatures.toSorted((a, b) => Number(b.name === signatureKey) - Number(a.name === signatureKey));

const variablesPrefix = "variables/variables";

function chooseOrFirst(metaGraphs: Awaited<ReturnType<typeof readSavedModel>>, tags: readonly string[] | undefined) {
  try {
    return chooseMetaGraph(metaGraphs, tags);
  } catch (error) {
    // All are listed; only a wish that can't be met is an error.
    if (tags !== undefined) throw error as ConvertError;
    return metaGraphs[0]!;
  }
}

function describeSignature(
  {name, inputs, outputs}: Signature,
  problems: readonly ProblemStructure[],
): SignatureStructure {
  const port = ({name: own, dtype, shape}: SignaturePort): PortStructure => ({
    name: own,
    dtype,
    shape: shape ?? null,
    quantized: false,
  });
  const stateful = problems.some((each) => each.signature === name && each.code === "CONVERT_NOT_FROZEN");
  return {name, inputs: inputs.map(port), outputs: outputs.map(port), stateful};
}

function uniqueNodes(list: readonly UnsupportedStructure[]): readonly UnsupportedStructure[] {
  return [...new Map(list.map((each) => [each.node, each])).values()];
}
