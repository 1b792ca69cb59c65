/** What `quantize: "keep"` does, step by step, on the text of the IR. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {convert} from "../convert.ts";
import {ConvertError} from "../convert-error.ts";
import type {Graph} from "../ir/graph.ts";
import {parseGraph, printGraph} from "../ir/text.ts";
import {verifyGraph} from "../ir/verify.ts";
import {lowerGraph} from "../lower/index.ts";
import {type Pass, runPass} from "../passes/pass.ts";
import {pruneGraph} from "../passes/prune.ts";
import {smallNet} from "../testing/graphs.ts";
import {quantisedInterface} from "./interface.ts";
import {quantiseOperators} from "./operators.ts";
import {foldRanges, keepRanges} from "./ranges.ts";
import {rescaleWeights} from "./rescale.ts";

function run(pass: Pass, text: string): {readonly text: string; readonly notes: readonly string[]} {
  const notes: string[] = [];
  const graph = runPass(
    pass,
    parseGraph(text),
    () => {},
    (note) => notes.push(note),
  );
  return {text: textOf(pruneGraph(graph), pass.name), notes};
}

function textOf(graph: Graph, pass: string): string {
  verifyGraph(graph, pass);
  return printGraph(graph);
}

const head = 'graph\ninput "x" = x:0\noutput "y" = y:0\nx = input() : float32[x.0,2]\n';
const range = (low: number, high: number) =>
  `l = const() {value: float32[] <${low}>} : float32[]\nh = const() {value: float32[] <${high}>} : float32[]\n`;
const vars = "tf.FakeQuantWithMinMaxVars";

test("keep-ranges: levels of int8, 0 among them", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["tf.FakeQuantWithMinMaxArgs(x:0) {max: 255, min: 0, num_bits: 8, narrow_range: false}", "-128 127 1 -128"],
    // 127.5 levels below 0, less the rounding of float32.
    ["tf.FakeQuantWithMinMaxArgs(x:0) {max: 127, min: -127, num_bits: 8, narrow_range: true}", "-127 127 1 0"],
    ["tf.FakeQuantWithMinMaxArgs(x:0) {max: 7, min: -8, num_bits: 4, narrow_range: false}", "-8 7 1 0"],
  ];
  for (const [node, wanted] of cases) {
    const {text, notes} = run(keepRanges, `${head}y = ${node} : float32[x.0,2]\n`);
    const found = /tf\.OnLevels\(x:0\) {axis: 0, first: (\S+), last: (\S+), scale: \[(\S+)\], zero: \[(\S+)\]}/.exec(
      text,
    )!;
    assert.equal(found.slice(1).join(" "), wanted);
    assert.deepEqual(notes, []);
  }
});

test("keep-ranges: QuantizeAndDequantize, with and without a sign", () => {
  const node = (attributes: string) =>
    `${head}${range(0, 255)}y = tf.QuantizeAndDequantizeV4(x:0, l:0, h:0) {${attributes}, num_bits: 8, range_given: true} : float32[x.0,2]\n`;
  assert.match(
    run(keepRanges, node("signed_input: false")).text,
    /first: -128, last: 127, scale: \[1\], zero: \[-128\]/,
  );
  assert.match(
    run(keepRanges, node("signed_input: true, narrow_range: true")).text,
    /first: -127, last: 127, scale: \[2\.00787\d*\], zero: \[0\]/,
  );
});

test("keep-ranges: a constant is rounded to its levels, each channel to its own", () => {
  const {text} = run(
    keepRanges,
    `graph
output "y" = y:0
w = const() {value: float32[2,2] <126.6, 300, -1, 0.5>} : float32[2,2]
l = const() {value: float32[2] <-127, 0>} : float32[2]
h = const() {value: float32[2] <127, 0>} : float32[2]
y = tf.FakeQuantWithMinMaxVarsPerChannel(w:0, l:0, h:0) {narrow_range: true, num_bits: 8} : float32[2,2]
`,
  );
  // The second range is empty: all of it is 0, on any levels.
  assert.match(text, /float32\[2,2\] <127, 0, -1, 0>/);
  assert.match(text, /tf\.OnLevels\(\S+\) {axis: 1, first: -127, last: 127, scale: \[1, 1\], zero: \[0, 0\]}/);
});

test("keep-ranges: what int8 can't hold stays, and is told", () => {
  const perChannel = `l = const() {value: float32[2] <-1, -1>} : float32[2]\nh = const() {value: float32[2] <1, 1>} : float32[2]\n`;
  const cases: readonly (readonly [string, string])[] = [
    [`${range(-1, 1)}y = ${vars}(x:0, l:0, h:0) {num_bits: 16} : float32[x.0,2]`, "16 bits; int8 has 8"],
    [
      `${range(0, 0)}y = ${vars}(x:0, l:0, h:0) {num_bits: 8} : float32[x.0,2]`,
      "its range is empty, or its steps beyond float32",
    ],
    [
      `${perChannel}y = ${vars}PerChannel(x:0, l:0, h:0) {num_bits: 8} : float32[x.0,2]`,
      "its input is computed, and has a range for each channel",
    ],
    [
      `s = tf.Max(x:0, a:0) {keep_dims: false} : float32[]\ny = ${vars}(x:0, s:0, s:0) {num_bits: 8} : float32[x.0,2]`,
      "its range is computed",
    ],
  ];
  for (const [lines, reason] of cases) {
    const axes = "a = const() {value: int32[2] <0, 1>} : int32[2] = (0,1)\n";
    const {text, notes} = run(keepRanges, `${head}${lines.includes("a:0") ? axes : ""}${lines}\n`);
    assert.ok(text.includes("tf.FakeQuant"));
    assert.deepEqual(notes, [`"y" is computed in float: ${reason}`]);
  }
});

test("fold-ranges: ranges are computed, what they are ranges of isn't", () => {
  const text = `graph
output "y" = y:0
w = const() {value: float32[2] <1, 2>} : float32[2]
l = const() {value: float32[] <2>} : float32[]
n = tf.Neg(l:0) : float32[]
y = ${vars}(w:0, n:0, l:0) {narrow_range: true, num_bits: 8} : float32[2]
`;
  assert.match(run(foldRanges, text).text, /y = tf\.FakeQuantWithMinMaxVars\(w:0, n\/value:0, l:0\)/);
});

test("lowering: computed values are rounded and cut, constants stored on their levels", () => {
  const levels = (attributes: string) => `tf.OnLevels(x:0) {axis: 0, ${attributes}, scale: [0.5], zero: [-2]}`;
  const lowered = (text: string) => textOf(lowerGraph(parseGraph(text)).graph, "lower");
  const whole = lowered(`${head}y = ${levels("first: -128, last: 127")} : float32[x.0,2]\n`);
  assert.equal(
    whole,
    `${head}y/QUANTIZE = tfl.QUANTIZE(x:0) : int8[x.0,2] scaled (0.5) from (-2) @y
y/DEQUANTIZE = tfl.DEQUANTIZE(y/QUANTIZE:0) : float32[x.0,2] @y
`.replace('"y" = y:0', '"y" = y/DEQUANTIZE:0'),
  );
  const few = lowered(`${head}y = ${levels("first: -8, last: 7")} : float32[x.0,2]\n`);
  assert.match(few, /int8\[\] <-8>} : int8\[\] scaled \(0\.5\) from \(-2\)/);
  assert.match(few, /tfl\.MAXIMUM\(y\/QUANTIZE:0, y\/const:0\) : int8\[x\.0,2\] scaled \(0\.5\) from \(-2\)/);
  assert.match(few, /tfl\.MINIMUM\(y\/MAXIMUM:0, y\/const_1:0\)/);
  const product = lowered(`${head}w = const() {value: float32[2,3] <1, 2, 3, -4, 0, 6>} : float32[2,3]
q = tf.OnLevels(w:0) {axis: 1, first: -127, last: 127, scale: [1, 2, 3], zero: [0, 0, 0]} : float32[2,3]
y = tf.MatMul(x:0, q:0) {transpose_a: false, transpose_b: false} : float32[x.0,3]
`);
  // Transposed, with the axis of the scales.
  assert.match(product, /int8\[3,2\] <1, -4, 1, 0, 1, 2>} : int8\[3,2\] scaled \(1,2,3\) from \(0,0,0\) along 0/);
});

test("lowering: levels that aren't any are refused", () => {
  const graph = (attributes: string) => parseGraph(`${head}y = tf.OnLevels(x:0) {${attributes}} : float32[x.0,2]\n`);
  const sound = {axis: "0", first: "-128", last: "127", scale: "[1]", zero: "[0]"};
  const cases = [
    {scale: "[1, 2]"},
    {scale: "[0]"},
    {zero: "[300]"},
    {zero: "[]"},
    {axis: "9", scale: "[]", zero: "[]"},
  ];
  for (const change of cases) {
    const attributes = Object.entries({...sound, ...change}).map(([key, value]) => `${key}: ${value}`);
    assert.throws(
      () => lowerGraph(graph(attributes.join(", "))),
      (error) => error instanceof ConvertError && error.code === "CONVERT_ATTRIBUTE",
    );
  }
  const perChannel = Object.entries({...sound, axis: "1", scale: "[1, 2]", zero: "[0, 0]"});
  const {unsupported} = lowerGraph(graph(perChannel.map(([key, value]) => `${key}: ${value}`).join(", ")));
  assert.equal(unsupported[0]!.reason, "levels for each channel of what is computed");
});

const q = (shape: string, scale = 0.5, zero = 0) => `int8[${shape}] scaled (${scale}) from (${zero})`;
const quantised = `${head}q = tfl.QUANTIZE(x:0) : ${q("x.0,2")}\nd = tfl.DEQUANTIZE(q:0) : float32[x.0,2]\n`;
const rounded = (from: string, scale = 0.5, zero = 0) =>
  `z = tfl.QUANTIZE(${from}:0) : ${q("x.0,2", scale, zero)}\ny = tfl.DEQUANTIZE(z:0) : float32[x.0,2]\n`;
const keep = (text: string) => run(quantiseOperators("float32"), text).text;

test("quantise-operators: levels that come after decide", () => {
  const text = keep(
    `${quantised}s = tfl.ADD(d:0, d:0) {fusedActivationFunction: "RELU"} : float32[x.0,2]\n${rounded("s", 2, 5)}`,
  );
  assert.match(
    text,
    /s\/ADD = tfl\.ADD\(q:0, q:0\) {fusedActivationFunction: "RELU"} : int8\[x\.0,2\] scaled \(2\) from \(5\)/,
  );
  assert.match(text, /y = tfl\.DEQUANTIZE\(s\/ADD:0\)/);
});

test("quantise-operators: without levels on all sides it stays float", () => {
  const sum = 's = tfl.ADD(d:0, x:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]\n';
  assert.equal(keep(`${quantised}${sum}${rounded("s")}`), `${quantised}${sum}${rounded("s")}`);
  // Its result is an output as it is, too.
  const own = 's = tfl.ADD(d:0, d:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]\n';
  const both = `${quantised}${own}${rounded("s")}`.replace('output "y"', 'output "s" = s:0\noutput "y"');
  assert.equal(keep(both), both);
});

test("quantise-operators: moves keep their levels, and hand wishes on", () => {
  const shape = "n = const() {value: int32[2] <-1, 2>} : int32[2] = (-1,2)\n";
  const text = keep(
    `${quantised}${shape}s = tfl.MUL(d:0, d:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]\nr = tfl.RESHAPE(s:0, n:0) {newShape: [-1, 2]} : float32[x.0,2]\n${rounded("r", 2)}`,
  );
  assert.match(text, /tfl\.MUL\(q:0, q:0\) .* : int8\[x\.0,2\] scaled \(2\) from \(0\)/);
  assert.match(text, /tfl\.RESHAPE\(s\/MUL:0, n:0\) .* : int8\[x\.0,2\] scaled \(2\) from \(0\)/);
  const last = keep(`${quantised}${shape}y = tfl.RESHAPE(d:0, n:0) {newShape: [-1, 2]} : float32[x.0,2]\n`);
  assert.match(last, /y\/RESHAPE = tfl\.RESHAPE\(q:0, n:0\) .* : int8\[x\.0,2\] scaled \(0\.5\) from \(0\)/);
});

test("quantise-operators: other levels are a step of their own, the same none", () => {
  assert.match(keep(`${quantised}${rounded("d", 2)}`), /tfl\.QUANTIZE\(q:0\) : int8\[x\.0,2\] scaled \(2\) from \(0\)/);
  assert.match(keep(`${quantised}${rounded("d")}`), /y = tfl\.DEQUANTIZE\(q:0\)/);
});

test("quantise-operators: what joins is brought onto one set of levels", () => {
  const concat = "s = tfl.CONCATENATION(d:0, x:0) {axis: 0} : float32[x.0,2]\n";
  const text = keep(`${quantised}${concat}${rounded("s", 2)}`);
  assert.match(
    text,
    /tfl\.CONCATENATION\(s\/QUANTIZE:0, s\/QUANTIZE_1:0\) {axis: 0} : int8\[x\.0,2\] scaled \(2\) from \(0\)/,
  );
  const without = `${quantised}${concat.replace("s = ", "y = ")}`;
  assert.equal(keep(without), without);
});

test("quantise-operators: a clamp that the levels are within is none", () => {
  const low = `${head}q = tfl.QUANTIZE(x:0) : ${q("x.0,2", 0.02, -128)}\nd = tfl.DEQUANTIZE(q:0) : float32[x.0,2]\n`;
  const clamp = (op: string) => `c = tfl.${op}(d:0) : float32[x.0,2]\ny = tfl.ABS(c:0) : float32[x.0,2]\n`;
  assert.match(keep(low + clamp("RELU6")), /y = tfl\.ABS\(d:0\)/);
  // 5.1 is the largest number on those levels; on coarser ones there are larger.
  const coarse = low.replaceAll("0.02", "0.5") + clamp("RELU6");
  assert.equal(keep(coarse), coarse);
  assert.match(keep(`${quantised}${clamp("RELU")}`), /tfl\.RELU\(q:0\) : int8/);
});

test("quantise-operators: constants get levels where those are fine enough for the result", () => {
  const sum = (value: string) =>
    `${quantised}c = const() {value: float32[2] <${value}>} : float32[2]\ns = tfl.ADD(d:0, c:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]\n${rounded("s", 2)}`;
  assert.match(
    keep(sum("0, 255")),
    /c\/int8 = const\(\) {value: int8\[2\] <-128, 127>} : int8\[2\] scaled \(1\) from \(-128\)/,
  );
  // 1.5 would be lost beside a million.
  const coarse = sum("1.5, 1000000");
  assert.equal(keep(coarse), coarse);
});

/** x·wᵀ + b over levels. */
const product = (weights: string, bias = "1, -2", scale = 4) =>
  `${quantised}v = const() {value: ${weights}
w = tfl.DEQUANTIZE(v:0) : float32[2,2]
b = const() {value: float32[2] <${bias}>} : float32[2]
s = tfl.FULLY_CONNECTED(d:0, w:0, b:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]
${rounded("s", scale)}`;
const symmetric = "int8[2,2] <1, 2, 3, 4>} : int8[2,2] scaled (0.25,0.5) from (0,0) along 0";

test("quantise-operators: products, with an int32 bias on the scale of the sums", () => {
  const text = keep(product(symmetric));
  assert.match(text, /int32\[2\] <8, -8>} : int32\[2\] scaled \(0\.125,0\.25\) from \(0,0\) along 0/);
  assert.match(
    text,
    /tfl\.FULLY_CONNECTED\(q:0, s\/weights\/int8:0, s\/bias\/int32:0\) .* : int8\[x\.0,2\] scaled \(4\) from \(0\)/,
  );
});

test("quantise-operators: weights with 0 elsewhere are moved where they fit, else uint8", () => {
  const near = keep(product("int8[2,2] <1, 2, 3, 4>} : int8[2,2] scaled (0.25) from (3)"));
  assert.match(near, /int8\[2,2\] <-2, -1, 0, 1>} : int8\[2,2\] scaled \(0\.25\) from \(0\)/);
  const far = keep(product("int8[2,2] <-128, 2, 3, 127>} : int8[2,2] scaled (0.25) from (100)"));
  assert.match(far, /uint8\[2,2\] <0, 130, 131, 255>} : uint8\[2,2\] scaled \(0\.25\) from \(228\)/);
  assert.match(far, /s\/QUANTIZE = tfl\.QUANTIZE\(x:0\) : uint8\[x\.0,2\] scaled \(0\.5\) from \(128\)/);
  assert.match(far, /tfl\.FULLY_CONNECTED\(s\/QUANTIZE:0, .* : uint8\[x\.0,2\] scaled \(4\) from \(128\)/);
  assert.match(far, /tfl\.QUANTIZE\(s\/FULLY_CONNECTED:0\) : int8\[x\.0,2\] scaled \(4\) from \(0\)/);
});

test("quantise-operators: a product stays float if its sums don't fit, or it has no levels", () => {
  const huge = product(symmetric, "1, 1e9");
  const {text, notes} = run(quantiseOperators("float32"), huge);
  assert.deepEqual(parseGraph(text), parseGraph(huge));
  assert.deepEqual(notes, ['"s" is computed in float: with its bias its sums are beyond 32 bits']);
  // Kernels take no factors of 256 and more.
  const fine = product(symmetric, "1, 2", 0.0001);
  assert.equal(keep(fine), fine);
});

test("quantise-operators: weights without a range get that of their numbers, which is told", () => {
  const plain = product(symmetric).replace(
    /v = .*\nw = .*\n/,
    "w = const() {value: float32[2,2] <127, 2, 3, -254>} : float32[2,2]\n",
  );
  const {text, notes} = run(quantiseOperators("float32"), plain);
  assert.match(text, /int8\[2,2\] <127, 2, 2, -127>} : int8\[2,2\] scaled \(1,2\) from \(0,0\) along 0/);
  assert.deepEqual(notes, ['"s": its weights have no range in the graph, and got that of their numbers']);
});

test("rescale-weights: factors go into scales, negative ones turn the levels", () => {
  const scaled = (weights: string, factors = "2, -0.5") =>
    `${quantised}v = const() {value: ${weights}
w = tfl.DEQUANTIZE(v:0) : float32[2,2]
b = const() {value: float32[2] <1, -2>} : float32[2]
m = const() {value: float32[2] <${factors}>} : float32[2]
s = tfl.FULLY_CONNECTED(d:0, w:0, b:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]
y = tfl.MUL(s:0, m:0) {fusedActivationFunction: "NONE"} : float32[x.0,2]
`;
  const {text} = run(rescaleWeights, scaled(symmetric));
  assert.match(text, /int8\[2,2\] <1, 2, -3, -4>} : int8\[2,2\] scaled \(0\.5,0\.25\) from \(0,0\) along 0/);
  assert.match(text, /float32\[2\] <2, 1>/);
  assert.ok(!text.includes("tfl.MUL"));
  // 128 isn't a level, and infinity no scale.
  for (const left of [scaled(symmetric.replace("<1, 2, 3, 4>", "<1, 2, -128, 4>")), scaled(symmetric, "1, inf")])
    assert.equal(run(rescaleWeights, left).text, left);
  assert.match(run(rescaleWeights, scaled(symmetric, "0, 2")).text, /<0, 0, 3, 4>} : int8\[2,2\] scaled \(1,1\)/);
});

test("int8-interface: inputs and outputs are the levels themselves", () => {
  const graph = `${quantised}s = tfl.ABS(q:0) : ${q("x.0,2")}\ny = tfl.DEQUANTIZE(s:0) : float32[x.0,2]\n`;
  assert.equal(
    run(quantisedInterface("int8"), graph).text,
    `graph\ninput "x" = x:0\noutput "y" = s:0\nx = input() : ${q("x.0,2")}\ns = tfl.ABS(x:0) : ${q("x.0,2")}\n`,
  );
  assert.equal(
    run(quantisedInterface("uint8"), graph).text,
    `graph
input "x" = x:0
output "y" = y/uint8:0
x = input() : u${q("x.0,2", 0.5, 128)}
q = tfl.QUANTIZE(x:0) : ${q("x.0,2")}
s = tfl.ABS(q:0) : ${q("x.0,2")}
y/uint8 = tfl.QUANTIZE(s:0) : u${q("x.0,2", 0.5, 128)}
`,
  );
});

test("int8-interface: what isn't rounded stays float32, and is told", () => {
  const graph = `${head}y = tfl.ABS(x:0) : float32[x.0,2]\n`;
  assert.deepEqual(run(quantisedInterface("int8"), graph), {
    text: graph,
    notes: [
      'input "x" stays float32: the graph doesn\'t round it to levels first',
      'output "y" stays float32: the graph doesn\'t round it to levels last',
    ],
  });
});

test("nothing to quantise is told", () => {
  const graph = new TextEncoder().encode(smallNet);
  for (const quantize of ["weights", "float16", "keep"] as const) {
    const {report} = convert(graph, {quantize});
    assert.ok(
      report.notes.some((note) => note.startsWith("nothing was quantised")),
      quantize,
    );
    assert.deepEqual(report.quantisation, {mode: quantize, constants: [], levels: 0, operators: {}});
  }
  assert.equal(convert(graph).report.quantisation, undefined);
});
