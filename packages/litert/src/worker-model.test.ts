/** What a worker keeps of a model, in this thread: compiled shapes, their end, and what a failure costs. */
import assert from "node:assert/strict";
import {before, test} from "node:test";
import type {InstanceMaker} from "./instance.ts";
import {defaultLimits} from "./limits.ts";
import {LitertError} from "./litert-error.ts";
import {binaryModel, countingModel, denseModel, floats, gatherModel, ints, makeModel} from "./testing/models.ts";
import {loadBlobs} from "./wasm/blobs.ts";
import {compileGlue, wasmInstances} from "./wasm/instance.ts";
import {WorkerModel} from "./worker-model.ts";

let instances: InstanceMaker;
before(async () => {
  const {glue, module} = await loadBlobs();
  instances = wasmInstances(compileGlue(glue), module);
});
const open = (file: Uint8Array, limits = defaultLimits) => new WorkerModel(file, "wasm", instances, limits);

test("compiled shapes are kept up to the limit, the least recently used go first", async () => {
  const model = open(denseModel(2, 1), {...defaultLimits, maxCompiled: 2});
  const run = (batch: number) => model.run(0, [[batch, 2]], [new Uint8Array(8 * batch)]);
  const counts: number[] = [];
  for (const batch of [1, 2, 1, 3]) {
    await run(batch);
    counts.push(model.compiledCount);
  }
  assert.deepEqual(counts, [1, 2, 2, 2]);
  // 2 went when 3 came, because 1 had been used since.
  assert.deepEqual(model.compiledShapes(0), [[[1, 2]], [[3, 2]]]);
  model.wipe();
  assert.equal(model.compiledCount, 0);
});

test("a failed run drops its instance and leaves those of other shapes", async () => {
  const model = open(
    makeModel({
      tensors: [
        {name: "table", type: "float32", shape: [4], data: floats(10, 11, 12, 13)},
        {name: "i", type: "int32", shape: [-1]},
        {name: "y", type: "float32", shape: [-1]},
      ],
      inputs: ["i"],
      outputs: ["y"],
      nodes: [
        {op: "GATHER", inputs: ["table", "i"], outputs: ["y"], options: ["GatherOptions", {axis: 0, batchDims: 0}]},
      ],
    }),
  );
  await model.run(0, [[1]], [ints(1)]);
  await assert.rejects(model.run(0, [[2]], [ints(1, 77)]), {code: "ENGINE_ERROR"});
  assert.deepEqual(model.compiledShapes(0), [[[1]]]);
  const {outputs} = await model.run(0, [[2]], [ints(3, 1)]);
  assert.deepEqual(outputs[0]!.bytes, floats(13, 11));
});

test("an instance with tensors that are sized during the run is used once", async () => {
  const model = open(
    makeModel({
      tensors: [
        {name: "x", type: "float32", shape: [4]},
        {name: "begin", type: "int32", shape: [1]},
        {name: "size", type: "int32", shape: [1], data: ints(2)},
        {name: "y", type: "float32", shape: [2]},
      ],
      inputs: ["x", "begin"],
      outputs: ["y"],
      nodes: [{op: "SLICE", inputs: ["x", "begin", "size"], outputs: ["y"], options: ["SliceOptions", {}]}],
    }),
  );
  for (const begin of [0, 2, 1]) {
    const {outputs} = await model.run(0, [[4], [1]], [floats(0, 10, 20, 30), ints(begin)]);
    assert.deepEqual(outputs[0]!.bytes, floats(10 * begin, 10 * begin + 10));
    assert.equal(model.compiledCount, 0);
    // Both ways to the next run: prepared ahead, and not.
    if (begin === 2) await model.renew();
  }
  await model.renew();
  assert.equal(model.compiledCount, 1);
});

test("inputs are overwritten after the run, right or wrong", async () => {
  const model = open(gatherModel());
  for (const index of [1, 99]) {
    const input = ints(index, index);
    await model.run(0, [[2]], [input]).catch((error: unknown) => assert.ok(error instanceof LitertError));
    assert.deepEqual(input, new Uint8Array(8));
  }
});

test("warming up leaves compiled what has fixed shapes, and passes over what fails on zeros only", async () => {
  const fixed = open(countingModel(0.5));
  await fixed.prepare();
  await fixed.warmUp();
  assert.equal(fixed.compiledCount, 1);
  const dividing = open(binaryModel("DIV", "int32", [1]));
  await dividing.prepare();
  await dividing.warmUp();
  const {outputs} = await dividing.run(0, [[1], [1]], [ints(9), ints(2)]);
  assert.deepEqual(outputs[0]!.bytes, ints(4));
});

test("output shapes that no rule gives are found by a probe, whose values aren't used", async () => {
  const model = open(
    makeModel({
      tensors: [
        {name: "x", type: "float32", shape: [-1, 3]},
        {name: "i", type: "int32", shape: [2, 1], data: ints(1, 0)},
        {name: "y", type: "float32", shape: [2, -1]},
      ],
      inputs: ["x"],
      outputs: ["y"],
      nodes: [
        {
          op: "STABLEHLO_GATHER",
          inputs: ["x", "i"],
          outputs: ["y"],
          options: [
            "StablehloGatherOptions",
            {
              offsetDims: [1n],
              collapsedSliceDims: [0n],
              startIndexMap: [0n],
              indexVectorDim: 1n,
              sliceSizes: [1n, 3n],
              indicesAreSorted: false,
            },
          ],
        },
      ],
    }),
  );
  for (const rows of [2, 5]) {
    const values = Array.from({length: 3 * rows}, (_, at) => at);
    const {outputs} = await model.run(0, [[rows, 3]], [floats(...values)]);
    assert.deepEqual(outputs, [{shape: [2, 3], bytes: floats(3, 4, 5, 0, 1, 2)}]);
  }
});
