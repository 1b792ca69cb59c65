/** Lowerings by family: which operators a node becomes, what is refused, and that the tables fit together. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {parseGraph} from "../ir/text.ts";
import {verifyGraph} from "../ir/verify.ts";
import {tfTable} from "../ops/tf/index.ts";
import {tflOperators} from "../ops/tfl/index.ts";
import {isLowerable, lowerGraph, lowerings} from "./index.ts";

/** A graph of one operator over inputs of these types. */
function lowerOne(node: string, ...inputs: readonly string[]) {
  const names = ["a", "b", "c", "d"].slice(0, inputs.length);
  const lines = [
    "graph",
    ...names.map((name) => `input "${name}" = ${name}:0`),
    'output "y" = y:0',
    ...names.map((name, i) =>
      inputs[i]!.includes("<")
        ? `${name} = const() {value: ${inputs[i]}} : ${inputs[i]!.replace(/ <.*/, "")}`
        : `${name} = input() : ${inputs[i]}`,
    ),
    `y = ${node}`,
  ];
  const lowered = lowerGraph(parseGraph(`${lines.join("\n")}\n`));
  verifyGraph(lowered.graph, "lower");
  const operators = lowered.graph.nodes.filter((each) => each.op.startsWith("tfl.")).map((each) => each.op.slice(4));
  return {...lowered, operators};
}

const families: readonly (readonly [family: string, node: string, inputs: readonly string[], operators: string])[] = [
  ["elementwise", "tf.AddV2(a:0, b:0) : float32[2,3]", ["float32[2,3]", "float32[3]"], "ADD"],
  ["elementwise", "tf.Mul(a:0, b:0) : int8[2]", ["int8[2]", "int8[2]"], "CAST CAST MUL CAST"],
  ["elementwise", "tf.Less(a:0, b:0) : bool[2]", ["uint8[2]", "uint8[2]"], "CAST CAST LESS"],
  ["elementwise", "tf.Square(a:0) : int32[2]", ["int32[2]"], "MUL"],
  ["elementwise", "tf.FloorDiv(a:0, b:0) : int64[2]", ["int64[2]", "int64[2]"], "CAST CAST FLOOR_DIV CAST"],
  ["elementwise", "tf.Abs(a:0) : int64[2]", ["int64[2]"], "NEG MAXIMUM"],
  ["elementwise", 'tf.Cast(a:0) {DstT: "uint8", Truncate: false} : uint8[2]', ["float32[2]"], "CAST CAST"],
  [
    "elementwise",
    "tf.Select(a:0, b:0, c:0) : float32[2,3]",
    ["bool[2]", "float32[2,3]", "float32[2,3]"],
    "RESHAPE SELECT_V2",
  ],
  ["arrays", "tf.Reshape(a:0, b:0) : float32[x,6]", ["float32[x,2,3]", "int32[2] <-1, 6>"], "RESHAPE"],
  ["arrays", "tf.ExpandDims(a:0, b:0) : float32[x,1,3]", ["float32[x,3]", "int32[] <1>"], "RESHAPE"],
  ["arrays", "tf.ExpandDims(a:0, b:0) : float32[p,1,q]", ["float32[p,q]", "int32[] <1>"], "EXPAND_DIMS"],
  ["arrays", "tf.Transpose(a:0, b:0) : float32[3,1,2]", ["float32[1,2,3]", "int32[3] <2, 0, 1>"], "TRANSPOSE"],
  ["arrays", "tf.Transpose(a:0, b:0) : float32[2,1,3]", ["float32[1,2,3]", "int32[3] <1, 0, 2>"], "RESHAPE"],
  [
    "arrays",
    "tf.Pad(a:0, b:0) : float32[3,2,2,2,2,4]",
    ["float32[3,2,2,2,2,2]", "int32[6,2] <0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1>"],
    "RESHAPE PAD RESHAPE",
  ],
  ["arrays", "tf.ReverseV2(a:0, b:0) : float32[2,3,4]", ["float32[2,3,4]", "int32[2] <0, 2>"], "REVERSE_V2 REVERSE_V2"],
  [
    "neural",
    'tf.Conv2D(a:0, b:0) {data_format: "NHWC", padding: "SAME", strides: [1, 1, 1, 1]} : float32[1,4,4,1]',
    ["float32[1,4,4,1]", "float32[1,1,1,1] <2>"],
    "CONV_2D",
  ],
  [
    "neural",
    'tf.Conv2D(a:0, b:0) {data_format: "NHWC", padding: "SAME", strides: [1, 1, 1, 1]} : float32[1,4,4,3]',
    ["float32[1,4,4,2]", "float32[1,1,2,3]"],
    "TRANSPOSE CONV_2D",
  ],
  ["neural", "tf.MatMul(a:0, b:0) : float32[x,1]", ["float32[x,2]", "float32[2,1] <1, 2>"], "FULLY_CONNECTED"],
  [
    "neural",
    "tf.MatMul(a:0, b:0) {transpose_b: true} : float32[2,4]",
    ["float32[2,3]", "float32[4,3]"],
    "BATCH_MATMUL",
  ],
  ["neural", "tf.MatMul(a:0, b:0) : int32[2,4]", ["int32[2,3]", "int32[3,4]"], "RESHAPE RESHAPE MUL SUM"],
  [
    "neural",
    'tf.Einsum(a:0, b:0) {equation: "bij,bjk->bik"} : float32[2,3,5]',
    ["float32[2,3,4]", "float32[2,4,5]"],
    "BATCH_MATMUL",
  ],
  ["reduce", "tf.Mean(a:0, b:0) : float32[2]", ["float32[2,3]", "int32[1] <-1>"], "MEAN"],
  ["reduce", 'tf.ArgMax(a:0, b:0) {output_type: "int64"} : int64[2]', ["float32[2,3]", "int32[] <1>"], "ARG_MAX"],
  ["selection", "tf.LeftShift(a:0, b:0) : int32[2]", ["int32[2]", "int32[2]"], "POW MUL"],
  ["selection", "tf.Where(a:0) : int64[?,2]", ["bool[2,3]"], "WHERE"],
  ["selection", "tf.Where(a:0) : int64[?,2]", ["uint8[2,3]"], "CAST WHERE"],
  ["selection", 'tf.Unique(a:0) {out_idx: "int64"} : int32[?]; int64[9]', ["int32[9]"], "UNIQUE CAST"],
];

for (const [family, node, inputs, operators] of families) {
  test(`${family}: ${node.split(" :")[0]} of ${inputs.join(", ")}`, () => {
    const result = lowerOne(node, ...inputs);
    assert.deepEqual(result.unsupported, []);
    assert.equal(result.operators.join(" "), operators);
  });
}

test("what kernels would get wrong is refused, with the reason", () => {
  const refused = (node: string, ...inputs: readonly string[]) => lowerOne(node, ...inputs).unsupported[0]?.reason;
  assert.match(refused("tf.Sqrt(a:0) : int16[2]", "int16[2]")!, /no SQRT for int16/);
  assert.match(refused("tf.AddV2(a:0, b:0) : uint64[2]", "uint64[2]", "uint64[2]")!, /no ADD for uint64/);
  assert.match(refused("tf.Sum(a:0, b:0) : float32*", "float32[2,3]", "int32[1]")!, /axes are computed/);
  assert.match(refused("tf.Pad(a:0, b:0) : float32[1]", "float32[2]", "int32[1,2] <0, -1>")!, /negative/);
  assert.match(refused("tf.Max(a:0, b:0) : float32[2]", "float32[2,0]", "int32[1] <1>")!, /of nothing/);
  assert.match(
    refused("tf.Select(a:0, b:0, c:0) {branches: true} : float32[3]", "bool[]", "float32[3]", "float32[1]")!,
    /different shapes/,
  );
});

test("int64 that is computed in int32 is noted", () => {
  assert.match(
    lowerOne("tf.FloorDiv(a:0, b:0) : int64[2]", "int64[2]", "int64[2]").notes[0]!,
    /int64 is computed in int32/,
  );
});

test("every lowered operator has a row that infers its types", () => {
  // Runs of operators that a pass replaces before they could be imported are none.
  const missing = Object.keys(lowerings).filter((name) => !tfTable.has(`tf.${name}`));
  assert.deepEqual(missing, []);
  assert.ok(isLowerable("Conv2D") && !isLowerable("toString"));
});

test("rows of the tfl dialect are unique", () => {
  assert.equal(new Set(tflOperators.map((row) => row.name)).size, tflOperators.length);
});
