/** Keras models → TensorFlow Lite: the file or configuration is read, its layers built as a graph, and then as any graph. */
import {type Tensor, TensorError} from "@tf-trusted/tensor";
import {type ConvertOptions, type ConvertResult, convertSource} from "./convert.ts";
import {ConvertError} from "./convert-error.ts";
import type {Graph} from "./ir/graph.ts";
import {defaultLimits} from "./limits.ts";
import {buildModel, describePorts} from "./readers/keras/build-model.ts";
import {checkDepth} from "./readers/keras/config.ts";
import {openKeras, recogniseKeras} from "./readers/keras/keras-file.ts";
import {layerFamilies, refusedLayers} from "./readers/keras/layers/index.ts";
import {parseModel} from "./readers/keras/model-config.ts";
import {type WeightOwner, type WeightSource, weightsByName} from "./readers/keras/weights.ts";
import {signatureKey} from "./tflite/emit.ts";

export interface KerasOptions
  extends Pick<ConvertOptions, "verify" | "dumpPass" | "limits" | "float64" | "quantize" | "ioType" | "reference"> {
  /** Names of the outputs that are wanted (of the layers that give them); default: all. */
  readonly outputs?: readonly string[];
  /** Shapes for inputs, by the name of the input layer; -1 leaves a dimension open. Default: the model's own. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
}

/** What a configuration alone can't tell. */
export interface KerasConfigOptions extends KerasOptions {
  /** Of the Keras that wrote it: what some options mean changed with 3. Default: 2, which TensorFlow.js follows. */
  readonly version?: 2 | 3;
}

/**
 * Converts a `.keras` or `.h5` file. Inputs have the names of their input layers, outputs those of the layers that give
 * them. Throws {@link ConvertError}: `CONVERT_KERAS`, `CONVERT_HDF5`, `CONVERT_LAYER_UNSUPPORTED` with all layers that
 * can't be converted, `CONVERT_NAME_UNKNOWN`, `CONVERT_INPUT_SHAPE`, and what `convert` throws.
 *
 * ```ts
 * const {model} = convertKeras(await readFile("model.keras"), {shapes: {image: [1, 224, 224, 3]}});
 * ```
 */
export function convertKeras(bytes: Uint8Array, options: KerasOptions = {}): ConvertResult {
  const limits = {...defaultLimits, ...options.limits};
  checkSize(bytes, limits.maxBytes);
  const file = openKeras(bytes, limits.maxConstantBytes);
  const {graph, notes} = readModel(file.config, file.weights, file.version, options);
  return convertSource({graph, notes, format: file.format, name: signatureKey}, options);
}

/**
 * Converts a model that is given as its configuration (`{class_name, config}`) and its weights by name (`dense/kernel`), as
 * TensorFlow.js stores layers models. Throws what {@link convertKeras} throws.
 */
export function convertKerasConfig(
  config: unknown,
  weights: ReadonlyMap<string, Tensor>,
  options: KerasConfigOptions = {},
): ConvertResult {
  checkDepth(config, "the configuration");
  const {graph, notes} = readModel(config, () => weightsByName(weights), options.version ?? 2, options);
  return convertSource({graph, notes, format: "tfjs-layers", name: signatureKey}, options);
}

/** What of Keras the bytes are, by content; `undefined` for anything else. */
export function recogniseKerasFile(
  bytes: Uint8Array,
  maxBytes: number = defaultLimits.maxBytes,
): "keras" | "h5" | undefined {
  return recogniseKeras(bytes, maxBytes);
}

/** Layers that are converted, by family, and those of Keras that aren't, with the reason. */
export function kerasLayers(): {
  readonly families: Readonly<Record<string, readonly string[]>>;
  readonly refused: Readonly<Record<string, string>>;
} {
  return {families: layerFamilies(), refused: refusedLayers};
}

/** What a Keras file offers, without its weights. */
export interface KerasStructure {
  readonly format: "keras" | "h5";
  readonly inputs: readonly {readonly name: string; readonly dtype: string; readonly shape: readonly number[]}[];
  readonly outputs: readonly string[];
  /** Layers by class, with those of inner models. */
  readonly layers: Readonly<Record<string, number>>;
}

/** Describes a file. Throws what reading it throws. */
export function inspectKeras(bytes: Uint8Array, options: Pick<KerasOptions, "limits"> = {}): KerasStructure {
  const limits = {...defaultLimits, ...options.limits};
  checkSize(bytes, limits.maxBytes);
  const file = openKeras(bytes, limits.maxConstantBytes);
  const {model} = parseModel(file.config, file.version);
  const counts = new Map<string, number>();
  const pending = [model];
  for (let each = pending.pop(); each !== undefined; each = pending.pop()) {
    for (const layer of each.layers.values()) {
      counts.set(layer.className, (counts.get(layer.className) ?? 0) + 1);
      if (layer.kind.type === "model") pending.push(layer.kind.model);
    }
  }
  return {
    format: file.format,
    ...describePorts(model),
    layers: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function readModel(
  config: unknown,
  weights: (owners: readonly WeightOwner[]) => WeightSource,
  version: number,
  options: KerasOptions,
): {readonly graph: Graph; readonly notes: readonly string[]} {
  try {
    const parsed = parseModel(config, version);
    const {maxNodes, maxTensorBytes} = {...defaultLimits, ...options.limits};
    const {shapes, outputs} = options;
    const limits = {maxNodes, maxTensorBytes};
    return buildModel(parsed, weights(parsed.owners), {
      version,
      ...limits,
      ...(shapes && {shapes}),
      ...(outputs && {outputs}),
    });
  } catch (error) {
    // Tensors check their own sizes and values.
    if (!(error instanceof TensorError)) throw error;
    throw new ConvertError("CONVERT_TENSOR", `a weight of the model: ${error.message}`, {cause: error});
  }
}

function checkSize(bytes: Uint8Array, maxBytes: number): void {
  if (bytes.length <= maxBytes) return;
  throw new ConvertError("CONVERT_LIMIT", `the file has ${bytes.length} bytes, expected at most ${maxBytes}`);
}
