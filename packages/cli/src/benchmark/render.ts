/** A benchmark as a table, and as JSON. */
import {formatMs} from "../render/quantities.ts";
import type {Style} from "../render/style.ts";
import {renderTable} from "../render/table.ts";
import {type BenchmarkSummary, measures} from "./measure.ts";
import type {TraceFiles} from "./write-traces.ts";

export interface BenchmarkReport {
  readonly summary: BenchmarkSummary;
  readonly warmUp: number;
  readonly traces: TraceFiles | null;
}

export function renderBenchmark({summary, warmUp, traces}: BenchmarkReport, style: Style): string {
  const {times, iterations, predictionsPerSecond} = summary;
  const rows = measures.map(({key, title}) => {
    const {p50, p90, p99, least} = times[key];
    return [title, ...[least, p50, p90, p99].map(formatMs)];
  });
  const titles = ["", "least", "p50", "p90", "p99"];
  const table = renderTable(
    titles.map((title, i) => ({title, align: i === 0 ? "left" : "right"}) as const),
    rows.map(([title, ...cells]) => [style.bold(title!), ...cells]),
    style,
  );
  const footer = `${iterations} predictions one after another, ${warmUp} before to warm up; ${predictionsPerSecond.toFixed(0)} a second`;
  const files =
    traces === null
      ? []
      : [
          `${style.bold("traces")}  ${traces.folder}`,
          style.dim(`  tensorboard --logdir ${traces.folder}`),
          style.dim(`  chrome://tracing or https://ui.perfetto.dev: ${traces.chromeTrace}`),
        ];
  return [table, style.dim(footer), ...files].join("\n");
}

export function benchmarkToJson({summary, warmUp, traces}: BenchmarkReport) {
  const times = Object.fromEntries(measures.map(({key}) => [key, {...summary.times[key]}]));
  return {
    iterations: summary.iterations,
    warmUp,
    predictionsPerSecond: summary.predictionsPerSecond,
    times,
    traces: traces === null ? null : {...traces},
  };
}
