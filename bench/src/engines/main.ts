/**
 * The engines against what they are made of, on the same files, by turns in one run: `native` against TensorFlow Lite's
 * interpreter in Python (same threads), `wasm` against its own module, each back to back in a process of its own; and what
 * a call costs on top, through the thread or process of a loaded model. `npm run bench:engines [-- --json] [-- --rounds N]
 * [-- WORDS]`; PYTHON names a Python with numpy and ai-edge-litert or tensorflow.
 */
import {spawnSync} from "node:child_process";
import {mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {cpus, tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";
import {findEnclaveNode} from "@tf-trusted/enclave";
import {
  createNativeEngine,
  createWasmEngine,
  type Engine,
  installedNativeFiles,
  isNativeInstalled,
  type LoadedModel,
} from "@tf-trusted/litert";
import {dtypes, elementCount, Tensor} from "@tf-trusted/tensor";
import {type LinePeer, type PeerTimes, startPeer} from "./line-peer.ts";
import {benchModels} from "./models.ts";
import {loadRaw} from "./raw-module.ts";

/** Target of the ratios (docs/performance.md). */
const target = 1.05;
/** What one turn takes, about: so that quick models are timed by more runs. */
const turnMs = 100;
const threadCounts = [1, 2];

type Run = (runs: number) => Promise<PeerTimes>;

interface Figures {
  /** p50 in milliseconds. */
  readonly ours: number;
  readonly theirs: number;
  /** Ours over theirs: p50 of the rounds' ratios of p50s. */
  readonly ratio: number;
}

interface Result {
  readonly model: string;
  readonly pair: string;
  readonly threads: number;
  readonly computing: Figures;
  readonly withCopies: Figures;
  /** p50 of a call of a loaded model, and of what of it isn't computing. */
  readonly call: number;
  readonly overhead: number;
}

const {values: flags, positionals} = parseArgs({
  allowPositionals: true,
  options: {json: {type: "boolean"}, rounds: {type: "string", default: "15"}},
});

// The engines run on the enclave's Node.js, which has the faster WASM build.
if (Number(process.versions.node.split(".")[0]) < 24) {
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const {status} = spawnSync(findEnclaveNode(), args, {stdio: "inherit"});
  process.exit(status ?? 1);
}

const folder = mkdtempSync(join(tmpdir(), "tf-trusted-engines-"));
const models = benchModels(positionals).map(({name, file}, at) => {
  const path = join(folder, `${at}.tflite`);
  writeFileSync(path, file);
  return {name, file, path};
});
const [first] = models;
if (first === undefined) throw new Error(`no model's name has ${positionals.join(" and ")}`);
const interpreter = fileURLToPath(new URL("../../../scripts/python/interpreter_bench.py", import.meta.url));
const backToBack = fileURLToPath(new URL("testing/back-to-back.js", import.meta.resolve("@tf-trusted/litert")));
const peers: LinePeer[] = [];
const results: Result[] = [];
try {
  const python = await openPeer("Python with numpy and ai-edge-litert or tensorflow (PYTHON)", () =>
    startPeer(process.env.PYTHON ?? "python3", [interpreter], first.path),
  );
  const native = await openPeer("native engine (tf-trusted engine install native)", async () => {
    if (!isNativeInstalled()) return undefined;
    const {addon, library} = installedNativeFiles();
    // As a model's process has it.
    const environment = {GLIBC_TUNABLES: "glibc.malloc.perturb=165"};
    return startPeer(process.execPath, [backToBack, "native", addon, library], first.path, environment);
  });
  const wasm = (await startPeer(process.execPath, [backToBack, "wasm"], first.path))!;
  peers.push(wasm);
  if (native !== undefined && python !== undefined) {
    const engine = await createNativeEngine();
    for (const {name, file, path} of models) {
      for (const threads of threadCounts) {
        await native.load(path, threads);
        await python.load(path, threads);
        const call = await timeCalls(engine, file, threads);
        await report(name, "native/python", threads, native.run, python.run, call);
      }
    }
    await engine.close();
  }
  const engine = await createWasmEngine();
  for (const {name, file, path} of models) {
    await wasm.load(path, 1);
    const raw = await loadRaw(file);
    const call = await timeCalls(engine, file, 1);
    await report(name, "wasm/module", 1, wasm.run, raw, call);
  }
  await engine.close();
  const [{model = ""} = {}] = cpus();
  const machine = {cpu: model, cores: cpus().length, node: process.version, python: python?.version ?? null};
  if (flags.json) console.log(JSON.stringify({machine, rounds: Number(flags.rounds), results}, null, 2));
  else console.log(JSON.stringify(machine));
  const missed = results.filter(({computing}) => computing.ratio > target);
  for (const {model, pair, threads, computing} of missed) {
    console.error(`over ${target}: ${model}, ${pair}, ${threads} threads: ${computing.ratio.toFixed(2)}`);
  }
  process.exitCode = missed.length === 0 ? 0 : 1;
} finally {
  for (const peer of peers) peer.stop();
  rmSync(folder, {recursive: true});
}

async function openPeer(what: string, start: () => Promise<LinePeer | undefined>): Promise<LinePeer | undefined> {
  const peer = await start();
  if (peer === undefined) console.error(`left out: there is no ${what}`);
  else peers.push(peer);
  return peer;
}

/** p50 of a call, and of a call without the engine's own time. */
async function timeCalls(engine: Engine, file: Uint8Array, threads: number) {
  const model: LoadedModel = await engine.load(file, {threads});
  const [signature] = model.signatures;
  const inputs = Object.fromEntries(
    signature!.inputs.map(({name, dtype, shape}) => [
      name,
      new Tensor(dtype, shape, new Uint8Array(elementCount(shape) * dtypes[dtype].bytes!)),
    ]),
  );
  const calls: number[] = [];
  const overheads: number[] = [];
  for (let run = 0; run < 60; run++) {
    const start = performance.now();
    const {engineMs} = await model.run(signature!.name, inputs);
    const took = performance.now() - start;
    if (run < 10) continue;
    calls.push(took);
    overheads.push(took - engineMs);
  }
  await model.close();
  return {call: median(calls), overhead: median(overheads)};
}

/** By turns, each round in the other order, after a warm-up that also finds how many runs make a turn. */
async function report(
  model: string,
  pair: string,
  threads: number,
  ours: Run,
  theirs: Run,
  call: {readonly call: number; readonly overhead: number},
): Promise<void> {
  await theirs(10);
  const once = median((await ours(10)).whole);
  const runs = Math.max(3, Math.min(400, Math.round(turnMs / once)));
  const rounds: {ours: PeerTimes; theirs: PeerTimes}[] = [];
  for (let round = 0; round < Number(flags.rounds); round++) {
    if (round % 2 === 0) rounds.push({ours: await ours(runs), theirs: await theirs(runs)});
    else {
      const other = await theirs(runs);
      rounds.push({ours: await ours(runs), theirs: other});
    }
  }
  const figures = (kind: keyof PeerTimes): Figures => ({
    ours: median(rounds.flatMap((round) => [...round.ours[kind]])),
    theirs: median(rounds.flatMap((round) => [...round.theirs[kind]])),
    ratio: median(rounds.map((round) => median(round.ours[kind]) / median(round.theirs[kind]))),
  });
  const result = {model, pair, threads, computing: figures("invoke"), withCopies: figures("whole"), ...call};
  results.push(result);
  if (!flags.json) console.log(describe(result));
}

function describe({model, pair, threads, computing, withCopies, call, overhead}: Result): string {
  const show = ({ours, theirs, ratio}: Figures) => `${ours.toFixed(3)} / ${theirs.toFixed(3)} = ${ratio.toFixed(3)}`;
  return [
    model.padEnd(22),
    pair.padEnd(14),
    `${threads} thr`,
    show(computing).padEnd(24),
    `with copies ${show(withCopies)}`.padEnd(36),
    `call ${call.toFixed(2)}, of it ${overhead.toFixed(2)} on the way`,
  ].join("  ");
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
