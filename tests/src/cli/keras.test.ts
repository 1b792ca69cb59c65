/** Keras files on the command line: looked at, converted, and run in an enclave. */
import assert from "node:assert/strict";
import {copyFile, readFile, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {readNpz, type Tensor, writeNpz} from "@tf-trusted/tensor";
import {repository, runCli, workFolder} from "./cli-process.ts";

let folder: string;
let remove: () => Promise<void>;
before(async () => {
  ({folder, remove} = await workFolder());
});
after(() => remove());

const model = "fixtures/keras/core.keras";

test("inspect shows inputs, outputs and layers", async () => {
  const {code, stdout, stderr} = await runCli(["inspect", model, "--json"], folder);
  assert.equal(code, 0, stderr);
  const {format, signatures, layerClasses, layers} = JSON.parse(stdout);
  assert.equal(format, "keras");
  const {inputs, outputs} = signatures[0];
  assert.ok(inputs.some(({name, shape}: {name: string; shape: number[]}) => name === "vec" && shape.join() === "-1,6"));
  assert.ok(outputs.some(({name}: {name: string}) => name === "dense3"));
  assert.equal(layerClasses.Dense, 6);
  const inner = layers.find(({name}: {name: string}) => name === "sequential/dense_8");
  assert.deepEqual(inner, {
    name: "sequential/dense_8",
    className: "Dense",
    output: {dtype: "float32", shape: [-1, 2]},
    parameters: 12,
  });
  const text = await runCli(["inspect", model], folder);
  assert.match(text.stdout, /einsum_dense_1 +EinsumDense +float32 \[\?, 6\] +\d/);
});

test("run gives the answers of Keras, whatever the file is called", async () => {
  const goldens = readNpz(await readFile(join(repository, "fixtures/keras/core.npz")));
  const named = (prefix: string) =>
    new Map(
      [...goldens].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
    );
  await writeFile(join(folder, "inputs.npz"), writeNpz(named("in:") as Map<string, Tensor>));
  await copyFile(join(repository, "fixtures/keras/core.h5"), join(folder, "model.bin"));
  for (const file of [model, join(folder, "model.bin")]) {
    const words = ["run", "--model-file", file, "--input-file", "inputs.npz", "--output-file", "out.npz"];
    const {code, stderr} = await runCli(words, folder);
    assert.equal(code, 0, stderr);
    const outputs = readNpz(await readFile(join(folder, "out.npz")));
    for (const [name, golden] of named("out:") as Map<string, Tensor>) {
      const found = outputs.get(name)!.values() as number[];
      golden.values().forEach((value, i) => {
        assert.ok(Math.abs(found[i]! - (value as number)) < 1e-5, `${file} ${name}: ${found[i]}, expected ${value}`);
      });
    }
  }
});

test("convert fixes a batch, and says what isn't there", async () => {
  const words = ["convert", model, "--output-name", "identity", "--output-file", "identity.tflite"];
  const fixed = await runCli([...words, "--input-shape", "vec=2,6"], folder);
  assert.equal(fixed.code, 0, fixed.stderr);
  const shown = await runCli(["inspect", "identity.tflite", "--json"], folder);
  assert.match(shown.stdout, /\[\s*2,\s*6\s*\]/);
  const other = await runCli([...words, "--input-shape", "other=2,6"], folder);
  assert.notEqual(other.code, 0);
  assert.match(other.stderr, /other/);
});
