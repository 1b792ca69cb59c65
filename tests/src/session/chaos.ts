/**
 * Ends an engine worker at random, again and again (once there was an answer since the last one), while callers keep all of them busy: `npm run chaos [-- SECONDS]`. Each
 * answer has to be right, each call has to end, and what fails has to say why. The enclave runs in this process, because
 * nobody outside could end a single one of its threads.
 */
import {syncBuiltinESMExports} from "node:module";
import {pathToFileURL} from "node:url";
import workerThreads, {type Worker, type WorkerOptions} from "node:worker_threads";
import {createSimulatedPlatform} from "@tf-trusted/attestation";
import {connect} from "@tf-trusted/client";
import {encodeHex} from "@tf-trusted/core";
import {parseConfiguration, startEnclave} from "@tf-trusted/enclave";
import {createWasmEngine} from "@tf-trusted/litert";
import type {Tensor} from "@tf-trusted/tensor";
import {digitsModel, images, stagedMeasurement} from "./harness.ts";

export interface ChaosResult {
  readonly kills: number;
  readonly answers: number;
  readonly wrong: number;
  /** Calls that didn't end within `stuckMs`. */
  readonly stuck: number;
  /** Failed calls by code. */
  readonly failures: Readonly<Record<string, number>>;
  /** Milliseconds of the longest call. */
  readonly longest: number;
}

const callers = 8;
const stuckMs = 20_000;
/** What a caller may be told of a worker's end. */
export const clearCodes: ReadonlySet<string> = new Set(["ENGINE_CRASHED"]);

export async function chaos(seconds: number, everyMs: number, report: (line: string) => void): Promise<ChaosResult> {
  const workers = catchWorkers();
  const platform = await createSimulatedPlatform({now: () => new Date()});
  const enclave = await startEnclave({
    engine: await createWasmEngine(),
    platform: {
      kind: "simulated",
      capabilities: {sealing: false, monotonicCounter: false, trustedTime: false},
      measurement: () => "",
      evidence: (reportData) => platform.attest({measurement: stagedMeasurement, reportData}),
      sealingKey: async () => {
        throw new Error("nothing is sealed here");
      },
    },
    configuration: parseConfiguration({workers: 2}),
    host: "127.0.0.1",
    port: 0,
    events: () => undefined,
  });
  const connection = await connect({
    address: `127.0.0.1:${enclave.port}`,
    policy: {version: 1, identities: [await platform.identity([encodeHex(stagedMeasurement)])]},
  });
  try {
    const file = await digitsModel();
    const models = [await connection.load(file, {name: "a"}), await connection.load(file, {name: "b"})];
    const batches = [1, 2, 3];
    const expected = new Map<number, Tensor>();
    for (const batch of batches) expected.set(batch, (await models[0]!.predict(images(batch))).probabilities!);

    const end = performance.now() + 1000 * seconds;
    const tally = {kills: 0, answers: 0, wrong: 0, stuck: 0, longest: 0};
    const failures: Record<string, number> = {};
    const call = async (round: number) => {
      const batch = batches[round % batches.length]!;
      const start = performance.now();
      const answer = models[round % models.length]!.predict(images(batch)).then(
        ({probabilities}) => {
          tally.answers++;
          if (!probabilities!.equals(expected.get(batch)!)) tally.wrong++;
        },
        (error: {readonly code?: string}) => {
          const code = error.code ?? String(error);
          failures[code] = (failures[code] ?? 0) + 1;
        },
      );
      let timer: NodeJS.Timeout | undefined;
      const stuck = new Promise<void>((resolve) => {
        timer = setTimeout(() => {
          tally.stuck++;
          resolve();
        }, stuckMs);
      });
      await Promise.race([answer, stuck]);
      clearTimeout(timer);
      tally.longest = Math.max(tally.longest, performance.now() - start);
    };
    const load = Array.from({length: callers}, async (_, caller) => {
      for (let round = caller; performance.now() < end; round++) await call(round);
    });
    let seen = 0;
    const killer = setInterval(() => {
      // On a slow machine nothing but starts of workers would be tested otherwise.
      if (tally.answers === seen) return;
      seen = tally.answers;
      const alive = [...workers];
      const victim = alive[Math.floor(Math.random() * alive.length)];
      if (victim === undefined) return;
      tally.kills++;
      void victim.terminate();
      if (tally.kills % 10 === 0) report(`${tally.kills} workers ended, ${tally.answers} answers`);
    }, everyMs);
    await Promise.all(load);
    clearInterval(killer);
    return {...tally, failures};
  } finally {
    await connection.close();
    await enclave.stop();
    workers.restore();
  }
}

/** The threads that are started from now on, as long as they live. */
function catchWorkers(): Set<Worker> & {restore(): void} {
  const Original = workerThreads.Worker;
  const alive = new Set<Worker>();
  workerThreads.Worker = class extends Original {
    constructor(entry: string | URL, options?: WorkerOptions) {
      super(entry, options);
      alive.add(this);
      this.once("exit", () => alive.delete(this));
    }
  };
  syncBuiltinESMExports();
  return Object.assign(alive, {
    restore: () => {
      workerThreads.Worker = Original;
      syncBuiltinESMExports();
    },
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const result = await chaos(Number(process.argv[2] ?? 60), 1000, console.log);
  console.log(JSON.stringify(result));
  const unclear = Object.keys(result.failures).filter((code) => !clearCodes.has(code));
  if (result.wrong + result.stuck + unclear.length > 0) process.exitCode = 1;
}
