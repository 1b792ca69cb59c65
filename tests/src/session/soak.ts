/**
 * Load, predict, delete, again and again, and watch the enclave's memory: `npm run soak [-- ROUNDS [ARTEFACT]]`; then ten
 * times as many predictions on one model.
 * Resident memory is flat if the second half of the rounds needs no more than the first half after warming up.
 */
import {readFile} from "node:fs/promises";
import {pathToFileURL} from "node:url";
import {connect, type EnclaveConnection, launchSimulated, type Model} from "@tf-trusted/client";
import {defaultArtefact} from "@tf-trusted/enclave";
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

export function soak(rounds: number, report: (line: string) => void, artefact?: string): Promise<SoakResult> {
  return watch(rounds, report, artefact, async (enclave) => {
    const file = await digitsModel();
    return async (round) => {
      const model = await enclave.load(file, {name: `model-${round % 3}`});
      await predict(model, round);
      await model.delete();
    };
  });
}

/** Predictions alone, of several shapes, over the streams that are kept open. */
export function soakPredictions(
  rounds: number,
  report: (line: string) => void,
  artefact?: string,
): Promise<SoakResult> {
  return watch(rounds, report, artefact, async (enclave) => {
    const model = await enclave.load(await digitsModel(), {name: "digits"});
    return (round) => predict(model, round);
  });
}

async function predict(model: Model, round: number): Promise<void> {
  const batch = 1 + (round % 4);
  const {probabilities} = await model.predict(images(batch));
  if (probabilities?.shape[0] !== batch) throw new Error(`round ${round}: a wrong answer`);
}

async function watch(
  rounds: number,
  report: (line: string) => void,
  artefact: string = defaultArtefact,
  prepare: (enclave: EnclaveConnection) => Promise<(round: number) => Promise<void>>,
): Promise<SoakResult> {
  const server = await launchSimulated({artefact});
  const start = performance.now();
  try {
    const enclave = await connect({address: server.address, policy: server.policy});
    const work = await prepare(enclave);
    const every = Math.max(1, Math.floor(rounds / 40));
    const samples: {round: number; megabytes: number}[] = [];
    for (let round = 1; round <= rounds; round++) {
      await work(round);
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

async function residentMegabytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const rounds = Number(process.argv[2] ?? 1000);
  const soaks = [
    ["rounds", await soak(rounds, console.log, process.argv[3])],
    ["predictions", await soakPredictions(10 * rounds, console.log, process.argv[3])],
  ] as const;
  for (const [what, result] of soaks) {
    const {seconds, early, late} = result;
    console.log(`${result.rounds} ${what} in ${seconds.toFixed(0)} s: ${early.toFixed(1)} MB → ${late.toFixed(1)} MB`);
    if (late - early <= allowedGrowthMegabytes) continue;
    console.error(`the enclave grew by ${(late - early).toFixed(1)} MB, allowed are ${allowedGrowthMegabytes}`);
    process.exitCode = 1;
  }
}
