/** Outputs whose sizes follow from elements of inputs, and tensors of no elements. */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import type {Engine} from "./engine.ts";
import {describeEngines} from "./testing/engines.ts";
import {floats, makeModel} from "./testing/models.ts";

describeEngines((kind) => {
  let engine: Engine;
  before(async () => {
    engine = await kind.create();
  });
  after(() => engine.close());

  const fillModel = () =>
    makeModel({
      tensors: [
        {name: "n", type: "int32", shape: [2]},
        {name: "x", type: "float32", shape: []},
        {name: "y", type: "float32", shape: [-1, -1]},
      ],
      inputs: ["n", "x"],
      outputs: ["y"],
      nodes: [{op: "FILL", inputs: ["n", "x"], outputs: ["y"], options: ["FillOptions", {}]}],
    });

  const fill = (sizes: readonly number[], value: number) => ({
    n: Tensor.from(Int32Array.from(sizes), {shape: [2]}),
    x: Tensor.from(value),
  });

  test("an output as large as an input says, in any order of sizes, more of them than are kept", async () => {
    const model = await engine.load(fillModel(), {limits: {maxCompiled: 2}});
    for (const [rows, columns] of [
      [2, 3],
      [1, 4],
      [2, 3],
      [3, 1],
      [1, 4],
    ] as const) {
      const {outputs} = await model.run("serving_default", fill([rows, columns], rows));
      assert.deepEqual(outputs.y!.shape, [rows, columns]);
      assert.deepEqual(Array.from(outputs.y!.data as Float32Array), Array<number>(rows * columns).fill(rows));
    }
    await model.close();
  });

  test("sizes that can't be are refused, and the next call is right", async () => {
    const model = await engine.load(fillModel(), {limits: {maxTensorBytes: 10_000}});
    await assert.rejects(model.run("serving_default", fill([-1, 3], 1)), {code: "INVALID_INPUT"});
    await assert.rejects(model.run("serving_default", fill([100_000, 100_000], 1)), {code: "TOO_LARGE"});
    const {outputs} = await model.run("serving_default", fill([1, 2], 5));
    assert.deepEqual(outputs.y!.values(), [[5, 5]].flat());
    await model.close();
  });

  test("inputs that are no sizes are no part of what is compiled: a slice at a computed place", async () => {
    const model = await engine.load(
      makeModel({
        tensors: [
          {name: "x", type: "float32", shape: [4]},
          {name: "begin", type: "int32", shape: [1]},
          {name: "size", type: "int32", shape: [1]},
          {name: "y", type: "float32", shape: [-1]},
        ],
        inputs: ["x", "begin", "size"],
        outputs: ["y"],
        nodes: [{op: "SLICE", inputs: ["x", "begin", "size"], outputs: ["y"], options: ["SliceOptions", {}]}],
      }),
    );
    const call = async (begin: number, size: number) => {
      const place = (value: number) => Tensor.from(Int32Array.of(value), {shape: [1]});
      const x = Tensor.from(Float32Array.of(1, 2, 3, 4), {shape: [4]});
      const {outputs} = await model.run("serving_default", {x, begin: place(begin), size: place(size)});
      return Array.from(outputs.y!.data as Float32Array);
    };
    assert.deepEqual(await call(1, 2), [2, 3]);
    assert.deepEqual(await call(0, 3), [1, 2, 3]);
    assert.deepEqual(await call(1, 2), [2, 3]);
    await model.close();
  });

  test("a model over no elements gives none", async () => {
    const model = await engine.load(
      makeModel({
        tensors: [
          {name: "x", type: "float32", shape: [0, 4]},
          {name: "y", type: "float32", shape: [0, 4]},
        ],
        inputs: ["x"],
        outputs: ["y"],
        nodes: [{op: "ABS", inputs: ["x"], outputs: ["y"]}],
      }),
    );
    const {outputs} = await model.run("serving_default", {x: Tensor.from(new Float32Array(0), {shape: [0, 4]})});
    assert.deepEqual([outputs.y!.dtype, outputs.y!.shape], ["float32", [0, 4]]);
    await model.close();
  });

  test("a constant of inputs stays what it is where values are known: FILL of a constant", async () => {
    const model = await engine.load(
      makeModel({
        tensors: [
          {name: "n", type: "int32", shape: [1]},
          {name: "x", type: "float32", shape: [], data: floats(7)},
          {name: "y", type: "float32", shape: [-1]},
        ],
        inputs: ["n"],
        outputs: ["y"],
        nodes: [{op: "FILL", inputs: ["n", "x"], outputs: ["y"], options: ["FillOptions", {}]}],
      }),
    );
    for (const size of [3, 1, 3]) {
      const {outputs} = await model.run("serving_default", {n: Tensor.from(Int32Array.of(size), {shape: [1]})});
      assert.deepEqual(Array.from(outputs.y!.data as Float32Array), Array<number>(size).fill(7));
    }
    await model.close();
  });
});
