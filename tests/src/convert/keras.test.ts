/** Networks of the corpus as Keras files: `.keras` and `.h5` give what the frozen graph gives. */
import assert from "node:assert/strict";
import {existsSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {convertKeras, type SignatureTensor} from "@tf-trusted/convert";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import {type Case, casesOf, type Goldens, judgeModel, models, type Outcome, readGoldens, readModelFile, skipReason} from "./corpus.ts";

async function judgeKeras(engine: Engine, each: Case, file: string): Promise<Outcome> {
  const goldens = await readGoldens({...each, io: `${each.id}/io.npz`});
  const converted = convertKeras(readModelFile(`${each.id}/${file}`), {verify: true});
  // The goldens have the frozen graph's names; Keras has others, in the same order.
  const renamed = (tensors: Goldens["inputs"], ports: readonly SignatureTensor[]): Goldens["inputs"] =>
    new Map(
      [...tensors].map(([name, tensor], i) => [ports.some((port) => port.name === name) ? name : ports[i]!.name, tensor]),
    );
  const {inputs, outputs} = converted.signature;
  const named = {inputs: renamed(goldens.inputs, inputs), outputs: renamed(goldens.outputs, outputs)};
  return judgeModel(engine, each, named, () => converted);
}

for (const file of ["model.keras", "model.h5"]) {
  test(`networks as ${file}`, {skip: models ? false : skipReason}, async (t) => {
    const engine = await createWasmEngine();
    const cases = casesOf("nets").filter(({id}) => existsSync(join(models!, id, file)));
    const outcomes = new Map<string, Outcome>();
    for (const each of cases) outcomes.set(each.id, await judgeKeras(engine, each, file));
    await engine.close();
    const other = [...outcomes].filter(([, outcome]) => outcome.kind !== "right");
    t.diagnostic(`networks as ${file}: ${outcomes.size - other.length} of ${outcomes.size} right`);
    assert.deepEqual(other, []);
  });
}

test("a real model of Keras 2.0.5 in HDF5", {skip: models ? false : skipReason}, async () => {
  const engine = await createWasmEngine();
  const real: Case = {id: "real/fer", kind: "real", file: "", io: "", inputs: [], outputs: [], tol: {abs: 1e-5, rel: 1e-4}};
  const outcome = await judgeKeras(engine, real, "model.h5").finally(() => engine.close());
  assert.deepEqual(outcome, {kind: "right"});
});
