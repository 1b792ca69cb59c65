/** The reference evaluator, through constant folding: values that TensorFlow gives. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {constantOf} from "../ir/graph.ts";
import {parseGraph} from "../ir/text.ts";
import {fold} from "./fold.ts";
import {runPass} from "./pass.ts";

/** The elements of the one output of an operator over constants. */
function evaluate(node: string, ...constants: readonly string[]): unknown {
  const names = ["a", "b", "c", "d"];
  const lines = constants.map(
    (value, i) => `${names[i]} = const() {value: ${value}} : ${value.replace(/ [<#].*/, "")}`,
  );
  const graph = runPass(fold, parseGraph(`graph\noutput "y" = y:0\n${lines.join("\n")}\ny = ${node}\n`), () => {});
  const value = constantOf(graph.nodes.find((each) => `${each.name}:0` === graph.outputs[0]!.ref));
  return value?.toNested();
}

const vector = "float32[3] <-1.5, 0.5, 2.5>";

test("elementwise, with signs and ties", () => {
  assert.deepEqual(evaluate("tf.Round(a:0) : float32[3]", vector), [-2, 0, 2]);
  assert.deepEqual(evaluate("tf.FloorMod(a:0, b:0) : int32[2]", "int32[2] <-7, 7>", "int32[2] <3, -3>"), [2, -2]);
  assert.deepEqual(evaluate("tf.FloorDiv(a:0, b:0) : int32[2]", "int32[2] <-7, 7>", "int32[2] <2, -2>"), [-4, -4]);
  assert.deepEqual(evaluate("tf.TruncateDiv(a:0, b:0) : int32[1]", "int32[1] <-7>", "int32[1] <2>"), [-3]);
  assert.deepEqual(evaluate("tf.Mul(a:0, b:0) : int32[1]", "int32[1] <2147483647>", "int32[1] <2147483647>"), [1]);
  assert.deepEqual(evaluate("tf.AddV2(a:0, b:0) : uint8[1]", "uint8[1] <255>", "uint8[1] <2>"), [1]);
  assert.deepEqual(evaluate("tf.Mul(a:0, b:0) : int64[1]", "int64[1] <4611686018427387904>", "int64[1] <3>"), [
    -4611686018427387904n,
  ]);
  assert.deepEqual(evaluate("tf.DivNoNan(a:0, b:0) : float32[2]", "float32[2] <1, 6>", "float32[2] <0, 3>"), [0, 2]);
});

test("what the machine decides is left to it", () => {
  assert.equal(evaluate("tf.FloorDiv(a:0, b:0) : int32[1]", "int32[1] <1>", "int32[1] <0>"), undefined);
  assert.equal(evaluate('tf.Cast(a:0) {DstT: "int32"} : int32[1]', "float32[1] <1e10>"), undefined);
  assert.equal(evaluate("tf.GatherV2(a:0, b:0, c:0) : float32[1]", vector, "int32[1] <3>", "int32[] <0>"), undefined);
});

test("broadcasting and selection", () => {
  assert.deepEqual(evaluate("tf.Sub(a:0, b:0) : float32[2,2]", "float32[2,1] <1, 2>", "float32[2] <10, 20>"), [
    [-9, -19],
    [-8, -18],
  ]);
  assert.deepEqual(
    evaluate("tf.SelectV2(a:0, b:0, c:0) : int32[2]", "bool[2] #0100", "int32[] <1>", "int32[2] <3, 4>"),
    [1, 4],
  );
});

test("moving elements", () => {
  const matrix = "int32[2,3] <1, 2, 3, 4, 5, 6>";
  assert.deepEqual(evaluate("tf.Transpose(a:0, b:0) : int32[3,2]", matrix, "int32[2] <1, 0>"), [
    [1, 4],
    [2, 5],
    [3, 6],
  ]);
  assert.deepEqual(evaluate("tf.ConcatV2(a:0, b:0, c:0) : int32[2,6]", matrix, matrix, "int32[] <-1>"), [
    [1, 2, 3, 1, 2, 3],
    [4, 5, 6, 4, 5, 6],
  ]);
  assert.deepEqual(evaluate("tf.Slice(a:0, b:0, c:0) : int32[1,2]", matrix, "int32[2] <1, 1>", "int32[2] <1, -1>"), [
    [5, 6],
  ]);
  assert.deepEqual(
    evaluate(
      "tf.StridedSlice(a:0, b:0, c:0, d:0) {shrink_axis_mask: 1, end_mask: 2, begin_mask: 2} : int32[3]",
      matrix,
      "int32[2] <-1, 0>",
      "int32[2] <0, 0>",
      "int32[2] <1, -1>",
    ),
    [6, 5, 4],
  );
  assert.deepEqual(evaluate("tf.Tile(a:0, b:0) : int32[2,6]", matrix, "int32[2] <1, 2>"), [
    [1, 2, 3, 1, 2, 3],
    [4, 5, 6, 4, 5, 6],
  ]);
  assert.deepEqual(evaluate("tf.Pad(a:0, b:0) : int32[3,3]", matrix, "int32[2,2] <0, 1, 0, 0>"), [
    [1, 2, 3],
    [4, 5, 6],
    [0, 0, 0],
  ]);
  assert.deepEqual(evaluate("tf.ReverseV2(a:0, b:0) : int32[2,3]", matrix, "int32[1] <1>"), [
    [3, 2, 1],
    [6, 5, 4],
  ]);
  assert.deepEqual(evaluate("tf.GatherV2(a:0, b:0, c:0) : int32[2,2]", matrix, "int32[2] <2, 0>", "int32[] <1>"), [
    [3, 1],
    [6, 4],
  ]);
  assert.deepEqual(evaluate("tf.Pack(a:0, b:0) {axis: 1} : int32[1,2]", "int32[1] <1>", "int32[1] <2>"), [[1, 2]]);
});

test("reductions and products", () => {
  const matrix = "float32[2,3] <1, 2, 3, 4, 5, 6>";
  assert.deepEqual(evaluate("tf.Mean(a:0, b:0) : float32[3]", matrix, "int32[1] <0>"), [2.5, 3.5, 4.5]);
  assert.deepEqual(evaluate("tf.Max(a:0, b:0) {keep_dims: true} : float32[2,1]", matrix, "int32[1] <-1>"), [[3], [6]]);
  assert.deepEqual(evaluate("tf.Mean(a:0, b:0) : int32[]", "int32[2] <-3, -2>", "int32[1] <0>"), -2);
  assert.deepEqual(evaluate("tf.MatMul(a:0, b:0) {transpose_b: true} : float32[2,2]", matrix, matrix), [
    [14, 32],
    [32, 77],
  ]);
});

test("nothing large is made of something small", () => {
  assert.equal(evaluate("tf.Fill(a:0, b:0) : float32[1000,1000]", "int32[2] <1000, 1000>", "float32[] <1>"), undefined);
  assert.deepEqual(
    evaluate("tf.Range(a:0, b:0, c:0) : int32[3]", "int32[] <3>", "int32[] <9>", "int32[] <2>"),
    [3, 5, 7],
  );
});

test("of nothing: what is empty by its shape, and what is computed from it", () => {
  const folded = (lines: string) => {
    const graph = runPass(fold, parseGraph(`graph\ninput "x" = x:0\noutput "y" = y:0\n${lines}\n`), () => {});
    assert.deepEqual(
      graph.inputs.map(({ref}) => ref),
      ["x:0"],
    );
    const node = graph.nodes.find((each) => `${each.name}:0` === graph.outputs[0]!.ref);
    const value = constantOf(node);
    return value && [value.shape, value.values()];
  };
  const rows = "x = input() : float32[0,2]\na = const() {value: int32[1] <0>} : int32[1]";
  const reduced = (op: string, source = rows, dtype = "float32") =>
    folded(`${source}\ny = tf.${op}(x:0, a:0) : ${dtype}[2]`);
  assert.deepEqual(reduced("Sum"), [[2], [0, 0]]);
  assert.deepEqual(reduced("Prod"), [[2], [1, 1]]);
  assert.deepEqual(reduced("Mean"), [[2], [Number.NaN, Number.NaN]]);
  assert.deepEqual(reduced("Max"), [[2], [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]]);
  assert.deepEqual(reduced("Max", rows.replace("float32", "int32"), "int32"), [[2], [-(2 ** 31), -(2 ** 31)]]);
  assert.deepEqual(reduced("Min", rows.replace("float32", "int64"), "int64"), [[2], [2n ** 63n - 1n, 2n ** 63n - 1n]]);
  assert.deepEqual(
    folded(
      "x = input() : float32[2,0]\nb = const() {value: float32[0,1] #} : float32[0,1]\ny = tf.MatMul(x:0, b:0) : float32[2,1]",
    ),
    [
      [2, 1],
      [0, 0],
    ],
  );
  const sliced =
    "x = input() : float32[3]\nb = const() {value: int32[1] <2>} : int32[1]\nz = const() {value: int32[1] <0>} : int32[1]\n";
  assert.deepEqual(folded(`${sliced}s = tf.Slice(x:0, b:0, z:0) : float32[0]\ny = tf.Exp(s:0) : float32[0]`), [
    [0],
    [],
  ]);
  assert.equal(
    folded(
      "x = input() : float32[n,2]\na = const() {value: int32[1] <0>} : int32[1]\ny = tf.Sum(x:0, a:0) : float32[2]",
    ),
    undefined,
  );
});
