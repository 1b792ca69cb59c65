/** One net, written in several formats, gives the same numbers, whatever its goldens are. */
import assert from "node:assert/strict";
import {existsSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {compareOutputs, convertModel, type ModelSource} from "@tf-trusted/convert";
import {openFolder} from "@tf-trusted/convert/node";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import type {Tensor} from "@tf-trusted/tensor";
import {casesOf, models, readGoldens, skipReason} from "./corpus.ts";

const formats = ["saved_model", "model.keras", "model.h5", "model.pb"] as const;

/** The same sums in another order, as a part of the largest value. */
const tolerance = 2e-6;

const sourceAt = async (path: string): Promise<ModelSource> =>
  path.endsWith("saved_model") ? openFolder(path) : new Uint8Array(readFileSync(path));

/** Outputs in the signature's order: their names differ between formats. */
async function outputsOf(
  engine: Engine,
  source: ModelSource,
  given: readonly (readonly [string, Tensor])[],
  wanted: readonly string[],
): Promise<readonly Tensor[]> {
  const {model, signature} = await convertModel(source, wanted.length > 0 ? {outputs: wanted} : {});
  const loaded = await engine.load(model);
  try {
    const inputs = signature.inputs.map(({name}, i) => {
      const named = given.find(([key]) => key === name);
      return [name, (named ?? given[i]!)[1]] as const;
    });
    const {outputs} = await loaded.run(signature.name, Object.fromEntries(inputs), {deadlineMs: 60_000});
    return signature.outputs.map(({name}) => outputs[name]!);
  } finally {
    await loaded.close();
  }
}

test("SavedModel, .keras, .h5 and frozen graph of a net agree with each other", {
  skip: models ? false : skipReason,
}, async (t) => {
  const engine = await createWasmEngine();
  const far: string[] = [];
  let [nets, pairs, largest] = [0, 0, 0];
  try {
    for (const {id} of casesOf("nets")) {
      const there = formats.filter((format) => existsSync(join(models!, id, format)));
      if (there.length < 2) continue;
      nets++;
      const goldens = await readGoldens({io: `${id}/io.npz`, inputs: [], outputs: []});
      const results: (readonly [string, readonly Tensor[]])[] = [];
      for (const format of there) {
        // A frozen graph doesn't say which of its ends are outputs.
        const wanted = format === "model.pb" ? [...goldens.outputs.keys()] : [];
        const source = await sourceAt(join(models!, id, format));
        results.push([format, await outputsOf(engine, source, [...goldens.inputs], wanted)]);
      }
      for (const [i, [format, outputs]] of results.entries()) {
        for (const [other, others] of results.slice(0, i)) {
          pairs++;
          const named = (tensors: readonly Tensor[]) => tensors.map((tensor, at) => [String(at), tensor] as const);
          assert.equal(outputs.length, others.length, `${id}: outputs of ${format} and ${other}`);
          const differences = compareOutputs(new Map(named(others)), Object.fromEntries(named(outputs)));
          const worst = Math.max(...differences.map(({relative}) => relative));
          largest = Math.max(largest, worst);
          if (!(worst <= tolerance)) far.push(`${id}: ${format} and ${other} differ by ${worst}`);
        }
      }
    }
  } finally {
    await engine.close();
  }
  t.diagnostic(
    `${nets} nets in several formats, ${pairs} pairs, at most ${largest.toExponential(1)} of the largest value apart`,
  );
  assert.deepEqual(far, []);
  assert.ok(nets >= 20 && pairs >= 60);
});
