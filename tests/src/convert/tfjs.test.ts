/** Real models as TensorFlow.js folders: within 1e-4 of the largest value of their goldens. */
import assert from "node:assert/strict";
import {existsSync, readdirSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {compareOutputs, convertTfjs} from "@tf-trusted/convert";
import {openFolder} from "@tf-trusted/convert/node";
import {createWasmEngine} from "@tf-trusted/litert";
import {models, readGoldens, skipReason} from "./corpus.ts";

/** Of an output's largest value. */
const tolerance = 1e-4;

test("TensorFlow.js graph models and layers models", {skip: models ? false : skipReason}, async (t) => {
  const folder = join(models!, "real");
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, "model.json")));
  const engine = await createWasmEngine();
  const far: string[] = [];
  let count = 0;
  try {
    for (const name of names) {
      const files = await openFolder(join(folder, name));
      count++;
      const goldens = await readGoldens({io: `real/${name}/io.npz`, inputs: [], outputs: []});
      const {model, signature} = await convertTfjs(files, {verify: true});
      const loaded = await engine.load(model);
      const inputs = Object.fromEntries(
        signature.inputs.map((port, i) => [
          port.name,
          goldens.inputs.get(port.name) ?? [...goldens.inputs.values()][i]!,
        ]),
      );
      const {outputs} = await loaded.run(signature.name, inputs, {deadlineMs: 60_000});
      await loaded.close();
      // Goldens of a layers model are numbered.
      const nameOf = (key: string, i: number) =>
        /^\d+$/.test(key) ? signature.outputs[i]!.name : key.replace(/:0$/, "");
      const wanted = new Map([...goldens.outputs].map(([key, value], i) => [nameOf(key, i), value]));
      const differences = compareOutputs(wanted, outputs);
      const worst = Math.max(...differences.map(({relative}) => relative));
      t.diagnostic(`real/${name}: ${worst.toExponential(1)} of the largest value`);
      if (!(worst <= tolerance)) far.push(`${name}: ${JSON.stringify(differences)}`);
    }
  } finally {
    await engine.close();
  }
  t.diagnostic(`TF.js models: ${count - far.length} of ${count} right`);
  assert.deepEqual(far, []);
});
