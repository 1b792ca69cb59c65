/**
 * Load, predict, delete, again and again, and watch the memory of the enclave and its processes: `npm run soak [-- ROUNDS]
 * [-- --engine wasm|native] [-- --predictions N] [-- --artefact DIR]`; with `--predictions`, N predictions of one model in
 * place of rounds. Resident memory is flat if the last quarter needs no more than the second.
 */
import {readdir, readFile} from "node:fs/promises";
import {pathToFileURL} from "node:url";
import {parseArgs} from "node:util";
import {connect, launchSimulated} from "@tf-trusted/client";
import type {EngineChoice} from "@tf-trusted/enclave";
import {digitsModel, images} from "./harness.ts";

export interface SoakResult {
  readonly rounds: number;
  readonly seconds: number;
  /** Resident megabytes of the enclave's process, by round. */
  readonly samples: readonly {readonly round: number; readonly megabytes: number}[];
  /** Median of the second quarter of the rounds, and of the last. */
  readonly early: number;
  readonly late: number;
}

/** A leak of one digits model (140 KB) a round would show as 140 MB in 1,000 rounds. */
export const allowedGrowthMegabytes = 24;

export interface SoakOptions {
  readonly engine?: EngineChoice;
  readonly artefact?: string;
  /** Load once, and only predict. */
  readonly keepModel?: boolean;
}

export async function soak(
  rounds: number,
  report: (line: string) => void,
  {engine = "wasm", artefact, keepModel = false}: SoakOptions = {},
): Promise<SoakResult> {
  const server = await launchSimulated({engine, ...(artefact !== undefined && {artefact})});
  const start = performance.now();
  try {
    const enclave = await connect({address: server.address, policy: server.policy});
    const file = await digitsModel();
    const every = Math.max(1, Math.floor(rounds / 40));
    const samples: {round: number; megabytes: number}[] = [];
    const kept = keepModel ? await enclave.load(file, {name: "kept"}) : undefined;
    for (let round = 1; round <= rounds; round++) {
      const model = kept ?? (await enclave.load(file, {name: `model-${round % 3}`}));
      const {probabilities} = await model.predict(images(1 + (round % 4)));
      if (probabilities?.shape[0] !== 1 + (round % 4)) throw new Error(`round ${round}: a wrong answer`);
      if (kept === undefined) await model.delete();
      if (round % every !== 0) continue;
      samples.push({round, megabytes: await residentMegabytes(server.process.pid)});
      report(`round ${String(round).padStart(5)}  ${samples.at(-1)!.megabytes.toFixed(1)} MB`);
    }
    await enclave.close();
    const quarter = Math.floor(samples.length / 4);
    return {
      rounds,
      seconds: (performance.now() - start) / 1000,
      samples,
      early: median(samples.slice(quarter, 2 * quarter).map(({megabytes}) => megabytes)),
      late: median(samples.slice(-quarter).map(({megabytes}) => megabytes)),
    };
  } finally {
    await server.stop();
  }
}

/** Of a process and those that it started. */
async function residentMegabytes(pid: number): Promise<number> {
  const statuses = await Promise.all(
    (await readdir("/proc"))
      .filter((name) => /^\d+$/.test(name))
      // One may end meanwhile.
      .map(async (name) => [Number(name), await readFile(`/proc/${name}/status`, "utf8").catch(() => "")] as const),
  );
  let kibibytes = 0;
  for (const [each, status] of statuses) {
    const parent = Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
    if (each === pid || parent === pid) kibibytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  }
  return kibibytes / 1024;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const {values, positionals} = parseArgs({
    allowPositionals: true,
    options: {engine: {type: "string"}, artefact: {type: "string"}, predictions: {type: "string"}},
  });
  const engine = values.engine === "native" ? "native" : "wasm";
  const keepModel = values.predictions !== undefined;
  const {rounds, seconds, early, late} = await soak(Number(values.predictions ?? positionals[0] ?? 1000), console.log, {
    engine,
    keepModel,
    ...(values.artefact !== undefined && {artefact: values.artefact}),
  });
  const what = keepModel ? "predictions" : "rounds";
  console.log(
    `${engine}: ${rounds} ${what} in ${seconds.toFixed(0)} s: ${early.toFixed(1)} MB → ${late.toFixed(1)} MB`,
  );
  if (late - early > allowedGrowthMegabytes) {
    console.error(`the enclave grew by ${(late - early).toFixed(1)} MB, allowed are ${allowedGrowthMegabytes}`);
    process.exitCode = 1;
  }
}
