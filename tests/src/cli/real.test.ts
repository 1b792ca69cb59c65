/** Real models of others, converted and run in a simulated enclave by the command: within 1e-4 of the largest golden value. */
import assert from "node:assert/strict";
import {existsSync, readdirSync} from "node:fs";
import {readFile, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {compareOutputs} from "@tf-trusted/convert";
import {readNpz, writeNpz} from "@tf-trusted/tensor";
import {models, readGoldens, skipReason} from "../convert/corpus.ts";
import {runCli, workFolder} from "./cli-process.ts";

/** Of an output's largest value. */
const tolerance = 1e-4;

let folder: string;
let remove: () => Promise<void>;
before(async () => {
  ({folder, remove} = await workFolder());
});
after(() => remove());

/** What people would name: the folder of a TensorFlow.js model, the Keras file. */
const formats = ["model.json", "model.h5"] as const;

const real = models === undefined ? [] : readdirSync(join(models, "real"));
const cases = real.flatMap((name) =>
  formats.filter((file) => existsSync(join(models!, "real", name, file))).map((file) => [name, file] as const),
);

interface Signature {
  readonly inputs: readonly {readonly name: string}[];
  readonly outputs: readonly {readonly name: string}[];
}

test("every real model in a web or Keras format, run in an enclave", {skip: models ? false : skipReason}, async (t) => {
  const far: string[] = [];
  for (const [name, file] of cases) {
    const path = join(models!, "real", name, file);
    const inspected = await runCli(["inspect", path, "--json"], folder);
    assert.equal(inspected.code, 0, inspected.stderr);
    const document = JSON.parse(inspected.stdout) as {
      readonly signatures: readonly Signature[];
      readonly problems: unknown;
    };
    assert.deepEqual(document.problems, [], name);
    const [signature] = document.signatures as [Signature];
    const goldens = await readGoldens({io: `real/${name}/io.npz`, inputs: [], outputs: []});
    const given = [...goldens.inputs];
    const inputs = signature.inputs.map(({name: input}, i) => {
      const named = given.find(([key]) => key === input);
      return [input, (named ?? given[i]!)[1]] as const;
    });
    await writeFile(join(folder, "in.npz"), writeNpz(new Map(inputs)));
    const words = ["run", "--model-file", path, "--input-file", "in.npz", "--output-file", "out.npz"];
    const {code, stderr} = await runCli(words, folder);
    assert.equal(code, 0, `${name}: ${stderr}`);
    const outputs = readNpz(await readFile(join(folder, "out.npz")));
    // Goldens of layers are numbered.
    const known = new Set(signature.outputs.map(({name: output}) => output));
    const wanted = [...goldens.outputs].map(([key, golden], i) => {
      const plain = key.replace(/:0$/, "");
      return [known.has(plain) ? plain : signature.outputs[i]!.name, golden] as const;
    });
    const differences = compareOutputs(new Map(wanted), Object.fromEntries(outputs));
    const worst = Math.max(...differences.map(({relative}) => relative));
    t.diagnostic(`real/${name}/${file}: ${worst.toExponential(1)} of the largest value`);
    if (!(worst <= tolerance)) far.push(`${name}: ${JSON.stringify(differences)}`);
  }
  assert.deepEqual(far, []);
  assert.ok(cases.length >= 8);
});
