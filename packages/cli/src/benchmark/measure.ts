/** Timed predictions, one after another. */
import {type Percentiles, percentiles} from "./percentiles.ts";

/** One prediction. All times in milliseconds. */
export interface Sample {
  /** Since the first timed prediction began. */
  readonly startMs: number;
  /** As the caller sees it: request, network, enclave, answer. */
  readonly callMs: number;
  /** From the arrival of the request in the enclave to its answer. */
  readonly enclaveMs: number;
  /** Time that the engine computed. */
  readonly engineMs: number;
}

export interface MeasureOptions {
  readonly iterations: number;
  /** Milliseconds of a steady clock. */
  readonly now: () => number;
  readonly onProgress?: (done: number) => void;
}

/** What is measured, in the order of the table: from the inside to the outside. */
export const measures = [
  {key: "engineMs", title: "engine"},
  {key: "enclaveMs", title: "inside the enclave"},
  {key: "callMs", title: "whole call"},
] as const satisfies readonly {readonly key: keyof Sample; readonly title: string}[];

export interface BenchmarkSummary {
  readonly iterations: number;
  readonly times: Readonly<Record<(typeof measures)[number]["key"], Percentiles>>;
  /** One at a time, so this is no measure of what the enclave can take. */
  readonly predictionsPerSecond: number;
}

export async function measure(
  predict: () => Promise<{readonly engineMs: number; readonly enclaveMs: number}>,
  {iterations, now, onProgress = () => {}}: MeasureOptions,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const begin = now();
  for (let i = 0; i < iterations; i++) {
    const start = now();
    const {engineMs, enclaveMs} = await predict();
    const end = now();
    samples.push({startMs: start - begin, callMs: end - start, enclaveMs, engineMs});
    onProgress(i + 1);
  }
  return samples;
}

export function summarise(samples: readonly Sample[]): BenchmarkSummary {
  const of = (key: (typeof measures)[number]["key"]): Percentiles => percentiles(samples.map((sample) => sample[key]));
  const totalMs = samples.reduce((sum, {callMs}) => sum + callMs, 0);
  return {
    iterations: samples.length,
    times: {engineMs: of("engineMs"), enclaveMs: of("enclaveMs"), callMs: of("callMs")},
    predictionsPerSecond: (samples.length / totalMs) * 1000,
  };
}
