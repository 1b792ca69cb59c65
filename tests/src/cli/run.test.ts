import assert from "node:assert/strict";
import {readFile, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {readNpy, readNpz, Tensor, writeNpy, writeNpz} from "@tf-trusted/tensor";
import {runCli, type Server, startServer, workFolder} from "./cli-process.ts";

let folder: string;
let remove: () => Promise<void>;
let server: Server;
let remote: readonly string[];
before(async () => {
  ({folder, remove} = await workFolder());
  server = await startServer(folder);
  remote = ["--server", server.address, "--policy", "state/policy.json"];
  await writeFile(join(folder, "two.pbtxt"), twoInputs);
});
after(async () => {
  await server.stop();
  await remove();
});

const digits = "fixtures/digits/digits.pb";
const three = "fixtures/digits/digits/3.npy";

/** sum = a + b, product = a · b, for any number of pairs. */
const twoInputs = `
${["a", "b"]
  .map(
    (name) => `node {
  name: "${name}" op: "Placeholder"
  attr { key: "dtype" value { type: DT_FLOAT } }
  attr { key: "shape" value { shape { dim { size: -1 } dim { size: 2 } } } }
}`,
  )
  .join("\n")}
${[
  ["sum", "AddV2"],
  ["product", "Mul"],
]
  .map(
    ([name, op]) => `node {
  name: "${name}" op: "${op}" input: "a" input: "b" attr { key: "T" value { type: DT_FLOAT } }
}`,
  )
  .join("\n")}
`;

async function saveNpy(name: string, tensor: Tensor): Promise<string> {
  await writeFile(join(folder, name), writeNpy(tensor));
  return name;
}

test("the README's command: a simulated enclave of its own, verified, and the digit", async () => {
  const {code, stdout, stderr} = await runCli(["run", "--model-file", digits, "--input-file", three], folder);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^Prediction: {2}\[\[[\d.e+\- \n]+\]\]\n$/);
  assert.match(stderr, /verified: simulated enclave [0-9a-f]{8}….{4}, TCB UpToDate, bound to this session/);
  assert.match(stderr, /protects nothing against the machine's owner/);
});

test("--json is one document with outputs, attestation and timings", async () => {
  const {code, stdout, stderr} = await runCli(["run", "--model-file", digits, "--input-file", three, "--json"], folder);
  assert.equal(code, 0, stderr);
  const document = JSON.parse(stdout);
  const {dtype, shape, values} = document.outputs.probabilities;
  assert.deepEqual([dtype, shape], ["float32", [1, 10]]);
  assert.equal(values[0].indexOf(Math.max(...values[0])), 3);
  assert.equal(document.attestation.verdict, "trusted");
  assert.equal(document.attestation.simulated, true);
  assert.equal(document.attestation.bound, true);
  assert.match(document.attestation.mrEnclave, /^[0-9a-f]{64}$/);
  assert.ok(document.timings.engineMs > 0 && document.timings.engineMs <= document.timings.enclaveMs);
  assert.ok(document.timings.enclaveMs <= document.timings.callMs);
});

const spellings: readonly (readonly [string, readonly string[]])[] = [
  [
    "hyphens",
    ["--model-file", digits, "--input-file", three, "--input-name", "image", "--output-name", "probabilities"],
  ],
  [
    "underscores and :0",
    ["--model_file", digits, "--input_file", three, "--input_name", "image:0", "--output_name", "probabilities:0"],
  ],
  ["equals signs", [`--model_file=${digits}`, `--input_file=${three}`, "--input_name=image"]],
  [
    "all of model_run.py's flags",
    [
      ...["--model_file", digits, "--input_file", three, "--input_name", "image", "--output_name", "probabilities"],
      ...["--batch_size", "1", "--model_name", "m", "--input_shape", "1", "8", "8", "1"],
    ],
  ],
  ["a shape by name", ["--input-shape", "image=?,8,8,1", "--model-file", digits, "--input-file", three]],
];
for (const [name, words] of spellings) {
  test(`run, spelt with ${name}`, async () => {
    const {code, stdout, stderr} = await runCli(["run", ...words, ...remote, "--json"], folder);
    assert.equal(code, 0, stderr);
    const [row] = JSON.parse(stdout).outputs.probabilities.values;
    assert.equal(row.indexOf(Math.max(...row)), 3);
  });
}

test("--from-file uses the model that is in the server already; one that isn't is told", async () => {
  const first = await runCli(
    ["run", "--model-file", digits, "--model-name", "kept", "--input-file", three, ...remote],
    folder,
  );
  const words = ["run", "--from_file", "--input_file", three, ...remote];
  const second = await runCli([...words, "--model_name", "kept"], folder);
  assert.equal(second.code, 0, second.stderr);
  assert.equal(second.stdout, first.stdout);
  const unknown = await runCli([...words, "--model_name", "nobody-loaded-this"], folder);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /^error MODEL_UNKNOWN: /m);
});

test("--output-file gives back what was printed: .npy for one output", async () => {
  const words = ["run", "--model-file", digits, "--input-file", three, "--output-file", "out.npy", "--json", ...remote];
  const {code, stdout, stderr} = await runCli(words, folder);
  assert.equal(code, 0, stderr);
  const tensor = readNpy(await readFile(join(folder, "out.npy")));
  assert.deepEqual(tensor.toNested(), JSON.parse(stdout).outputs.probabilities.values);
});

test("several inputs by name, by archive; several outputs as .npz", async () => {
  const a = Tensor.from([[1, 2]]);
  const b = Tensor.from([[3, 5]]);
  await saveNpy("a.npy", a);
  await saveNpy("b.npy", b);
  await writeFile(
    join(folder, "both.npz"),
    writeNpz([
      ["b:0", b],
      ["a", a],
    ]),
  );
  const ways = [
    ["--input-file", "b.npy", "--input-name", "b", "--input-file", "a.npy", "--input-name", "a:0"],
    ["--input-file", "both.npz"],
  ];
  for (const words of ways) {
    const {code, stderr} = await runCli(
      ["run", "--model-file", "two.pbtxt", ...words, "--output-file", "out.npz", ...remote],
      folder,
    );
    assert.equal(code, 0, stderr);
    const outputs = readNpz(await readFile(join(folder, "out.npz")));
    assert.deepEqual(outputs.get("sum")!.toNested(), [[4, 7]]);
    assert.deepEqual(outputs.get("product")!.toNested(), [[3, 10]]);
  }
  const one = await runCli(
    ["run", "--model-file", "two.pbtxt", "--input-file", "both.npz", "--output-name", "product:0", "--json", ...remote],
    folder,
  );
  assert.deepEqual(JSON.parse(one.stdout).outputs, {product: {dtype: "float32", shape: [1, 2], values: [[3, 10]]}});
});

test("a .tflite file runs as well, and outputs can be chosen", async () => {
  const converted = await runCli(["convert", "two.pbtxt", "--output-file", "two.tflite"], folder);
  assert.equal(converted.code, 0, converted.stderr);
  await writeFile(
    join(folder, "pairs.npz"),
    writeNpz([
      ["a", Tensor.from([[1, 2]])],
      ["b", Tensor.from([[3, 5]])],
    ]),
  );
  const words = ["run", "--model-file", "two.tflite", "--input-file", "pairs.npz", "--output-name", "sum", "--json"];
  const {code, stdout, stderr} = await runCli([...words, ...remote], folder);
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout).outputs.sum.values, [[4, 7]]);
});

test("what people have is taken, and told: float64, no batch dimension", async () => {
  const image = readNpy(await readFile(join(folder, three)));
  await saveNpy("double.npy", image.cast("float64").reshape([8, 8, 1]));
  const {code, stdout, stderr} = await runCli(
    ["run", "--model-file", digits, "--input-file", "double.npy", "--json", ...remote],
    folder,
  );
  assert.equal(code, 0, stderr);
  assert.match(stderr, /note "image": float64 converted to float32\n/);
  assert.match(stderr, /note "image": shape \[8, 8, 1\] taken as \[1, 8, 8, 1\]\n/);
  assert.equal(JSON.parse(stdout).notes.length, 2);
});

test("wrong use: exit code 2, one line and what to do, no stack trace", async () => {
  const {code, stdout, stderr} = await runCli(["run", "--modle-file", digits], folder);
  assert.equal(code, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /^error CLI_USAGE: unknown option '--modle-file' \(Did you mean --model-file\?\)\n {2}\S.*\n$/);
});

test("a file that is no model: exit code 2, told by what it is", async () => {
  await writeFile(join(folder, "notes.pb"), "This is no model at all.");
  const {code, stderr} = await runCli(["run", "--model-file", "notes.pb", "--input-file", three], folder);
  assert.equal(code, 2);
  assert.match(stderr, /^error CLI_FILE_KIND: notes\.pb: this is text that begins with "This is no model at all\."/m);
});

test("failures: exit code 1, as a document with --json", async () => {
  // One node, whose name is said to be longer than the file.
  await writeFile(join(folder, "garbage.pb"), Uint8Array.of(0x0a, 0x04, 0x0a, 0x7f, 0x61, 0x62));
  const garbage = await runCli(["run", "--model-file", "garbage.pb", "--input-file", three, "--json"], folder);
  assert.equal(garbage.code, 1, garbage.stderr);
  const {error} = JSON.parse(garbage.stdout);
  assert.match(error.code, /^CONVERT_/);
  assert.equal(typeof error.message, "string");
  assert.equal(typeof error.todo, "string");
  assert.equal(typeof error.details, "object");
  const missing = await runCli(["run", "--model-file", "no.pb", "--input-file", three], folder);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^error CLI_FILE_READ: no\.pb: no such file or folder\n/);
  const unreachable = await runCli(
    ["run", "--model-file", digits, "--input-file", three, "--server", "127.0.0.1:1", "--policy", "state/policy.json"],
    folder,
  );
  assert.equal(unreachable.code, 1);
  assert.match(unreachable.stderr, /^error CONNECTION_FAILED: /m);
});

test("no space on disk: told, exit code 1", async () => {
  const words = ["run", "--model-file", digits, "--input-file", three, ...remote];
  const {code, stderr} = await runCli([...words, "--output-file", "/dev/full"], folder);
  assert.equal(code, 1);
  assert.match(stderr, /^error CLI_FILE_WRITE: \/dev\/full: no space left on the device$/m);
});

test("an enclave of another measurement gets nothing: exit code 3, with the report", async () => {
  const policy = JSON.parse(await readFile(join(folder, "state/policy.json"), "utf8"));
  policy.identities[0].mrEnclave = ["ab".repeat(32)];
  await writeFile(join(folder, "other.json"), JSON.stringify(policy));
  const words = ["run", "--model-file", digits, "--input-file", three, "--server", server.address];
  const {code, stderr} = await runCli([...words, "--policy", "other.json"], folder);
  assert.equal(code, 3);
  assert.match(stderr, /^error MRENCLAVE: .*expected (ab){32}/m);
  const json = await runCli([...words, "--policy", "other.json", "--json"], folder);
  assert.equal(json.code, 3);
  const {error} = JSON.parse(json.stdout);
  assert.equal(error.code, "MRENCLAVE");
  assert.equal(error.report.verdict, "refused");
});
