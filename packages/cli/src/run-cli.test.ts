import assert from "node:assert/strict";
import {mkdtemp, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {fileURLToPath} from "node:url";
import {Tensor, writeNpz} from "@tf-trusted/tensor";
import {loadCommands} from "./commands/index.ts";
import {type OutputStream, runCli} from "./run-cli.ts";

const commands = await loadCommands([]);
const fixtures = fileURLToPath(new URL("../../../fixtures/digits/", import.meta.url));
const digits = join(fixtures, "digits.pb");
const three = join(fixtures, "digits/3.npy");

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
});
after(() => rm(folder, {recursive: true}));

async function run(
  words: readonly string[],
  options: {env?: Record<string, string>; terminal?: boolean; full?: boolean} = {},
) {
  const {env = {}, terminal = false, full = false} = options;
  let stdout = "";
  let stderr = "";
  const stream = (take: (text: string) => void): OutputStream => ({
    isTerminal: terminal,
    columns: 80,
    write: async (text) => take(text),
  });
  const code = await runCli(words, {
    stdout: stream((text) => {
      if (full) throw Object.assign(new Error("write"), {code: "ENOSPC"});
      stdout += text;
    }),
    stderr: stream((text) => {
      stderr += text;
    }),
    env,
    version: "1.2.3",
    signal: new AbortController().signal,
  });
  return {code, stdout, stderr};
}

const wrongUses: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["no command", [], /CLI_USAGE: no command was given/],
  ["an unknown command", ["insect"], /CLI_USAGE: unknown command 'insect' \(Did you mean inspect\?\)/],
  ["half a command", ["policy"], /CLI_USAGE: no command was given/],
  ["no model", ["run"], /CLI_USAGE: run needs --model-file/],
  ["no input", ["run", "--model-file", digits], /CLI_USAGE: run needs --input-file/],
  [
    "an unknown flag",
    ["run", "--modle-file", digits],
    /CLI_USAGE: unknown option '--modle-file' \(Did you mean --model-file\?\)/,
  ],
  ["an unknown flag with underscores", ["run", "--modle_file", digits], /CLI_USAGE: unknown option '--modle_file'/],
  ["a flag without its value", ["run", "--model-file"], /CLI_USAGE: .*argument missing/],
  ["a flag twice", ["run", "--model-file", digits, "--model-file", digits], /CLI_USAGE: .*given twice/],
  ["a word too many", ["run", "--model-file", digits, "more"], /CLI_USAGE: too many arguments/],
  ["no batch", ["run", "--model-file", digits, "--input-file", three, "--batch-size", "0"], /CLI_USAGE: .*from 1 to/],
  ["a broken shape", ["run", "--model-file", digits, "--input-shape", "image=1,x"], /CLI_USAGE: .*dimensions, such as/],
  [
    "another batch",
    ["run", "--model-file", digits, "--input-file", three, "--batch-size", "2"],
    /CLI_INPUT_SHAPE: "image" takes \[2, 8, 8, 1\]/,
  ],
  [
    "a batch against the shape",
    ["run", "--model-file", digits, "--input-file", three, "--batch-size", "2", "--input-shape", "1", "8", "8", "1"],
    /CLI_BATCH: --batch-size is 2/,
  ],
  [
    "a wrong input",
    ["run", "--model-file", digits, "--input-file", three, "--input-name", "imago"],
    /CONVERT_NAME_UNKNOWN/,
  ],
  [
    "a wrong output",
    ["run", "--model-file", digits, "--input-file", three, "--output-name", "x"],
    /CONVERT_NAME_UNKNOWN/,
  ],
  [
    "a shape for nobody",
    ["run", "--model-file", digits, "--input-file", three, "--input-shape", "x=1"],
    /CLI_INPUT_NAME: --input-shape names "x"/,
  ],
  ["an array as model", ["run", "--model-file", three, "--input-file", three], /CLI_FILE_KIND: .*a NumPy array/],
  [
    "a server without policy",
    ["run", "--model-file", digits, "--input-file", three, "--server", "h:1"],
    /CLI_POLICY_NEEDED/,
  ],
  ["a policy without server", ["bench", digits, "--policy", "p.json"], /CLI_USAGE: --policy is for --server/],
  ["--from-file alone", ["run", "--from-file", "--input-file", three], /CLI_USAGE: --from-file needs --server/],
  [
    "a flag of the simulation on hardware",
    ["serve", "--platform", "tdx", "--state", "s"],
    /CLI_USAGE: --state is for simulated; leave it out/,
  ],
  [
    "a flag of Gramine elsewhere",
    ["serve", "--platform", "simulated", "--manifest", "m.manifest.sgx"],
    /CLI_USAGE: --manifest is for gramine/,
  ],
  [
    "what a Gramine manifest fixes",
    ["serve", "--platform", "gramine", "--port", "1"],
    /CLI_USAGE: --port is fixed by the manifest/,
  ],
  ["a platform that nobody knows", ["serve", "--platform", "x"], /CLI_USAGE: .*one of auto, simulated/],
  ["convert without a target", ["convert", digits], /CLI_USAGE: convert needs --output-file/],
  ["a policy for everybody", ["policy", "init"], /CLI_USAGE: policy init needs --measurement/],
  [
    "a policy for no simulation in particular",
    ["policy", "init", "--simulated"],
    /CLI_USAGE: .*either --state DIR or --root/,
  ],
];
for (const [name, words, message] of wrongUses) {
  test(`wrong use, ${name}: one line, what to do, exit code 2`, async () => {
    const {code, stdout, stderr} = await run(words);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, new RegExp(`^error (${message.source}).*\\n {2}\\S.*\\n$`));
  });
}

test("outputs that a .npy can't take are refused before anything is computed", async () => {
  const graph = ["a", "b"].map(
    (name) => `node { name: "${name}" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } }
      attr { key: "shape" value { shape { dim { size: 2 } } } } }`,
  );
  const sinks = ["Add", "Mul"].map(
    (op) => `node { name: "${op}" op: "${op}" input: "a" input: "b" attr { key: "T" value { type: DT_FLOAT } } }`,
  );
  const model = join(folder, "two.pbtxt");
  const inputs = join(folder, "two.npz");
  await writeFile(model, [...graph, ...sinks].join("\n"));
  await writeFile(
    inputs,
    writeNpz([
      ["a", Tensor.from([1, 2])],
      ["b", Tensor.from([3, 4])],
    ]),
  );
  const {code, stderr} = await run(["run", "--model-file", model, "--input-file", inputs, "--output-file", "o.npy"]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /error CLI_FILE_KIND: o\.npy takes one output, found 2/);
});

test("files that are something else fail with their own codes, exit code 1", async () => {
  const {code, stderr} = await run(["run", "--model-file", digits, "--input-file", digits]);
  assert.equal(code, 1);
  assert.match(stderr, /^error NPY_MAGIC: .*digits\.pb/);
});

test("with --json an error is a document, and standard error stays quiet", async () => {
  const {code, stdout, stderr} = await run(["inspect", join(folder, "no.pb"), "--json"]);
  assert.equal(code, 1);
  assert.equal(stderr, "");
  const {error} = JSON.parse(stdout);
  assert.deepEqual(Object.keys(error), ["code", "message", "todo", "details"]);
  assert.equal(error.code, "CLI_FILE_READ");
  assert.match(error.message, /no\.pb: no such file or folder$/);
});

test("a stack trace only with TF_TRUSTED_DEBUG", async () => {
  const words = ["inspect", join(folder, "no.pb")];
  assert.doesNotMatch((await run(words)).stderr, /\n\s+at /);
  const {stderr} = await run(words, {env: {TF_TRUSTED_DEBUG: "1"}});
  assert.match(stderr, /\n\s+at .*\n[\s\S]*caused by/);
});

test("standard output that can't be written is told", async () => {
  const {code, stderr} = await run(["inspect", digits], {full: true});
  assert.equal(code, 1);
  assert.match(stderr, /^error CLI_FILE_WRITE: standard output: no space left on the device\n/);
});

test("colours on a terminal, none elsewhere or with NO_COLOR", async () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character.
  const escapes = /\x1b\[[0-9;]*m/;
  assert.match((await run(["inspect", digits], {terminal: true})).stdout, escapes);
  assert.doesNotMatch((await run(["inspect", digits])).stdout, escapes);
  assert.doesNotMatch((await run(["inspect", digits], {terminal: true, env: {NO_COLOR: "1"}})).stdout, escapes);
});

test("the version, and help that lists every command", async () => {
  assert.deepEqual(await run(["--version"]), {code: 0, stdout: "1.2.3\n", stderr: ""});
  const {code, stdout} = await run(["--help"]);
  assert.equal(code, 0);
  for (const {name} of commands) assert.match(stdout, new RegExp(`^ {2}${name.split(" ")[0]}\\b`, "m"));
});

for (const command of commands) {
  test(`help of ${command.name}: every flag, --json, an example of that command`, async () => {
    const {code, stdout} = await run([...command.name.split(" "), "--help"]);
    assert.equal(code, 0);
    for (const flag of [...Object.keys(command.flags), "json"]) assert.match(stdout, new RegExp(` --${flag}\\b`));
    for (const {line} of command.examples) {
      assert.ok(line.startsWith(command.name));
      assert.ok(stdout.includes(`tf-trusted ${line}`));
    }
  });
}

test("convert --check compares the result with the source graph", async () => {
  const target = join(folder, "checked.tflite");
  const {code, stdout} = await run(["convert", digits, "--output-file", target, "--check", "--json"]);
  assert.equal(code, 0);
  const {check} = JSON.parse(stdout) as {check: {outputs: {name: string; within: boolean; relative: number}[]}};
  assert.deepEqual(
    check.outputs.map(({name, within}) => [name, within]),
    [["probabilities", true]],
  );
  assert.ok(check.outputs[0]!.relative < 1e-5);
});

test("convert --check fails beyond the tolerance", async () => {
  const target = join(folder, "strict.tflite");
  const strict = ["--check", "--tolerance", "1e-30", "--input-file", three];
  const {code, stderr} = await run(["convert", digits, "--output-file", target, ...strict]);
  assert.equal(code, 1);
  assert.match(stderr, /CLI_CHECK: .*"probabilities": \d/);
});

test("convert --quantize tells what it did, and --check compares real numbers", async () => {
  const target = join(folder, "quantised.tflite");
  const net = join(fixtures, "../fake-quant/net.pb");
  const keep = ["--quantize", "keep", "--io-type", "uint8"];
  const {code, stdout} = await run(["convert", net, "--output-file", target, ...keep, "--check", "--json"]);
  assert.equal(code, 0);
  const {check, inputs, outputs, quantisation} = JSON.parse(stdout);
  assert.deepEqual([inputs[0].dtype, outputs[0].dtype], ["uint8", "uint8"]);
  assert.equal(quantisation.operators.CONV_2D, 3);
  assert.deepEqual(quantisation.constants[0], {name: "Conv2D", dtype: "int8", elements: 216, scales: 8});
  assert.equal(check.tolerance, 0.1);
  assert.ok(check.outputs[0].relative < 0.05);
  const weights = await run(["convert", digits, "--output-file", target, "--quantize", "weights"]);
  assert.match(weights.stdout, /quantised {2}constants: 1 int8/);
  const alone = await run(["convert", net, "--output-file", target, "--io-type", "int8"]);
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /--io-type int8 needs --quantize keep/);
});
