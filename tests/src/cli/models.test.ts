import assert from "node:assert/strict";
import {readdir, readFile, writeFile} from "node:fs/promises";
import {availableParallelism} from "node:os";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {isNativeInstalled} from "@tf-trusted/litert";
import {readModel} from "@tf-trusted/tflite";
import {runCli, workFolder} from "./cli-process.ts";

let folder: string;
let remove: () => Promise<void>;
before(async () => {
  ({folder, remove} = await workFolder());
});
after(() => remove());

const digits = "fixtures/digits/digits.pb";

test("convert writes a file that reads back, with the shape that was asked for, and the passes as text", async () => {
  const words = [
    "convert",
    digits,
    "--output-file",
    "d.tflite",
    "--input-shape",
    "image=1,8,8,1",
    "--dump-passes",
    "passes",
  ];
  const {code, stdout, stderr} = await runCli([...words, "--json"], folder);
  assert.equal(code, 0, stderr);
  const document = JSON.parse(stdout);
  assert.deepEqual(document.inputs, [{name: "image", dtype: "float32", shape: [1, 8, 8, 1]}]);
  assert.deepEqual(document.outputs, [{name: "probabilities", dtype: "float32", shape: [1, 10]}]);
  const file = await readFile(join(folder, "d.tflite"));
  assert.equal(file.length, document.modelBytes);
  assert.equal(readModel(file).signatures[0]!.inputs[0]!.name, "image");
  const dumps = (await readdir(join(folder, "passes"))).sort();
  assert.equal(dumps.length, document.dumps.length);
  assert.match(dumps[0]!, /^00-import\.txt$/);
  assert.match(await readFile(join(folder, "passes", dumps[0]!), "utf8"), /Conv2D/);
});

test("operators that can't be converted are listed at once, by inspect and by convert", async () => {
  // Not the same twice, or one of them would be merged into the other.
  const unknown = [
    ["first", "DT_INT32"],
    ["second", "DT_INT64"],
  ]
    .map(
      ([name, type]) =>
        `node { name: "${name}" op: "StringToNumber" input: "x" attr { key: "out_type" value { type: ${type} } } }`,
    )
    .join("\n");
  await writeFile(
    join(folder, "numbers.pbtxt"),
    `node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } } attr { key: "shape" value { shape { dim { size: 4 } } } } }\n${unknown}`,
  );
  const inspected = await runCli(["inspect", "numbers.pbtxt", "--json"], folder);
  assert.equal(inspected.code, 0, inspected.stderr);
  const {unsupported} = JSON.parse(inspected.stdout) as {unsupported: {node: string}[]};
  assert.deepEqual(unsupported.map(({node}) => node).sort(), ["first", "second"]);
  const words = ["convert", "numbers.pbtxt", "--output-file", "u.tflite", "--dump-passes", "refused"];
  const converted = await runCli(words, folder);
  assert.equal(converted.code, 1);
  assert.ok((await readdir(join(folder, "refused"))).length > 1, "the passes are written all the same");
  assert.match(converted.stderr, /^error CONVERT_OP_UNSUPPORTED: [\s\S]*"first"[\s\S]*"second"/);
});

test("inspect tells what a graph and a TensorFlow Lite file hold", async () => {
  const graph = JSON.parse((await runCli(["inspect", digits, "--json"], folder)).stdout);
  assert.equal(graph.format, "graphdef");
  assert.deepEqual(graph.signatures[0].inputs, [
    {name: "image", dtype: "float32", shape: [-1, 8, 8, 1], quantized: false},
  ]);
  assert.equal(graph.operators.Conv2D, 2);
  assert.deepEqual(graph.unsupported, []);
  await runCli(["convert", digits, "--output-file", "e.tflite"], folder);
  const lite = JSON.parse((await runCli(["inspect", "e.tflite", "--json"], folder)).stdout);
  assert.equal(lite.format, "tflite");
  assert.deepEqual(lite.signatures[0].inputs, [
    {name: "image", dtype: "float32", shape: [-1, 8, 8, 1], quantized: false},
  ]);
  assert.equal(lite.operators.CONV_2D, 2);
  assert.deepEqual(lite.problems, []);
  assert.deepEqual(Object.keys(lite), Object.keys(graph));
  const text = await runCli(["inspect", "e.tflite"], folder);
  assert.match(text.stdout, /CONV_2D +2/);
  assert.match(text.stdout, /✓ can be run/);
});

test("a damaged file is refused with its code", async () => {
  const bytes = await readFile(join(folder, digits));
  await writeFile(join(folder, "cut.pb"), bytes.subarray(0, bytes.length - 100));
  const {code, stderr} = await runCli(["inspect", "cut.pb"], folder);
  assert.equal(code, 1);
  assert.match(stderr, /^error CONVERT_[A-Z_]+: /);
});

test("a full disk leaves no half-written file behind", async () => {
  const {code, stderr} = await runCli(["convert", digits, "--output-file", "/dev/full"], folder);
  assert.equal(code, 1);
  assert.match(stderr, /^error CLI_FILE_WRITE: \/dev\/full: no space left on the device\n/);
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.endsWith(".partial")),
    [],
  );
});

test("bench: every model with every engine, number of threads and of callers; what an engine doesn't have once only", async () => {
  const engines = isNativeInstalled() ? ["wasm", "native"] : ["wasm"];
  const words = [
    "bench",
    digits,
    "--engine",
    engines.join(","),
    "--threads",
    "1,2",
    "--callers",
    "1,2",
    "--iterations",
    "4",
  ];
  const {code, stdout, stderr} = await runCli([...words, "--json"], folder);
  assert.equal(code, 0, stderr);
  const {cases, attestations} = JSON.parse(stdout) as {
    readonly attestations: readonly {readonly mrEnclave: string}[];
    readonly cases: readonly {
      readonly engine: string;
      readonly threads: number;
      readonly benchmark: {readonly callers: number};
    }[];
  };
  assert.equal(new Set(attestations.map(({mrEnclave}) => mrEnclave)).size, engines.length);
  const threads = availableParallelism() > 1 ? [1, 2] : [1];
  assert.deepEqual(
    cases.map((each) => [each.engine.split("/")[0], each.threads, each.benchmark.callers]),
    engines.flatMap((engine) =>
      (engine === "wasm" ? [1] : threads).flatMap((count) => [1, 2].map((callers) => [engine, count, callers])),
    ),
  );
  const table = await runCli([...words.slice(0, 2), "--callers", "1,2", "--iterations", "4"], folder);
  assert.match(table.stdout, /^model +callers +/m);
  assert.match(table.stdout, /^digits\.pb +1 [\s\S]*^digits\.pb +2 /m);
  const other = await runCli(["bench", digits, "--engine", "wasm,other"], folder);
  assert.match(other.stderr, /^error CLI_USAGE: .*--engine/m);
});

test("bench: percentiles of engine, enclave and call; TensorBoard events and a Chrome trace", async () => {
  const {code, stdout, stderr} = await runCli(
    ["bench", digits, "--iterations", "5", "--trace-dir", "runs", "--batch-size", "2", "--json"],
    folder,
  );
  assert.equal(code, 0, stderr);
  const {cases, attestations} = JSON.parse(stdout);
  assert.deepEqual(
    attestations.map(({verdict}: {verdict: string}) => verdict),
    ["trusted"],
  );
  assert.equal(cases.length, 1);
  const [{benchmark, inputs, memoryBytes}] = cases;
  assert.ok(process.platform !== "linux" || memoryBytes > 2 ** 25, `${memoryBytes}`);
  assert.deepEqual(inputs, [{name: "image", dtype: "float32", shape: [2, 8, 8, 1]}]);
  assert.equal(benchmark.iterations, 5);
  for (const key of ["engineMs", "enclaveMs", "callMs"]) {
    const {least, p50, p90, p99} = benchmark.times[key];
    assert.ok(0 < least && least <= p50 && p50 <= p90 && p90 <= p99, key);
  }
  assert.ok(benchmark.times.engineMs.p50 <= benchmark.times.callMs.p50);
  assert.ok((await readFile(join(folder, benchmark.traces.events))).length > 100);
  const {traceEvents} = JSON.parse(await readFile(join(folder, benchmark.traces.chromeTrace), "utf8"));
  const names = traceEvents.map(({name}: {name: string}) => name);
  for (const name of ["convert", "verify", "load", "warm up"]) assert.ok(names.includes(name), name);
  for (const [name, count] of [
    ["queue", 5],
    ["compute", 5],
    ["wire", 10],
  ] as const) {
    assert.equal(names.filter((each: string) => each === name).length, count, name);
  }
});

test("run --benchmark prints the prediction and the table", async () => {
  const words = ["run", "--model_file", digits, "--input_file", "fixtures/digits/digits/3.npy", "--benchmark"];
  const {code, stdout, stderr} = await runCli([...words, "--iterations", "3", "--trace-dir", "runs"], folder);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^Prediction: {2}\[\[/);
  for (const row of ["engine", "inside the enclave", "whole call"]) {
    assert.match(stdout, new RegExp(`^${row}( +[\\d.]+ (µs|ms|s)){4}$`, "m"));
  }
});
