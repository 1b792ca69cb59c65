/**
 * A model's configuration → layers and the calls that connect them: Sequential and Functional, one in the other, as Keras 1,
 * 2 and 3 write them (specs/convert.md §3.2).
 */
import {ConvertError} from "../../convert-error.ts";
import {Config, isCustom, isObject, type JsonObject, layerUnsupported, short} from "./config.ts";
import type {LayerRow} from "./layer.ts";
import {layerRow, refusedLayers} from "./layers/index.ts";
import {isOperation} from "./operations.ts";
import type {WeightOwner} from "./weights.ts";

/** Output `tensor` of call `node` of a layer. */
export class TensorAddress {
  readonly layer: string;
  readonly node: number;
  readonly tensor: number;

  constructor(layer: string, node: number, tensor: number) {
    this.layer = layer;
    this.node = node;
    this.tensor = tensor;
  }
}

/** A call of a layer. Tensors within the arguments are {@link TensorAddress}es. */
export interface Call {
  readonly args: readonly unknown[];
  readonly kwargs: JsonObject;
}

export interface ParsedLayer {
  readonly name: string;
  readonly className: string;
  readonly config: Config;
  readonly calls: readonly Call[];
  /** The number by which others know the first call. */
  readonly firstCall: number;
  /** What the layer is: a row of the tables, a model of its own, an operation, or an input. */
  readonly kind:
    | {readonly type: "layer"; readonly row: LayerRow; readonly owner: WeightOwner}
    | {readonly type: "model"; readonly model: ParsedModel; readonly perStep: boolean}
    | {readonly type: "operation"; readonly operation: string}
    | {readonly type: "input"};
}

export interface ParsedModel {
  readonly name: string;
  readonly layers: ReadonlyMap<string, ParsedLayer>;
  readonly inputs: readonly NamedAddress[];
  /** As the model gives them: one, a list, or by key. */
  readonly outputs: readonly NamedAddress[];
}

/** A model with what holds for all of its parts. */
export interface ParsedFile {
  readonly model: ParsedModel;
  /** Layers that may have weights. */
  readonly owners: readonly WeightOwner[];
  /** Calls of layers as they are written: shared models run more. */
  readonly calls: number;
}

export interface NamedAddress {
  /** Key of a model whose inputs or outputs are a dictionary. */
  readonly key: string | undefined;
  readonly address: TensorAddress;
}

/** What parsing has to know and gathers. */
export interface ParseContext {
  /** 2 or 3. */
  readonly version: number;
  readonly owners: WeightOwner[];
  /** Calls of layers that are written there. */
  calls: number;
  /** All layers that can't be converted, told at once. */
  readonly problems: LayerProblem[];
}

/** A layer that can't be converted. */
export interface LayerProblem {
  /** With the models that it is in. */
  readonly layer: string;
  readonly className: string;
  readonly reason: string;
}

const maxNesting = 32;
const maxLayers = 100_000;
const modelClasses: ReadonlySet<string> = new Set(["Functional", "Model", "Sequential"]);
const inputClass = "InputLayer";

/** Parses a whole model. Throws `CONVERT_KERAS` and, for all layers at once, `CONVERT_LAYER_UNSUPPORTED`. */
export function parseModel(config: unknown, version: number): ParsedFile {
  const {file, problems} = readModelConfig(config, version);
  if (problems.length === 0) return file;
  const lines = problems.map(({layer, className, reason}) => `"${layer}": ${className}, ${reason}`);
  const shown = lines.slice(0, 20).map((line) => `  ${line}`);
  throw new ConvertError(
    "CONVERT_LAYER_UNSUPPORTED",
    `${lines.length} layers can't be converted:\n${shown.join("\n")}\nExport the model (model.export(folder)) and convert the SavedModel, or replace them by layers of Keras.`,
    {details: {layers: lines}},
  );
}

/** The same with the layers that can't be converted beside it. Throws `CONVERT_KERAS`, `CONVERT_LAYER_UNSUPPORTED` for the model itself. */
export function readModelConfig(
  config: unknown,
  version: number,
): {readonly file: ParsedFile; readonly problems: readonly LayerProblem[]} {
  if (!isObject(config) || typeof config.class_name !== "string") {
    throw new ConvertError(
      "CONVERT_KERAS",
      `the model's configuration is ${short(config)}, expected an object with class_name`,
    );
  }
  const context: ParseContext = {version, owners: [], calls: 0, problems: []};
  if (!modelClasses.has(config.class_name) || isCustom(config)) {
    throw layerUnsupported(`model "${config.class_name}"`, "a model that is neither Sequential nor Functional");
  }
  const model = parseAny(config.class_name, config, {path: [], folder: "", trainable: true}, context, 0);
  return {file: {model, owners: context.owners, calls: context.calls}, problems: context.problems};
}

/** Where a model stands. */
interface Place {
  readonly path: readonly string[];
  readonly folder: string;
  readonly trainable: boolean;
}

function parseAny(
  className: string,
  entry: JsonObject,
  place: Place,
  context: ParseContext,
  depth: number,
): ParsedModel {
  if (depth > maxNesting) throw new ConvertError("CONVERT_LIMIT", `models are nested more than ${maxNesting} deep`);
  return className === "Sequential" || Array.isArray(entry.config)
    ? parseSequential(entry, place, context, depth)
    : parseFunctional(entry, place, context, depth);
}

function parseFunctional(entry: JsonObject, place: Place, context: ParseContext, depth: number): ParsedModel {
  const config = new Config(place.path.at(-1) ?? "the model", entry.config);
  const name = config.string("name", "model");
  const entries = layerEntries(config.get("layers"), config);
  const inner = {...place, trainable: place.trainable && config.boolean("trainable", true)};
  const folders = new FolderNames(inner.folder);
  const layers = new Map<string, ParsedLayer>();
  for (const each of entries) {
    const layerName = typeof each.name === "string" ? each.name : nameOf(each);
    if (layers.has(layerName)) throw config.error(`two layers are named "${layerName}"`);
    const calls = parseCalls(each.inbound_nodes, layerName, config);
    layers.set(layerName, parseLayer(each, layerName, calls, inner, folders, context, depth));
  }
  const ports = (key: string) => parsePorts(config.get(key), key, config);
  if (context.version < 3) renumberCalls(layers, ports("output_layers"));
  return {name, layers, inputs: ports("input_layers"), outputs: ports("output_layers")};
}

/**
 * Up to Keras 2 a model within a model may count its own making as call 0, which isn't written. All calls that are written
 * are used, so that a number beyond them tells it.
 */
function renumberCalls(layers: Map<string, ParsedLayer>, outputs: readonly NamedAddress[]): void {
  const calls = [...layers.values()].flatMap((layer) => layer.calls);
  const used = [...addressesIn(calls.map(({args, kwargs}) => [args, kwargs])), ...outputs.map(({address}) => address)];
  for (const {layer: name, node} of used) {
    const layer = layers.get(name);
    if (layer?.kind.type === "model" && node === layer.calls.length) layers.set(name, {...layer, firstCall: 1});
  }
}

export function addressesIn(value: unknown): TensorAddress[] {
  if (value instanceof TensorAddress) return [value];
  if (Array.isArray(value)) return value.flatMap(addressesIn);
  return isObject(value) ? Object.values(value).flatMap(addressesIn) : [];
}

function parseSequential(entry: JsonObject, place: Place, context: ParseContext, depth: number): ParsedModel {
  // Keras 1 and early 2 have the list of layers alone.
  const values = Array.isArray(entry.config) ? {layers: entry.config} : entry.config;
  const config = new Config(place.path.at(-1) ?? "the model", values);
  const name = config.string("name", "sequential");
  const given = layerEntries(config.get("layers"), config);
  if (given.length === 0) throw config.error("the model has no layers");
  const entries = given[0]!.class_name === inputClass ? given : [inputOf(given[0]!, entry, config), ...given];
  const inner = {...place, trainable: place.trainable && config.boolean("trainable", true)};
  const folders = new FolderNames(inner.folder);
  const layers = new Map<string, ParsedLayer>();
  let last: TensorAddress | undefined;
  for (const each of entries) {
    const layerName = nameOf(each);
    if (layers.has(layerName)) throw config.error(`two layers are named "${layerName}"`);
    const calls: readonly Call[] = last === undefined ? [] : [{args: [last], kwargs: {}}];
    // A Sequential doesn't count its input among its layers.
    const names = each.class_name === inputClass ? new FolderNames("") : folders;
    layers.set(layerName, parseLayer(each, layerName, calls, inner, names, context, depth));
    last = new TensorAddress(layerName, 0, 0);
  }
  const port = (address: TensorAddress): NamedAddress => ({key: undefined, address});
  return {name, layers, inputs: [port(new TensorAddress(nameOf(entries[0]!), 0, 0))], outputs: [port(last!)]};
}

/** The input that a Sequential of Keras 2 says only by the first layer, or by what the model was built for. */
function inputOf(first: JsonObject, entry: JsonObject, config: Config): JsonObject {
  const inner = isObject(first.config) ? first.config : {};
  const nested = isObject(inner.layer) && isObject(inner.layer.config) ? inner.layer.config : {};
  const build = isObject(entry.build_config) ? entry.build_config.input_shape : undefined;
  // A model within the model may begin with an input of its own.
  const own = Array.isArray(inner.layers) ? (inner.layers as JsonObject[]) : [];
  const ofModel = own.find((each) => each.class_name === inputClass)?.config;
  const shape =
    inner.batch_input_shape ??
    inner.batch_shape ??
    nested.batch_input_shape ??
    config.get("build_input_shape") ??
    build ??
    (isObject(ofModel) ? (ofModel.batch_shape ?? ofModel.batch_input_shape) : undefined) ??
    (first.class_name === "Embedding" ? [null, inner.input_length ?? null] : undefined);
  if (!Array.isArray(shape))
    throw config.error("the model's input has no shape: build or call the model before it is saved");
  const dtype = first.class_name === "Embedding" ? "int32" : "float32";
  const name = `${typeof inner.name === "string" ? inner.name : "sequential"}_input`;
  return {
    class_name: inputClass,
    config: {
      name,
      batch_shape: shape,
      dtype: typeof inner.dtype === "string" && first.class_name !== "Embedding" ? inner.dtype : dtype,
    },
  };
}

function layerEntries(value: unknown, config: Config): readonly JsonObject[] {
  if (!Array.isArray(value)) throw config.error("the model has no list of layers");
  if (value.length > maxLayers)
    throw new ConvertError("CONVERT_LIMIT", `the model has ${value.length} layers, expected at most ${maxLayers}`);
  return value.map((each: unknown) => {
    if (isObject(each) && typeof each.class_name === "string") return each;
    throw config.error(`a layer is ${short(each)}, expected an object with class_name`);
  });
}

function nameOf(entry: JsonObject): string {
  const name = isObject(entry.config) ? entry.config.name : undefined;
  return typeof name === "string"
    ? name
    : typeof entry.name === "string"
      ? entry.name
      : String(entry.class_name).toLowerCase();
}

function parseLayer(
  entry: JsonObject,
  name: string,
  calls: readonly Call[],
  place: Place,
  folders: FolderNames,
  context: ParseContext,
  depth: number,
): ParsedLayer {
  context.calls += calls.length;
  const className = entry.class_name as string;
  const path = [...place.path, name];
  const own = isObject(entry.config) ? entry.config : {};
  const trainable = place.trainable && own.trainable !== false;
  if (modelClasses.has(className) && !isCustom(entry)) {
    const folder = folders.next(className);
    const model = parseAny(className, entry, {path, folder, trainable}, context, depth + 1);
    return {
      name,
      className,
      config: new Config(name, {}),
      calls,
      firstCall: 0,
      kind: {type: "model", model, perStep: false},
    };
  }
  const stepped = className === "TimeDistributed" && !isCustom(entry) ? innerModel(own) : undefined;
  if (stepped !== undefined) {
    const folder = `${folders.next(className)}/layer`;
    const model = parseAny(stepped.class_name as string, stepped, {path, folder, trainable}, context, depth + 1);
    return {
      name,
      className,
      config: new Config(name, {}),
      calls,
      firstCall: 0,
      kind: {type: "model", model, perStep: true},
    };
  }
  const config = new Config(`layer "${path.join("/")}" (${className})`, entry.config ?? {});
  if (className === inputClass) {
    folders.next(className);
    return {name, className, config, calls, firstCall: 0, kind: {type: "input"}};
  }
  const operation = operationOf(entry);
  if (operation !== undefined)
    return {name, className, config, calls, firstCall: 0, kind: {type: "operation", operation}};
  const folder = folders.next(className);
  const row = layerRow(entry);
  const owner: WeightOwner = {path, folder, specs: specsOf(row, {path, className, config}, context), trainable};
  context.owners.push(owner);
  if (row === undefined) {
    const isOfKeras = !isCustom(entry) && Object.hasOwn(refusedLayers, className);
    const why = isOfKeras ? refusedLayers[className]! : "a custom layer, or one that isn't supported";
    context.problems.push({layer: path.join("/"), className, reason: why});
  }
  return {name, className, config, calls, firstCall: 0, kind: {type: "layer", row: row ?? {build: () => []}, owner}};
}

/** The model that a TimeDistributed applies to each step. */
function innerModel(config: JsonObject): JsonObject | undefined {
  const {layer} = config;
  const isModel = isObject(layer) && modelClasses.has(String(layer.class_name)) && !isCustom(layer);
  return isModel ? layer : undefined;
}

function specsOf(
  row: LayerRow | undefined,
  layer: {readonly path: readonly string[]; readonly className: string; readonly config: Config},
  context: ParseContext,
): WeightOwner["specs"] {
  try {
    return row?.weights?.(layer.config, context.version) ?? [];
  } catch (error) {
    if (!(error instanceof ConvertError) || error.code !== "CONVERT_LAYER_UNSUPPORTED") throw error;
    const reason = error.message.replace(/^[A-Z_]+: /, "");
    context.problems.push({layer: layer.path.join("/"), className: layer.className, reason});
    return [];
  }
}

/** `keras.src.ops.numpy` and class `Add` → an operation, not the layer of that name. Keras 2 wraps functions of TensorFlow. */
function operationOf(entry: JsonObject): string | undefined {
  const {module, class_name: className} = entry;
  if (typeof module === "string" && /^keras\.(src\.)?(ops|layers\.core\.operation)/.test(module))
    return className as string;
  // A `.h5` doesn't say the module; but layers have a dtype policy and whether they are trained, operations only a name.
  const own = isObject(entry.config) ? entry.config : {};
  if (module === undefined && !("trainable" in own) && !("dtype" in own) && isOperation(String(className)))
    return className as string;
  if (className === "TFOpLambda" || className === "SlicingOpLambda") {
    const config = isObject(entry.config) ? entry.config : {};
    return `function ${String(config.function)}`;
  }
  return undefined;
}

/** Classes whose name in Python isn't the one under which Keras offers them. */
const pythonNames: Readonly<Record<string, string>> = {GroupQueryAttention: "GroupedQueryAttention"};

/** Groups in a `.keras` are named by class, in order. */
class FolderNames {
  readonly #base: string;
  readonly #counts = new Map<string, number>();

  constructor(base: string) {
    this.#base = base;
  }

  next(className: string): string {
    const name = toSnakeCase(Object.hasOwn(pythonNames, className) ? pythonNames[className]! : className);
    const count = this.#counts.get(name) ?? 0;
    this.#counts.set(name, count + 1);
    const prefix = this.#base === "" ? "layers" : `${this.#base}/layers`;
    return `${prefix}/${name}${count === 0 ? "" : `_${count}`}`;
  }
}

/** As Keras does it: `Conv2DTranspose` → `conv2d_transpose`. */
export function toSnakeCase(name: string): string {
  return name
    .replace(/\W+/g, "")
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}

/** `inbound_nodes`. Throws `CONVERT_KERAS`. */
function parseCalls(value: unknown, layer: string, config: Config): readonly Call[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw config.error(`the inbound nodes of "${layer}" are ${short(value)}`);
  return value.map((node: unknown): Call => {
    if (isObject(node)) {
      const args = resolveNew(node.args ?? []);
      const kwargs = resolveNew(node.kwargs ?? {});
      if (!Array.isArray(args) || !isObject(kwargs)) throw config.error(`a call of "${layer}" is ${short(node)}`);
      return {args, kwargs};
    }
    if (!Array.isArray(node) || node.length === 0) throw config.error(`a call of "${layer}" is ${short(node)}`);
    // A single tensor may stand there without a list around it.
    const isSingle = typeof node[0] === "string";
    const tensors = (isSingle ? [node] : node).map((each: unknown) => parseOld(each, layer, config));
    const [first] = tensors as [(typeof tensors)[number]];
    return {args: [tensors.length === 1 ? first.value : tensors.map((each) => each.value)], kwargs: first.kwargs};
  });
}

/** Keras 3 marks tensors in arguments. */
function resolveNew(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(resolveNew);
  if (!isObject(value)) return value;
  if (value.class_name === "__keras_tensor__" && isObject(value.config)) {
    return parseAddress(value.config.keras_history) ?? value;
  }
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolveNew(each)]));
}

/** `[layer, node, tensor, kwargs]`; constants have a layer's name that none has. */
function parseOld(
  value: unknown,
  layer: string,
  config: Config,
): {readonly value: unknown; readonly kwargs: JsonObject} {
  if (!Array.isArray(value) || value.length < 3) throw config.error(`an input of "${layer}" is ${short(value)}`);
  const kwargs = isObject(value[3]) ? (resolveOld(value[3]) as JsonObject) : {};
  if (value[0] === "_CONSTANT_VALUE") return {value: value[2], kwargs};
  const address = parseAddress(value.slice(0, 3));
  if (address === undefined) throw config.error(`an input of "${layer}" is ${short(value)}`);
  return {value: address, kwargs};
}

function resolveOld(value: unknown): unknown {
  if (Array.isArray(value)) {
    if (value[0] === "_CONSTANT_VALUE" && value.length >= 3) return value[2];
    return (
      (value.length === 3 || value.length === 4 ? parseAddress(value.slice(0, 3)) : undefined) ?? value.map(resolveOld)
    );
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolveOld(each)]));
}

function parseAddress(value: unknown): TensorAddress | undefined {
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const [layer, node, tensor] = value;
  const isIndex = (each: unknown): each is number => Number.isSafeInteger(each) && (each as number) >= 0;
  return typeof layer === "string" && isIndex(node) && isIndex(tensor)
    ? new TensorAddress(layer, node, tensor)
    : undefined;
}

/** Inputs or outputs: one, a list, or a dictionary of them. */
function parsePorts(value: unknown, key: string, config: Config): readonly NamedAddress[] {
  const single = parseAddress(value);
  if (single !== undefined) return [{key: undefined, address: single}];
  const entries: readonly (readonly [string | undefined, unknown])[] = Array.isArray(value)
    ? value.map((each) => [undefined, each] as const)
    : isObject(value)
      ? Object.entries(value)
      : [];
  const ports = entries.flatMap(([name, each]): readonly NamedAddress[] => {
    const address = parseAddress(each);
    if (address !== undefined) return [{key: name, address}];
    // Lists in lists, as states of stacked cells are.
    if (!Array.isArray(each)) throw config.error(`${key} has ${short(each)}, expected [layer, node, tensor]`);
    return parsePorts(each, key, config).map((port) => ({...port, key: name}));
  });
  if (ports.length === 0) throw config.error(`${key} is ${short(value)}, expected at least one`);
  return ports;
}
