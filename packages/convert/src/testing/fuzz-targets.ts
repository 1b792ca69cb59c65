/** What is damaged for which reader: `npm run fuzz` tries many thousands of each, the tests a few. */
import {existsSync, readdirSync, readFileSync, statSync} from "node:fs";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {unzipSync, zipSync} from "fflate";
import {type ConvertOptions, convert} from "../convert.ts";
import {convertKeras} from "../convert-keras.ts";
import {convertModel, type ModelSource} from "../convert-model.ts";
import {convertSavedModel} from "../convert-saved-model.ts";
import {convertTfjs} from "../convert-tfjs.ts";
import {inspectModel} from "../inspect/inspect-model.ts";
import {filesInMemory} from "../readers/model-files.ts";
import {mutants} from "./mutate.ts";
import {jsonMutants} from "./mutate-json.ts";

export interface FuzzTarget {
  readonly name: string;
  /** Runs of the reader over `count` damaged inputs: each gives a model or description, or throws. */
  readonly cases: (count: number) => Iterable<() => unknown>;
}

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const fixtures = join(root, "fixtures");
const corpus = process.env.TF_TRUSTED_CORPUS ?? join(root, "../shared");
const limits: NonNullable<ConvertOptions["limits"]> = {maxConstantBytes: 1 << 26, maxTensorBytes: 1 << 28};

const bytesOf = (...path: readonly string[]): Uint8Array => new Uint8Array(readFileSync(join(...path)));
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decode = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));

/** Damaged bytes of whole inputs that are accepted; each gets its share. */
function bytesTarget(name: string, seeds: readonly Uint8Array[], run: (mutant: Uint8Array) => unknown): FuzzTarget {
  return {
    name,
    *cases(count) {
      const share = Math.ceil(count / seeds.length);
      for (const [at, seed] of seeds.entries())
        for (const mutant of mutants(seed, share, at + 1)) yield () => run(mutant);
    },
  };
}

/** Damaged values of JSON that is accepted. */
function jsonTarget(name: string, seed: unknown, run: (mutant: Uint8Array) => unknown): FuzzTarget {
  return {
    name,
    *cases(count) {
      for (const mutant of jsonMutants(seed, count)) yield () => run(encode(mutant));
    },
  };
}

/** Every second input is looked at as well: a description has paths of its own. */
let turn = 0;
function convertOrInspect(source: ModelSource): unknown {
  return turn++ % 2 === 0 ? convertModel(source, {limits}) : inspectModel(source, {limits, maxGraphNodes: 2000});
}

function graphDefs(): readonly Uint8Array[] {
  const digits = bytesOf(fixtures, "digits/digits.pb");
  const folder = join(corpus, "models/ops");
  if (!existsSync(folder)) return [digits];
  const graphs = readdirSync(folder).filter((name) => name.endsWith(".pb"));
  const small = graphs.map((name) => bytesOf(folder, name)).filter((bytes) => bytes.length < 20_000);
  return [digits, ...small];
}

/** Files of a folder by their paths in it. */
function readFolder(folder: string, prefix = ""): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const name of readdirSync(join(folder, prefix)).sort()) {
    const path = join(prefix, name);
    if (statSync(join(folder, path)).isDirectory()) for (const entry of readFolder(folder, path)) files.set(...entry);
    else files.set(path, bytesOf(folder, path));
  }
  return files;
}

const savedModel = readFolder(join(fixtures, "saved-model/model"));
/** Its variables are found by the trees of objects. */
const kerasModel = readFolder(join(fixtures, "saved-model/keras"));

const stateModel = readFolder(join(fixtures, "saved-model/state"));

function savedModelTarget(part: string, name = "SavedModel", model = savedModel): FuzzTarget {
  const path = [...model.keys()].find((each) => each.includes(part))!;
  const run = (mutant: Uint8Array) =>
    convertSavedModel(filesInMemory({...Object.fromEntries(model), [path]: mutant}), {
      limits,
      keepState: model === stateModel,
    });
  return bytesTarget(`${name} ${path}`, [model.get(path)!], run);
}

const dense = {class_name: "Dense", config: {name: "d", units: 3, batch_input_shape: [null, 4], activation: "relu"}};
const lstm = {
  class_name: "LSTM",
  config: {name: "l", units: 2, return_sequences: true, batch_input_shape: [null, 3, 4]},
};
const floats = (count: number): Uint8Array =>
  new Uint8Array(Float32Array.from({length: count}, (_, i) => Math.sin(i)).buffer);

const layersModel = (layers: readonly unknown[], shapes: Readonly<Record<string, readonly number[]>>) => ({
  format: "layers-model",
  modelTopology: {model_config: {class_name: "Sequential", config: {name: "net", layers}}},
  weightsManifest: [
    {paths: ["w.bin"], weights: Object.entries(shapes).map(([name, shape]) => ({name, shape, dtype: "float32"}))},
  ],
});

/** TensorFlow.js models with the bytes of their weights. */
const tfjsModels: Readonly<Record<string, readonly [json: unknown, weights: Uint8Array]>> = {
  graph: [
    {
      format: "graph-model",
      modelTopology: {
        node: [
          {
            name: "x",
            op: "Placeholder",
            attr: {dtype: {type: "DT_FLOAT"}, shape: {shape: {dim: [{size: "-1"}, {size: "4"}]}}},
          },
          {
            name: "w",
            op: "Const",
            attr: {
              dtype: {type: "DT_FLOAT"},
              value: {tensor: {dtype: "DT_FLOAT", tensorShape: {dim: [{size: "4"}, {size: "3"}]}}},
            },
          },
          {
            name: "b",
            op: "Const",
            attr: {dtype: {type: "DT_FLOAT"}, value: {tensor: {dtype: "DT_FLOAT", tensorShape: {dim: [{size: "3"}]}}}},
          },
          {
            name: "y",
            op: "_FusedMatMul",
            input: ["x", "w", "b"],
            attr: {T: {type: "DT_FLOAT"}, num_args: {i: "1"}, fused_ops: {list: {s: ["Qmlhc0FkZA==", "UmVsdQ=="]}}},
          },
        ],
        versions: {producer: 1000},
      },
      signature: {
        inputs: {x: {name: "x:0", dtype: "DT_FLOAT", tensorShape: {dim: [{size: "-1"}, {size: "4"}]}}},
        outputs: {y: {name: "y:0"}},
      },
      weightsManifest: [
        {
          paths: ["w.bin"],
          weights: [
            {name: "w", shape: [4, 3], dtype: "float32", quantization: {dtype: "uint8", scale: 0.1, min: -1}},
            {name: "b", shape: [3], dtype: "float32"},
          ],
        },
      ],
    },
    new Uint8Array(24),
  ],
  layers: [layersModel([dense], {"d/kernel": [4, 3], "d/bias": [3]}), floats(15)],
  "recurrent layers": [
    layersModel([lstm], {"l/kernel": [4, 8], "l/recurrent_kernel": [2, 8], "l/bias": [8]}),
    floats(56),
  ],
};

/** A member of a `.keras` damaged, with the archive's checksums right. */
function kerasMember(
  file: string,
  member: string,
): readonly [seed: Uint8Array, pack: (bytes: Uint8Array) => Uint8Array] {
  const members = unzipSync(bytesOf(fixtures, "keras", file));
  return [members[member]!, (bytes) => zipSync({...members, [member]: bytes}, {level: 0})];
}

function kerasTargets(): readonly FuzzTarget[] {
  const [weights, packWeights] = kerasMember("core.keras", "model.weights.h5");
  const configs = ["core.keras", "recurrent.keras", "attention.keras", "preprocessing.keras"].map((file) => {
    const [seed, pack] = kerasMember(file, "config.json");
    return jsonTarget(`Keras ${file} config.json`, decode(seed), (mutant) => convertOrInspect(pack(mutant)));
  });
  const files = ["core.keras", "recurrent.h5", "core.h5"].map((name) =>
    bytesTarget(`Keras ${name}`, [bytesOf(fixtures, "keras", name)], (mutant) => convertKeras(mutant, {limits})),
  );
  const run = (mutant: Uint8Array) => convertKeras(packWeights(mutant), {limits});
  return [...files, ...configs, bytesTarget("Keras core.keras model.weights.h5", [weights], run)];
}

export const fuzzTargets: readonly FuzzTarget[] = [
  bytesTarget("GraphDef", graphDefs(), (mutant) => convert(mutant, {limits})),
  bytesTarget("TensorFlow Lite", [convert(bytesOf(fixtures, "digits/digits.pb")).model], convertOrInspect),
  bytesTarget(
    "zip of a SavedModel",
    [zipSync(Object.fromEntries(savedModel)), zipSync(Object.fromEntries(savedModel), {level: 0})],
    convertOrInspect,
  ),
  ...["saved_model.pb", ".index", ".data-"].map((part) => savedModelTarget(part)),
  savedModelTarget("saved_model.pb", "SavedModel of Keras 3", kerasModel),
  savedModelTarget("saved_model.pb", "SavedModel that keeps state", stateModel),
  ...kerasTargets(),
  ...Object.entries(tfjsModels).flatMap(([name, [json, weights]]) => {
    const run = (mutant: Uint8Array) => convertOrInspect(filesInMemory({"model.json": mutant, "w.bin": weights}));
    const runWeights = (mutant: Uint8Array) =>
      convertTfjs(filesInMemory({"model.json": encode(json), "w.bin": mutant}), {limits});
    return [
      jsonTarget(`TensorFlow.js ${name} model.json`, json, run),
      bytesTarget(`TensorFlow.js ${name} model.json, bytes`, [encode(json)], run),
      bytesTarget(`TensorFlow.js ${name} weights`, [weights], runWeights),
    ];
  }),
];
