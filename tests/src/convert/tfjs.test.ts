/** Real models as TensorFlow.js folders: within 1e-4 of the largest value of their goldens. */
import assert from "node:assert/strict";
import {existsSync, readdirSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {ConvertError, compareOutputs, convertTfjs} from "@tf-trusted/convert";
import {openFolder} from "@tf-trusted/convert/node";
import {createWasmEngine} from "@tf-trusted/litert";
import {models, readGoldens, skipReason} from "./corpus.ts";

/** Of an output's largest value. */
const tolerance = 1e-4;

test("TensorFlow.js graph models", {skip: models ? false : skipReason}, async (t) => {
  const folder = join(models!, "real");
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, "model.json")));
  const engine = await createWasmEngine();
  const far: string[] = [];
  let graphs = 0;
  try {
    for (const name of names) {
      const {format} = JSON.parse(readFileSync(join(folder, name, "model.json"), "utf8")) as {format?: string};
      const files = await openFolder(join(folder, name));
      if (format === "layers-model") {
        await assert.rejects(convertTfjs(files), (error) => error instanceof ConvertError);
        t.diagnostic(`real/${name}: a layers model, refused`);
        continue;
      }
      graphs++;
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
      const wanted = new Map([...goldens.outputs].map(([key, value]) => [key.replace(/:0$/, ""), value]));
      const differences = compareOutputs(wanted, outputs);
      const worst = Math.max(...differences.map(({relative}) => relative));
      t.diagnostic(`real/${name}: ${worst.toExponential(1)} of the largest value`);
      if (!(worst <= tolerance)) far.push(`${name}: ${JSON.stringify(differences)}`);
    }
  } finally {
    await engine.close();
  }
  t.diagnostic(`TF.js graph models: ${graphs - far.length} of ${graphs} right`);
  assert.deepEqual(far, []);
});
