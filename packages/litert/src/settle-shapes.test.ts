/** Computed shape operands become constants; what can't be settled is told. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {inferShapes, type TfliteModel} from "@tf-trusted/tflite";
import {settleShapes} from "./settle-shapes.ts";
import {ints, makeModelValue, type TensorSketch} from "./testing/models.ts";

/** `y = reshape(x, shape(t))`: x [2, 6], t [3, 4]. */
function computedReshape(operand: TensorSketch["type"]): TfliteModel {
  return makeModelValue({
    tensors: [
      {name: "x", type: "float32", shape: [-1, 6]},
      {name: "t", type: "float32", shape: [3, -1]},
      {name: "s", type: operand, shape: [2]},
      {name: "y", type: "float32", shape: [-1, -1]},
    ],
    inputs: ["x", "t"],
    outputs: ["y"],
    nodes: [
      {op: "SHAPE", inputs: ["t"], outputs: ["s"], options: ["ShapeOptions", {outType: operand.toUpperCase()}]},
      {op: "RESHAPE", inputs: ["x", "s"], outputs: ["y"]},
    ],
  });
}

test("a RESHAPE fed by SHAPE takes a constant, and open dimensions are written down", () => {
  const model = computedReshape("int32");
  const {model: settled, settled: all} = settleShapes(
    model,
    0,
    inferShapes(model, 0, [
      [2, 6],
      [3, 4],
    ]),
  );
  assert.equal(all, true);
  const graph = settled.subgraphs[0]!;
  const operand = graph.tensors[graph.operators[1]!.inputs[1]!]!;
  assert.deepEqual(settled.buffers[operand.buffer], ints(3, 4));
  assert.deepEqual(graph.tensors[3], {name: "y", type: "float32", shape: [3, 4], buffer: 0});
  assert.deepEqual(model, computedReshape("int32"), "the model given is left as it was");
});

test("an operand that is an input of the graph can't be settled", () => {
  const model = makeModelValue({
    tensors: [
      {name: "x", type: "float32", shape: [2, 6]},
      {name: "begin", type: "int32", shape: [2]},
      {name: "size", type: "int32", shape: [2], data: ints(1, 3)},
      {name: "y", type: "float32", shape: [1, 3]},
    ],
    inputs: ["x", "begin"],
    outputs: ["y"],
    nodes: [{op: "SLICE", inputs: ["x", "begin", "size"], outputs: ["y"], options: ["SliceOptions", {}]}],
  });
  const {settled} = settleShapes(model, 0, inferShapes(model, 0, [[2, 6], [2]]));
  assert.equal(settled, false);
});

test("constants stay what they are", () => {
  const model = makeModelValue({
    tensors: [
      {name: "x", type: "float32", shape: [2, 6]},
      {name: "s", type: "int32", shape: [2], data: ints(-1, 3)},
      {name: "y", type: "float32", shape: [4, 3]},
    ],
    inputs: ["x"],
    outputs: ["y"],
    nodes: [{op: "RESHAPE", inputs: ["x", "s"], outputs: ["y"]}],
  });
  const {model: settled, settled: all} = settleShapes(model, 0, inferShapes(model, 0, [[2, 6]]));
  assert.equal(all, true);
  assert.deepEqual(settled, model);
});
