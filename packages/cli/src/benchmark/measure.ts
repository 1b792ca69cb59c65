/** Timed predictions, by callers that each wait for an answer before they ask again. */
import {type Percentiles, percentiles} from "./percentiles.ts";

/** One prediction. All times in milliseconds. */
export interface Sample {
  /** From 0 on. */
  readonly caller: number;
  /** Since the first timed prediction began. */
  readonly startMs: number;
  /** As the caller sees it: request, network, enclave, answer. */
  readonly callMs: number;
  /** From the arrival of the request in the enclave to its answer. */
  readonly enclaveMs: number;
  /** Of that, before the engine began: reading the request, waiting for a turn. */
  readonly queueMs: number;
  /** Time that the engine computed. */
  readonly engineMs: number;
}

export type Timings = Pick<Sample, "callMs" | "enclaveMs" | "queueMs" | "engineMs">;

export interface MeasureOptions {
  /** Of all callers together. */
  readonly iterations: number;
  readonly callers: number;
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
  readonly callers: number;
  readonly times: Readonly<Record<(typeof measures)[number]["key"], Percentiles>>;
  readonly predictionsPerSecond: number;
}

/** In the order in which they began. A failed prediction ends all callers, and its error is thrown. */
export async function measure(
  predict: () => Promise<Omit<Timings, "callMs">>,
  {iterations, callers, now, onProgress = () => {}}: MeasureOptions,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const begin = now();
  let begun = 0;
  let failed = false;
  const call = async (caller: number): Promise<void> => {
    while (begun < iterations && !failed) {
      begun++;
      const start = now();
      const {engineMs, queueMs, enclaveMs} = await predict();
      samples.push({caller, startMs: start - begin, callMs: now() - start, enclaveMs, queueMs, engineMs});
      onProgress(samples.length);
    }
  };
  const all = Array.from({length: callers}, (_, caller) =>
    call(caller).catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const [failure] = (await Promise.allSettled(all)).filter(({status}) => status === "rejected");
  if (failure !== undefined) throw (failure as PromiseRejectedResult).reason;
  return samples.toSorted((a, b) => a.startMs - b.startMs);
}

export function summarise(samples: readonly Sample[]): BenchmarkSummary {
  const of = (key: (typeof measures)[number]["key"]): Percentiles => percentiles(samples.map((sample) => sample[key]));
  const endMs = Math.max(...samples.map(({startMs, callMs}) => startMs + callMs));
  return {
    iterations: samples.length,
    callers: new Set(samples.map(({caller}) => caller)).size,
    times: {engineMs: of("engineMs"), enclaveMs: of("enclaveMs"), callMs: of("callMs")},
    predictionsPerSecond: (samples.length / endMs) * 1000,
  };
}
