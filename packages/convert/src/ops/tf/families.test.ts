/** Traps of operators on windows, images, boxes, ranges and sound: values that TensorFlow 2.21 gives. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {constantOf} from "../../ir/graph.ts";
import {parseGraph} from "../../ir/text.ts";
import {fold} from "../../passes/fold.ts";
import {runPass} from "../../passes/pass.ts";
import {ensuredRange, nudge, scaleRange} from "./quantisation.ts";
import {resizeMethods} from "./resize.ts";
import {windowOver} from "./windows.ts";

/** The elements of one output of an operator over constants; `undefined` where it isn't folded. */
function evaluate(node: string, output: number, ...constants: readonly string[]): unknown {
  const names = ["a", "b", "c", "d", "e"];
  const lines = constants.map(
    (value, i) => `${names[i]} = const() {value: ${value}} : ${value.replace(/ [<#].*/, "")}`,
  );
  const graph = runPass(
    fold,
    parseGraph(`graph\noutput "y" = y:${output}\n${lines.join("\n")}\ny = ${node}\n`),
    () => {},
  );
  const {ref} = graph.outputs[0]!;
  return constantOf(graph.nodes.find((each) => `${each.name}:0` === ref))?.toNested();
}

test("SAME puts the odd element of padding behind", () => {
  assert.deepEqual(windowOver(5, 2, 2, 1, "SAME"), {size: 5, window: 2, stride: 2, dilation: 1, before: 0, count: 3});
  assert.equal(windowOver(6, 4, 1, 1, "SAME").before, 1);
  assert.equal(windowOver(2, 3, 1, 1, "VALID").count, 0);
});

test("an average leaves padding out; a maximum of negatives isn't 0", () => {
  const image = "float32[1,1,3,1] <-3, -6, -9>";
  const attributes = 'ksize: [1, 1, 2, 1], strides: [1, 1, 2, 1], padding: "SAME", data_format: "NHWC"';
  assert.deepEqual(evaluate(`tf.AvgPool(a:0) {${attributes}} : float32[1,1,2,1]`, 0, image), [[[[-4.5], [-9]]]]);
  assert.deepEqual(evaluate(`tf.MaxPool(a:0) {${attributes}} : float32[1,1,2,1]`, 0, image), [[[[-3], [-9]]]]);
});

test("the place of a maximum: the first of equals, with the batch in it only when asked", () => {
  const images = "float32[2,1,2,1] <5, 5, 1, 7>";
  const node = (whole: boolean) =>
    `tf.MaxPoolWithArgmax(a:0) {ksize: [1, 1, 2, 1], strides: [1, 1, 2, 1], padding: "VALID", Targmax: "int32", include_batch_in_index: ${whole}} : float32[2,1,1,1]; int32[2,1,1,1]`;
  assert.deepEqual(evaluate(node(false), 1, images), [[[[0]]], [[[1]]]]);
  assert.deepEqual(evaluate(node(true), 1, images), [[[[0]]], [[[3]]]]);
});

test("dilation leaves out what is beyond the edge", () => {
  const node =
    'tf.Dilation2D(a:0, b:0) {strides: [1, 1, 1, 1], rates: [1, 1, 1, 1], padding: "SAME"} : float32[1,1,2,1]';
  assert.deepEqual(evaluate(node, 0, "float32[1,1,2,1] <-5, -7>", "float32[1,3,1] <1, 0, 2>"), [[[[-5], [-4]]]]);
});

test("bicubic: Keys' kernel drops the edge with half pixels, the older one repeats it", () => {
  const half = resizeMethods.ResizeBicubic!(4, 8, {alignCorners: false, halfPixelCenters: true});
  assert.ok(Math.abs(half[0]!.weights.reduce((a, b) => a + b, 0) - 1) < 1e-12);
  assert.equal(half[0]!.weights[0], 0);
  const old = resizeMethods.ResizeBicubic!(4, 8, {alignCorners: false, halfPixelCenters: false});
  assert.deepEqual(old[1], {at: [0, 0, 1, 2], weights: [-0.09375, 0.59375, 0.59375, -0.09375]});
});

test("nearest with aligned corners rounds halves up", () => {
  const places = resizeMethods.ResizeNearestNeighbor!(4, 7, {alignCorners: true, halfPixelCenters: false});
  assert.deepEqual(
    places.map(({at}) => at[0]),
    [0, 1, 1, 2, 2, 3, 3],
  );
});

test("ranges hold 0 exactly", () => {
  assert.deepEqual(nudge(0, 0, 8, false), undefined);
  assert.deepEqual(nudge(0.5, 2.55, 8, false)!.min, 0);
  const range = nudge(-1, 1, 8, false)!;
  assert.equal(Math.fround(range.zero * range.scale), -range.min);
  const site = {name: "q", op: "tf.QuantizeV2", attributes: {}, inputs: [], constants: []};
  assert.deepEqual(ensuredRange(site, 0.1, 0.101), [0, 0.101]);
  assert.deepEqual(ensuredRange(site, 0, 0), [0, Math.fround(0.01)]);
  assert.equal(scaleRange(-1, 3, {first: -128, last: 127}).max, 3);
});

test("suppression: a box that equals the threshold stays; the padding is 0", () => {
  const boxes = "float32[3,4] <0, 0, 1, 1, 0, 0, 1, 0.5, 1, 1, 0, 0.1>";
  const node = "tf.NonMaxSuppressionV4(a:0, b:0, c:0, d:0, e:0) {pad_to_max_output_size: true} : int32[4]; int32[]";
  const operands = ["float32[3] <0.9, 0.8, 0.7>", "int32[] <4>", "float32[] <0.5>", "float32[] <0.1>"];
  assert.deepEqual(evaluate(node, 0, boxes, ...operands), [0, 1, 0, 0]);
  assert.deepEqual(evaluate(node, 1, boxes, ...operands), 2);
});

test("a window of absurd size is left to the run time, not computed", () => {
  const node =
    'tf.MaxPool(a:0) {ksize: [1, 100000, 100000, 1], strides: [1, 1, 1, 1], padding: "SAME", data_format: "NHWC"} : float32[1,2,2,1]';
  assert.equal(evaluate(node, 0, "float32[1,2,2,1] <1, 2, 3, 4>"), undefined);
});
