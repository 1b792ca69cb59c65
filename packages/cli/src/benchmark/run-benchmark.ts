/** A benchmark of one model on one connection: warm up, measure, leave traces. */
import type {EnclaveConnection, PredictRequest} from "@tf-trusted/client";
import type {Context} from "../command.ts";
import {defaultIterations, defaultTraceFolder, type PhaseClock} from "../commands/prediction-flags.ts";
import {type BenchmarkSummary, measure, type Sample, summarise} from "./measure.ts";
import {type TraceFiles, writeTraces} from "./write-traces.ts";

export interface BenchmarkReport {
  readonly samples: readonly Sample[];
  readonly summary: BenchmarkSummary;
  readonly warmUp: number;
  readonly traces: TraceFiles;
}

/** As many as it takes for V8 and the engine to settle. */
const warmUpCalls = 10;

/** Writes the traces in a folder whose name begins with `label`. */
export async function runBenchmark(
  connection: EnclaveConnection,
  call: PredictRequest,
  label: string,
  flags: {
    readonly iterations?: number | undefined;
    readonly "trace-dir"?: string | undefined;
    readonly callers?: number | undefined;
  },
  clock: PhaseClock,
  {progress}: Context,
): Promise<BenchmarkReport> {
  const {iterations = defaultIterations, callers = 1} = flags;
  progress.step(callers === 1 ? "Measuring" : `Measuring ${callers} callers`);
  const predict = async () => (await connection.predictDetailed(call)).timings;
  const options = {callers, now: () => performance.now()};
  const warmUp = Math.max(warmUpCalls, 2 * callers);
  await clock.time("warm up", () => measure(predict, {...options, iterations: warmUp}));
  const startedAt = new Date();
  const origin = performance.now();
  const samples = await measure(predict, {
    ...options,
    iterations,
    onProgress: (done) => progress.detail(`${done} of ${iterations}`),
  });
  const folder = flags["trace-dir"] ?? defaultTraceFolder;
  const traces = await writeTraces(folder, label, startedAt, samples, clock.before(origin));
  return {samples, summary: summarise(samples), warmUp, traces};
}
