/** Keras files: networks of the corpus give what their frozen graphs give, layers of the fixtures what Keras gives. */
import assert from "node:assert/strict";
import {existsSync, readdirSync, readFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {convertKeras, type SignatureTensor} from "@tf-trusted/convert";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import {readNpz, type Tensor} from "@tf-trusted/tensor";
import {
  type Case,
  casesOf,
  type Goldens,
  judgeModel,
  models,
  type Outcome,
  readGoldens,
  readModelFile,
  skipReason,
} from "./corpus.ts";

async function judgeKeras(engine: Engine, each: Case, file: string): Promise<Outcome> {
  const goldens = await readGoldens({...each, io: `${each.id}/io.npz`});
  const converted = convertKeras(readModelFile(`${each.id}/${file}`), {verify: true});
  // The goldens have the frozen graph's names; Keras has others, in the same order.
  const renamed = (tensors: Goldens["inputs"], ports: readonly SignatureTensor[]): Goldens["inputs"] =>
    new Map(
      [...tensors].map(([name, tensor], i) => [
        ports.some((port) => port.name === name) ? name : ports[i]!.name,
        tensor,
      ]),
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
  const real: Case = {
    id: "real/fer",
    kind: "real",
    file: "",
    io: "",
    inputs: [],
    outputs: [],
    tol: {abs: 1e-5, rel: 1e-4},
  };
  const outcome = await judgeKeras(engine, real, "model.h5").finally(() => engine.close());
  assert.deepEqual(outcome, {kind: "right"});
});

const fixtures = join(dirname(fileURLToPath(import.meta.url)), "../../../fixtures/keras");

// float32 sums in another order; the outputs are of the order of 1.
const tol = {abs: 2e-5, rel: 1e-5};

test("layers of Keras, by family", async (t) => {
  const engine = await createWasmEngine();
  const files = readdirSync(fixtures).filter((name) => /\.(keras|h5)$/.test(name));
  let outputs = 0;
  for (const file of files) {
    const arrays = await readNpz(readFileSync(join(fixtures, file.replace(/\.\w+$/, ".npz"))));
    const named = (prefix: string): ReadonlyMap<string, Tensor> =>
      new Map(
        [...arrays].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
      );
    const goldens: Goldens = {inputs: named("in:"), outputs: named("out:")};
    const converted = convertKeras(readFileSync(join(fixtures, file)), {verify: true});
    assert.deepEqual(await judgeModel(engine, {tol}, goldens, () => converted), {kind: "right"}, file);
    outputs += goldens.outputs.size;
  }
  await engine.close();
  t.diagnostic(`${files.length} files, ${outputs} outputs right`);
  assert.ok(files.length >= 25);
});
