/** Benchmarks as a page of plots that needs no network: uPlot, its style and the figures are all in it. */
import {readFile} from "node:fs/promises";
import {createRequire} from "node:module";
import {escapeHtml, pageOf} from "../render/html.ts";
import {formatBytes, formatMs, formatShape} from "../render/quantities.ts";
import {measures} from "./measure.ts";
import {type BenchmarkCase, modelNamesOf, settingsOf} from "./render.ts";

/** A series of a plot: y over x, x rising. */
interface Series {
  readonly label: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly logX?: boolean;
  readonly points?: boolean;
  readonly series: readonly Series[];
}

/** Throws a system error where uPlot's files can't be read. */
export async function benchmarkPage(cases: readonly BenchmarkCase[]): Promise<string> {
  const [script, style] = await Promise.all(
    [
      createRequire(import.meta.url).resolve("uplot/dist/uPlot.iife.min.js"),
      createRequire(import.meta.url).resolve("uplot/dist/uPlot.min.css"),
    ].map((path) => readFile(path, "utf8")),
  );
  const plots = plotsOf(cases);
  return pageOf({
    title: "Benchmark",
    style: `${style}\n${ownStyle}`,
    body: `<main>
<h1>Predictions inside a verified enclave</h1>
<p class="dim">The engine computes; around it the enclave reads, queues and answers; around that is the attested session to the caller.</p>
${tableOf(cases)}
${plots.map(({title}, i) => `<figure><figcaption>${escapeHtml(title)}</figcaption><div id="plot-${i}"></div></figure>`).join("\n")}
</main>`,
    scripts: [script!, drawPlots],
    data: plots,
  });
}

function plotsOf(cases: readonly BenchmarkCase[]): readonly Plot[] {
  const names = namesOf(cases);
  const labels = cases.map(({report: {summary}}, i) => {
    return `${names[i]}, ${summary.callers} ${summary.callers === 1 ? "caller" : "callers"}`;
  });
  const lines = new Map<string, BenchmarkCase[]>();
  for (const [i, each] of cases.entries()) lines.set(names[i]!, [...(lines.get(names[i]!) ?? []), each]);
  const throughput = [...lines].map(([label, own]): Series => {
    const sorted = own.toSorted((a, b) => a.report.summary.callers - b.report.summary.callers);
    return {
      label,
      x: sorted.map(({report}) => report.summary.callers),
      y: sorted.map(({report}) => report.summary.predictionsPerSecond),
    };
  });
  return [
    {
      title: "How many calls took at most so long",
      xLabel: "milliseconds",
      yLabel: "% of calls",
      logX: true,
      series: cases.flatMap(({report: {samples}}, i) =>
        measures
          .filter(({key}) => key === "callMs" || (cases.length === 1 && key === "engineMs"))
          .map(({key, title}) => ({
            ...shares(samples.map((sample) => sample[key])),
            label: cases.length === 1 ? title : labels[i]!,
          })),
      ),
    },
    {
      title: "Each call, when it began",
      xLabel: "seconds",
      yLabel: "milliseconds",
      points: true,
      series: cases.map(({report: {samples}}, i) => ({
        label: labels[i]!,
        x: samples.map(({startMs}) => startMs / 1000),
        y: samples.map(({callMs}) => callMs),
      })),
    },
    ...(throughput.some(({x}) => x.length > 1)
      ? [{title: "Predictions a second", xLabel: "callers", yLabel: "a second", series: throughput}]
      : []),
  ];
}

/** What tells the cases apart, but for callers. */
function namesOf(cases: readonly BenchmarkCase[]): readonly string[] {
  const nameOf = modelNamesOf(cases);
  const varied = settingsOf(cases).filter(({title}) => title !== "callers");
  return cases.map((each) =>
    [
      nameOf(each.model.path),
      ...varied.map(({title, of}) => (title === "engine" ? of(each) : `${of(each)} ${title}`)),
    ].join(", "),
  );
}

/** Sorted times with the percentage that took no longer; equal times are one point. */
function shares(times: readonly number[]): Pick<Series, "x" | "y"> {
  const last = new Map(
    times.toSorted((a, b) => a - b).map((time, i) => [time, ((i + 1) / times.length) * 100] as const),
  );
  return {x: [...last.keys()], y: [...last.values()]};
}

function tableOf(cases: readonly BenchmarkCase[]): string {
  const varied = settingsOf(cases);
  const titles = [
    "model",
    "input",
    ...varied.map(({title}) => title),
    "engine p50",
    "enclave p50",
    "call p50",
    "p90",
    "p99",
    "a second",
    "memory",
  ];
  const nameOf = modelNamesOf(cases);
  const rows = cases.map((each) => {
    const {
      model,
      inputs,
      report: {summary},
      memoryBytes,
    } = each;
    const {engineMs, enclaveMs, callMs} = summary.times;
    return [
      nameOf(model.path),
      inputs.map(({dtype, shape}) => `${dtype} ${formatShape(shape)}`).join(", "),
      ...varied.map(({of}) => of(each)),
      ...[engineMs.p50, enclaveMs.p50, callMs.p50, callMs.p90, callMs.p99].map(formatMs),
      summary.predictionsPerSecond.toFixed(0),
      memoryBytes === undefined ? "–" : formatBytes(memoryBytes),
    ];
  });
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return `<div class="wide"><table><thead>${line(titles, "th")}</thead><tbody>${rows.map((row) => line(row, "td")).join("\n")}</tbody></table></div>`;
}

const ownStyle = `
:root { --paper: #fff; --ink: #111827; --dim: #6b7280; --line: #e5e7eb; }
@media (prefers-color-scheme: dark) { :root { --paper: #0f172a; --ink: #e5e7eb; --dim: #94a3b8; --line: #334155; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.5rem; }
h1 { font-size: 1.5rem; }
.dim { color: var(--dim); }
table { border-collapse: collapse; margin: 1.5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 500; color: var(--dim); }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
.wide { overflow-x: auto; }
figure { margin: 2rem 0; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
.u-legend { font-size: .85rem; text-align: left; }
`;

/** Runs in the page. */
const drawPlots = `
const plots = JSON.parse(document.getElementById("data").textContent);
const colours = ["#2563eb", "#e11d48", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f"];
const css = getComputedStyle(document.documentElement);
const ink = css.getPropertyValue("--dim").trim(), line = css.getPropertyValue("--line").trim();
plots.forEach((plot, index) => {
  const xs = [...new Set(plot.series.flatMap(({x}) => x))].sort((a, b) => a - b);
  const data = [xs, ...plot.series.map(({x, y}) => {
    const known = new Map(x.map((each, i) => [each, y[i]]));
    return xs.map((each) => known.get(each));
  })];
  const axis = (label) => ({label, stroke: ink, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}});
  const target = document.getElementById("plot-" + index);
  const size = () => ({width: Math.max(320, target.clientWidth), height: 320});
  const chart = new uPlot({
    ...size(),
    scales: {x: {time: false, distr: plot.logX ? 3 : 1}, y: {range: (_, __, most) => [0, most * 1.05]}},
    axes: [axis(plot.xLabel), axis(plot.yLabel)],
    series: [{label: plot.xLabel}, ...plot.series.map(({label}, i) => ({
      label,
      stroke: colours[i % colours.length],
      width: plot.points ? 0 : 2,
      spanGaps: true,
      points: {show: plot.points === true || xs.length < 20, size: 5, fill: colours[i % colours.length]},
      ...(plot.points ? {paths: () => null} : {}),
      value: (_, value) => value == null ? "" : value.toPrecision(4),
    }))],
  }, data, target);
  addEventListener("resize", () => chart.setSize(size()));
});
`;
