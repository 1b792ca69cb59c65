/** One fault at a time in small models: each check finds its own, and nothing else. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {subgraphFields} from "./check/calls.ts";
import type {FindingCode} from "./check/finding.ts";
import {stringPackingProblem} from "./check/tensors.ts";
import {checkModel} from "./check-model.ts";
import type {Quantization, Subgraph, TfliteModel, TfliteOperator, TfliteTensor} from "./model.ts";
import {tables} from "./schema/schema.ts";
import {ints, type OneOperator, oneOperator} from "./testing/build.ts";

/** ADD of two inputs, with a signature. */
const good: TfliteModel = {
  ...oneOperator({builtin: "ADD", inputs: [{shape: [2, 3]}, {shape: [3]}], outputs: [{shape: [2, 3]}]}),
  signatures: [
    {
      key: "serving_default",
      subgraph: 0,
      inputs: [
        {name: "a", tensor: 0},
        {name: "b", tensor: 1},
      ],
      outputs: [{name: "sum", tensor: 2}],
    },
  ],
};

const withGraph = (model: TfliteModel, change: Partial<Subgraph>): TfliteModel => ({
  ...model,
  subgraphs: [{...model.subgraphs[0]!, ...change}, ...model.subgraphs.slice(1)],
});
const withTensor = (model: TfliteModel, at: number, change: Partial<TfliteTensor>): TfliteModel =>
  withGraph(model, {
    tensors: model.subgraphs[0]!.tensors.map((each, index) => (index === at ? {...each, ...change} : each)),
  });
const withOperator = (model: TfliteModel, change: Partial<TfliteOperator>): TfliteModel =>
  withGraph(model, {operators: [{...model.subgraphs[0]!.operators[0]!, ...change}]});
const withSignature = (change: Partial<TfliteModel["signatures"][number]>): TfliteModel => ({
  ...good,
  signatures: [{...good.signatures[0]!, ...change}],
});
/** The same of int8 tensors, the first with a quantisation. */
const int8 = withGraph(good, {tensors: good.subgraphs[0]!.tensors.map((each) => ({...each, type: "int8"}))});
const quantized = (change: Partial<Quantization>): TfliteModel =>
  withTensor(int8, 0, {quantization: {scale: [0.5], zeroPoint: [0n], quantizedDimension: 0, ...change}});
const add = (subgraph: Partial<Subgraph>): Subgraph => ({...good.subgraphs[0]!, ...subgraph});
const withoutOptions = (each: OneOperator): TfliteModel => {
  const model = oneOperator(each);
  const {optionsType: _type, options: _options, ...operator} = model.subgraphs[0]!.operators[0]!;
  return withGraph(model, {operators: [operator]});
};
const custom = (customCode: string, customOptions?: Uint8Array): TfliteModel => {
  const model = withoutOptions({builtin: "CUSTOM", inputs: [{shape: [2]}]});
  return {
    ...withOperator(model, customOptions === undefined ? {} : {customOptions}),
    operatorCodes: [{builtin: "CUSTOM", version: 1, customCode}],
  };
};

/** A WHILE or IF over subgraphs that pass a float32 through; the condition gives a bool. */
function loop(change: {
  readonly body?: Partial<Subgraph>;
  readonly cond?: Partial<Subgraph>;
  readonly outer?: Partial<TfliteOperator>;
}): TfliteModel {
  const float: TfliteTensor = {name: "x", type: "float32", shape: [2], buffer: 0};
  const bool: TfliteTensor = {name: "go", type: "bool", shape: [], buffer: 1};
  const graph: Subgraph = {name: "", tensors: [float, bool], inputs: [0], outputs: [0], operators: []};
  const operator: TfliteOperator = {
    opcodeIndex: 0,
    inputs: [0],
    outputs: [2],
    optionsType: "WhileOptions",
    options: {condSubgraphIndex: 1, bodySubgraphIndex: 2},
    ...change.outer,
  };
  return {
    ...good,
    signatures: [],
    operatorCodes: [{builtin: operator.optionsType === "IfOptions" ? "IF" : "WHILE", version: 1}],
    buffers: [new Uint8Array(0), Uint8Array.of(1)],
    subgraphs: [
      {...graph, tensors: [float, bool, float], outputs: [2], operators: [operator]},
      {...graph, outputs: [1], ...change.cond},
      {...graph, ...change.body},
    ],
  };
}
const branches = {
  optionsType: "IfOptions",
  options: {thenSubgraphIndex: 2, elseSubgraphIndex: 2},
  inputs: [1, 0],
} as const;

/** A chain of `length` subgraphs, each calling the next `times` times. */
function chain(length: number, times: number): TfliteModel {
  const graph = (next: number): Subgraph => ({
    name: "",
    tensors: [],
    inputs: [],
    outputs: [],
    operators:
      next === length
        ? []
        : Array.from({length: times}, () => ({
            opcodeIndex: 0,
            inputs: [],
            outputs: [],
            optionsType: "CallOnceOptions",
            options: {initSubgraphIndex: next},
          })),
  });
  return {
    ...good,
    signatures: [],
    operatorCodes: [{builtin: "CALL_ONCE", version: 1}],
    subgraphs: Array.from({length}, (_, at) => graph(at + 1)),
  };
}

const floats = (count: number): TfliteModel => ({
  ...withTensor(good, 1, {buffer: 1}),
  buffers: [new Uint8Array(0), new Uint8Array(4 * count)],
});
const constantB = (model: TfliteModel): TfliteModel => withGraph({...model, signatures: []}, {inputs: [0]});

test("models without a fault have no findings", () => {
  const models: readonly TfliteModel[] = [
    good,
    constantB(floats(3)),
    loop({}),
    loop({outer: branches}),
    chain(64, 1),
    quantized({}),
    quantized({scale: [1, 2], zeroPoint: [0n, 0n]}),
    custom("Mfcc2"),
    withTensor(good, 0, {shapeSignature: [-1, 3]}),
    // An output may be an input, a constant, or one tensor twice.
    withGraph({...constantB(floats(3))}, {outputs: [0, 1, 2, 2]}),
    oneOperator({builtin: "FULLY_CONNECTED", inputs: [{shape: [1, 2]}, {shape: [3, 2]}, null]}),
    // Nothing writes it, but it has no elements: a constant.
    withGraph({...withTensor(good, 1, {shape: [0]}), signatures: []}, {inputs: [0]}),
  ];
  for (const model of models) assert.deepEqual(checkModel(model), []);
});

const faults: readonly (readonly [what: string, code: FindingCode, message: RegExp, model: TfliteModel])[] = [
  ["no subgraph", "NO_SUBGRAPH", /at least one/, {...good, subgraphs: [], signatures: []}],
  ["tensor's buffer", "INDEX", /tensor 0 "in0": buffer 9 doesn't exist/, withTensor(good, 0, {buffer: 9})],
  ["graph input", "INDEX", /input tensor 3/, withGraph(good, {inputs: [0, 3]})],
  ["graph output", "INDEX", /output tensor -1/, withGraph(good, {outputs: [-1]})],
  ["operator input", "INDEX", /input tensor -2/, withOperator(good, {inputs: [0, -2]})],
  ["operator output", "INDEX", /output tensor -1/, withOperator(good, {outputs: [-1]})],
  ["intermediate", "INDEX", /intermediate tensor 5/, withOperator(good, {intermediates: [5]})],
  ["operator code", "INDEX", /operator code 1 /, withOperator(good, {opcodeIndex: 1})],
  [
    "called subgraph",
    "INDEX",
    /subgraph 3 doesn't exist/,
    loop({outer: {options: {condSubgraphIndex: 1, bodySubgraphIndex: 3}}}),
  ],
  ["signature's subgraph", "INDEX", /subgraph 2 doesn't/, withSignature({subgraph: 2, inputs: [], outputs: []})],
  ["signature's tensor", "INDEX", /"sum": tensor 7/, withSignature({outputs: [{name: "sum", tensor: 7}]})],
  ["metadata's buffer", "INDEX", /metadata "m": buffer 4/, {...good, metadata: [{name: "m", buffer: 4}]}],
  ["buffer 0 with data", "INDEX", /buffer 0 means/, {...good, buffers: [new Uint8Array(1)]}],
  ["negative dimension", "SHAPE", /\[2,-3\]/, withTensor(good, 0, {shape: [2, -3]})],
  ["rank 9", "SHAPE", /9 dimensions/, withTensor(good, 0, {shape: [1, 1, 1, 1, 1, 1, 1, 1, 1]})],
  ["signature of another rank", "SHAPE", /contradicts/, withTensor(good, 0, {shapeSignature: [-1]})],
  ["signature of other dimensions", "SHAPE", /contradicts/, withTensor(good, 0, {shapeSignature: [2, 4]})],
  ["tensor over the limit", "LIMIT", /takes 4000000000 bytes/, withTensor(good, 0, {shape: [1_000_000_000]})],
  ["constant too short", "CONSTANT", /holds 8 bytes; float32 \[3\] takes 12/, constantB(floats(2))],
  ["constant too long", "CONSTANT", /holds 16 bytes/, constantB(floats(4))],
  ["packed constant", "CONSTANT", /int4 \[3\] takes 2/, constantB(withTensor(floats(3), 1, {type: "int4"}))],
  ["constant handle", "CONSTANT", /of type resource/, constantB(withTensor(floats(3), 1, {type: "resource"}))],
  ["constant string", "CONSTANT", /packs 0 strings/, constantB(withTensor(floats(3), 1, {type: "string"}))],
  ["variable with data", "CONSTANT", /variable with data/, constantB(withTensor(floats(3), 1, {isVariable: true}))],
  ["sparse", "SPARSE", /sparse/, withTensor(good, 0, {sparse: true})],
  ["lengths", "QUANTIZATION", /1 scales and 2 zero points/, quantized({zeroPoint: [0n, 0n]})],
  ["scale of 0", "QUANTIZATION", /the scale 0/, quantized({scale: [0]})],
  ["scale not a number", "QUANTIZATION", /the scale NaN/, quantized({scale: [Number.NaN]})],
  ["infinite scale", "QUANTIZATION", /Infinity/, quantized({scale: [Number.POSITIVE_INFINITY]})],
  [
    "channels",
    "QUANTIZATION",
    /2 scales for dimension 1/,
    quantized({scale: [1, 1], zeroPoint: [0n, 0n], quantizedDimension: 1}),
  ],
  [
    "dimension",
    "QUANTIZATION",
    /dimension 2 of/,
    quantized({scale: [1, 1], zeroPoint: [0n, 0n], quantizedDimension: 2}),
  ],
  [
    "negative dimension of channels",
    "QUANTIZATION",
    /dimension -1/,
    quantized({scale: [1, 1], zeroPoint: [0n, 0n], quantizedDimension: -1}),
  ],
  ["zero point", "QUANTIZATION", /zero point 128/, quantized({zeroPoint: [128n]})],
  [
    "other scheme",
    "QUANTIZATION",
    /BlockwiseQuantization/,
    quantized({details: {type: "BlockwiseQuantization", value: {}}}),
  ],
  ["input that nothing gives", "ORDER", /tensor 1 "in1": is read/, withGraph({...good, signatures: []}, {inputs: [0]})],
  ["own output", "ORDER", /tensor 2/, withOperator(good, {inputs: [0, 2]})],
  ["output that nothing computes", "ORDER", /nothing computes/, withGraph({...good, signatures: []}, {operators: []})],
  [
    "input written",
    "WRITTEN",
    /holds a value already/,
    withGraph(withOperator({...good, signatures: []}, {outputs: [0]}), {outputs: [0]}),
  ],
  [
    "constant written",
    "WRITTEN",
    /holds a value already/,
    withTensor({...good, buffers: [new Uint8Array(0), new Uint8Array(24)]}, 2, {buffer: 1}),
  ],
  ["constant input", "WRITTEN", /input of the graph and a constant/, floats(3)],
  ["input twice", "SIGNATURE", /one tensor as two inputs/, withGraph({...good, signatures: []}, {inputs: [0, 1, 1]})],
  [
    "body of other inputs",
    "CALL",
    /inputs of subgraph 2: there are 0; expected 1/,
    loop({body: {inputs: [], outputs: [1]}}),
  ],
  [
    "body of other type",
    "CALL",
    /outputs of subgraph 2: number 0 is bool; expected float32/,
    loop({body: {outputs: [1]}}),
  ],
  ["condition", "CALL", /the condition gives 1 tensors; expected one of type bool/, loop({cond: {outputs: [0]}})],
  ["loop's outputs", "CALL", /outputs of the loop: number 0 is bool/, withTensor(loop({}), 2, {type: "bool"})],
  ["branch", "CALL", /inputs of subgraph 2/, loop({outer: {...branches, inputs: [1]}})],
  [
    "initialiser with inputs",
    "CALL",
    /inputs of subgraph 1: there are 2/,
    {...chain(1, 0), subgraphs: [chain(2, 1).subgraphs[0]!, add({operators: [], outputs: []})]},
  ],
  [
    "calls itself",
    "CALL",
    /never ends/,
    {...chain(2, 1), subgraphs: [chain(2, 1).subgraphs[0]!, chain(2, 1).subgraphs[0]!]},
  ],
  ["calls too deep", "LIMIT", /calls nest 65 deep/, chain(66, 1)],
  ["calls that double", "LIMIT", /add up to/, chain(20, 2)],
  [
    "signature twice",
    "SIGNATURE",
    /two of that name/,
    {...good, signatures: [good.signatures[0]!, good.signatures[0]!]},
  ],
  [
    "name twice",
    "SIGNATURE",
    /"a" is there twice/,
    withSignature({
      inputs: [
        {name: "a", tensor: 0},
        {name: "a", tensor: 1},
      ],
    }),
  ],
  [
    "input without name",
    "SIGNATURE",
    /\[1\] of subgraph 0 have no name/,
    withSignature({inputs: [{name: "a", tensor: 0}]}),
  ],
  [
    "two names for one",
    "SIGNATURE",
    /two names stand for one/,
    withSignature({
      inputs: [
        {name: "a", tensor: 0},
        {name: "b", tensor: 1},
        {name: "c", tensor: 1},
      ],
    }),
  ],
  ["no output", "SIGNATURE", /no output of subgraph 0/, withSignature({outputs: [{name: "sum", tensor: 0}]})],
  [
    "two inputs",
    "ARITY",
    /has 2 inputs; expected 3/,
    oneOperator({builtin: "DEPTHWISE_CONV_2D", inputs: [{shape: [1, 2, 2, 1]}, {shape: [1, 1, 1, 1]}]}),
  ],
  [
    "needed input left out",
    "ARITY",
    /leaves out input 2/,
    oneOperator({builtin: "CONV_2D", inputs: [{shape: [1, 2, 2, 1]}, {shape: [1, 1, 1, 1]}, null]}),
  ],
  ["custom input left out", "ARITY", /none of its inputs is optional/, withOperator(custom("Mine"), {inputs: [-1]})],
  [
    "too many outputs",
    "ARITY",
    /has 2 outputs; expected 1/,
    oneOperator({builtin: "ABS", inputs: [{shape: [2]}], outputs: [{shape: [2]}, {shape: [2]}]}),
  ],
  [
    "radius below 0",
    "OPTIONS",
    /the radius -1; expected 0 to 65535/,
    oneOperator({builtin: "LOCAL_RESPONSE_NORMALIZATION", inputs: [{shape: [1, 1, 1, 4]}], options: {radius: -1}}),
  ],
  [
    "split in other numbers",
    "ARITY",
    /has 1 outputs; its numSplits is 2/,
    oneOperator({builtin: "SPLIT", inputs: [ints(0), {shape: [2]}], options: {numSplits: 2}}),
  ],
  [
    "pack of other numbers",
    "ARITY",
    /has 1 inputs; its valuesCount is 0/,
    oneOperator({builtin: "PACK", inputs: [{shape: [2]}]}),
  ],
  [
    "string out of floats",
    "TYPE",
    /tensor 2 "out0": is string; expected float32/,
    withTensor(good, 2, {type: "string"}),
  ],
  [
    "comparison of another type",
    "TYPE",
    /is int8; expected bool/,
    oneOperator({builtin: "LESS", inputs: [{shape: [1]}, {shape: [1]}], outputs: [{shape: [1], type: "int8"}]}),
  ],
  [
    "indices of another type",
    "TYPE",
    /is float32; expected int32 or int64/,
    oneOperator({builtin: "ARG_MAX", inputs: [{shape: [2]}, ints(0)]}),
  ],
  [
    "cast to a handle",
    "TYPE",
    /is resource; expected numeric/,
    oneOperator({builtin: "CAST", inputs: [{shape: [1]}], outputs: [{shape: [1], type: "resource"}]}),
  ],
  [
    "pool without options",
    "OPTIONS",
    /expected Pool2DOptions/,
    withoutOptions({builtin: "MAX_POOL_2D", inputs: [{shape: [1, 2, 2, 1]}]}),
  ],
  [
    "options of another",
    "OPTIONS",
    /has SubOptions; expected AddOptions/,
    withOperator(good, {optionsType: "SubOptions", options: {}}),
  ],
  [
    "options where there are none",
    "OPTIONS",
    /expected none/,
    withOperator(oneOperator({builtin: "RELU", inputs: [{shape: [2]}]}), {optionsType: "AddOptions", options: {}}),
  ],
  ["custom without options", "OPTIONS", /crashes without/, custom("AudioSpectrogram")],
  ["custom with empty options", "OPTIONS", /crashes without/, custom("AudioSpectrogram", new Uint8Array(0))],
];

for (const [what, code, message, model] of faults) {
  test(`${code}: ${what}`, () => {
    const found = checkModel(model);
    assert.ok(found.length > 0, "no finding");
    assert.deepEqual([...new Set(found.map((each) => each.code))], [code], JSON.stringify(found));
    assert.match(found[0]!.message, message);
  });
}

test("limits are the caller's", () => {
  const codes = (limits: Parameters<typeof checkModel>[1]) => checkModel(good, limits).map(({code}) => code);
  assert.deepEqual(codes({limits: {maxTensors: 2}}), ["LIMIT"]);
  assert.deepEqual(codes({limits: {maxSubgraphs: 0}}), ["LIMIT"]);
  assert.deepEqual(codes({limits: {maxTensorBytes: 23}}), ["LIMIT", "LIMIT"]);
  assert.deepEqual(codes({limits: {maxTotalTensorBytes: 59}}), ["LIMIT"]);
  assert.deepEqual(codes({limits: {maxTotalTensorBytes: 60}}), []);
});

test("a report has at most 100 findings", () => {
  const inputs = Array.from({length: 1000}, () => 77);
  assert.equal(checkModel(withOperator(good, {inputs})).length, 100);
});

test("all option fields that hold subgraphs are followed", () => {
  const found = [...tables.values()].flatMap(({name, fields}) => {
    const names = fields.map((field) => field.name).filter((field) => /subgraph|calledComputations/i.test(field));
    return /Options$/.test(name) && names.length > 0 ? [[name, names] as const] : [];
  });
  assert.deepEqual(Object.fromEntries(found), subgraphFields);
});

test("string packing", () => {
  const pack = (...words: number[]) => new Uint8Array(Int32Array.from(words).buffer);
  assert.equal(stringPackingProblem(pack(0, 8), 0), undefined);
  assert.equal(stringPackingProblem(pack(1, 12, 16, 0), 1), undefined);
  assert.match(stringPackingProblem(new Uint8Array(2), 0)!, /packs -1 strings/);
  assert.match(stringPackingProblem(pack(2, 12, 16, 0), 1)!, /packs 2 strings; its shape has 1/);
  assert.match(stringPackingProblem(pack(1, 12), 1)!, /take 12/);
  assert.match(stringPackingProblem(pack(1, 13, 16, 0), 1)!, /starts at 13, expected 12/);
  assert.match(stringPackingProblem(pack(2, 16, 15, 16), 2)!, /starts at 15/);
  assert.match(stringPackingProblem(pack(1, 12, 99, 0), 1)!, /starts at 99/);
  assert.match(stringPackingProblem(pack(1, 12, 12, 0), 1)!, /4 bytes follow/);
});
