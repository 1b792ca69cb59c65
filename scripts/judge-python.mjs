#!/usr/bin/env node
// `npm run judge:python [-- WORDS]`: converts the model corpus (cases whose id contains every word) and judges the files
// in LiteRT's Python interpreter, whose kernels are the native ones. Needs a `python3` (or PYTHON) with numpy and
// ai-edge-litert or tensorflow; nothing else of the project does.
import {spawnSync} from "node:child_process";
import {mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {convert} from "../packages/convert/dist/index.js";
import * as corpus from "../tests/dist/convert/corpus.js";

if (corpus.models === undefined) {
  console.error(corpus.skipReason);
  process.exit(1);
}
const words = process.argv.slice(2);
const cases = [...corpus.casesOf("ops"), ...corpus.casesOf("nets"), ...corpus.thirdPartyCases()].filter(({id}) =>
  words.every((word) => id.includes(word)),
);
const folder = mkdtempSync(join(tmpdir(), "tf-trusted-judge-"));
try {
  const lines = [];
  let refused = 0;
  for (const [index, testCase] of cases.entries()) {
    const goldens = await corpus.readGoldens(testCase);
    const outputs = [...goldens.outputs.keys()];
    let converted;
    try {
      const float64 = corpus.isBeyondFloat32(testCase) ? "refuse" : "narrow";
      converted = convert(corpus.readModelFile(testCase.file), {outputs, float64});
    } catch (error) {
      if (typeof error.code !== "string") throw error;
      refused++;
      continue;
    }
    const model = `${index}.tflite`;
    writeFileSync(join(folder, model), converted.model);
    writeFileSync(join(folder, `${index}.npz`), corpus.readModelFile(testCase.io));
    const {id, tol, compare = "values"} = testCase;
    const inputs = converted.signature.inputs.map(({name}) => name);
    const batches = corpus.hasOpenBatch(testCase) && testCase.kind === "nets" ? [1, 2, 5] : [0];
    const signature = converted.signature.name;
    lines.push(JSON.stringify({id, model, io: `${index}.npz`, signature, inputs, outputs, tol, compare, batches}));
  }
  writeFileSync(join(folder, "cases.jsonl"), lines.join("\n"));
  console.log(`${cases.length} cases, ${refused} refused by convert`);
  const judge = fileURLToPath(new URL("python/judge.py", import.meta.url));
  const {status} = spawnSync(process.env.PYTHON ?? "python3", [judge, folder], {stdio: "inherit"});
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, {recursive: true});
}
