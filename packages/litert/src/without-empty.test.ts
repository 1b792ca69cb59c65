/** Tensors without elements at a model's interface: left out of the file, answered, or refused. */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import type {Engine} from "./engine.ts";
import {floats, type GraphSketch, ints, makeModel} from "./testing/models.ts";
import {createWasmEngine} from "./wasm/engine.ts";

let engine: Engine;
before(async () => {
  engine = await createWasmEngine();
});
after(() => engine.close());

const none = new Tensor("float32", [0, 3], new Uint8Array(0));
const two = Tensor.from([-1, 2]);

async function run(graph: GraphSketch, inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, unknown>> {
  const model = await engine.load(makeModel(graph));
  try {
    await model.run("serving_default", inputs);
    const {outputs} = await model.run("serving_default", inputs);
    return Object.fromEntries(
      Object.entries(outputs).map(([name, value]) => [name, {shape: value.shape, values: value.values()}]),
    );
  } finally {
    await model.close();
  }
}

test("an empty input that nothing reads, beside one that is read", async () => {
  const graph: GraphSketch = {
    tensors: [
      {name: "e", type: "float32", shape: [0, 3]},
      {name: "x", type: "float32", shape: [2]},
      {name: "y", type: "float32", shape: [2]},
    ],
    inputs: ["e", "x"],
    outputs: ["y"],
    nodes: [{op: "ABS", inputs: ["x"], outputs: ["y"]}],
  };
  assert.deepEqual(await run(graph, {e: none, x: two}), {y: {shape: [2], values: [1, 2]}});
});

test("only an empty input, and a constant as the output", async () => {
  const graph: GraphSketch = {
    tensors: [
      {name: "e", type: "float32", shape: [0, 3]},
      {name: "c", type: "float32", shape: [3], data: floats(0, 1, 2)},
    ],
    inputs: ["e"],
    outputs: ["c"],
    nodes: [],
  };
  assert.deepEqual(await run(graph, {e: none}), {c: {shape: [3], values: [0, 1, 2]}});
});

test("an empty output beside one that has elements, and the shape of an empty input", async () => {
  const graph: GraphSketch = {
    tensors: [
      {name: "x", type: "float32", shape: [2]},
      {name: "e", type: "float32", shape: [0, 3]},
      {name: "none", type: "float32", shape: [0, 3]},
      {name: "shape", type: "int32", shape: [2]},
      {name: "y", type: "float32", shape: [2]},
    ],
    inputs: ["e", "x"],
    outputs: ["none", "y", "shape"],
    nodes: [
      {op: "ABS", inputs: ["e"], outputs: ["none"]},
      {op: "ABS", inputs: ["x"], outputs: ["y"]},
      {op: "SHAPE", inputs: ["e"], outputs: ["shape"], options: ["ShapeOptions", {outType: "INT32"}]},
    ],
  };
  assert.deepEqual(await run(graph, {e: none, x: two}), {
    none: {shape: [0, 3], values: []},
    y: {shape: [2], values: [1, 2]},
    shape: {shape: [2], values: [0, 3]},
  });
});

test("numbers computed from an empty input are refused by its name", async () => {
  const graph: GraphSketch = {
    tensors: [
      {name: "e", type: "float32", shape: [0, 3]},
      {name: "axis", type: "int32", shape: [1], data: ints(0)},
      {name: "y", type: "float32", shape: [3]},
    ],
    inputs: ["e"],
    outputs: ["y"],
    nodes: [{op: "REDUCE_MAX", inputs: ["e", "axis"], outputs: ["y"], options: ["ReducerOptions", {keepDims: false}]}],
  };
  await assert.rejects(run(graph, {e: none}), {code: "UNSUPPORTED_OP", message: /"e" is \[0, 3\]/});
});
