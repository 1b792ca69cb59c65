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
  /** As the enclave's claims name it: `wasm/2.5.3/relaxed`. */
  readonly engine: string;
  readonly threads: number;
  readonly report: BenchmarkReport;
  /** Of the enclave's processes, those of models among them, after the predictions, where it is known. */
  readonly memoryBytes: number | undefined;
}

/** What cases may differ in, in the order of their columns. */
const settings = [
  {title: "engine", of: ({engine}: BenchmarkCase) => engine.split("/")[0]!},
  {title: "threads", of: ({threads}: BenchmarkCase) => String(threads)},
  {title: "callers", of: ({report}: BenchmarkCase) => String(report.summary.callers)},
] as const;

/** Those in which they do differ; the number of callers always. */
export function settingsOf(cases: readonly BenchmarkCase[]): readonly (typeof settings)[number][] {
  return settings.filter(({title, of}) => title === "callers" || new Set(cases.map(of)).size > 1);
}

/** The end of each model's path that tells it from the others. */
export function modelNamesOf(cases: readonly BenchmarkCase[]): (path: string) => string {
  const paths = [...new Set(cases.map(({model}) => model.path))];
  const end = (path: string, count: number) => path.split(/[\\/]/).filter(Boolean).slice(-count).join("/");
  let count = 1;
  while (count < 64 && new Set(paths.map((path) => end(path, count))).size < paths.length) count++;
  return (path) => end(path, count);
}

/** One case whole, several as a table with a row each. */
export function renderCases(cases: readonly BenchmarkCase[], style: Style, columns: number): string {
  const [first, ...others] = cases;
  if (first !== undefined && others.length === 0) {
    const inputs = first.inputs.map((each) => `${printable(each.name)} ${each.dtype} ${formatShape(each.shape)}`);
    const how = [first.engine, `${first.threads} ${first.threads === 1 ? "thread" : "threads"}`];
    const memory = first.memoryBytes === undefined ? [] : [`enclave's memory ${formatBytes(first.memoryBytes)}`];
    const heading = `${style.bold(printable(first.model.path))}  ${style.dim([...inputs, ...how, ...memory].join(", "))}`;
    return `${heading}\n\n${renderBenchmark(first.report, style)}\n`;
  }
  const [varied, nameOf] = [settingsOf(cases), modelNamesOf(cases)];
  const measured = ["engine p50", "call p50", "p90", "p99", "a second", "memory"];
  const titles = ["model", ...varied.map(({title}) => title), ...measured];
  const rows = cases.map((each) => {
    const {callMs, engineMs} = each.report.summary.times;
    return [
      style.bold(printable(nameOf(each.model.path))),
      ...varied.map(({of}) => of(each)),
      ...[engineMs.p50, callMs.p50, callMs.p90, callMs.p99].map(formatMs),
      each.report.summary.predictionsPerSecond.toFixed(0),
      each.memoryBytes === undefined ? "–" : formatBytes(each.memoryBytes),
    ];
  });
  const heads = titles.map((title, i) => ({title, align: i === 0 ? "left" : "right"}) as const);
  return `${renderTable(heads, rows, style, columns)}\n`;
}

export function casesToJson(cases: readonly BenchmarkCase[]) {
  return cases.map(({model, inputs, engine, threads, report, memoryBytes}) => ({
    model: {...model},
    inputs: inputs.map(({name, dtype, shape}) => ({name, dtype, shape})),
    engine,
    threads,
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
