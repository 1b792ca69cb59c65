/** What engines have, what versions say, and which operands kernels get wrong. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {builtinRanges, customOperators} from "../gen/operator-data.ts";
import {kernelRows, versionRules} from "../gen/rules-data.ts";
import type {Options, TfliteModel, TfliteTensor, TfliteType} from "../model.ts";
import {enums} from "../schema/schema.ts";
import {ints, type Operand, oneOperator} from "../testing/build.ts";
import {admitOperators, versionRange} from "./admit.ts";
import {arityOf} from "./arity.ts";
import {parseCondition} from "./condition.ts";
import {checkKernels, kernelRow} from "./kernels.ts";
import {operatorVersion} from "./versions.ts";

const codes = (...operatorCodes: TfliteModel["operatorCodes"]): TfliteModel => ({
  ...oneOperator({builtin: "ABS", inputs: [{shape: [1]}]}),
  operatorCodes,
});

test("operators and versions of each engine", () => {
  const said = (model: TfliteModel, engine: "wasm" | "native") =>
    admitOperators(model, engine).map(({code, message}) => `${code}: ${message}`);
  assert.deepEqual(versionRange("CAST", "wasm"), {min: 1, max: 8});
  assert.deepEqual(versionRange("CAST", "native"), {min: 1, max: 9});
  assert.equal(versionRange("constructor", "wasm"), undefined);
  assert.deepEqual(said(codes({builtin: "CAST", version: 9}), "native"), []);
  assert.deepEqual(said(codes({builtin: "CAST", version: 9}), "wasm"), [
    "OPERATOR_VERSION: operator 0 (CAST): found CAST version 9; the wasm engine has versions 1 to 8 (one node)",
  ]);
  assert.match(said(codes({builtin: "BROADCAST_TO", version: 1}), "wasm")[0]!, /versions 2 to 3/);
  assert.match(said(codes({builtin: "ABS", version: 0}), "wasm")[0]!, /version 0/);
  assert.match(said(codes({builtin: "CALL", version: 1}), "native")[0]!, /UNSUPPORTED: .*doesn't have CALL/);
  assert.match(
    said(codes({builtin: "CUSTOM", version: 1, customCode: "FlexErf"}), "native")[0]!,
    /TensorFlow's own Erf/,
  );
  assert.match(said(codes({builtin: "CUSTOM", version: 1}), "native")[0]!, /the custom operator ""/);
  assert.deepEqual(said(codes({builtin: "CUSTOM", version: 1, customCode: "Mfcc"}), "wasm"), []);
  assert.deepEqual(said(codes({builtin: "CUSTOM", version: 1, customCode: "MaxUnpooling2D"}), "wasm"), []);
});

test("a code that no node uses counts: engines resolve it all the same", () => {
  const [found] = admitOperators(codes({builtin: "ABS", version: 1}, {builtin: "DELEGATE", version: 1}), "wasm");
  assert.match(found!.message, /DELEGATE \(0 nodes\)/);
});

test("every operator of the engines has an arity, and exists", () => {
  for (const builtin of Object.keys(builtinRanges)) {
    assert.ok(enums.get("BuiltinOperator")!.values.has(builtin), builtin);
    assert.ok(arityOf(builtin) !== undefined, builtin);
  }
  for (const custom of customOperators) assert.ok(arityOf(custom) !== undefined, custom);
  assert.deepEqual(arityOf("FULLY_CONNECTED"), {inputs: [2, 3], outputs: [1, 2], optional: [2]});
  assert.deepEqual(arityOf("CONCATENATION"), {inputs: [1, Number.POSITIVE_INFINITY], outputs: [1, 1], optional: []});
});

test("all version rules parse, and stay in the registered ranges but for the two that the source says so of", () => {
  const beyond: string[] = [];
  for (const [builtin, rules] of Object.entries(versionRules)) {
    for (const [version, condition] of rules) {
      parseCondition(condition);
      if (version > versionRange(builtin, "native")!.max) beyond.push(`${builtin} ${version}`);
    }
  }
  assert.deepEqual(beyond, ["LSTM 5", "UNIDIRECTIONAL_SEQUENCE_LSTM 5"]);
  for (const text of ["", "in0", "in0=int8 &", "(always", "always)", "no_such_word", "opt.", "in0 ? 3", "rank(x)>4"]) {
    assert.throws(() => parseCondition(text), Error, text);
  }
});

const tensor = (type: TfliteType, shape: readonly number[] = [2, 2], scales = 0): TfliteTensor => ({
  name: "",
  type,
  shape,
  buffer: 0,
  ...(scales === 0
    ? {}
    : {
        quantization: {
          scale: new Array<number>(scales).fill(0.5),
          zeroPoint: new Array<bigint>(scales).fill(0n),
          quantizedDimension: 0,
        },
      }),
});

/** Operator, inputs, output, options, version. */
const versions: readonly (readonly [string, readonly (TfliteTensor | undefined)[], TfliteTensor, Options, number])[] = [
  ["RELU_0_TO_1", [tensor("float32")], tensor("float32"), {}, 1],
  ["ABS", [tensor("int16", [1], 1)], tensor("int16", [1], 1), {}, 3],
  ["ABS", [tensor("int16")], tensor("int16"), {}, 4],
  ["ADD", [tensor("int64"), tensor("int64")], tensor("int64"), {}, 4],
  ["ADD", [tensor("int16", [1], 1), tensor("int16", [1], 1)], tensor("int16", [1], 1), {potScaleInt16: false}, 3],
  ["ADD", [tensor("int16", [1], 1), tensor("int16", [1], 1)], tensor("int16", [1], 1), {}, 1],
  ["SUB", [tensor("float32", [1, 1, 1, 1, 2]), tensor("float32", [1])], tensor("float32"), {}, 3],
  ["SUB", [tensor("float32", [1, 1, 1, 1, 2]), tensor("float32", [1, 1, 1, 1, 2])], tensor("float32"), {}, 1],
  [
    "CONV_2D",
    [tensor("float32", [1, 4, 4, 4]), tensor("float32", [2, 1, 1, 2]), tensor("float32")],
    tensor("float32"),
    {},
    6,
  ],
  [
    "CONV_2D",
    [tensor("float32", [1, 4, 4, 2]), tensor("int8", [2, 1, 1, 2], 2), tensor("float32")],
    tensor("float32"),
    {},
    5,
  ],
  [
    "CONV_2D",
    [tensor("float32", [1, 4, 4, 2]), tensor("int8", [2, 1, 1, 2], 1), tensor("float32")],
    tensor("float32"),
    {},
    2,
  ],
  [
    "CONV_2D",
    [tensor("int16", [1, 4, 4, 2], 1), tensor("int8", [2, 1, 1, 2], 1), tensor("int64")],
    tensor("int16"),
    {quantizedBiasType: "INT64"},
    8,
  ],
  [
    "DEPTHWISE_CONV_2D",
    [tensor("float32"), tensor("float32"), tensor("float32")],
    tensor("float32"),
    {dilationHFactor: 2},
    2,
  ],
  ["FULLY_CONNECTED", [tensor("float32"), tensor("float32")], tensor("float32"), {}, 6],
  ["FULLY_CONNECTED", [tensor("float32"), tensor("float32"), undefined], tensor("float32"), {}, 1],
  ["FULLY_CONNECTED", [tensor("float32"), tensor("float32"), undefined], tensor("float32"), {keepNumDims: true}, 5],
  ["FULLY_CONNECTED", [tensor("float32"), {...tensor("float32"), sparse: true}, undefined], tensor("float32"), {}, 8],
  ["MUL", [tensor("int8", [1], 1), tensor("int8", [1], 1)], tensor("int8", [1], 1), {}, 2],
  [
    "MUL",
    [tensor("uint8", [1], 1), tensor("uint8", [1], 1)],
    {...tensor("uint8"), quantization: {scale: [0.25], zeroPoint: [0n], quantizedDimension: 0}},
    {},
    3,
  ],
  [
    "TRANSPOSE_CONV",
    [tensor("int32"), tensor("float32"), tensor("float32"), tensor("float32")],
    tensor("float32"),
    {},
    3,
  ],
  ["TRANSPOSE_CONV", [tensor("int32"), tensor("float32"), tensor("float32")], tensor("float32"), {}, 1],
  ["PAD", [tensor("float32", [1, 1, 1, 1, 1])], tensor("float32"), {}, 4],
  ["STRIDED_SLICE", [tensor("float32")], tensor("float32"), {newAxisMask: 2}, 6],
  ["STRIDED_SLICE", [tensor("float32")], tensor("float32"), {newAxisMask: 2, offset: true}, 8],
  ["BROADCAST_TO", [tensor("float32")], tensor("float32"), {}, 2],
  ["RESIZE_BILINEAR", [tensor("float32")], tensor("float32"), {halfPixelCenters: true}, 3],
  ["SELECT", [tensor("bool"), tensor("float32", [1, 1, 1, 1, 1]), tensor("float32")], tensor("float32"), {}, 3],
  ["WHERE", [tensor("float32")], tensor("int64"), {}, 2],
  ["LSTM", [tensor("float32")], tensor("float32"), {kernelType: "BASIC"}, 2],
];

for (const [builtin, inputs, output, options, version] of versions) {
  const types = inputs.map((input) => (input === undefined ? "none" : `${input.type}[${input.shape}]`)).join(" ");
  test(`${builtin} of ${types} ${JSON.stringify(options)} is version ${version}`, () => {
    assert.equal(operatorVersion(builtin, {inputs, outputs: [output], options}), version);
  });
}

test("kernels that crash or give wrong numbers without saying so", () => {
  const scaled = {quantization: {scale: [0.5], zeroPoint: [0n], quantizedDimension: 0}};
  const said = (builtin: string, ...inputs: readonly Operand[]) =>
    checkKernels(oneOperator({builtin, inputs})).map(({code}) => code);
  const int8: Operand = {shape: [2], type: "int8"};
  assert.deepEqual(said("ADD", int8, int8), ["KERNEL_CRASH"]);
  assert.deepEqual(said("ADD", {...int8, ...scaled}, {...int8, ...scaled}), []);
  assert.deepEqual(said("ADD", ints([1, 2]), ints([1, 2])), []);
  assert.deepEqual(said("MUL", int8, int8), ["KERNEL_WRONG"]);
  assert.deepEqual(said("NOT_EQUAL", {shape: [2], type: "int16"}, {shape: [2], type: "int16"}), ["KERNEL_WRONG"]);
  assert.deepEqual(said("ATAN2", {shape: [2]}, {shape: [2]}), []);
  assert.deepEqual(said("ATAN2", {shape: [2]}, {shape: [1]}), ["KERNEL_WRONG"]);
  assert.deepEqual(said("MATRIX_DIAG", {shape: [2], type: "float64"}), ["KERNEL_WRONG"]);
  assert.deepEqual(said("RESHAPE", {shape: [2]}, {shape: [1], type: "int64"}), ["KERNEL_WRONG"]);
  const slice = (options: Options) =>
    checkKernels(
      oneOperator({builtin: "STRIDED_SLICE", inputs: [{shape: [2]}, ints([0]), ints([1]), ints([1])], options}),
    ).map(({code}) => code);
  assert.deepEqual(slice({offset: true}), []);
  assert.deepEqual(slice({endMask: 1}), []);
  assert.deepEqual(slice({offset: true, endMask: 1}), ["KERNEL_CRASH"]);
  assert.equal(kernelRow("ADD/bcast")?.ranks[1], 8);
  assert.equal(kernelRow("NO_SUCH"), undefined);
});

test("rows of the kernel table that matter are those of the operator or of broadcasting", () => {
  // A variant of another kind that is worse than its operator would need a condition of its own in checkKernels.
  for (const [name, {wrong = [], crash = []}] of Object.entries(kernelRows)) {
    const [operator, variant] = name.split("/") as [string, string?];
    if (variant === undefined || variant === "bcast") continue;
    const base = kernelRow(operator);
    for (const type of wrong) assert.ok(base?.wrong.includes(type), name);
    for (const type of crash) assert.ok(base?.crash.includes(type), name);
  }
});
