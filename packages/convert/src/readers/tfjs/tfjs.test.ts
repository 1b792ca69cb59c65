/** TensorFlow.js folders: weights in every form, fused operators, signatures, and files that lie. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {ConvertError, type ConvertErrorCode} from "../../convert-error.ts";
import {convertTfjs, type TfjsOptions} from "../../convert-tfjs.ts";
import {mutants} from "../../testing/mutate.ts";
import {filesInMemory, type ModelFiles} from "../model-files.ts";

type Json = Readonly<Record<string, unknown>>;

const float = {dtype: {type: "DT_FLOAT"}, T: {type: 1}};
const shapeOf = (...sizes: readonly number[]) => ({dim: sizes.map((size) => ({size: String(size)}))});
const constant = (name: string, type: string, ...sizes: readonly number[]) => ({
  name,
  op: "Const",
  attr: {dtype: {type}, value: {tensor: {dtype: type, tensorShape: shapeOf(...sizes)}}},
});
const placeholder = {name: "x", op: "Placeholder", attr: {dtype: {type: "DT_FLOAT"}, shape: {shape: shapeOf(2, 2)}}};

/** relu(x·w + b), fused. */
const dense = {
  node: [
    placeholder,
    constant("w", "DT_FLOAT", 2, 2),
    constant("b", "DT_FLOAT", 2),
    {
      name: "y",
      op: "_FusedMatMul",
      input: ["x", "w", "b"],
      attr: {
        T: float.T,
        num_args: {i: "1"},
        // BiasAdd, Relu
        fused_ops: {list: {s: ["Qmlhc0FkZA==", "UmVsdQ=="]}},
        transpose_a: {b: false},
        transpose_b: {b: false},
      },
    },
  ],
};

const weights: readonly Json[] = [
  {name: "w", dtype: "float32", shape: [2, 2]},
  {name: "b", dtype: "float32", shape: [2]},
];

const floats = (...values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);
const whole = floats(1, 2, 3, -4, 10, 20);

function modelFiles(change: Json = {}, shards: Readonly<Record<string, Uint8Array>> = {"w.bin": whole}): ModelFiles {
  const json = {
    format: "graph-model",
    modelTopology: dense,
    weightsManifest: [{paths: Object.keys(shards), weights}],
    ...change,
  };
  return filesInMemory({"model.json": new TextEncoder().encode(JSON.stringify(json)), ...shards});
}

/** What the source graph gives for [[1, 1], [0, 1]]. */
async function run(files: ModelFiles, options: TfjsOptions = {}): Promise<readonly unknown[]> {
  const {Tensor} = await import("@tf-trusted/tensor");
  const {reference} = await convertTfjs(files, {...options, reference: true, verify: true});
  const x = Tensor.from([1, 1, 0, 1], {dtype: "float32", shape: [2, 2]});
  return [...reference!(new Map([["x", x]]))].flatMap(([name, tensor]) => [name, tensor.values()]);
}

const expected = ["y", [14, 18, 13, 16]];

test("weights of one shard, of several, and of several groups", async () => {
  assert.deepEqual(await run(modelFiles()), expected);
  const shards = {"a.bin": whole.slice(0, 5), "b.bin": whole.slice(5)};
  assert.deepEqual(await run(modelFiles({}, shards)), expected);
  const groups = [
    {paths: ["a.bin"], weights: [weights[0]]},
    {paths: ["b.bin"], weights: [weights[1]]},
  ];
  const apart = {"a.bin": whole.slice(0, 16), "b.bin": whole.slice(16)};
  assert.deepEqual(await run(modelFiles({weightsManifest: groups}, apart)), expected);
});

test("weights stored as bytes, pairs of bytes and half floats", async () => {
  const quantised = (quantization: Json, bytes: Uint8Array) => {
    const stored = [{...weights[0], quantization}, weights[1]];
    const shards = {"w.bin": Uint8Array.from([...bytes, ...whole.slice(16)])};
    return run(modelFiles({weightsManifest: [{paths: ["w.bin"], weights: stored}]}, shards));
  };
  assert.deepEqual(await quantised({dtype: "uint8", scale: 0.5, min: -4}, Uint8Array.of(10, 12, 14, 0)), expected);
  const pairs = new Uint8Array(Uint16Array.of(1000, 1100, 1200, 500).buffer);
  assert.deepEqual(await quantised({dtype: "uint16", scale: 0.01, min: -9}, pairs), expected);
  const halves = new Uint8Array(Uint16Array.of(0x3c00, 0x4000, 0x4200, 0xc400).buffer);
  assert.deepEqual(await quantised({dtype: "float16"}, halves), expected);
});

test("a signature's inputs and outputs, by its names and by the nodes'", async () => {
  const signature = {
    inputs: {image: {name: "x:0", dtype: "DT_FLOAT", tensorShape: shapeOf(2, 2)}},
    outputs: {scores: {name: "y:0"}},
  };
  for (const files of [modelFiles({signature}), modelFiles({userDefinedMetadata: {signature}})]) {
    assert.deepEqual(await run(files), expected);
    assert.deepEqual(await run(files, {inputs: ["image"], outputs: ["scores"]}), expected);
    assert.deepEqual(await run(files, {inputs: ["x"], outputs: ["y"]}), expected);
  }
});

test("fused PReLU, leaky ReLU and batch normalisation are spelled out", async () => {
  const fused = (steps: readonly string[], inputs: readonly string[], attributes: Json = {}) => {
    const node = dense.node[3]!;
    const s = steps.map((step) => btoa(step));
    const attr = {...node.attr, fused_ops: {list: {s}}, ...attributes};
    const nodes = [...dense.node.slice(0, 3), {...node, input: ["x", "w", ...inputs], attr}];
    return run(modelFiles({modelTopology: {node: nodes}}));
  };
  assert.deepEqual(await fused(["Prelu"], ["b"]), ["y", [4, -40, 3, -80]]);
  assert.deepEqual(await fused(["LeakyRelu"], [], {leakyrelu_alpha: {f: 0.5}}), ["y", [4, -1, 3, -2]]);
  assert.deepEqual(await fused([], []), ["y", [4, -2, 3, -4]]);
  await assert.rejects(fused(["Softplus"], []), refusedWith("CONVERT_OP_UNSUPPORTED", /"y" .* has Softplus fused/));
  await assert.rejects(fused(["BiasAdd"], []), refusedWith("CONVERT_GRAPH_INVALID", /BiasAdd lacks an operand/));
  await assert.rejects(fused(["Relu"], ["b"]), refusedWith("CONVERT_GRAPH_INVALID", /has 3 inputs, expected 2/));
  const other = {filter_format: {s: btoa("OIHW")}};
  await assert.rejects(fused(["Relu"], [], other), refusedWith("CONVERT_OP_UNSUPPORTED", /filters in OIHW fused/));
});

test("a constant without a weight is refused, not read as zeros; weights have the graph's dtype", async () => {
  const some = [{paths: ["w.bin"], weights: [weights[0]]}];
  const files = modelFiles({weightsManifest: some}, {"w.bin": whole.slice(0, 16)});
  await assert.rejects(run(files), refusedWith("CONVERT_ATTRIBUTE", /"b" .*"value" \(tensor\) is missing/));
  // Narrowed by the converter of TensorFlow.js: the graph says int64.
  const add = {name: "y", op: "AddV2", input: ["n", "k"], attr: {T: {type: "DT_INT64"}}};
  const cast = {name: "n", op: "Cast", input: ["x"], attr: {SrcT: float.T, DstT: {type: "DT_INT64"}}};
  const narrowed = modelFiles(
    {
      modelTopology: {node: [placeholder, cast, constant("k", "DT_INT64", 2), add]},
      weightsManifest: [{paths: ["k.bin"], weights: [{name: "k", dtype: "int32", shape: [2]}]}],
    },
    {"k.bin": new Uint8Array(Int32Array.of(-1, 5).buffer)},
  );
  assert.deepEqual(await run(narrowed), ["y", [0n, 6n, -1n, 6n]]);
});

const refusedWith = (code: ConvertErrorCode, message: RegExp) => (error: unknown) =>
  error instanceof ConvertError && error.code === code && message.test(error.message);

const lies: readonly (readonly [string, Json, ConvertErrorCode, RegExp])[] = [
  ["no topology", {modelTopology: 3}, "CONVERT_JSON", /modelTopology is 3, expected an object/],
  ["another format", {format: "onnx"}, "CONVERT_JSON", /format is "onnx"/],
  ...["../w.bin", "/etc/passwd", "a\\w.bin", "c:w.bin", "./w.bin", ""].map(
    (path) =>
      [
        `weights in ${JSON.stringify(path)}`,
        {weightsManifest: [{paths: [path], weights}]},
        "CONVERT_JSON",
        /expected a file beside model.json/,
      ] as const,
  ),
  ["a missing shard", {weightsManifest: [{paths: ["z.bin"], weights}]}, "CONVERT_FILE_MISSING", /no file z.bin/],
  [
    "too few bytes",
    {weightsManifest: [{paths: ["w.bin"], weights: [...weights, {name: "c", dtype: "int32", shape: [9]}]}]},
    "CONVERT_TENSOR",
    /weight "c" ends after 0 bytes, expected 36/,
  ],
  [
    "bytes left over",
    {weightsManifest: [{paths: ["w.bin"], weights: [weights[0]]}]},
    "CONVERT_TENSOR",
    /8 bytes follow/,
  ],
  [
    "a weight twice",
    {weightsManifest: [{paths: ["w.bin"], weights: [weights[0], {...weights[0], shape: [2]}]}]},
    "CONVERT_TENSOR",
    /"w" is there twice/,
  ],
  [
    "an absurd size",
    {weightsManifest: [{paths: ["w.bin"], weights: [{...weights[0], shape: [-1]}]}]},
    "CONVERT_JSON",
    /shape\[0\] is -1/,
  ],
  [
    "an unknown dtype",
    {weightsManifest: [{paths: ["w.bin"], weights: [{...weights[0], dtype: "float8"}]}]},
    "CONVERT_JSON",
    /dtype is "float8"/,
  ],
  [
    "a dtype that every object has",
    {weightsManifest: [{paths: ["w.bin"], weights: [{...weights[0], dtype: "constructor"}]}]},
    "CONVERT_JSON",
    /dtype is "constructor"/,
  ],
  ["a node that is none", {modelTopology: {node: [7]}}, "CONVERT_JSON", /modelTopology.node\[0\] is 7/],
  [
    "bytes that are no base64",
    {modelTopology: {node: [{name: "x", attr: {a: {s: "%%"}}}]}},
    "CONVERT_JSON",
    /a\.s is "%%", expected base64/,
  ],
];

for (const [name, change, code, message] of lies) {
  test(`${name} is refused`, () => assert.rejects(convertTfjs(modelFiles(change)), refusedWith(code, message)));
}

test("damaged JSON and weights give coded errors", async () => {
  const files = modelFiles();
  const json = await files.read("model.json", 0, await files.size("model.json"));
  let converted = 0;
  for (const mutant of mutants(json, 1000)) {
    try {
      await convertTfjs(filesInMemory({"model.json": mutant, "w.bin": whole}));
      converted++;
    } catch (error) {
      assert.ok(error instanceof ConvertError, String(error));
    }
  }
  assert.ok(converted > 0 && converted < 1000);
  for (const mutant of mutants(whole, 100)) {
    const outcome = convertTfjs(filesInMemory({"model.json": json, "w.bin": mutant}));
    await outcome.catch((error: unknown) => assert.ok(error instanceof ConvertError));
  }
});
