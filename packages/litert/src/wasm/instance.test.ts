/** What an instance promises below the engine: shapes that are compared, memory that is overwritten (specs/litert.md T1, T11). */
import assert from "node:assert/strict";
import {test} from "node:test";
import {readModel} from "@tf-trusted/tflite";
import type {FixedSignature} from "../instance.ts";
import {binaryModel, floats, reshapeModel} from "../testing/models.ts";
import {loadBlobs} from "./blobs.ts";
import {compileGlue, WasmInstance} from "./instance.ts";

test("T1: an output that comes in another shape than expected fails the call", async () => {
  const {instance, signature} = await compiled(reshapeModel("float32"), [3, 2], [2, 3]);
  await assert.rejects(instance.run(0, signature, [floats(1, 2, 3, 4, 5, 6)]), {
    code: "ENGINE_ERROR",
    message: /came as type 1 \[3, 2\], expected type 1 \[2, 3\]/,
  });
});

test("T11: inputs and outputs are overwritten after a run, the whole heap when an instance is dropped", async () => {
  const secret = Float32Array.from({length: 512}, (_, i) => 1000.5 + i);
  const {instance, signature} = await compiled(binaryModel("ADD", "float32", [512], floats(1)), [512], [512]);
  const bytes = new Uint8Array(secret.buffer);
  const found = () => {
    let count = 0;
    const needle = Buffer.from(bytes.subarray(0, 32));
    const heap = Buffer.from(instance.heap.buffer, 0, instance.heap.length);
    for (let at = heap.indexOf(needle); at !== -1; at = heap.indexOf(needle, at + 1)) count++;
    return count;
  };
  const {outputs} = await instance.run(0, signature, [bytes]);
  assert.equal(new Float32Array(outputs[0]!.buffer)[0], 1001.5);
  assert.equal(found(), 0);
  instance.wipe();
  assert.ok(instance.heap.every((byte) => byte === 0));
});

/** An instance without the front: `output` is what the caller expects, whatever the file says. */
async function compiled(file: Uint8Array, fixedOutput: readonly number[], expected: readonly number[]) {
  const blobs = await loadBlobs();
  const instance = await WasmInstance.create(compileGlue(blobs.glue), blobs.module);
  const {subgraphs} = readModel(file);
  const {tensors, inputs} = subgraphs[0]!;
  const float32 = {code: 1, bits: 32};
  const declare = (dims: readonly number[]): FixedSignature => ({
    key: undefined,
    inputs: inputs.map((at) => ({name: tensors[at]!.name, type: float32, dims: tensors[at]!.shape})),
    outputs: [{name: "y", type: float32, dims}],
  });
  await instance.compile(file, [declare(fixedOutput)]);
  return {instance, signature: declare(expected)};
}
