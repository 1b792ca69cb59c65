/** Each kernel over int8 against the same graph computed in float, and each with int8 weights against float ones. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {type ConvertOptions, convert} from "@tf-trusted/convert";
import type {Tensor} from "@tf-trusted/tensor";
import {
  floats,
  ints,
  ksize,
  largestDifference,
  nchw,
  node,
  noise,
  padding,
  placeholder,
  run,
  strides,
  types,
  wave,
  withEngine,
  zeros,
} from "./graph-text.ts";

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
const level = (low: number, high: number) => ((high - low) / 255) * 1.001;
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

/** A graph from `x` to `y` with weights of 1024 numbers and more, and how its file has them. */
interface Product {
  readonly name: string;
  readonly x: readonly number[];
  readonly nodes: readonly string[];
  readonly operators: Readonly<Record<string, number>>;
}

const dilations = 'attr { key: "dilations" value { list { i: [1, 2, 2, 1] } } }';
const strides3d = 'attr { key: "strides" value { list { i: [1, 1, 1, 1, 1] } } }';
const conv = (shape: readonly number[], attributes: string) => [
  floats("w", shape, wave),
  node("y", "Conv2D", ["x", "w"], attributes),
];
const depthwise = (shape: readonly number[], attributes: string) => [
  floats("w", shape, wave),
  node("y", "DepthwiseConv2dNative", ["x", "w"], attributes),
];

const products: readonly Product[] = [
  {
    name: "convolution, several images",
    x: [4, 9, 9, 16],
    nodes: conv([3, 3, 16, 32], `${strides(2, 2)} ${padding("SAME")}`),
    operators: {CONV_2D: 1},
  },
  {
    name: "dilated",
    x: [2, 13, 11, 16],
    nodes: conv([3, 3, 16, 32], `${strides(1, 1)} ${padding("SAME")} ${dilations}`),
    operators: {CONV_2D: 1},
  },
  {
    name: "grouped",
    x: [2, 9, 9, 16],
    nodes: conv([3, 3, 8, 32], `${strides(1, 1)} ${padding("SAME")}`),
    operators: {CONV_2D: 1, DEQUANTIZE: 1},
  },
  {
    name: "depthwise",
    x: [2, 9, 9, 128],
    nodes: depthwise([3, 3, 128, 1], `${strides(2, 2)} ${padding("VALID")}`),
    operators: {DEPTHWISE_CONV_2D: 1, DEQUANTIZE: 1},
  },
  {
    name: "depthwise, several filters a channel",
    x: [2, 9, 9, 64],
    nodes: depthwise([3, 3, 64, 2], `${strides(1, 1)} ${padding("SAME")}`),
    operators: {DEPTHWISE_CONV_2D: 1, DEQUANTIZE: 1},
  },
  {
    name: "depthwise, dilated",
    x: [2, 9, 9, 128],
    nodes: depthwise([3, 3, 128, 1], `${strides(1, 1)} ${padding("VALID")} ${dilations}`),
    operators: {DEPTHWISE_CONV_2D: 1, DEQUANTIZE: 1},
  },
  {
    name: "transposed",
    x: [2, 5, 5, 16],
    nodes: [
      floats("w", [3, 3, 32, 16], wave),
      ints("i", [2, 10, 10, 32]),
      node("y", "Conv2DBackpropInput", ["i", "w", "x"], `${strides(2, 2)} ${padding("SAME")}`),
    ],
    operators: {DEQUANTIZE: 1, TRANSPOSE_CONV: 1},
  },
  {
    name: "of three dimensions",
    x: [1, 4, 5, 6, 8],
    nodes: [floats("w", [3, 3, 3, 8, 8], wave), node("y", "Conv3D", ["x", "w"], `${strides3d} ${padding("SAME")}`)],
    operators: {CONV_3D: 1, DEQUANTIZE: 1},
  },
  {
    name: "dense",
    x: [5, 32],
    nodes: [floats("w", [32, 64], wave), node("y", "MatMul", ["x", "w"])],
    operators: {FULLY_CONNECTED: 1},
  },
  {
    name: "dense, of rank 3",
    x: [4, 7, 32],
    nodes: [floats("w", [32, 64], wave), node("y", "BatchMatMulV2", ["x", "w"])],
    operators: {FULLY_CONNECTED: 1},
  },
  {
    name: "matrices on the right",
    x: [4, 7, 32],
    nodes: [floats("w", [4, 32, 48], wave), node("y", "BatchMatMulV2", ["x", "w"])],
    operators: {BATCH_MATMUL: 1, DEQUANTIZE: 1},
  },
  {
    name: "matrices on the left",
    x: [4, 48, 7],
    nodes: [floats("w", [4, 32, 48], wave), node("y", "BatchMatMulV2", ["w", "x"])],
    operators: {BATCH_MATMUL: 1, DEQUANTIZE: 1},
  },
];

test("kernels with int8 and float16 weights are near to those with float32", async (t) => {
  await withEngine(async (engine) => {
    for (const {name, x, nodes, operators} of products) {
      const bytes = new TextEncoder().encode([placeholder("x", x), ...nodes].join("\n"));
      const inputs = {x: noise(x, 3, [-2, 3])};
      const outputs: Tensor[] = [];
      for (const quantize of [undefined, "weights", "float16"] as const) {
        const result = convert(bytes, {verify: true, ...(quantize && {quantize})});
        if (quantize === "weights") assert.deepEqual(result.report.operators, operators, name);
        outputs.push((await run(engine, result, inputs)).y!);
      }
      const [float, int8, float16] = outputs as [Tensor, Tensor, Tensor];
      const most = largestDifference(float, zeros(float));
      const errors = [int8, float16].map((each) => largestDifference(each, float) / most);
      t.diagnostic(`${name}: int8 ${errors[0]!.toExponential(1)}, float16 ${errors[1]!.toExponential(1)}`);
      assert.ok(errors[0]! > 0 && errors[0]! < 0.015, `${name}: ${errors[0]}`);
      assert.ok(errors[1]! < 1e-3, `${name}: ${errors[1]}`);
    }
  });
});
