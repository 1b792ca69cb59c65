/** Models of unknown batch size at three sizes: each row of the result is what TensorFlow gives for that row. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {convert} from "@tf-trusted/convert";
import {createWasmEngine} from "@tf-trusted/litert";
import type {Tensor} from "@tf-trusted/tensor";
import {claimedShapes, readModel} from "@tf-trusted/tflite";
import {
  batchOf,
  type Case,
  casesOf,
  compare,
  hasOpenBatch,
  models,
  readGoldens,
  readModelFile,
  skipReason,
} from "./corpus.ts";

const batches = [1, 2, 5];

test("networks at several batch sizes", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  const silent = new Set<string>();
  try {
    const cases = casesOf("nets").filter(hasOpenBatch);
    assert.ok(cases.length > 0);
    const wrong: string[] = [];
    for (const each of cases) {
      const problem = await judgeBatches(each);
      t.diagnostic(`${each.id}: ${problem ?? `right at ${batches.join(", ")}`}`);
      if (problem !== undefined) wrong.push(each.id);
    }
    t.diagnostic(`open batches: ${cases.length - wrong.length} of ${cases.length} networks right at every size`);
    t.diagnostic(`formulas of output shapes: ${cases.length - silent.size} of ${cases.length} networks have them all`);
    assert.ok(silent.size <= 1, `${[...silent]} have outputs without a formula`);
    assert.deepEqual(wrong, []);
  } finally {
    await engine.close();
  }

  /** What is wrong, if anything is. */
  async function judgeBatches(testCase: Case): Promise<string | undefined> {
    const goldens = await readGoldens(testCase);
    const {model, signature} = convert(readModelFile(testCase.file), {outputs: [...goldens.outputs.keys()]});
    const file = readModel(model);
    const loaded = await engine.load(model);
    try {
      for (const batch of batches) {
        const resize = (tensors: ReadonlyMap<string, Tensor>) =>
          new Map([...tensors].map(([name, tensor]) => [name, batchOf(tensor, batch)]));
        const inputs = Object.fromEntries(resize(goldens.inputs));
        const {outputs} = await loaded.run(signature.name, inputs, {deadlineMs: 60_000});
        const outcome = compare(testCase, resize(goldens.outputs), outputs);
        if (outcome.kind !== "right") return `batch ${batch}: ${outcome.reason}`;
        const shapes = loaded.signatures[0]!.inputs.map(({name}) => inputs[name]!.shape);
        const claimed = claimedShapes(file, signature.name, shapes);
        for (const [at, {name}] of loaded.signatures[0]!.outputs.entries()) {
          const [claim, found] = [claimed[at], outputs[name]!.shape];
          // Where the sizes of two inputs meet, no formula says which counts; the engine infers it.
          if (claim === undefined) silent.add(testCase.id);
          else if (claim.join() !== found.join())
            return `batch ${batch}: "${name}" is claimed as [${claim}], is [${found}]`;
        }
      }
      return undefined;
    } finally {
      await loaded.close();
    }
  }
});
