/**
 * `quantize: "keep"` in the engine: fake-quantised nets against TensorFlow's results, and each kernel against the same
 * graph computed in float. A result may be one level away: a kernel rounds once more, or ties the other way.
 */
import assert from "node:assert/strict";
import {readdirSync, readFileSync} from "node:fs";
import {dirname, join, resolve} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {type ConvertOptions, type ConvertResult, convert} from "@tf-trusted/convert";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import {readNpz, Tensor} from "@tf-trusted/tensor";
import {casesOf, judge, models, readGoldens, readModelFile, skipReason} from "./corpus.ts";

const fixtures = join(resolve(dirname(fileURLToPath(import.meta.url)), "../../.."), "fixtures/fake-quant");

interface Net {
  /** Largest difference of each output: one level of what it is rounded to, and what becomes of that. */
  readonly error: readonly number[];
  readonly operators: Readonly<Record<string, number>>;
  readonly notes?: readonly string[];
}

const level = (low: number, high: number) => ((high - low) / 255) * 1.001;

const nets: Readonly<Record<string, Net>> = {
  net: {
    error: [0.02],
    operators: {ADD: 1, CONV_2D: 3, DEPTHWISE_CONV_2D: 1, FULLY_CONNECTED: 1, MAX_POOL_2D: 1, MEAN: 1},
  },
  normalised: {error: [level(0, 9)], operators: {CONV_2D: 2}},
  asymmetric: {error: [level(0, 6)], operators: {CONV_2D: 1}},
  moved: {
    error: [level(-1, 6), level(-1, 6) / 4],
    operators: {CONCATENATION: 1, CONV_2D: 1, PAD: 1, RESIZE_NEAREST_NEIGHBOR: 1, SLICE: 1, TRANSPOSE: 1},
  },
  upwards: {error: [level(0, 6)], operators: {TRANSPOSE_CONV: 1}},
  "round-trip": {error: [20 / 127 + 0.001], operators: {CONV_2D: 1}},
  mixed: {
    error: [1 / 127 + 1e-5, level(0, 1), 1e-4],
    operators: {MAXIMUM: 2, MINIMUM: 1, MUL: 1},
    notes: ['"FakeQuantWithMinMaxArgs_4" is computed in float: 16 bits; int8 has 8'],
  },
};

test("fake-quantised nets are what TensorFlow computes", async (t) => {
  const names = readdirSync(fixtures).filter((file) => file.endsWith(".pb"));
  assert.deepEqual(names.map((file) => file.slice(0, -3)).sort(), Object.keys(nets).sort());
  await withEngine(async (engine) => {
    for (const [name, {error, operators, notes = []}] of Object.entries(nets)) {
      const bytes = readFileSync(join(fixtures, `${name}.pb`));
      const arrays = [...(await readNpz(readFileSync(join(fixtures, `${name}.npz`))))];
      const wanted = arrays
        .filter(([key]) => key.startsWith("out:"))
        .map(([key, value]) => [key.slice(4), value] as const);
      const inputs = Object.fromEntries(
        arrays.filter(([key]) => key.startsWith("in:")).map(([key, value]) => [key.slice(3), value]),
      );
      const options = {outputs: wanted.map(([key]) => key), verify: true};
      const result = convert(bytes, {...options, quantize: "keep"});
      assert.deepEqual(result.report.quantisation!.operators, operators, name);
      assert.deepEqual(result.report.notes, notes, name);
      const found = await run(engine, result, inputs);
      const errors = wanted.map(([key, golden]) => largestDifference(found[key.replace(/:0$/, "")]!, golden));
      t.diagnostic(`${name}: ${errors.map((each) => each.toPrecision(2)).join(", ")}`);
      for (const [i, each] of errors.entries()) assert.ok(each <= error[i]!, `${name}, output ${i}: ${each}`);
      assert.deepEqual(convert(bytes, {...options, quantize: "keep"}).model, result.model, "same input, same bytes");
    }
  });
});

test("a batch of any size", async () => {
  const arrays = await readNpz(readFileSync(join(fixtures, "net.npz")));
  const [x, y] = [arrays.get("in:x0")!, arrays.get("out:Identity:0")!];
  const result = convert(readFileSync(join(fixtures, "net.pb")), {quantize: "keep"});
  assert.deepEqual(result.signature.inputs[0]!.shape, [-1, 16, 16, 3]);
  await withEngine(async (engine) => {
    for (const size of [1, 2, 3]) {
      const found = await run(engine, result, {x0: rows(x, size)});
      assert.ok(largestDifference(found.Identity!, rows(y, size)) <= nets.net!.error[0]!, `${size}`);
    }
  });
});

test("inputs and outputs as integers", async () => {
  const bytes = readFileSync(join(fixtures, "normalised.pb"));
  const arrays = await readNpz(readFileSync(join(fixtures, "normalised.npz")));
  const [x, y] = [arrays.get("in:x0")!, arrays.get("out:Identity:0")!];
  await withEngine(async (engine) => {
    for (const ioType of ["int8", "uint8"] as const) {
      const result = convert(bytes, {quantize: "keep", ioType, verify: true});
      const [input, output] = [result.signature.inputs[0]!, result.signature.outputs[0]!];
      assert.deepEqual([input.dtype, output.dtype], [ioType, ioType]);
      const [scale, zero] = [input.quantisation!.scale[0]!, input.quantisation!.zero[0]!];
      assert.equal(zero, ioType === "int8" ? 0 : 128);
      const range = ioType === "int8" ? [-128, 127] : [0, 255];
      const levels = Array.from(x.data as Float32Array, (each) =>
        Math.max(range[0]!, Math.min(range[1]!, Math.round(each / scale) + zero)),
      );
      const found = await run(engine, result, {x0: Tensor.from(levels, {dtype: ioType, shape: x.shape})});
      const {scale: steps, zero: zeros} = output.quantisation!;
      const real = Float32Array.from(
        found.Identity!.data as ArrayLike<number>,
        (each) => steps[0]! * (each - zeros[0]!),
      );
      assert.ok(largestDifference(Tensor.from(real, {shape: y.shape}), y) <= level(0, 9), ioType);
    }
  });
});

/** `f(a, b)` of values on levels, rounded to levels: operators of TensorFlow as the text of a GraphDef. */
interface Kernel {
  readonly name: string;
  readonly a?: readonly number[];
  readonly b?: readonly number[];
  readonly range?: readonly [number, number];
  /** The range of the result. */
  readonly to?: readonly [number, number];
  /** Nodes from `a` and `b` to `y`. */
  readonly nodes: readonly string[];
  /** Operators that are to be computed over int8. */
  readonly operators: readonly string[];
  /** Other levels that it may be away from the float result. */
  readonly levels?: number;
}

const image = [2, 6, 8, 4];
const ints = (name: string, values: readonly number[], shape: readonly number[] = [values.length]) =>
  constant(name, "DT_INT32", shape, values.map((value) => `int_val: ${value}`).join(" "));
const floats = (name: string, shape: readonly number[], at: (i: number) => number) => {
  const values = Array.from({length: shape.reduce((p, q) => p * q, 1)}, (_, i) => `float_val: ${Math.fround(at(i))}`);
  return constant(name, "DT_FLOAT", shape, values.join(" "));
};
const wave = (i: number) => Math.sin(i * 1.7) * 0.5;
const strides = (h: number, w: number) => `attr { key: "strides" value { list { i: [1, ${h}, ${w}, 1] } } }`;
const padding = (value: string) => `attr { key: "padding" value { s: "${value}" } }`;
const ksize = 'attr { key: "ksize" value { list { i: [1, 3, 3, 1] } } }';
const types = (...keys: readonly string[]) =>
  keys.map((key) => `attr { key: "${key}" value { type: DT_INT32 } }`).join(" ");
const nchw = 'attr { key: "data_format" value { s: "NCHW" } }';
const fakeQuant = (name: string, input: string, [low, high]: readonly [number, number], more = "") =>
  node(
    name,
    "FakeQuantWithMinMaxArgs",
    [input],
    `attr { key: "min" value { f: ${low} } } attr { key: "max" value { f: ${high} } } ${more}`,
  );
const weights = (shape: readonly number[]) => [
  floats("w/values", shape, wave),
  fakeQuant("w", "w/values", [-0.5, 0.5], 'attr { key: "narrow_range" value { b: true } }'),
];

const kernels: readonly Kernel[] = [
  {name: "add", b: image, nodes: [node("y", "AddV2", ["a", "b"])], operators: ["ADD"]},
  {name: "add a row", b: [4], nodes: [node("y", "AddV2", ["a", "b"])], operators: ["ADD"]},
  {name: "add a constant", nodes: [floats("c", [4], wave), node("y", "AddV2", ["a", "c"])], operators: ["ADD"]},
  {name: "subtract", b: image, nodes: [node("y", "Sub", ["a", "b"])], operators: ["SUB"]},
  {name: "multiply", b: image, to: [-9, 9], nodes: [node("y", "Mul", ["a", "b"])], operators: ["MUL"]},
  {name: "scale", nodes: [floats("c", [], () => 0.37), node("y", "Mul", ["a", "c"])], operators: ["MUL"]},
  {
    name: "matrix product",
    a: [3, 6, 8],
    b: [3, 8, 5],
    to: [-20, 20],
    nodes: [node("y", "BatchMatMulV2", ["a", "b"])],
    operators: ["BATCH_MATMUL"],
  },
  {
    name: "mean",
    to: [-1, 1],
    nodes: [ints("i", [1, 2]), node("y", "Mean", ["a", "i"], 'attr { key: "keep_dims" value { b: true } }')],
    operators: ["MEAN"],
  },
  {name: "relu6", range: [-3, 9], to: [-1, 7], nodes: [node("y", "Relu6", ["a"])], operators: ["RELU6"]},
  {name: "relu", nodes: [node("y", "Relu", ["a"])], operators: ["RELU"]},
  {
    name: "leaky relu",
    nodes: [node("y", "LeakyRelu", ["a"], 'attr { key: "alpha" value { f: 0.3 } }')],
    operators: ["LEAKY_RELU"],
  },
  {name: "softmax", a: [3, 10], to: [0, 255 / 256], nodes: [node("y", "Softmax", ["a"])], operators: ["SOFTMAX"]},
  {name: "sigmoid", to: [0, 255 / 256], nodes: [node("y", "Sigmoid", ["a"])], operators: ["LOGISTIC"]},
  {name: "tanh", to: [-1, 127 / 128], nodes: [node("y", "Tanh", ["a"])], operators: ["TANH"]},
  {
    name: "max pool",
    nodes: [node("y", "MaxPool", ["a"], `${ksize} ${strides(2, 2)} ${padding("SAME")}`)],
    operators: ["MAX_POOL_2D"],
  },
  // An average is rounded to the levels of what went in, and then to those of the result.
  {
    name: "average pool",
    nodes: [node("y", "AvgPool", ["a"], `${ksize} ${strides(2, 1)} ${padding("SAME")}`)],
    operators: ["AVERAGE_POOL_2D"],
    levels: 1,
  },
  {
    name: "bilinear resize",
    nodes: [
      ints("i", [11, 13]),
      node("y", "ResizeBilinear", ["a", "i"], 'attr { key: "half_pixel_centers" value { b: true } }'),
    ],
    operators: ["RESIZE_BILINEAR"],
    levels: 1,
  },
  {
    name: "nearest resize",
    nodes: [ints("i", [11, 13]), node("y", "ResizeNearestNeighbor", ["a", "i"])],
    operators: ["RESIZE_NEAREST_NEIGHBOR"],
  },
  {
    name: "concatenation",
    b: image,
    nodes: [ints("i", [2], []), node("y", "ConcatV2", ["a", "b", "i"], 'attr { key: "N" value { i: 2 } }')],
    operators: ["CONCATENATION"],
  },
  {
    name: "stack",
    a: [2, 3, 4],
    b: [2, 3, 4],
    nodes: [node("y", "Pack", ["a", "b"], 'attr { key: "N" value { i: 2 } } attr { key: "axis" value { i: 1 } }')],
    operators: ["PACK"],
  },
  {name: "maximum", b: image, nodes: [node("y", "Maximum", ["a", "b"])], operators: ["MAXIMUM"]},
  {name: "minimum", b: image, nodes: [node("y", "Minimum", ["a", "b"])], operators: ["MINIMUM"]},
  {name: "transpose", nodes: [ints("i", [0, 3, 1, 2]), node("y", "Transpose", ["a", "i"])], operators: ["TRANSPOSE"]},
  {name: "reshape", nodes: [ints("i", [2, -1]), node("y", "Reshape", ["a", "i"])], operators: ["RESHAPE"]},
  {
    name: "pad",
    range: [-1, 3],
    nodes: [ints("i", [0, 0, 1, 2, 2, 1, 0, 0], [4, 2]), node("y", "Pad", ["a", "i"])],
    operators: ["PAD"],
  },
  {
    name: "mirror pad",
    nodes: [
      ints("i", [0, 0, 1, 2, 2, 1, 0, 0], [4, 2]),
      node("y", "MirrorPad", ["a", "i"], 'attr { key: "mode" value { s: "REFLECT" } }'),
    ],
    operators: ["MIRROR_PAD"],
  },
  {
    name: "slice",
    nodes: [ints("i", [0, 1, 2, 0]), ints("n", [2, 3, 4, 4]), node("y", "Slice", ["a", "i", "n"], types("Index"))],
    operators: ["SLICE"],
  },
  {
    name: "gather",
    nodes: [
      ints("i", [3, 1, 1]),
      ints("x", [2], []),
      node(
        "y",
        "GatherV2",
        ["a", "i", "x"],
        `attr { key: "Tparams" value { type: DT_FLOAT } } ${types("Tindices", "Taxis")}`,
      ),
    ],
    operators: ["GATHER"],
  },
  {name: "tile", nodes: [ints("i", [1, 2, 1, 3]), node("y", "Tile", ["a", "i"])], operators: ["TILE"]},
  {name: "reverse", nodes: [ints("i", [2]), node("y", "ReverseV2", ["a", "i"])], operators: ["REVERSE_V2"]},
  {name: "largest", nodes: [ints("i", [1, 2]), node("y", "Max", ["a", "i"])], operators: ["REDUCE_MAX"]},
  {
    name: "space to depth",
    nodes: [node("y", "SpaceToDepth", ["a"], 'attr { key: "block_size" value { i: 2 } }')],
    operators: ["SPACE_TO_DEPTH"],
  },
  {
    name: "depth to space",
    nodes: [node("y", "DepthToSpace", ["a"], 'attr { key: "block_size" value { i: 2 } }')],
    operators: ["DEPTH_TO_SPACE"],
  },
  {
    name: "split",
    nodes: [
      ints("i", [3], []),
      node("s", "Split", ["i", "a"], 'attr { key: "num_split" value { i: 2 } }'),
      node("y", "AddV2", ["s", "s:1"]),
    ],
    operators: ["ADD", "SPLIT"],
  },
  {
    name: "convolution",
    to: [-6, 6],
    nodes: [...weights([3, 3, 4, 8]), node("y", "Conv2D", ["a", "w"], `${strides(2, 1)} ${padding("SAME")}`)],
    operators: ["CONV_2D"],
  },
  {
    name: "grouped convolution",
    to: [-6, 6],
    nodes: [...weights([3, 3, 2, 8]), node("y", "Conv2D", ["a", "w"], `${strides(1, 1)} ${padding("VALID")}`)],
    operators: ["CONV_2D"],
  },
  {
    name: "channels first",
    a: [2, 4, 6, 8],
    to: [-6, 6],
    nodes: [
      ...weights([3, 3, 4, 8]),
      node(
        "c",
        "Conv2D",
        ["a", "w"],
        `attr { key: "strides" value { list { i: [1, 1, 2, 2] } } } ${padding("SAME")} ${nchw}`,
      ),
      fakeQuant("f", "c", [-6, 6]),
      node(
        "y",
        "MaxPool",
        ["f"],
        `attr { key: "ksize" value { list { i: [1, 1, 2, 2] } } } attr { key: "strides" value { list { i: [1, 1, 1, 1] } } } ${padding("VALID")} ${nchw}`,
      ),
    ],
    operators: ["CONV_2D", "MAX_POOL_2D", "TRANSPOSE"],
  },
  {
    name: "depthwise convolution",
    to: [-4, 4],
    nodes: [
      ...weights([3, 3, 4, 2]),
      node("y", "DepthwiseConv2dNative", ["a", "w"], `${strides(1, 1)} ${padding("SAME")}`),
    ],
    operators: ["DEPTHWISE_CONV_2D"],
  },
  {
    name: "transposed convolution",
    to: [-4, 4],
    nodes: [
      ...weights([3, 3, 5, 4]),
      ints("i", [2, 12, 16, 5]),
      node("y", "Conv2DBackpropInput", ["i", "w", "a"], `${strides(2, 2)} ${padding("SAME")}`),
    ],
    operators: ["TRANSPOSE_CONV"],
  },
  {
    name: "dense",
    a: [5, 24],
    to: [-6, 6],
    nodes: [...weights([24, 7]), node("y", "MatMul", ["a", "w"])],
    operators: ["FULLY_CONNECTED"],
  },
  // Its levels are finer than those of a constant with such numbers: it is computed in float.
  {
    name: "a mask",
    nodes: [floats("c", [4], (i) => (i === 1 ? -1e9 : 0)), node("y", "AddV2", ["a", "c"])],
    operators: [],
  },
];

test("kernels over int8 are what float arithmetic gives, rounded", async (t) => {
  let exact = 0;
  await withEngine(async (engine) => {
    for (const kernel of kernels) {
      const {name, a = image, b, range = [-3, 3], to = [-4, 4], levels = 0} = kernel;
      const graph = [
        placeholder("x0", a),
        fakeQuant("a", "x0", range),
        ...(b ? [placeholder("x1", b), fakeQuant("b", "x1", [range[0] * 0.7, range[1] * 0.9])] : []),
        ...kernel.nodes,
        fakeQuant("out", "y", to),
      ].join("\n");
      const inputs = {x0: noise(a, 1, range), ...(b && {x1: noise(b, 2, range)})};
      const bytes = new TextEncoder().encode(graph);
      const found = [];
      for (const options of [{}, {quantize: "keep"}] as readonly ConvertOptions[]) {
        const result = convert(bytes, {outputs: ["out"], verify: true, ...options});
        if (options.quantize)
          assert.deepEqual(Object.keys(result.report.quantisation!.operators), kernel.operators, name);
        found.push((await run(engine, result, inputs)).out!);
      }
      const difference = largestDifference(found[1]!, found[0]!);
      assert.ok(difference <= level(...to) * (1 + levels), `${name}: ${difference}`);
      assert.ok(largestDifference(found[0]!, zeros(found[0]!)) > 10 * level(...to), `${name} has numbers`);
      if (difference === 0) exact++;
    }
  });
  t.diagnostic(`${kernels.length} kernels, ${exact} with no difference at all`);
});

test("fake-quantised operators of the corpus", {skip: models ? false : skipReason}, async (t) => {
  const cases = casesOf("ops").filter((each) => /fake_quant|quantize_de/.test(each.id));
  assert.ok(cases.length >= 6);
  await withEngine(async (engine) => {
    for (const each of cases) {
      const goldens = await readGoldens(each);
      // A tie may go to the other level: its size is what two of the results are apart.
      const step = Math.max(...[...goldens.outputs.values()].map((golden) => smallestStep(golden)));
      const testCase = {...each, tol: {abs: Math.max(each.tol.abs, step * 1.01), rel: each.tol.rel}};
      assert.deepEqual(await judge(engine, testCase, {quantize: "keep", verify: true}), {kind: "right"}, each.id);
      const {report} = convert(readModelFile(each.file), {quantize: "keep", outputs: [...goldens.outputs.keys()]});
      t.diagnostic(`${each.id}: ${JSON.stringify(report.operators)}`);
    }
  });
});

async function withEngine(use: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await createWasmEngine();
  try {
    await use(engine);
  } finally {
    await engine.close();
  }
}

async function run(
  engine: Engine,
  {model, signature}: ConvertResult,
  inputs: Readonly<Record<string, Tensor>>,
): Promise<Readonly<Record<string, Tensor>>> {
  const loaded = await engine.load(model);
  try {
    return (await loaded.run(signature.name, inputs, {deadlineMs: 60_000})).outputs;
  } finally {
    await loaded.close();
  }
}

function largestDifference(found: Tensor, wanted: Tensor): number {
  assert.deepEqual([found.dtype, found.shape], [wanted.dtype, wanted.shape]);
  const [a, b] = [found.data as Float32Array, wanted.data as Float32Array];
  return a.reduce((most, each, i) => {
    const difference = Math.abs(each - b[i]!);
    return difference <= most ? most : Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }, 0);
}

/** The smallest difference between two numbers of a tensor. */
function smallestStep(tensor: Tensor): number {
  const sorted = [...new Set(tensor.data as Float32Array)].sort((p, q) => p - q);
  return Math.min(...sorted.slice(1).map((each, i) => each - sorted[i]!));
}

const zeros = (like: Tensor): Tensor => new Tensor("float32", like.shape, new Uint8Array(like.bytes.length));

/** The first rows of a tensor, over and over. */
function rows(tensor: Tensor, count: number): Tensor {
  const [batch, ...rest] = tensor.shape as [number, ...number[]];
  const size = tensor.size / batch;
  const values = Array.from({length: count * size}, (_, i) => (tensor.data as Float32Array)[i % tensor.size]!);
  return Tensor.from(values, {dtype: "float32", shape: [count, ...rest]});
}

/** Numbers a bit beyond a range, the same ones each time. */
function noise(shape: readonly number[], seed: number, [low, high]: readonly [number, number]): Tensor {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const values = Array.from(
    {length: shape.reduce((p, q) => p * q, 1)},
    () => low + (high - low) * (1.1 * next() - 0.05),
  );
  return Tensor.from(values, {dtype: "float32", shape: [...shape]});
}

function node(name: string, op: string, inputs: readonly string[], attributes = ""): string {
  const edges = inputs.map((input) => `input: "${input}"`).join(" ");
  return `node { name: "${name}" op: "${op}" ${edges} attr { key: "T" value { type: DT_FLOAT } } ${attributes} }`;
}

function placeholder(name: string, shape: readonly number[]): string {
  return `node { name: "${name}" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { ${dims(shape)} } } }`;
}

function constant(name: string, dtype: string, shape: readonly number[], values: string): string {
  return `node { name: "${name}" op: "Const" attr { key: "dtype" value { type: ${dtype} } } attr { key: "value" value { tensor { dtype: ${dtype} tensor_${dims(shape)} ${values} } } } }`;
}

function dims(shape: readonly number[]): string {
  return `shape { ${shape.map((size) => `dim { size: ${size} }`).join(" ")} }`;
}
