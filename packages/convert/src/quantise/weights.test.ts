/** Weights as int8 and float16, on the text of the IR. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {encodeHex} from "@tf-trusted/core";
import {numberToFloat16, Tensor} from "@tf-trusted/tensor";
import fc from "fast-check";
import {parseGraph, printGraph} from "../ir/text.ts";
import {verifyGraph} from "../ir/verify.ts";
import {runPass} from "../passes/pass.ts";
import {pruneGraph} from "../passes/prune.ts";
import {asFloat16, float16Weights} from "./float16.ts";
import {symmetricInt8} from "./levels.ts";
import {quantiseWeights} from "./weights.ts";

const [rows, columns] = [4, 256];

/** [4, 256]: row r is r, −r, 0, 0 …; its largest number gives the scale of the row. */
function matrix(scale = 1): Float32Array {
  return Float32Array.from({length: rows * columns}, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return column === 0 ? row * scale : column === 1 ? 0 - row * scale : 0;
  });
}

const hex = (array: ArrayBufferView) => encodeHex(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
const constant = (name: string, shape: string, array: Float32Array) =>
  `${name} = const() {value: float32[${shape}] #${hex(array)}} : float32[${shape}]`;

function graphOf(lines: readonly string[], input = "float32[x.0,256]"): string {
  return `graph\ninput "x" = x:0\noutput "y" = y:0\nx = input() : ${input}\n${lines.join("\n")}\n`;
}

function run(pass: typeof quantiseWeights, text: string): {readonly text: string; readonly notes: readonly string[]} {
  const notes: string[] = [];
  const result = pruneGraph(
    runPass(
      pass,
      parseGraph(text),
      () => {},
      (note) => notes.push(note),
    ),
  );
  verifyGraph(result, pass.name);
  return {text: printGraph(result), notes};
}

const dense = 'tfl.FULLY_CONNECTED(x:0, w:0, _:0) {asymmetricQuantizeInputs: false, fusedActivationFunction: "NONE"}';

test("quantise-weights: a scale for each output channel, inputs quantised by the kernel", () => {
  const before = graphOf([constant("w", "4,256", matrix()), `y = ${dense} : float32[x.0,4]`]);
  const levels = Int8Array.from(matrix(), (value) => Math.sign(value) * 127);
  const scales = [1, 1 / 127, 2 / 127, 3 / 127].map(Math.fround);
  const {text, notes} = run(quantiseWeights, before);
  assert.equal(
    text,
    graphOf([
      `w/int8 = const() {value: int8[4,256] #${hex(levels)}} : int8[4,256] scaled (${scales}) from (0,0,0,0) along 0 @y`,
      `y/FULLY_CONNECTED = ${dense.replace("w:0", "w/int8:0").replace("false", "true")} : float32[x.0,4] @y`,
    ]).replace('"y" = y:0', '"y" = y/FULLY_CONNECTED:0'),
  );
  assert.deepEqual(notes, []);
});

test("quantise-weights: where the result's logarithm is taken the weights are dequantised", () => {
  const lines = [
    constant("w", "4,256", matrix()),
    `p = ${dense} : float32[x.0,4]`,
    `e = const() {value: float32[] <1e-6>} : float32[]`,
    `s = tfl.ADD(p:0, e:0) {fusedActivationFunction: "NONE"} : float32[x.0,4]`,
    "y = tfl.LOG(s:0) : float32[x.0,4]",
  ];
  const {text} = run(quantiseWeights, graphOf(lines));
  assert.match(text, /DEQUANTIZE = tfl\.DEQUANTIZE\(w\/int8:0\) : float32\[4,256\]/);
  assert.match(text, /tfl\.FULLY_CONNECTED\(x:0, p\/DEQUANTIZE:0, _:0\) {asymmetricQuantizeInputs: false/);
});

test("quantise-weights: a table's rows are dequantised after they are gathered, one scale for all", () => {
  const before = graphOf(
    [constant("w", "4,256", matrix()), "y = tfl.GATHER(w:0, x:0) {axis: 0, batchDims: 0} : float32[x.0,256]"],
    "int32[x.0]",
  );
  const {text} = run(quantiseWeights, before);
  assert.match(
    text,
    /y\/GATHER = tfl\.GATHER\(w\/int8:0, x:0\) {axis: 0, batchDims: 0} : int8\[x\.0,256\] scaled \(0\.02\d+\) from \(0\)/,
  );
  assert.match(text, /tfl\.DEQUANTIZE\(y\/GATHER:0\) : float32\[x\.0,256\]/);
});

test("quantise-weights: kernels without such weights get them dequantised", () => {
  const before = graphOf(
    [
      "s = const() {value: int32[4] <1, 2, 2, 4>} : int32[4] = (1,2,2,4)",
      constant("w", "4,1,1,256", matrix()),
      'y = tfl.TRANSPOSE_CONV(s:0, w:0, x:0) {padding: "SAME"} : float32[1,2,2,4]',
    ],
    "float32[1,2,2,256]",
  );
  const {text} = run(quantiseWeights, before);
  assert.match(text, /tfl\.TRANSPOSE_CONV\(s:0, y\/DEQUANTIZE:0, x:0\) {padding: "SAME"} : float32\[1,2,2,4\]/);
});

test("quantise-weights: leaves small constants, computed weights, and what isn't finite", () => {
  const small = graphOf([constant("w", "3,256", matrix().subarray(256)), `y = ${dense} : float32[x.0,3]`]);
  assert.equal(run(quantiseWeights, small).text, small);
  const computed = graphOf([`y = ${dense.replace("w:0", "x:0")} : float32[x.0,4]`]);
  assert.equal(run(quantiseWeights, computed).text, computed);
  const infinite = graphOf([constant("w", "4,256", matrix(Number.POSITIVE_INFINITY)), `y = ${dense} : float32[x.0,4]`]);
  const result = run(quantiseWeights, infinite);
  assert.equal(result.text, infinite);
  assert.deepEqual(result.notes, ['"w" stays float32: it has values that aren\'t finite']);
});

test("float16-weights: constants are dequantised before what uses them", () => {
  const before = graphOf([constant("w", "4,256", matrix()), `y = ${dense} : float32[x.0,4]`]);
  const {text} = run(float16Weights, before);
  assert.match(text, /w\/float16 = const\(\) {value: float16\[4,256\] #0{16}/);
  assert.match(text, /tfl\.DEQUANTIZE\(w\/float16:0\) : float32\[4,256\]/);
  assert.match(text, /tfl\.FULLY_CONNECTED\(x:0, w\/DEQUANTIZE:0, _:0\) {asymmetricQuantizeInputs: false/);
});

test("float16-weights: small constants stay, but for biases beside such weights", () => {
  const biased = (rows: string, values: Float32Array) =>
    graphOf([
      constant("w", `${rows},256`, values),
      `b = const() {value: float32[${rows}] <${Array.from({length: Number(rows)}, (_, i) => i)}>} : float32[${rows}]`,
      `y = ${dense.replace("_:0", "b:0")} : float32[x.0,${rows}]`,
    ]);
  const {text} = run(float16Weights, biased("4", matrix()));
  assert.match(text, /b\/float16 = const\(\) {value: float16\[4\] #0000003c00400042}/);
  assert.match(text, /tfl\.FULLY_CONNECTED\(x:0, w\/DEQUANTIZE:0, b\/DEQUANTIZE:0\)/);
  const small = graphOf([
    "b = const() {value: float32[2] <1, 2>} : float32[2]",
    'y = tfl.ADD(x:0, b:0) {fusedActivationFunction: "NONE"} : float32[x.0,256]',
  ]);
  assert.equal(run(float16Weights, small).text, small);
});

test("float16-weights: what is beyond its range stays, and is told", () => {
  const graph = (values: Float32Array) => graphOf([constant("w", "4,256", values), `y = ${dense} : float32[x.0,4]`]);
  const cases: readonly (readonly [number, string])[] = [
    [30_000, '"w" stays float32: it has values beyond 65504, the largest of float16'],
    [2 ** -20, '"w" stays float32: all of its values are below 2^-14, where float16 has few digits'],
  ];
  for (const [scale, note] of cases) {
    const text = graph(matrix(scale));
    assert.deepEqual(run(float16Weights, text), {text, notes: [note]});
  }
  // 65504 itself, and what isn't finite, are numbers of float16.
  assert.deepEqual(run(float16Weights, graph(matrix(65504 / 3))).notes, []);
  assert.deepEqual(run(float16Weights, graph(matrix(Number.POSITIVE_INFINITY))).notes, []);
});

test("symmetricInt8: no number is further away than half a step of its channel", () => {
  const numbers = fc.array(fc.float({noNaN: true, noDefaultInfinity: true}), {minLength: 24, maxLength: 24});
  fc.assert(
    fc.property(numbers, fc.constantFrom(0, 1, 2, undefined), (values, axis) => {
      const tensor = Tensor.from(values, {dtype: "float32", shape: [2, 3, 4]});
      const {value, quantisation} = symmetricInt8(tensor, axis)!;
      const {scale, zero} = quantisation;
      assert.equal(scale.length, axis === undefined ? 1 : tensor.shape[axis]);
      assert.ok(zero.every((each) => each === 0));
      for (const [i, level] of [...(value.data as Int8Array)].entries()) {
        const channel = axis === undefined ? 0 : [Math.floor(i / 12), Math.floor(i / 4) % 3, i % 4][axis]!;
        const wanted = (tensor.data as Float32Array)[i]!;
        const step = scale[channel]!;
        assert.ok(Math.abs(level) <= 127);
        assert.ok(Math.abs(level * step - wanted) <= step * 0.50001, `${wanted} became ${level}·${step}`);
      }
    }),
  );
});

test("float16 of any bits is that of the number", () => {
  const words = fc.array(fc.integer({min: 0, max: 0xffffffff}), {minLength: 1, maxLength: 50});
  const ties = fc.array(
    fc.nat(0x7fff).map((half) => ((half << 13) + 0x38001000) >>> 0),
    {minLength: 1},
  );
  fc.assert(
    fc.property(fc.oneof(words, ties), (values) => {
      const numbers = new Float32Array(Uint32Array.from(values).buffer);
      const found = asFloat16(Tensor.from(numbers)).data as Uint16Array;
      for (const [i, bits] of found.entries()) {
        if (!Number.isNaN(numbers[i])) assert.equal(bits, numberToFloat16(numbers[i]!), String(numbers[i]));
      }
    }),
  );
});
