/** Benchmarks as tables, and as JSON. */
import {formatBytes, formatMs, formatShape} from "../render/quantities.ts";
import {printable, type Style} from "../render/style.ts";
import {renderTable} from "../render/table.ts";
import {measures} from "./measure.ts";
import type {BenchmarkReport} from "./run-benchmark.ts";

/** One row of a comparison. */
export interface BenchmarkCase {
  readonly model: {
    readonly path: string;
    /** In the enclave. */
    readonly name: string;
    readonly signature: string;
    readonly bytes: number;
  };
  readonly inputs: readonly {readonly name: string; readonly dtype: string; readonly shape: readonly number[]}[];
  readonly report: BenchmarkReport;
  /** Of the enclave's process, after the predictions, where it is known. */
  readonly memoryBytes: number | undefined;
}

/** One case whole, several as a table with a row each. */
export function renderCases(cases: readonly BenchmarkCase[], style: Style, columns: number): string {
  const [first, ...others] = cases;
  if (first !== undefined && others.length === 0) {
    const inputs = first.inputs.map((each) => `${printable(each.name)} ${each.dtype} ${formatShape(each.shape)}`);
    const memory = first.memoryBytes === undefined ? [] : [`enclave's memory ${formatBytes(first.memoryBytes)}`];
    const heading = `${style.bold(printable(first.model.path))}  ${style.dim([...inputs, ...memory].join(", "))}`;
    return `${heading}\n\n${renderBenchmark(first.report, style)}\n`;
  }
  const titles = ["model", "callers", "engine p50", "call p50", "p90", "p99", "a second", "memory"];
  const rows = cases.map(({model, report: {summary}, memoryBytes}) => [
    style.bold(printable(model.path)),
    String(summary.callers),
    formatMs(summary.times.engineMs.p50),
    ...[summary.times.callMs.p50, summary.times.callMs.p90, summary.times.callMs.p99].map(formatMs),
    summary.predictionsPerSecond.toFixed(0),
    memoryBytes === undefined ? "–" : formatBytes(memoryBytes),
  ]);
  const heads = titles.map((title, i) => ({title, align: i === 0 ? "left" : "right"}) as const);
  return `${renderTable(heads, rows, style, columns)}\n`;
}

export function casesToJson(cases: readonly BenchmarkCase[]) {
  return cases.map(({model, inputs, report, memoryBytes}) => ({
    model: {...model},
    inputs: inputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
    benchmark: benchmarkToJson(report),
    memoryBytes: memoryBytes ?? null,
  }));
}

export function renderBenchmark({summary, warmUp, traces}: BenchmarkReport, style: Style): string {
  const {times, iterations, callers, predictionsPerSecond} = summary;
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
  const how = callers === 1 ? "one after another" : `by ${callers} callers at once`;
  const footer = `${iterations} predictions ${how}, ${warmUp} before to warm up; ${predictionsPerSecond.toFixed(0)} a second`;
  return [
    table,
    style.dim(footer),
    `${style.bold("traces")}  ${traces.folder}`,
    style.dim(`  tensorboard --logdir ${traces.folder}`),
    style.dim(`  chrome://tracing or https://ui.perfetto.dev: ${traces.chromeTrace}`),
  ].join("\n");
}

export function benchmarkToJson({summary, warmUp, traces}: BenchmarkReport) {
  const times = Object.fromEntries(measures.map(({key}) => [key, {...summary.times[key]}]));
  return {
    iterations: summary.iterations,
    callers: summary.callers,
    warmUp,
    predictionsPerSecond: summary.predictionsPerSecond,
    times,
    traces: {...traces},
  };
}
