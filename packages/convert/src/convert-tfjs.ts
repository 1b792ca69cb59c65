/** TensorFlow.js folders → TensorFlow Lite: the graph of `model.json` with its weights, and then as any graph. */
import {decodeStrings, Tensor} from "@tf-trusted/tensor";
import type {Message, MessageMap} from "./bytes/wire.ts";
import {type ConvertOptions, type ConvertResult, convertSource, readGraph} from "./convert.ts";
import {convertKerasConfig} from "./convert-keras.ts";
import {defaultLimits} from "./limits.ts";
import {type GraphDef, graphDefOf} from "./readers/graphdef/graph-def.ts";
import {messageFromJson} from "./readers/graphdef/json-format.ts";
import {dataTypeNumbers, dataTypes, graphDef} from "./readers/graphdef/schema.ts";
import type {InputRequest} from "./readers/graphdef/select.ts";
import type {ModelFiles} from "./readers/model-files.ts";
import {readModelJson, type TfjsModel, type TfjsPort, type TfjsSignature} from "./readers/tfjs/model-json.ts";
import {readWeights} from "./readers/tfjs/weights.ts";
import {signatureKey} from "./tflite/emit.ts";

export type TfjsOptions = Omit<ConvertOptions, "format">;

/**
 * Converts a graph model, or a layers model as the Keras model that it is. Inputs and outputs are those of its signature where it has one. They have the names of their
 * nodes, as in TensorFlow.js, and may be asked for by these or by the signature's. Throws {@link ConvertError}: `CONVERT_JSON`, `CONVERT_FILE_MISSING`, `CONVERT_TENSOR`, and what
 * `convert` throws.
 *
 * ```ts
 * import {openFolder} from "@tf-trusted/convert/node";
 * const {model} = await convertTfjs(await openFolder("web_model"));
 * ```
 */
export async function convertTfjs(files: ModelFiles, options: TfjsOptions = {}): Promise<ConvertResult> {
  const limits = {...defaultLimits, ...options.limits};
  const read = await readModelJson(files, limits.maxBytes);
  if (read.format === "layers-model") return convertLayers(files, read, options);
  const {definition, signature} = readTfjsGraph(read, await readWeights(files, read.weights, limits.maxConstantBytes));
  const {graph, notes} = readGraph(definition, requestsOf(signature, options), limits);
  return convertSource({graph, notes, format: "tfjs", name: signatureKey}, options);
}

/** A layers model is a Keras model with its weights by name. */
async function convertLayers(files: ModelFiles, model: TfjsModel, options: TfjsOptions): Promise<ConvertResult> {
  const {maxConstantBytes} = {...defaultLimits, ...options.limits};
  const {inputs = [], ...rest} = options;
  const shapes = Object.fromEntries(
    inputs.flatMap((each) => (typeof each !== "string" && each.shape ? [[each.name, each.shape] as const] : [])),
  );
  const {config, version} = layersOfTfjs(model);
  const weights = await readWeights(files, model.weights, maxConstantBytes);
  return convertKerasConfig(config, weights, {...rest, shapes, version});
}

/** The Keras model that a layers model is. TensorFlow.js computes as Keras 2 does, whatever wrote the file. */
export function layersOfTfjs({topology}: TfjsModel): {readonly config: unknown; readonly version: 2} {
  const {model_config: config = topology} = topology;
  return {config, version: 2};
}

/** The graph of a graph model with its weights as constants. */
export function readTfjsGraph(
  {topology, signature}: TfjsModel,
  weights: ReadonlyMap<string, Tensor>,
): {readonly definition: GraphDef; readonly signature: TfjsSignature | undefined} {
  const graph = graphDefOf(messageFromJson(graphDef, topology, "modelTopology"));
  return {definition: withWeights(graph, weights), signature};
}

/** What is asked for, by node; the signature's where nothing is. */
export function requestsOf(
  signature: TfjsSignature | undefined,
  options: Pick<TfjsOptions, "inputs" | "outputs">,
): Pick<ConvertOptions, "inputs" | "outputs"> {
  const {inputs = [], outputs = []} = signature ?? {};
  const wanted = options.inputs?.map((each) => (typeof each === "string" ? {name: each} : each));
  const requests = wanted?.map((each) => requestOf(each, inputs)) ?? inputs.map(asked);
  // Two names may stand for one value.
  const tensors = new Set(options.outputs?.map((name) => tensorOf(outputs, name)) ?? outputs.map(({tensor}) => tensor));
  return {...(requests.length > 0 && {inputs: requests}), ...(tensors.size > 0 && {outputs: [...tensors]})};
}

const asked = ({tensor, shape}: TfjsPort): InputRequest => ({name: tensor, ...(shape && {shape})});

const tensorOf = (ports: readonly TfjsPort[], name: string): string =>
  ports.find(({key}) => key === name)?.tensor ?? name;

/** With the signature's shape where no other is given. */
function requestOf(request: InputRequest, ports: readonly TfjsPort[]): InputRequest {
  const sameNode = (tensor: string) => tensor === request.name || tensor === `${request.name}:0`;
  const port = ports.find(({key, tensor}) => key === request.name || sameNode(tensor));
  return port ? {...asked(port), ...request, name: port.tensor} : request;
}

/** Constants of the topology have no content: it is in the weights, by the name of the node. */
function withWeights(graph: GraphDef, weights: ReadonlyMap<string, Tensor>): GraphDef {
  const content = (name: string, attributes: MessageMap): Message | undefined => {
    const weight = weights.get(name);
    if (weight === undefined) return undefined;
    const tensor = widened(weight, Number(attributes.get("dtype")?.type ?? 0));
    const dim = tensor.shape.map((size) => ({size: BigInt(size)}));
    const dtype = Object.values(dataTypeNumbers).find((number) => dataTypes[number] === tensor.dtype)!;
    return {tensor: {dtype, tensor_shape: {dim}, ...tensorContent(tensor)}};
  };
  const typeOf = (value: Message): Message => ({type: (value.tensor as Message).dtype as number});
  const filled = (name: string, attributes: MessageMap): MessageMap => {
    const value = content(name, attributes);
    if (value !== undefined) return new Map([...attributes, ["value", value], ["dtype", typeOf(value)]]);
    // A constant that is stripped of its content would be read as zeros: without a value it is refused where it is needed.
    const own = attributes.get("value")?.tensor as Message | undefined;
    const hasContent = Object.keys(own ?? {}).some((field) => /^tensor_content$|_val$/.test(field));
    return hasContent ? attributes : new Map([...attributes].filter(([key]) => key !== "value"));
  };
  return {
    ...graph,
    nodes: graph.nodes.map((node) =>
      node.op === "Const" ? {...node, attributes: filled(node.name, node.attributes)} : node,
    ),
    functions: graph.functions.map((each) => ({
      ...each,
      node_def: ((each.node_def ?? []) as Message[]).map((node) =>
        node.op === "Const"
          ? {...node, attr: filled((node.name ?? "") as string, (node.attr ?? new Map()) as MessageMap)}
          : node,
      ),
    })),
  };
}

/** TensorFlow.js has neither int64 nor float64: its converter narrows such weights, and the graph still says what they were. */
function widened(tensor: Tensor, wanted: number): Tensor {
  const {dtype, data, shape} = tensor;
  if (dtype === "int32" && dataTypes[wanted] === "int64") {
    return Tensor.from(BigInt64Array.from(data as Int32Array, BigInt), {shape});
  }
  if (dtype === "float32" && dataTypes[wanted] === "float64") {
    return Tensor.from(Float64Array.from(data as Float32Array), {shape});
  }
  return tensor;
}

function tensorContent({dtype, bytes, size}: Tensor): Message {
  return dtype === "string" ? {string_val: decodeStrings(bytes, size)} : {tensor_content: bytes};
}
