/** SavedModel folders on the command line: looked at, converted, and run in an enclave. */
import assert from "node:assert/strict";
import {mkdir, readFile, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {readNpy, readNpz, Tensor, writeNpy, writeNpz} from "@tf-trusted/tensor";
import {repository, runCli, workFolder} from "./cli-process.ts";

let folder: string;
let remove: () => Promise<void>;
let goldens: ReadonlyMap<string, Tensor>;
before(async () => {
  ({folder, remove} = await workFolder());
  goldens = readNpz(await readFile(join(repository, "fixtures/saved-model/goldens.npz")));
});
after(() => remove());

const model = "fixtures/saved-model/model";

test("inspect shows signatures, operators and variables", async () => {
  const {code, stdout, stderr} = await runCli(["inspect", model, "--json"], folder);
  assert.equal(code, 0, stderr);
  const {format, metaGraphs, signatures, variables} = JSON.parse(stdout);
  assert.equal(format, "saved-model");
  assert.deepEqual(metaGraphs[0].signatures.toSorted(), ["repeated", "serving_default"]);
  assert.deepEqual(signatures.map(({name}: {name: string}) => name).sort(), ["repeated", "serving_default"]);
  assert.deepEqual(variables.map(({shape}: {shape: number[]}) => shape).sort(), [[3], [4, 3]]);
  const text = await runCli(["inspect", model], folder);
  assert.match(text.stdout, /signature {2}repeated/);
  assert.match(text.stdout, /total +float32/);
});

test("run gives TensorFlow's answers, for each signature", async () => {
  await writeFile(join(folder, "x.npy"), writeNpy(goldens.get("x")!));
  const words = ["run", "--model-file", model, "--input-file", "x.npy", "--output-file", "out.npz"];
  const first = await runCli(words, folder);
  assert.equal(first.code, 0, first.stderr);
  const outputs = readNpz(await readFile(join(folder, "out.npz")));
  assertClose(outputs.get("scores")!, goldens.get("scores")!);
  assert.deepEqual(outputs.get("best")!.values(), goldens.get("best")!.values());

  const inputs = new Map([...goldens].filter(([name]) => name === "x" || name === "times"));
  await writeFile(join(folder, "in.npz"), writeNpz(inputs));
  const loop = [
    "run",
    "--model-file",
    model,
    "--signature",
    "repeated",
    "--input-file",
    "in.npz",
    "--output-file",
    "t.npy",
  ];
  const second = await runCli(loop, folder);
  assert.equal(second.code, 0, second.stderr);
  assertClose(readNpy(await readFile(join(folder, "t.npy"))), goldens.get("total")!);
});

test("convert takes a signature, an output of it and a batch size", async () => {
  const words = ["convert", model, "--output-file", "m.tflite", "--output-name", "best", "--batch-size", "2", "--json"];
  const {code, stdout, stderr} = await runCli(words, folder);
  assert.equal(code, 0, stderr);
  const {format, inputs, outputs} = JSON.parse(stdout);
  assert.equal(format, "saved-model");
  assert.deepEqual(inputs, [{name: "x", dtype: "float32", shape: [2, 4]}]);
  assert.deepEqual(outputs, [{name: "best", dtype: "int64", shape: [2]}]);
});

test("convert writes all signatures, or those that are named; run takes them from the file by name", async () => {
  const names = (stdout: string) => JSON.parse(stdout).signatures.map(({name}: {name: string}) => name);
  const all = await runCli(["convert", model, "--output-file", "all.tflite", "--json"], folder);
  assert.equal(all.code, 0, all.stderr);
  assert.deepEqual(names(all.stdout), ["serving_default", "repeated"]);
  const picked = [
    "convert",
    model,
    "--output-file",
    "one.tflite",
    "--signature",
    "repeated",
    "--tags",
    "serve",
    "--json",
  ];
  assert.deepEqual(names((await runCli(picked, folder)).stdout), ["repeated"]);
  const inputs = new Map([...goldens].filter(([name]) => name === "x" || name === "times"));
  await writeFile(join(folder, "in.npz"), writeNpz(inputs));
  const words = ["run", "--model-file", "all.tflite", "--signature", "repeated"];
  const run = await runCli([...words, "--input-file", "in.npz", "--output-file", "all.npy"], folder);
  assert.equal(run.code, 0, run.stderr);
  assertClose(readNpy(await readFile(join(folder, "all.npy"))), goldens.get("total")!);
});

test("--keep-state: checked over several calls, begun anew by each run, and for SavedModels only", async () => {
  const state = "fixtures/saved-model/state";
  const refused = await runCli(["convert", state, "--output-file", "state.tflite"], folder);
  assert.match(refused.stderr, /^error CONVERT_NOT_FROZEN: [\s\S]*--keep-state/);
  const words = ["convert", state, "--output-file", "state.tflite", "--keep-state", "--check", "--json"];
  const converted = await runCli(words, folder);
  assert.equal(converted.code, 0, converted.stderr);
  const {operators, check} = JSON.parse(converted.stdout);
  assert.ok(operators.ASSIGN_VARIABLE > 0);
  const {outputs} = check as {readonly outputs: readonly {readonly name: string; readonly largest: number}[]};
  assert.ok(outputs.length === 5 && outputs.every(({largest}) => largest < 1e-5));
  await writeFile(join(folder, "x2.npy"), writeNpy(Tensor.from([1, 2])));
  for (const file of [
    ["--model-file", "state.tflite"],
    ["--model-file", state, "--keep-state"],
  ]) {
    for (let run = 0; run < 2; run++) {
      const {stdout, stderr, code} = await runCli(["run", ...file, "--input-file", "x2.npy", "--json"], folder);
      assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(stdout).outputs.calls.values, 1);
    }
  }
  const other = await runCli(["run", "--model-file", "state.tflite", "--input-file", "x2.npy", "--keep-state"], folder);
  assert.match(other.stderr, /^error CLI_USAGE: --keep-state is for SavedModels/m);
  assert.equal(other.code, 2);
});

test("an unknown signature, an unknown output and a folder of something else are told apart", async () => {
  const failures = {
    CLI_SIGNATURE: ["convert", model, "--signature", "nothing", "--output-file", "m.tflite"],
    CONVERT_NAME_UNKNOWN: ["convert", model, "--output-name", "nothing", "--output-file", "m.tflite"],
    CLI_FILE_KIND: ["convert", "empty", "--output-file", "m.tflite"],
  };
  await mkdir(join(folder, "empty"));
  for (const [code, words] of Object.entries(failures)) {
    const finished = await runCli([...words, "--json"], folder);
    assert.notEqual(finished.code, 0);
    assert.equal(JSON.parse(finished.stdout).error.code, code);
  }
});

function assertClose(found: Tensor, wanted: Tensor): void {
  assert.deepEqual(found.shape, wanted.shape);
  const [a, b] = [found.data, wanted.data] as [Float32Array, Float32Array];
  b.forEach((value, i) => {
    assert.ok(Math.abs(value - a[i]!) < 1e-5, `element ${i} is ${a[i]}, expected ${value}`);
  });
}
