/** Shapes operator by operator, and the chains that compute shape operands. Expected values are TensorFlow's. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {builtinRanges} from "./gen/operator-data.ts";
import {inferableOperators, inferShapes, isDynamic} from "./infer-shapes.ts";
import type {Options, Subgraph, TfliteModel, TfliteOperator, TfliteTensor} from "./model.ts";
import {ints, type Operand, oneOperator} from "./testing/build.ts";
import {throwsCode} from "./testing/throws-code.ts";

type Shape = readonly number[];
const at = (...shape: number[]): Operand => ({shape});

/** Operator, operands, options, shapes of the outputs. */
const cases: readonly (readonly [
  builtin: string,
  inputs: readonly (Operand | null)[],
  options: Options,
  outputs: readonly Shape[],
])[] = [
  ["ABS", [at(2, 3)], {}, [[2, 3]]],
  ["ADD", [at(2, 1, 3), at(4, 1)], {}, [[2, 4, 3]]],
  ["MUL", [at(), at(5)], {}, [[5]]],
  ["MAXIMUM", [at(0, 3), at(1, 3)], {}, [[0, 3]]],
  ["SELECT_V2", [at(2, 1), at(1, 3), at()], {}, [[2, 3]]],
  ["SELECT", [at(2), at(2, 3), at(2, 3)], {}, [[2, 3]]],
  ["CONV_2D", [at(1, 9, 8, 4), at(6, 3, 3, 4), at(6)], {strideH: 2, strideW: 1, padding: "SAME"}, [[1, 5, 8, 6]]],
  ["CONV_2D", [at(1, 9, 8, 4), at(6, 3, 3, 4), at(6)], {strideH: 2, strideW: 1, padding: "VALID"}, [[1, 4, 6, 6]]],
  [
    "CONV_2D",
    [at(1, 9, 9, 4), at(6, 3, 3, 2), at(6)],
    {strideH: 1, strideW: 1, dilationHFactor: 2, dilationWFactor: 4, padding: "VALID"},
    [[1, 5, 1, 6]],
  ],
  ["CONV_2D", [at(0, 9, 9, 4), at(6, 3, 3, 4), at(6)], {strideH: 1, strideW: 1, padding: "SAME"}, [[0, 9, 9, 6]]],
  [
    "DEPTHWISE_CONV_2D",
    [at(2, 7, 7, 3), at(1, 3, 3, 6), at(6)],
    {strideH: 1, strideW: 2, padding: "SAME"},
    [[2, 7, 4, 6]],
  ],
  [
    "CONV_3D",
    [at(1, 4, 5, 6, 2), at(2, 2, 2, 2, 3)],
    {strideD: 1, strideH: 2, strideW: 3, padding: "VALID"},
    [[1, 3, 2, 2, 3]],
  ],
  ["TRANSPOSE_CONV", [ints([1, 8, 8, 2]), at(2, 3, 3, 4), at(1, 4, 4, 4)], {strideH: 2, strideW: 2}, [[1, 8, 8, 2]]],
  [
    "MAX_POOL_2D",
    [at(1, 7, 7, 3)],
    {filterHeight: 2, filterWidth: 3, strideH: 2, strideW: 2, padding: "VALID"},
    [[1, 3, 3, 3]],
  ],
  [
    "AVERAGE_POOL_2D",
    [at(1, 7, 7, 3)],
    {filterHeight: 2, filterWidth: 3, strideH: 2, strideW: 2, padding: "SAME"},
    [[1, 4, 4, 3]],
  ],
  ["FULLY_CONNECTED", [at(2, 3, 4), at(5, 12)], {}, [[2, 5]]],
  ["FULLY_CONNECTED", [at(2, 3, 4), at(5, 4), null], {keepNumDims: true}, [[2, 3, 5]]],
  ["BATCH_MATMUL", [at(2, 1, 3, 4), at(5, 4, 6)], {}, [[2, 5, 3, 6]]],
  ["BATCH_MATMUL", [at(4, 3), at(6, 4)], {adjX: true, adjY: true}, [[3, 6]]],
  ["SVDF", [at(2, 10), at(12, 10), at(12, 8), null, at(2, 96)], {rank: 3}, [[2, 4]]],
  ["MEAN", [at(2, 3, 4), ints([-1, 0])], {keepDims: true}, [[1, 3, 1]]],
  ["SUM", [at(2, 3, 4), ints(1)], {}, [[2, 4]]],
  ["REDUCE_MAX", [at(2, 3), ints([])], {}, [[2, 3]]],
  ["ARG_MAX", [at(2, 3, 4), ints(-2)], {}, [[2, 4]]],
  [
    "TOPK_V2",
    [at(2, 5), ints(3)],
    {},
    [
      [2, 3],
      [2, 3],
    ],
  ],
  ["SEGMENT_SUM", [at(4, 2), ints([0, 0, 2, 2])], {}, [[3, 2]]],
  ["UNSORTED_SEGMENT_MAX", [at(2, 3, 4), at(2, 3), ints(7)], {}, [[7, 4]]],
  ["CUMSUM", [at(2, 3), ints(0)], {}, [[2, 3]]],
  ["RESHAPE", [at(2, 6), ints([3, -1])], {}, [[3, 4]]],
  ["RESHAPE", [at(2, 6)], {newShape: [12]}, [[12]]],
  ["RESHAPE", [at(1, 1)], {newShape: [0]}, [[]]],
  ["RESHAPE", [at(0, 6), ints([-1, 3])], {}, [[0, 3]]],
  ["SQUEEZE", [at(1, 2, 1, 3)], {squeezeDims: [-2]}, [[1, 2, 3]]],
  ["SQUEEZE", [at(1, 2, 1)], {}, [[2]]],
  ["EXPAND_DIMS", [at(2, 3), ints(-1)], {}, [[2, 3, 1]]],
  ["TRANSPOSE", [at(2, 3, 4), ints([2, 0, 1])], {}, [[4, 2, 3]]],
  ["PACK", [at(2, 3), at(2, 3), at(2, 3)], {axis: -1}, [[2, 3, 3]]],
  ["UNPACK", [at(2, 3)], {axis: 1, num: 3}, [[2], [2], [2]]],
  ["CONCATENATION", [at(2, 3), at(2, 0), at(2, 4)], {axis: -1}, [[2, 7]]],
  [
    "SPLIT",
    [ints(1), at(2, 6)],
    {numSplits: 2},
    [
      [2, 3],
      [2, 3],
    ],
  ],
  [
    "SPLIT_V",
    [at(7, 2), ints([2, -1, 1]), ints(0)],
    {numSplits: 3},
    [
      [2, 2],
      [4, 2],
      [1, 2],
    ],
  ],
  ["SLICE", [at(5, 6), ints([1, 2]), ints([2, -1])], {}, [[2, 4]]],
  ["SLICE", [at(5, 6), {shape: [2], type: "int32"}, ints([2, 3])], {}, [[2, 3]]],
  ["STRIDED_SLICE", [at(5, 6, 7), ints([1, -1]), ints([-1, 0]), ints([2, -2])], {endMask: 2}, [[2, 3, 7]]],
  [
    "STRIDED_SLICE",
    [at(5, 6, 7), ints([0, 0, 3]), ints([0, 0, 4]), ints([1, 1, 1])],
    {ellipsisMask: 2, newAxisMask: 1, shrinkAxisMask: 4},
    [[1, 5, 6]],
  ],
  ["STRIDED_SLICE", [at(5), ints([3]), ints([1]), ints([1])], {}, [[0]]],
  ["STRIDED_SLICE", [at(9), ints([2]), ints([3]), ints([1])], {offset: true}, [[3]]],
  ["PAD", [at(2, 3), {...ints([1, 0, 2, 2]), shape: [2, 2]}], {}, [[3, 7]]],
  ["MIRROR_PAD", [at(4), {...ints([1, 2]), shape: [1, 2]}], {}, [[7]]],
  ["TILE", [at(2, 3), ints([1, 3])], {}, [[2, 9]]],
  ["BROADCAST_TO", [at(3, 1), ints([2, 3, 4])], {}, [[2, 3, 4]]],
  ["FILL", [ints([2, 0]), at()], {}, [[2, 0]]],
  ["RANGE", [ints(1), ints(8), ints(3)], {}, [[3]]],
  ["RANGE", [ints(5), ints(1), ints(-2)], {}, [[2]]],
  ["ONE_HOT", [at(2, 3), ints(4), at(), at()], {axis: 1}, [[2, 4, 3]]],
  ["GATHER", [at(2, 3, 4), at(5, 6)], {axis: 1}, [[2, 5, 6, 4]]],
  ["GATHER", [at(2, 3, 4), at(2, 6)], {axis: 1, batchDims: 1}, [[2, 6, 4]]],
  ["GATHER_ND", [at(2, 3, 4), at(5, 2)], {}, [[5, 4]]],
  ["SCATTER_ND", [at(2, 1), at(2, 4), ints([6, 4])], {}, [[6, 4]]],
  ["SPARSE_TO_DENSE", [at(3), ints([7]), at(3), at()], {}, [[7]]],
  ["EMBEDDING_LOOKUP", [at(5), at(9, 2, 3)], {}, [[5, 2, 3]]],
  ["MATRIX_DIAG", [at(2, 3)], {}, [[2, 3, 3]]],
  ["RESIZE_BILINEAR", [at(1, 4, 4, 3), ints([8, 6])], {}, [[1, 8, 6, 3]]],
  ["SPACE_TO_DEPTH", [at(1, 4, 6, 3)], {blockSize: 2}, [[1, 2, 3, 12]]],
  ["DEPTH_TO_SPACE", [at(1, 2, 3, 12)], {blockSize: 2}, [[1, 4, 6, 3]]],
  ["SPACE_TO_BATCH_ND", [at(1, 5, 4, 3), ints([2, 2]), {...ints([0, 1, 0, 0]), shape: [2, 2]}], {}, [[4, 3, 2, 3]]],
  ["BATCH_TO_SPACE_ND", [at(4, 3, 2, 3), ints([2, 2]), {...ints([0, 1, 0, 0]), shape: [2, 2]}], {}, [[1, 5, 4, 3]]],
  ["RFFT2D", [at(2, 8, 8), ints([8, 8])], {}, [[2, 8, 5]]],
  ["RANDOM_UNIFORM", [ints([2, 3])], {}, [[2, 3]]],
  ["MULTINOMIAL", [at(2, 5), ints(3)], {}, [[2, 3]]],
  ["NON_MAX_SUPPRESSION_V4", [at(9, 4), at(9), ints(3), at(), at()], {}, [[3], []]],
  ["NON_MAX_SUPPRESSION_V5", [at(9, 4), at(9), ints(3), at(), at(), at()], {}, [[3], [3], []]],
  ["DILATE", [at(3, 2), ints([2, 3]), at()], {}, [[5, 4]]],
  ["MATRIX_SET_DIAG", [at(2, 3, 4), at(2, 3)], {}, [[2, 3, 4]]],
  ["SHAPE", [at(4, 5, 6)], {}, [[3]]],
  ["RANK", [at(4, 5, 6)], {}, [[]]],
  ["STABLEHLO_PAD", [at(3), at()], {edgePaddingLow: [1n], edgePaddingHigh: [2n], interiorPadding: [1n]}, [[8]]],
  ["UNIDIRECTIONAL_SEQUENCE_RNN", [at(2, 5, 3), at(4, 3), at(4, 4), at(4), at(2, 4)], {}, [[2, 5, 4]]],
  [
    "BIDIRECTIONAL_SEQUENCE_RNN",
    [at(2, 5, 3), at(4, 3), at(4, 4), at(4), null, at(6, 3), at(6, 6), at(6), null, null, null, null],
    {mergeOutputs: true},
    [[2, 5, 10]],
  ],
  ["HASHTABLE_LOOKUP", [at(3), at(9), at(9, 2)], {}, [[3, 2], [3]]],
];

for (const [builtin, inputs, options, outputs] of cases) {
  test(`${builtin} ${inputs.map((input) => (input === null ? "none" : `[${input.shape}]`)).join(" ")}`, () => {
    const model = oneOperator({builtin, inputs, options, outputs: outputs.map(() => ({shape: [-1]}))});
    assert.deepEqual(inferShapes(model, 0, givenShapes(model)).outputs, outputs);
  });
}

test("BITCAST to a narrower type adds an axis, to a wider one takes it away", () => {
  const bitcast = (from: Operand, to: Operand["type"]) =>
    inferShapes(oneOperator({builtin: "BITCAST", inputs: [from], outputs: [{shape: [-1], type: to!}]}), 0, [from.shape])
      .outputs[0];
  assert.deepEqual(bitcast({shape: [3], type: "float32"}, "uint8"), [3, 4]);
  assert.deepEqual(bitcast({shape: [3, 4], type: "uint8"}, "float32"), [3]);
  assert.deepEqual(bitcast({shape: [3], type: "float32"}, "int32"), [3]);
});

/** What the shapes can't be, and what the message says. */
const impossible: readonly (readonly [
  builtin: string,
  inputs: readonly Operand[],
  options: Options,
  message: RegExp,
])[] = [
  ["ADD", [at(2), at(3)], {}, /ADD\): can't take \[2\] and \[3\] don't broadcast/],
  ["CONV_2D", [at(1, 5, 5, 3), at(6, 3, 3, 4), at(6)], {strideH: 1, strideW: 1}, /filter for 4 channels, image of 3/],
  ["CONV_2D", [at(1, 5, 5, 3), at(6, 3, 3, 3), at(6)], {}, /stride 0/],
  ["CONV_2D", [at(1, 2, 2, 3), at(6, 3, 3, 3), at(6)], {strideH: 1, strideW: 1, padding: "VALID"}, /spans 3 over 2/],
  ["CONV_2D", [at(5, 3), at(6, 3, 3, 3), at(6)], {}, /expected 4 dimensions/],
  ["TRANSPOSE_CONV", [ints([1, 4, 4, 2]), at(2, 3, 3, 4), at(1, 2, 2, 4)], {strideH: 2}, /strides \[2,0\]/],
  [
    "TRANSPOSE_CONV",
    [ints([1, 4, 4, 2]), at(2, 3, 3, 3), at(1, 2, 2, 4)],
    {strideH: 2, strideW: 2},
    /3 channels, input of 4/,
  ],
  ["TRANSPOSE_CONV", [ints([1, 4, 4]), at(2, 3, 3, 4), at(1, 2, 2, 4)], {strideH: 2, strideW: 2}, /output \[1,4,4\]/],
  ["RESIZE_BILINEAR", [at(1, 4, 0, 3), ints([2, 2])], {}, /4 × 0 pixels to resize/],
  ["ATAN2", [at(2, 3), at(3)], {}, /\[2,3\] and \[3\] differ/],
  ["ADD_N", [at(2), at(2), at(1)], {}, /\[2\] and \[1\] differ/],
  ["MATRIX_SET_DIAG", [at(2, 3, 4), at(2, 4)], {}, /\[2,4\] as the diagonal/],
  ["FULLY_CONNECTED", [at(2, 5), at(4, 3)], {}, /3 features/],
  ["FULLY_CONNECTED", [at(2, 5), at(4, 0)], {}, /0 features/],
  ["BATCH_MATMUL", [at(2, 3), at(4, 5)], {}, /3 columns, 4 rows/],
  ["RESHAPE", [at(2, 3), ints([4])], {}, /\[2,3\] as \[4\]/],
  ["RESHAPE", [at(2, 3), ints([-1, -1])], {}, /2 dimensions open/],
  ["RESHAPE", [at(2, 3), ints([-1, 4])], {}, /dimension of 1.5/],
  ["CONCATENATION", [at(2, 3), at(3, 3)], {axis: 1}, /\[2,3\] and \[3,3\] on axis 1/],
  ["SQUEEZE", [at(2, 3)], {squeezeDims: [0]}, /isn't 1/],
  ["TRANSPOSE", [at(2, 3), ints([0, 2])], {}, /axis 2 of 2/],
  ["SPLIT", [ints(0), at(3, 2)], {numSplits: 1}, /2 equal parts of axis 0 of \[3,2\]/],
  ["SLICE", [at(5), ints([3]), ints([6])], {}, /\[6\] out of \[5\]/],
  ["SLICE", [at(5), ints([6]), ints([-1])], {}, /dimension of -1/],
  ["STRIDED_SLICE", [at(5), ints([0]), ints([5]), ints([0])], {}, /stride of 0/],
  ["STRIDED_SLICE", [at(5), ints([5]), ints([6]), ints([1])], {shrinkAxisMask: 1}, /element 5 of 5/],
  ["PAD", [at(2), {...ints([-3, 0]), shape: [1, 2]}], {}, /dimension of -1/],
  ["TILE", [at(2), ints([-1])], {}, /dimension of -2/],
  ["FILL", [ints([-2]), at()], {}, /dimension of -2/],
  ["RANGE", [ints(0), ints(5), ints(0)], {}, /steps of 0/],
  ["EXPAND_DIMS", [at(1, 1, 1, 1, 1, 1, 1, 1), ints(0)], {}, /8 dimensions/],
  ["TOPK_V2", [at(3), ints(4)], {}, /4 largest of \[3\]/],
  ["GATHER", [at(3), at(2)], {axis: 1}, /axis 1 of 1/],
  [
    "BATCH_TO_SPACE_ND",
    [at(3, 2, 2, 1), ints([2, 2]), {...ints([0, 0, 0, 0]), shape: [2, 2]}],
    {},
    /batch of 3 in blocks of 4/,
  ],
];

test("impossible shapes are refused with the operator's name", () => {
  for (const [builtin, inputs, options, message] of impossible) {
    const model = oneOperator({builtin, inputs, options, outputs: builtin === "SPLIT" ? [at(1), at(1)] : [at(1)]});
    throwsCode(() => inferShapes(model, 0, givenShapes(model)), "TFLITE_SHAPES", message);
  }
});

test("what depends on data is dynamic, with the reason", () => {
  for (const [builtin, inputs, reason] of [
    ["WHERE", [at(3)], /as many rows/],
    ["UNIQUE", [at(3)], /as many elements/],
    ["RESHAPE", [at(4), {shape: [2], type: "int32"}], /RESHAPE takes its shape from the data of tensor 1 "in1"/],
    ["CUSTOM", [at(4)], /isn't known before running/],
    ["READ_VARIABLE", [{shape: [], type: "resource"}], /whatever was assigned/],
  ] as const) {
    const model = oneOperator({builtin, inputs, outputs: [{shape: [-1]}]});
    const [shape] = inferShapes(model, 0, givenShapes(model)).outputs;
    assert.ok(shape !== undefined && isDynamic(shape), builtin);
    assert.match(shape.dynamic, reason);
  }
});

test("values of inputs are used where the caller knows them", () => {
  const model = oneOperator({
    builtin: "RESHAPE",
    inputs: [at(4), {shape: [2], type: "int32"}],
    outputs: [{shape: [-1, -1]}],
  });
  assert.deepEqual(inferShapes(model, 0, [[4], [2]], [undefined, [2, 2]]).outputs, [[2, 2]]);
});

test("input shapes have to fit the declared ones", () => {
  const model = oneOperator({builtin: "ABS", inputs: [at(-1, 3)]});
  assert.deepEqual(inferShapes(model, 0, [[7, 3]]).tensors[0], [7, 3]);
  throwsCode(() => inferShapes(model, 0, [[7, 4]]), "TFLITE_SHAPES", /found \[7,4\]; expected \[-1,3\]/);
  throwsCode(() => inferShapes(model, 0, [[7]]), "TFLITE_SHAPES");
  throwsCode(() => inferShapes(model, 0, [[-1, 3]]), "TFLITE_SHAPES");
  throwsCode(() => inferShapes(model, 0, [[0.5, 3]]), "TFLITE_SHAPES");
  throwsCode(() => inferShapes(model, 0, []), "TFLITE_SHAPES", /0 input shapes; expected 1/);
  throwsCode(() => inferShapes(model, 1, [[7, 3]]), "TFLITE_SHAPES", /subgraph 1 doesn't exist/);
});

/** A graph written as lines: `[operator, inputs, outputs, options?]` over named tensors; the first are the inputs. */
type Line = readonly [builtin: string, inputs: readonly string[], outputs: readonly string[], options?: Options];
interface Spec {
  readonly inputs: Readonly<Record<string, Operand>>;
  readonly constants?: Readonly<Record<string, Operand>>;
  readonly lines: readonly Line[];
  readonly outputs: readonly string[];
}

function modelOf(...specs: readonly Spec[]): TfliteModel {
  const buffers: Uint8Array[] = [new Uint8Array(0)];
  const builtins: string[] = [];
  const optionsTypes: Readonly<Record<string, string>> = {WHILE: "WhileOptions", IF: "IfOptions"};
  const subgraphs = specs.map(({inputs, constants = {}, lines, outputs}): Subgraph => {
    const names = new Map<string, number>();
    const tensors: TfliteTensor[] = [];
    const add = (name: string, {shape, type = "int32", constant}: Operand) => {
      const buffer = constant === undefined ? 0 : buffers.push(new Uint8Array(Int32Array.from(constant).buffer)) - 1;
      names.set(
        name,
        tensors.push({
          name,
          type,
          shape: shape.map((size) => Math.abs(size)),
          ...(shape.includes(-1) ? {shapeSignature: shape} : {}),
          buffer,
        }) - 1,
      );
    };
    for (const [name, operand] of Object.entries({...inputs, ...constants})) add(name, operand);
    const operators = lines.map(([builtin, ins, outs, options]): TfliteOperator => {
      for (const name of outs) add(name, {shape: [-1], type: name.startsWith("f") ? "float32" : "int32"});
      const opcodeIndex = builtins.includes(builtin) ? builtins.indexOf(builtin) : builtins.push(builtin) - 1;
      return {
        opcodeIndex,
        inputs: ins.map((name) => names.get(name)!),
        outputs: outs.map((name) => names.get(name)!),
        ...(options === undefined ? {} : {optionsType: optionsTypes[builtin] ?? "x", options}),
      };
    });
    return {
      name: "",
      tensors,
      inputs: Object.keys(inputs).map((name) => names.get(name)!),
      outputs: outputs.map((name) => names.get(name)!),
      operators,
    };
  });
  return {
    version: 3,
    description: "",
    operatorCodes: builtins.map((builtin) => ({builtin, version: 1})),
    subgraphs,
    buffers,
    metadata: [],
    signatures: [],
  };
}

test("SHAPE → STRIDED_SLICE → PACK → RESHAPE", () => {
  const model = modelOf({
    inputs: {fx: {shape: [-1, 4, 6], type: "float32"}},
    constants: {zero: ints([0]), one: ints([1]), rest: ints(-1)},
    lines: [
      ["SHAPE", ["fx"], ["s"]],
      ["STRIDED_SLICE", ["s", "zero", "one", "one"], ["n"], {shrinkAxisMask: 1}],
      ["PACK", ["n", "rest"], ["target"], {axis: 0}],
      ["RESHAPE", ["fx", "target"], ["fy"]],
    ],
    outputs: ["fy"],
  });
  assert.deepEqual(inferShapes(model, 0, [[5, 4, 6]]).outputs, [[5, 24]]);
});

test("arithmetic on shapes: halves, products, comparisons, selections", () => {
  const model = modelOf({
    inputs: {fx: {shape: [-1, -1], type: "float32"}},
    constants: {zero: ints([0]), one: ints([1]), two: ints([2]), axis: ints([0]), fill: ints(7)},
    lines: [
      ["SHAPE", ["fx"], ["s"]],
      ["REDUCE_PROD", ["s", "axis"], ["count"], {keepDims: true}],
      ["FLOOR_DIV", ["count", "two"], ["half"]],
      ["GREATER", ["half", "two"], ["more"]],
      ["SELECT_V2", ["more", "half", "two"], ["chosen"]],
      ["CONCATENATION", ["chosen", "one"], ["target"], {axis: 0}],
      ["FILL", ["target", "fill"], ["y"]],
      ["TILE", ["half", "two"], ["halves"]],
      ["FILL", ["halves", "fill"], ["z"]],
      ["DIV", ["count", "two"], ["quotient"]],
      ["FILL", ["quotient", "fill"], ["w"]],
    ],
    outputs: ["y", "z", "w"],
  });
  assert.deepEqual(inferShapes(model, 0, [[3, 5]]).outputs, [[7, 1], [7, 7], [7]]);
  assert.deepEqual(inferShapes(model, 0, [[1, 3]]).outputs, [[2, 1], [1, 1], [1]]);
});

test("a loop that writes its list at a counter keeps the list's shape", () => {
  const body: Spec = {
    inputs: {i: {shape: []}, flist: {shape: [5, 2], type: "float32"}, frow: {shape: [1, 2], type: "float32"}},
    constants: {
      one: ints([1]),
      step: ints(1),
      rest: ints([-1]),
      zero: ints([0]),
      origin: ints([0, 0]),
      all: ints([-1, -1]),
    },
    lines: [
      ["RESHAPE", ["i", "one"], ["at"]],
      ["CONCATENATION", ["at", "rest"], ["size"], {axis: 0}],
      ["SLICE", ["flist", "origin", "size"], ["fhead"]],
      ["ADD", ["i", "step"], ["next"]],
      ["RESHAPE", ["next", "one"], ["after"]],
      ["CONCATENATION", ["after", "zero"], ["begin"], {axis: 0}],
      ["SLICE", ["flist", "begin", "all"], ["ftail"]],
      ["CONCATENATION", ["fhead", "frow", "ftail"], ["fnew"], {axis: 0}],
    ],
    outputs: ["next", "fnew", "frow"],
  };
  const outer: Spec = {
    inputs: {flist: {shape: [5, 2], type: "float32"}, frow: {shape: [1, 2], type: "float32"}},
    constants: {start: ints(0)},
    lines: [
      ["WHILE", ["start", "flist", "frow"], ["j", "fout", "fpassed"], {condSubgraphIndex: 1, bodySubgraphIndex: 1}],
    ],
    outputs: ["fout", "fpassed"],
  };
  assert.deepEqual(
    inferShapes(modelOf(outer, body), 0, [
      [5, 2],
      [1, 2],
    ]).outputs,
    [
      [5, 2],
      [1, 2],
    ],
  );
  // Without the last part the list shrinks by an amount that only the counter knows.
  const shrinking = {
    ...body,
    lines: body.lines.map((line) =>
      line[2][0] === "fnew" ? (["CONCATENATION", ["fhead", "frow"], ["fnew"], {axis: 0}] as const) : line,
    ),
  };
  const [shape] = inferShapes(modelOf(outer, shrinking), 0, [
    [5, 2],
    [1, 2],
  ]).outputs;
  assert.ok(shape !== undefined && isDynamic(shape));
});

test("a loop that grows a tensor is dynamic; what it passes through is known, with its value", () => {
  const body: Spec = {
    inputs: {fx: {shape: [-1], type: "float32"}, size: {shape: [1]}},
    constants: {fzero: {shape: [1], type: "float32", constant: [0]}},
    lines: [["CONCATENATION", ["fx", "fzero"], ["fy"], {axis: 0}]],
    outputs: ["fy", "size"],
  };
  const model = modelOf(
    {
      inputs: {fx: {shape: [-1], type: "float32"}},
      constants: {size: ints([3]), fill: ints(1)},
      lines: [
        ["WHILE", ["fx", "size"], ["fgrown", "same"], {condSubgraphIndex: 1, bodySubgraphIndex: 1}],
        ["FILL", ["same", "fill"], ["y"]],
      ],
      outputs: ["fgrown", "y"],
    },
    body,
  );
  const [grown, filled] = inferShapes(model, 0, [[2]]).outputs;
  assert.ok(grown !== undefined && isDynamic(grown));
  assert.match(grown.dynamic, /from \[2\] to \[3\]/);
  assert.deepEqual(filled, [3]);
});

test("branches have to agree, unless the condition is known", () => {
  const branch = (axis: number): Spec => ({
    inputs: {fx: {shape: [2, 3], type: "float32"}},
    lines: [["CONCATENATION", ["fx", "fx"], ["fy"], {axis}]],
    outputs: ["fy"],
  });
  const model = (first: number, second: number) =>
    modelOf(
      {
        inputs: {go: {shape: [], type: "bool"}, fx: {shape: [2, 3], type: "float32"}},
        lines: [["IF", ["go", "fx"], ["fy"], {thenSubgraphIndex: 1, elseSubgraphIndex: 2}]],
        outputs: ["fy"],
      },
      branch(first),
      branch(second),
    );
  assert.deepEqual(inferShapes(model(0, 0), 0, [[], [2, 3]]).outputs, [[4, 3]]);
  const [shape] = inferShapes(model(0, 1), 0, [[], [2, 3]]).outputs;
  assert.ok(shape !== undefined && isDynamic(shape));
  assert.match(shape.dynamic, /one branch gives \[4,3\], another \[2,6\]/);
  assert.deepEqual(inferShapes(model(0, 1), 0, [[], [2, 3]], [[0]]).outputs, [[2, 6]]);
  assert.deepEqual(inferShapes(model(0, 1), 0, [[], [2, 3]], [[1]]).outputs, [[4, 3]]);
});

test("loops within loops end within the budget", () => {
  // 40 levels, each with two loops over the next: 2^40 graphs.
  const inputs = {fx: {shape: [2], type: "float32"}} as const;
  const level = (index: number): Spec => ({
    inputs,
    lines: [
      ["WHILE", ["fx"], ["fa"], {condSubgraphIndex: index + 1, bodySubgraphIndex: index + 1}],
      ["WHILE", ["fa"], ["fb"], {condSubgraphIndex: index + 1, bodySubgraphIndex: index + 1}],
    ],
    outputs: ["fb"],
  });
  const last: Spec = {inputs, lines: [["ABS", ["fx"], ["fy"]]], outputs: ["fy"]};
  const model = modelOf(...Array.from({length: 40}, (_, index) => level(index)), last);
  const start = performance.now();
  throwsCode(() => inferShapes(model, 0, [[2]]), "TFLITE_SHAPES", /steps/);
  assert.ok(performance.now() - start < 10_000);
});

test("operators of both engines without a shape rule are the known ones", () => {
  const without = Object.keys(builtinRanges).filter((builtin) => !inferableOperators.has(builtin));
  assert.deepEqual(without.sort(), [
    "EMBEDDING_LOOKUP_SPARSE",
    "LSH_PROJECTION",
    "REDUCE_WINDOW",
    "SKIP_GRAM",
    "STABLEHLO_GATHER",
    "STABLEHLO_REDUCE_WINDOW",
    "STABLEHLO_RNG_BIT_GENERATOR",
    "UNIQUE",
    "WHERE",
  ]);
});

/** Shapes of a one-operator model's inputs, as declared. */
function givenShapes({subgraphs: [graph]}: TfliteModel): readonly Shape[] {
  return graph!.inputs.map((tensor) => graph!.tensors[tensor]!.shape);
}
