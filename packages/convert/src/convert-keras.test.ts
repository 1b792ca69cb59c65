/** Keras models of the fixtures: structure, names, refusals. Their numbers are checked in tests/src/convert/keras.test.ts. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {TfTrustedError} from "@tf-trusted/core";
import type {Tensor} from "@tf-trusted/tensor";
import {ConvertError} from "./convert-error.ts";
import {convertKeras, convertKerasConfig, inspectKeras, kerasLayers, recogniseKerasFile} from "./convert-keras.ts";
import {float32Tensor, transposeTensor} from "./ops/elements.ts";
import {layerNames} from "./readers/keras/layers/index.ts";
import {mutants} from "./testing/mutate.ts";

const fixtures = join(dirname(fileURLToPath(import.meta.url)), "../../../fixtures/keras");
const read = (name: string) => new Uint8Array(readFileSync(join(fixtures, name)));
const weights = new Map([
  ["dense/kernel", float32Tensor([1, 2, 3, 4], [2, 2])],
  ["dense/bias", float32Tensor([0.5, -0.5])],
]);

/** A Sequential of layers, each [class, options]. */
const sequential = (...layers: readonly (readonly [string, Readonly<Record<string, unknown>>])[]) => ({
  class_name: "Sequential",
  config: {
    name: "model",
    layers: [
      {class_name: "InputLayer", config: {name: "x", batch_shape: [null, 2], dtype: "float32"}},
      ...layers.map(([name, config], i) => ({
        class_name: name,
        config: {name: `layer_${i}`, trainable: true, ...config},
      })),
    ],
  },
});

const refusal = (code: ConvertError["code"], message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ConvertError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test("files are told by content", () => {
  assert.equal(recogniseKerasFile(read("core.keras")), "keras");
  assert.equal(recogniseKerasFile(read("core.h5")), "h5");
  assert.equal(recogniseKerasFile(read("core.npz")), undefined);
  assert.equal(recogniseKerasFile(new Uint8Array(0)), undefined);
});

test("both formats describe one model", () => {
  const [a, b] = [inspectKeras(read("core.keras")), inspectKeras(read("core.h5"))];
  assert.deepEqual(a.layers, b.layers);
  assert.equal(a.layers.Dense, 6);
  assert.ok(a.inputs.some(({name, dtype}) => name === "ids" && dtype === "int32"));
});

test("inputs take shapes, outputs can be chosen", () => {
  const {signature} = convertKeras(read("core.keras"), {shapes: {vec: [3, -1]}, outputs: ["identity"]});
  assert.deepEqual(
    signature.outputs.map(({name, shape}) => [name, shape]),
    [["identity", [3, 6]]],
  );
  assert.throws(
    () => convertKeras(read("core.keras"), {shapes: {other: [1]}}),
    refusal("CONVERT_NAME_UNKNOWN", /no input "other"; it has/),
  );
  assert.throws(
    () => convertKeras(read("core.keras"), {shapes: {vec: [1, 7]}}),
    refusal("CONVERT_INPUT_SHAPE", /doesn't fit \[-1,6\]/),
  );
  assert.throws(
    () => convertKeras(read("core.keras"), {outputs: ["nothing"]}),
    refusal("CONVERT_NAME_UNKNOWN", /no output "nothing"/),
  );
});

test("a configuration with weights by name", () => {
  const config = sequential(["Dense", {name: "dense", units: 2}]);
  const {report, signature} = convertKerasConfig(config, weights, {verify: true});
  assert.equal(report.format, "tfjs-layers");
  assert.deepEqual(report.operators, {FULLY_CONNECTED: 1});
  assert.deepEqual(signature.outputs[0]!.shape, [-1, 2]);
  assert.throws(
    () => convertKerasConfig(config, new Map([["dense/kernel", weights.get("dense/kernel")!]])),
    refusal("CONVERT_KERAS", /"dense" lacks its weight bias/),
  );
});

test("layers of others are refused by name, all at once", () => {
  const config = sequential(["Lambda", {}], ["Own>Layer", {}], ["Nonsense", {}], ["Activation", {activation: "relu"}]);
  assert.throws(
    () => convertKerasConfig(config, new Map()),
    refusal(
      "CONVERT_LAYER_UNSUPPORTED",
      /3 layers .*\n.*"layer_0": Lambda.*\n.*Own>Layer.*\n.*Nonsense.*\n.*model\.export/,
    ),
  );
});

for (const [what, layer, code, message] of [
  [
    "an activation of the author",
    ["Activation", {activation: "mine"}],
    "CONVERT_LAYER_UNSUPPORTED",
    /the activation "mine"/,
  ],
  ["a state between calls", ["SimpleRNN", {units: 2, stateful: true}], "CONVERT_LAYER_UNSUPPORTED", /stateful=true/],
  ["renorm", ["BatchNormalization", {renorm: true}], "CONVERT_LAYER_UNSUPPORTED", /renorm/],
  [
    "an option of another kind",
    ["Dense", {units: 2, use_bias: 1}],
    "CONVERT_KERAS",
    /use_bias is 1, expected true or false/,
  ],
  ["a shape that doesn't fit", ["Reshape", {target_shape: [3]}], "CONVERT_KERAS", /can't make \[3\] of \[2\]/],
  [
    "a policy of integers",
    ["ReLU", {dtype: {class_name: "QuantizedDTypePolicy", config: {}}}],
    "CONVERT_LAYER_UNSUPPORTED",
    /policy/,
  ],
  ["too large a value", ["RepeatVector", {n: 2 ** 31 - 1}], "CONVERT_LIMIT", /bytes, expected at most/],
] as const) {
  test(`refused: ${what}`, () => {
    const config = sequential(layer);
    const fixed = {class_name: config.class_name, config: config.config};
    assert.throws(
      () => convertKerasConfig(fixed, new Map(), {shapes: {x: [1, 2]}, limits: {maxTensorBytes: 1 << 20}}),
      (error: unknown) => {
        assert.ok(error instanceof ConvertError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test("calls in a circle, missing layers and missing shapes are errors", () => {
  const tensor = (name: string) => ({
    class_name: "__keras_tensor__",
    config: {shape: [], dtype: "float32", keras_history: [name, 0, 0]},
  });
  const layer = (name: string, from: string) => ({
    class_name: "ReLU",
    name,
    config: {name, trainable: true},
    inbound_nodes: [{args: [tensor(from)], kwargs: {}}],
  });
  const functional = (layers: readonly object[]) => ({
    class_name: "Functional",
    config: {
      name: "model",
      layers: [
        {
          class_name: "InputLayer",
          name: "x",
          config: {name: "x", batch_shape: [null, 2], dtype: "float32"},
          inbound_nodes: [],
        },
        ...layers,
      ],
      input_layers: ["x", 0, 0],
      output_layers: ["a", 0, 0],
    },
  });
  assert.throws(
    () => convertKerasConfig(functional([layer("a", "b"), layer("b", "a")]), new Map()),
    refusal("CONVERT_KERAS", /needs its own output/),
  );
  assert.throws(
    () => convertKerasConfig(functional([layer("a", "c")]), new Map()),
    refusal("CONVERT_KERAS", /call 0 of layer "c", which it doesn't have/),
  );
  assert.throws(
    () =>
      convertKerasConfig({class_name: "Sequential", config: [{class_name: "ReLU", config: {name: "r"}}]}, new Map()),
    refusal("CONVERT_KERAS", /input has no shape/),
  );
  assert.throws(() => convertKerasConfig([], new Map()), refusal("CONVERT_KERAS", /expected an object/));
});

test("models that call each other without end are stopped", () => {
  // Each model calls the one within it twice: 2^30 layers.
  let inner: object = {class_name: "ReLU", name: "leaf", config: {name: "leaf", trainable: true}};
  for (let depth = 0; depth < 30; depth++) {
    const call = (from: string, node: number) => ({
      args: [{class_name: "__keras_tensor__", config: {keras_history: [from, node, 0]}}],
      kwargs: {},
    });
    const name = `m${depth}`;
    inner = {
      class_name: "Functional",
      name,
      config: {
        name,
        layers: [
          {
            class_name: "InputLayer",
            name: "x",
            config: {name: "x", batch_shape: [null, 2], dtype: "float32"},
            inbound_nodes: [],
          },
          {...inner, name: "inner", inbound_nodes: [call("x", 0), call("inner", 0)]},
        ],
        input_layers: ["x", 0, 0],
        output_layers: ["inner", 1, 0],
      },
    };
  }
  assert.throws(
    () => convertKerasConfig(inner, new Map()),
    refusal("CONVERT_LIMIT", /calls layers more than \d+ times/),
  );
});

/** What a layer gives for an image [1, 5, 4, 2] of small numbers, or for the same with its channels first. */
function runOnImage(layer: readonly [string, object], own: ReadonlyMap<string, Tensor>, isFirst: boolean): Tensor {
  const [className, options] = layer;
  const shape = isFirst ? [1, 2, 5, 4] : [1, 5, 4, 2];
  const format = isFirst ? "channels_first" : "channels_last";
  const config = {
    class_name: "Sequential",
    config: {
      name: "model",
      layers: [
        {class_name: "InputLayer", config: {name: "x", batch_shape: shape, dtype: "float32"}},
        {class_name: className, config: {name: "layer", ...options, data_format: format}},
      ],
    },
  };
  const {reference} = convertKerasConfig(config, own, {reference: true});
  const image = float32Tensor(
    Array.from({length: 40}, (_, i) => Math.sin(3 * i)),
    [1, 5, 4, 2],
  );
  const given = new Map([["x", isFirst ? transposeTensor(image, [0, 3, 1, 2]) : image]]);
  const [result] = reference!(given).values();
  return isFirst && result!.shape.length === 4 ? transposeTensor(result!, [0, 2, 3, 1]) : result!;
}

const numbers = (...shape: readonly number[]) =>
  float32Tensor(
    Array.from({length: shape.reduce((p, q) => p * q, 1)}, (_, i) => Math.cos(i)),
    shape,
  );

// TensorFlow has no kernels for these on a CPU, so that there are no goldens: the other layout is the oracle.
for (const [name, options, weightShapes] of [
  ["Conv2D", {filters: 3, kernel_size: [2, 3], padding: "same", activation: "relu"}, {kernel: [2, 3, 2, 3], bias: [3]}],
  ["DepthwiseConv2D", {kernel_size: 2, depth_multiplier: 2, use_bias: false}, {depthwise_kernel: [2, 2, 2, 2]}],
  [
    "SeparableConv2D",
    {filters: 3, kernel_size: 2, use_bias: false},
    {depthwise_kernel: [2, 2, 2, 1], pointwise_kernel: [1, 1, 2, 3]},
  ],
  ["Conv2DTranspose", {filters: 3, kernel_size: 3, strides: 2, use_bias: false}, {kernel: [3, 3, 3, 2]}],
  ["MaxPooling2D", {pool_size: [2, 2]}, {}],
  ["AveragePooling2D", {pool_size: [2, 2], strides: 1, padding: "same"}, {}],
] as const) {
  test(`channels first: ${name}`, () => {
    const own = new Map(Object.entries(weightShapes).map(([key, shape]) => [`layer/${key}`, numbers(...shape)]));
    const [first, last] = [runOnImage([name, options], own, true), runOnImage([name, options], own, false)];
    assert.deepEqual(first.shape, last.shape);
    assert.deepEqual(first.values(), last.values());
    assert.ok(new Set(first.values()).size > 4);
  });
}

for (const name of ["core.keras", "core.h5"]) {
  test(`150 mutants of ${name}`, () => {
    for (const mutant of mutants(read(name), 150)) {
      const start = performance.now();
      try {
        convertKeras(mutant, {limits: {maxConstantBytes: 1 << 24, maxTensorBytes: 1 << 24}});
      } catch (error) {
        assert.ok(error instanceof TfTrustedError, error instanceof Error ? error.stack : String(error));
      }
      assert.ok(performance.now() - start < 2000, "took more than two seconds");
    }
  });
}

test("layers of Keras are converted, or refused with their own reason", () => {
  const {families, refused} = kerasLayers();
  assert.deepEqual(Object.values(families).flat().sort(), layerNames());
  assert.ok(layerNames().length >= 140);
  for (const [name, why] of Object.entries(refused)) {
    assert.ok(!layerNames().includes(name), name);
    assert.throws(
      () => convertKerasConfig(sequential([name, {}]), weights),
      (error) =>
        error instanceof ConvertError &&
        error.code === "CONVERT_LAYER_UNSUPPORTED" &&
        error.message.includes(`${name}, ${why}`),
    );
  }
  // The same name as a layer of one of Keras' networks, but from elsewhere: it may compute anything.
  assert.throws(() => convertKerasConfig(sequential(["LayerScale", {}]), weights), /LayerScale, a custom layer/);
  // Of an author who chose the same name.
  const own = {class_name: "Hashing", registered_name: "mine>Hashing", config: {name: "h"}};
  const config = sequential();
  assert.throws(
    () => convertKerasConfig({...config, config: {...config.config, layers: [...config.config.layers, own]}}, weights),
    refusal("CONVERT_LAYER_UNSUPPORTED", /Hashing, a custom layer/),
  );
});

/** Lookups and pools that can't be what Keras does, or that aren't what they say. */
const misfits: readonly (readonly [string, Readonly<Record<string, unknown>>, ConvertError["code"], RegExp])[] = [
  ["IntegerLookup", {vocabulary: [1], num_oov_indices: 0}, "CONVERT_LAYER_UNSUPPORTED", /num_oov_indices=0/],
  [
    "IntegerLookup",
    {vocabulary: [1], num_oov_indices: 2, oov_method: "farmhash"},
    "CONVERT_LAYER_UNSUPPORTED",
    /farmhash/,
  ],
  ["IntegerLookup", {vocabulary: [1, 1]}, "CONVERT_KERAS", /different whole numbers/],
  ["IntegerLookup", {vocabulary: [1, 0], mask_token: 0}, "CONVERT_KERAS", /different whole numbers/],
  ["IntegerLookup", {vocabulary: null}, "CONVERT_LAYER_UNSUPPORTED", /isn't in the configuration/],
  ["AdaptiveMaxPooling1D", {output_size: [1]}, "CONVERT_KERAS", /rank 2, expected 3/],
  ["MelSpectrogram", {fft_length: 8, sequence_length: 9}, "CONVERT_KERAS", /sequence_length is 9/],
  ["MelSpectrogram", {fft_length: 2, window: [1, 2, 3]}, "CONVERT_KERAS", /3 numbers, expected 2/],
  ["MelSpectrogram", {fft_length: 1 << 16}, "CONVERT_LAYER_UNSUPPORTED", /fft_length=65536/],
  ["STFTSpectrogram", {mode: "loud"}, "CONVERT_LAYER_UNSUPPORTED", /mode="loud"/],
];

for (const [name, options, code, message] of misfits) {
  test(`refused: ${name} ${JSON.stringify(options)}`, () => {
    assert.throws(() => convertKerasConfig(sequential([name, options]), weights), refusal(code, message));
  });
}
