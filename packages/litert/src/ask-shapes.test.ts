/** Outputs as large as data say: each call with other data gives what that data ask for. */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import type {Engine} from "./engine.ts";
import {describeEngines} from "./testing/engines.ts";
import {makeModel} from "./testing/models.ts";

describeEngines((kind) => {
  let engine: Engine;
  before(async () => {
    engine = await kind.create();
  });
  after(() => engine.close());

  const rows = [100, 0.5, -1, 7].map((start) =>
    Float32Array.from({length: 80}, (_, at) => ((at * start) % 3 > 1 ? at : -at)),
  );

  test("the elements greater than 0, gathered: other counts in each call", async () => {
    const model = await engine.load(
      makeModel({
        tensors: [
          {name: "x", type: "float32", shape: [80]},
          {name: "zero", type: "float32", shape: [], data: new Uint8Array(4)},
          {name: "positive", type: "bool", shape: [80]},
          {name: "places", type: "int64", shape: [-1, 1]},
          {name: "y", type: "float32", shape: [-1]},
        ],
        inputs: ["x"],
        outputs: ["places", "y"],
        nodes: [
          {op: "GREATER", inputs: ["x", "zero"], outputs: ["positive"], options: ["GreaterOptions", {}]},
          {op: "WHERE", inputs: ["positive"], outputs: ["places"], options: ["WhereOptions", {}]},
          {op: "GATHER_ND", inputs: ["x", "places"], outputs: ["y"], options: ["GatherNdOptions", {}]},
        ],
      }),
    );
    const counts = new Set<number>();
    for (const row of [...rows, ...rows]) {
      const {outputs} = await model.run("serving_default", {x: Tensor.from(row, {shape: [80]})});
      const expected = Array.from(row).filter((value) => value > 0);
      counts.add(expected.length);
      assert.deepEqual(outputs.y!.shape, [expected.length]);
      assert.deepEqual(Array.from(outputs.y!.data as Float32Array), expected);
      assert.deepEqual(
        Array.from(outputs.places!.data as BigInt64Array, Number),
        expected.map((value) => row.indexOf(value)),
      );
    }
    assert.ok(counts.size > 1);
    await model.close();
  });

  test("the elements that differ, and where each stands", async () => {
    const model = await engine.load(
      makeModel({
        tensors: [
          {name: "x", type: "float32", shape: [80]},
          {name: "doubled", type: "float32", shape: [80]},
          {name: "y", type: "float32", shape: [-1]},
          {name: "at", type: "int32", shape: [80]},
        ],
        inputs: ["x"],
        outputs: ["y", "at"],
        nodes: [
          {op: "ADD", inputs: ["x", "x"], outputs: ["doubled"], options: ["AddOptions", {}]},
          {op: "UNIQUE", inputs: ["doubled"], outputs: ["y", "at"], options: ["UniqueOptions", {idxOutType: "INT32"}]},
        ],
      }),
    );
    for (const modulus of [3, 7, 80]) {
      const x = Float32Array.from({length: 80}, (_, at) => (at * 11) % modulus);
      const {outputs} = await model.run("serving_default", {x: Tensor.from(x, {shape: [80]})});
      const expected = [...new Set(Array.from(x, (value) => 2 * value))];
      assert.deepEqual(Array.from(outputs.y!.data as Float32Array), expected);
      assert.deepEqual(
        Array.from(outputs.at!.data as Int32Array),
        Array.from(x, (value) => expected.indexOf(2 * value)),
      );
    }
    await model.close();
  });
});
