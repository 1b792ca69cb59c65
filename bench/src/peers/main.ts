/**
 * `npm run bench:peers [-- WORD… --rounds N --threads N --json]`: the same models and inputs in our engine, over our attested session, and in
 * peers that registries have: TensorFlow Lite in Python, ONNX Runtime, TensorFlow.js, and a plain gRPC server in Python.
 * By turns in one run; ratios are to TensorFlow Lite in Python. Needs `npm ci` in bench/peers, and a `python3` (or
 * PYTHON) with its requirements.txt; a peer that can't run says why. WORDs pick workloads.
 */
import {spawnSync} from "node:child_process";
import {existsSync} from "node:fs";
import {mkdtemp, rm, writeFile} from "node:fs/promises";
import {cpus, tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";
import {percentiles} from "@tf-trusted/cli";
import {findEnclaveNode} from "@tf-trusted/enclave";
import {findModels} from "../convert/corpus.ts";
import {type PeerModel, type PeerOutput, PeerProcess} from "./peer.ts";
import {type PeerWorkload, peerWorkloads} from "./workloads.ts";

const {values, positionals} = parseArgs({
  options: {
    rounds: {type: "string", default: "9"},
    threads: {type: "string", default: "1"},
    json: {type: "boolean", default: false},
  },
  allowPositionals: true,
});
const [rounds, threads] = [Number(values.rounds), Number(values.threads)];
for (const [name, value] of Object.entries({rounds, threads})) {
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`--${name}: expected a whole number from 1 on`);
}
const python = process.env.PYTHON ?? "python3";
const ours = fileURLToPath(new URL("our-process.js", import.meta.url));
const folder = fileURLToPath(new URL("../../peers/", import.meta.url));
/** How long a peer has its turn. */
const turnMs = 150;

interface Peer {
  readonly title: string;
  readonly command: string;
  readonly words: readonly string[];
  /** What it takes, from the workload's `.tflite` at `path`. Throws an Error that says why it takes none. */
  readonly modelFor: (workload: PeerWorkload, path: string) => string;
}

const asIs = (_: PeerWorkload, path: string): string => path;

/** The first is what ratios are to. */
const peers: readonly Peer[] = [
  {title: "LiteRT Python", command: python, words: [join(folder, "litert.py")], modelFor: asIs},
  {title: "ours, native", command: findEnclaveNode(), words: [ours, "native"], modelFor: asIs},
  {title: "ours, WASM", command: findEnclaveNode(), words: [ours, "wasm"], modelFor: asIs},
  {title: "TF.js WASM", command: process.execPath, words: [join(folder, "tfjs.mjs")], modelFor: tfjsModel},
  {title: "ONNX Runtime", command: process.execPath, words: [join(folder, "onnx.mjs")], modelFor: onnxModel},
  {title: "ours, attested, native", command: process.execPath, words: [ours, "session-native"], modelFor: asIs},
  {title: "ours, attested, WASM", command: process.execPath, words: [ours, "session-wasm"], modelFor: asIs},
  {title: "Python gRPC call", command: process.execPath, words: [join(folder, "grpc.mjs")], modelFor: asIs},
];

interface Figure {
  readonly peer: string;
  readonly name: string;
  readonly p50: number;
  readonly p90: number;
  /** p50 over that of the first peer. */
  readonly ratio: number;
  /** From the first peer's outputs, of their largest value; all outputs as one row of numbers, sorted by size. */
  readonly difference: number;
}

interface Row {
  readonly workload: string;
  readonly figures: readonly Figure[];
  readonly absent: readonly {readonly peer: string; readonly reason: string}[];
}

if (!existsSync(join(folder, "node_modules"))) console.error(`bench/peers: peers of npm are absent: run npm ci there`);
const models = findModels();
if (models === undefined) console.error("the corpus isn't there: only the repository's own models");
const scratch = await mkdtemp(join(tmpdir(), "tf-trusted-peers-"));
const rows: Row[] = [];
try {
  const all = await peerWorkloads(models);
  const picked = all.filter(({name}) => positionals.length === 0 || positionals.some((word) => name.includes(word)));
  for (const workload of picked) {
    const row = await measure(workload);
    rows.push(row);
    if (!values.json) console.log(describe(row));
  }
} finally {
  await rm(scratch, {recursive: true});
}
const machine = {cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, threads, rounds};
if (values.json) console.log(JSON.stringify({...machine, rows}, undefined, 2));
else
  console.log(`${machine.cpu}, ${machine.cores} cores; threads: ${threads}; ${rounds} rounds by turns\n\n${table()}`);

async function measure(workload: PeerWorkload): Promise<Row> {
  const path = join(scratch, `${rows.length}.tflite`);
  await writeFile(path, workload.model);
  const running: {readonly peer: Peer; readonly process: PeerProcess; readonly times: number[]; runs: number}[] = [];
  const absent: {readonly peer: string; readonly reason: string}[] = [];
  try {
    for (const peer of peers) {
      try {
        const model: PeerModel = {model: peer.modelFor(workload, path), inputs: workload.inputs, threads, python};
        const process = await PeerProcess.start(peer.command, peer.words, model);
        // Warm: compiled, tiered up, caches filled.
        const warm = await process.run(20);
        running.push({peer, process, times: [], runs: Math.max(1, Math.round(turnMs / percentiles(warm).p50))});
      } catch (error) {
        absent.push({peer: peer.title, reason: (error as Error).message});
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const each of running) each.times.push(...(await each.process.run(each.runs)));
    }
    const outputs = await Promise.all(running.map(({process}) => process.outputs()));
    const base = running[0] === undefined ? Number.NaN : percentiles(running[0].times).p50;
    const figures = running.map(({peer, process, times}, i): Figure => {
      const {p50, p90} = percentiles(times);
      return {
        peer: peer.title,
        name: process.name,
        p50,
        p90,
        ratio: p50 / base,
        difference: differenceOf(outputs[0]!, outputs[i]!),
      };
    });
    return {workload: workload.name, figures, absent};
  } finally {
    for (const {process} of running) process.close();
  }
}

function tfjsModel({tfjs}: PeerWorkload): string {
  if (tfjs === undefined) throw new Error("no TensorFlow.js form of this model");
  return tfjs;
}

function onnxModel(_: PeerWorkload, path: string): string {
  const target = path.replace(/tflite$/, "onnx");
  const words = ["-m", "tf2onnx.convert", "--tflite", path, "--output", target, "--opset", "17"];
  const {status, stderr, error} = spawnSync(python, words, {encoding: "utf8"});
  if (error) throw error;
  if (status !== 0) throw new Error(`tf2onnx: ${stderr.trim().split("\n").at(-1)}`);
  return target;
}

/** Peers order and shape their outputs as they like. */
function differenceOf(expected: readonly PeerOutput[], found: readonly PeerOutput[]): number {
  const flat = (outputs: readonly PeerOutput[]) =>
    outputs
      .map(({base64}) => new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer))
      .flatMap((part) => [...part])
      .toSorted((a, b) => a - b);
  const [wanted, got] = [flat(expected), flat(found)];
  if (wanted.length !== got.length) return Number.POSITIVE_INFINITY;
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0) / (largest || 1);
}

function describe({workload, figures, absent}: Row): string {
  return [
    workload,
    ...figures.map(
      ({peer, name, p50, p90, ratio, difference}) =>
        `  ${peer.padEnd(20)} p50 ${p50.toFixed(3).padStart(9)} ms  p90 ${p90.toFixed(3).padStart(9)}  ×${ratio.toFixed(2).padStart(6)}  differs by ${difference.toExponential(1)}  ${name}`,
    ),
    ...absent.map(({peer, reason}) => `  ${peer.padEnd(20)} ${reason}`),
    "",
  ].join("\n");
}

/** As it stands in docs/performance.md. */
function table(): string {
  const titles = peers.map(({title}) => title);
  const cells = rows.map(({workload, figures}) => [
    workload,
    ...titles.map((title) => {
      const figure = figures.find(({peer}) => peer === title);
      return figure === undefined ? "–" : `${figure.p50.toFixed(2)} (${figure.ratio.toFixed(2)})`;
    }),
  ]);
  return [["p50 ms (ratio)", ...titles], ["---", ...titles.map(() => "---")], ...cells]
    .map((row) => `| ${row.join(" | ")} |`)
    .join("\n");
}
