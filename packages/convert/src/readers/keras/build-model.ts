/** A parsed model and its weights → one graph: layers are called in the order in which they need each other. */
import {type DType, isDType, type Tensor} from "@tf-trusted/tensor";
import {ConvertError} from "../../convert-error.ts";
import {symbolOf} from "../../ir/dims.ts";
import type {Graph, Ref, TensorType} from "../../ir/graph.ts";
import {castTensor} from "../../ops/elements.ts";
import {type Config, isObject, layerUnsupported, short} from "./config.ts";
import {KerasBuilder} from "./keras-builder.ts";
import {callRow, type LayerSite, Value} from "./layer.ts";
import {
  addressesIn,
  type NamedAddress,
  type ParsedFile,
  type ParsedLayer,
  type ParsedModel,
  TensorAddress,
} from "./model-config.ts";
import {applyOperation} from "./operations.ts";
import {joinSteps, splitSteps} from "./steps.ts";
import type {WeightOwner, WeightSource} from "./weights.ts";

export interface BuildOptions {
  readonly maxNodes: number;
  readonly maxTensorBytes: number;
  /** 2 or 3. */
  readonly version: number;
  /** Shapes for inputs, by name; -1 leaves a dimension open. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** Names of the outputs that are wanted. Default: all. */
  readonly outputs?: readonly string[];
  /** Told of each call of a layer, and of each input, what it gives. */
  readonly onCall?: (layer: ParsedLayer, outputs: readonly TensorType[]) => void;
}

/** What layers compute with, by the dtype of their policy. Half precision is widened: no kernel computes with it. */
const computeDTypes: Readonly<Record<string, DType>> = {
  float32: "float32",
  float64: "float64",
  float16: "float32",
  bfloat16: "float32",
  mixed_float16: "float32",
  mixed_bfloat16: "float32",
};

/** How often a call may be made for each that is written: a model that is shared within a shared model. */
const callsPerCall = 50;
const spareCalls = 1000;

/** Throws `CONVERT_KERAS`, `CONVERT_LAYER_UNSUPPORTED`, `CONVERT_NAME_UNKNOWN`, `CONVERT_INPUT_SHAPE`, and what inferring shapes throws. */
export function buildModel(
  {model, calls}: ParsedFile,
  source: WeightSource,
  options: BuildOptions,
): {readonly graph: Graph; readonly notes: readonly string[]} {
  const run = new ModelRun(source, calls, options);
  const inputs = model.inputs.map((port) => {
    const input = run.addInput(model, port);
    options.onCall?.(model.layers.get(port.address.layer)!, [run.b.type(input.value.ref)]);
    return input;
  });
  const unknown = Object.keys(options.shapes ?? {}).find((name) => !inputs.some((each) => each.name === name));
  if (unknown !== undefined)
    throw unknownName(
      "input",
      unknown,
      inputs.map(({name}) => name),
    );
  const names = outputNames(model.outputs);
  const wanted = options.outputs?.length ? options.outputs : names;
  const missing = wanted.find((name) => !names.includes(name));
  if (missing !== undefined) throw unknownName("output", missing, names);
  const chosen = wanted.map((name) => model.outputs[names.indexOf(name)]!);
  const values = run.run(
    model,
    inputs.map(({value}) => value),
    chosen,
  );
  const ports = values.map(({ref}, i) => ({name: wanted[i]!, ref}));
  return {
    graph: run.b.build(
      inputs.map(({name, value}) => ({name, ref: value.ref})),
      ports,
    ),
    notes: run.notes,
  };
}

/** Inputs and outputs as callers name them. */
export function describePorts(model: ParsedModel): {
  readonly inputs: readonly {readonly name: string; readonly dtype: string; readonly shape: readonly number[]}[];
  readonly outputs: readonly string[];
} {
  const inputs = model.inputs.map(({address}) => {
    const {name, dtype, dims} = declaredInput(model, address.layer);
    return {name, dtype, shape: dims.map((dim) => dim ?? -1)};
  });
  return {inputs, outputs: outputNames(model.outputs)};
}

interface DeclaredInput {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly (number | null)[];
}

/** An input layer of a model. Throws `CONVERT_KERAS`, `CONVERT_INPUT_SHAPE`, `CONVERT_LAYER_UNSUPPORTED`. */
function declaredInput(model: ParsedModel, name: string): DeclaredInput {
  const layer = model.layers.get(name);
  if (layer?.kind.type !== "input") throw new ConvertError("CONVERT_KERAS", `the input "${name}" is no input layer`);
  const {config} = layer;
  if (config.boolean("sparse", false) || config.boolean("ragged", false))
    throw config.unsupported("a sparse or ragged input");
  const dtype = policyName(config.get("dtype")) ?? "float32";
  if (!isDType(dtype)) throw config.error(`its dtype is ${short(dtype)}`);
  if (dtype === "string") throw config.unsupported("an input of strings");
  const declared = config.get("batch_shape") ?? config.get("batch_input_shape");
  const isShape =
    Array.isArray(declared) &&
    declared.length <= 8 &&
    declared.every((dim) => dim === null || (Number.isSafeInteger(dim) && dim >= 0 && dim < 2 ** 31));
  if (!isShape) throw new ConvertError("CONVERT_INPUT_SHAPE", `input "${name}" has the shape ${short(declared)}`);
  return {name, dtype, dims: declared as readonly (number | null)[]};
}

/** Keys of a dictionary, else names of the layers, numbered where one layer gives several. */
function outputNames(ports: readonly NamedAddress[]): readonly string[] {
  const taken = new Set<string>();
  return ports.map(({key, address}) => {
    let name = key ?? address.layer;
    for (let i = 1; taken.has(name); i++) name = `${key ?? address.layer}_${i}`;
    taken.add(name);
    return name;
  });
}

class ModelRun {
  readonly b: KerasBuilder;
  readonly notes: string[] = [];
  readonly #source: WeightSource;
  readonly #options: BuildOptions;
  /** Calls that may still be made: models within models could go on for ever. */
  #calls: number;
  readonly #maxCalls: number;
  readonly #weights = new Map<KerasBuilder, Map<string, Ref>>();

  constructor(source: WeightSource, calls: number, options: BuildOptions) {
    this.#maxCalls = spareCalls + callsPerCall * calls;
    this.#calls = this.#maxCalls;
    this.#source = source;
    this.#options = options;
    this.b = new KerasBuilder({nodes: options.maxNodes, tensorBytes: options.maxTensorBytes});
  }

  addInput(model: ParsedModel, port: NamedAddress): {readonly name: string; readonly value: Value} {
    const {name, dtype, dims} = declaredInput(model, port.address.layer);
    const given = this.#options.shapes?.[name];
    const fits =
      given === undefined ||
      (given.length === dims.length &&
        dims.every((dim, axis) => dim === null || given[axis] === -1 || dim === given[axis]));
    if (!fits || given?.some((size) => !Number.isSafeInteger(size) || size < -1 || size >= 2 ** 31)) {
      throw new ConvertError(
        "CONVERT_INPUT_SHAPE",
        `input "${name}": the shape [${given}] doesn't fit [${dims.map((dim) => dim ?? -1)}]`,
      );
    }
    const shape = dims.map(
      (dim, axis) => dim ?? (given !== undefined && given[axis]! >= 0 ? given[axis]! : symbolOf(name, axis)),
    );
    return {name, value: new Value(this.b.input(name, {dtype, shape}))};
  }

  /** Calls what the outputs need, without recursion: models may be thousands of layers deep. */
  run(model: ParsedModel, inputs: readonly Value[], wanted: readonly NamedAddress[]): readonly Value[] {
    const results = new Map<string, readonly Value[]>();
    model.inputs.forEach(({address}, i) => {
      results.set(callKey(address), [inputs[i]!]);
    });
    const pending = wanted.map(({address}) => address).reverse();
    const waiting = new Set<string>();
    while (pending.length > 0) {
      const address = pending.at(-1)!;
      const key = callKey(address);
      if (results.has(key)) {
        pending.pop();
        continue;
      }
      const layer = model.layers.get(address.layer);
      const call = layer?.calls[address.node - layer.firstCall];
      if (layer === undefined || call === undefined) {
        throw new ConvertError(
          "CONVERT_KERAS",
          `model "${model.name}" uses call ${address.node} of layer "${address.layer}", which it doesn't have`,
        );
      }
      const needed = addressesIn([call.args, call.kwargs]).filter((each) => !results.has(callKey(each)));
      if (needed.length === 0) {
        pending.pop();
        waiting.delete(key);
        const lookUp = (each: TensorAddress) => outputAt(results.get(callKey(each))!, each);
        const args = substitute(call.args, lookUp) as unknown[];
        const given = this.#call(layer, args, substitute(call.kwargs, lookUp) as Record<string, unknown>);
        results.set(key, given);
        this.#options.onCall?.(
          layer,
          given.map(({ref}) => this.b.type(ref)),
        );
        continue;
      }
      if (waiting.has(key)) throw new ConvertError("CONVERT_KERAS", `layer "${address.layer}" needs its own output`);
      waiting.add(key);
      pending.push(...needed.reverse());
    }
    return wanted.map(({address}) => outputAt(results.get(callKey(address))!, address));
  }

  #call(layer: ParsedLayer, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>): readonly Value[] {
    const {kind, config} = layer;
    if (--this.#calls < 0) {
      throw new ConvertError(
        "CONVERT_LIMIT",
        `the model calls layers more than ${this.#maxCalls} times; shared models multiply`,
      );
    }
    switch (kind.type) {
      case "input":
        throw config.error("an input that isn't among the model's inputs");
      case "model":
        return this.#callModel(kind, modelInputs(kind.model, args, kwargs, layer), layer);
      case "operation":
        this.b.enter(layer.name);
        return applyOperation(this.b, kind.operation, args, kwargs, config);
      case "layer": {
        this.b.enter(kind.owner.path.join("/"));
        const site = this.#site(this.b, config, kind.owner, "", args, kwargs);
        return callRow(site, kind.row);
      }
    }
  }

  #callModel(
    {model, perStep}: {readonly model: ParsedModel; readonly perStep: boolean},
    inputs: readonly Value[],
    layer: ParsedLayer,
  ): readonly Value[] {
    if (!perStep) return this.run(model, inputs, model.outputs);
    const [first] = inputs as [Value];
    if (inputs.length !== 1 || model.outputs.length !== 1 || first.mask !== undefined) {
      throw layerUnsupported(`layer "${layer.name}"`, "a model of several tensors, or with a mask, for each step");
    }
    this.b.enter(layer.name);
    const [result] = this.run(model, [new Value(joinSteps(this.b, first.ref))], model.outputs) as [Value];
    this.b.enter(layer.name);
    return [new Value(splitSteps(this.b, result.ref, first.ref))];
  }

  #site(
    b: KerasBuilder,
    config: Config,
    owner: WeightOwner,
    prefix: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>>,
  ): LayerSite {
    const dtype = this.#computeDType(config);
    const cast = (value: unknown): unknown => {
      if (value instanceof Value) return b.isFloat(value.ref) ? new Value(b.cast(value.ref, dtype), value.mask) : value;
      return Array.isArray(value) ? value.map(cast) : value;
    };
    const castArgs = args.map(cast);
    const castKwargs = Object.fromEntries(Object.entries(kwargs).map(([key, value]) => [key, cast(value)]));
    const first = castArgs[0] ?? castKwargs.inputs ?? castKwargs.query ?? castKwargs.sequences;
    const inputs = valuesIn(first);
    const read = (key: string): Tensor => {
      const spec = owner.specs.find((each) => each.key === prefix + key);
      if (spec === undefined) throw config.error(`it has no weight ${prefix}${key}`);
      const tensor = this.#source(owner, spec);
      return /^b?float/.test(tensor.dtype) ? (castTensor(tensor, dtype) ?? tensor) : tensor;
    };
    return {
      b,
      config,
      inputs,
      args: castArgs.slice(1),
      kwargs: castKwargs,
      version: this.#options.version,
      weight: (key) => {
        const cache = this.#weights.get(b) ?? new Map<string, Ref>();
        this.#weights.set(b, cache);
        const id = `${owner.path.join("\0")}\0\0${prefix}${key}\0${dtype}`;
        const made = cache.get(id) ?? b.constant(read(key), `${owner.path.join("/")}/${prefix}${key}`);
        cache.set(id, made);
        return made;
      },
      part: (innerConfig, inside, values, innerKwargs = {}) =>
        this.#site(
          b,
          innerConfig,
          owner,
          `${prefix}${inside}/`,
          [values.length === 1 ? values[0] : values],
          innerKwargs,
        ),
      within: (other) => this.#site(other, config, owner, prefix, [], {}),
    };
  }

  #computeDType(config: Config): DType {
    const name = policyName(config.get("dtype"));
    if (name === undefined) return "float32";
    const dtype = Object.hasOwn(computeDTypes, name) ? computeDTypes[name] : undefined;
    // Layers of integers (lookups, encodings) have no policy for floats.
    if (dtype === undefined) {
      if (isDType(name) && name !== "string") return "float32";
      throw layerUnsupported(config.owner, `the dtype policy "${name}"`);
    }
    if (dtype !== name) {
      const note = `layers of ${name} compute with float32`;
      if (!this.notes.includes(note)) this.notes.push(note);
    }
    return dtype;
  }
}

const callKey = ({layer, node}: TensorAddress): string => `${node}\0${layer}`;

function outputAt(values: readonly Value[], {layer, tensor}: TensorAddress): Value {
  const found = values[tensor];
  if (found !== undefined) return found;
  throw new ConvertError("CONVERT_KERAS", `output ${tensor} of layer "${layer}" is used, which has ${values.length}`);
}

/** Name of a dtype or of a policy (Keras 2: string or {config: {name}}; Keras 3: DTypePolicy). */
function policyName(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!isObject(value)) return undefined;
  if (value.class_name === "QuantizedDTypePolicy" || value.class_name === "QuantizedFloat8DTypePolicy")
    return "quantized";
  return isObject(value.config) && typeof value.config.name === "string" ? value.config.name : undefined;
}

export function valuesIn(value: unknown): readonly Value[] {
  if (value instanceof Value) return [value];
  return Array.isArray(value) ? value.flatMap(valuesIn) : [];
}

function substitute(value: unknown, lookUp: (address: TensorAddress) => Value): unknown {
  if (value instanceof TensorAddress) return lookUp(value);
  if (Array.isArray(value)) return value.map((each) => substitute(each, lookUp));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, substitute(each, lookUp)]));
}

/** Tensors for a model that is called as a layer: a list in order, or a dictionary by key or name. */
function modelInputs(
  model: ParsedModel,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  layer: ParsedLayer,
): readonly Value[] {
  const first = args[0] ?? kwargs.inputs;
  const byName = isObject(first) && !(first instanceof Value) ? first : undefined;
  const values = byName
    ? model.inputs.map(({key, address}) => byName[key ?? address.layer] ?? byName[address.layer])
    : valuesIn(first);
  if (values.length !== model.inputs.length || !values.every((value) => value instanceof Value)) {
    throw layer.config.error(`the model takes ${model.inputs.length} inputs, and is called with ${values.length}`);
  }
  return values;
}

function unknownName(kind: string, name: string, names: readonly string[]): ConvertError {
  const list = names.map((each) => `"${each}"`).join(", ");
  return new ConvertError("CONVERT_NAME_UNKNOWN", `the model has no ${kind} "${name}"; it has ${list}`);
}
