/** A report as text, for terminals and logs. */
import {type DocumentStep, type ReportDocument, reportDocument} from "./document.ts";
import type {Report} from "./report.ts";

export interface TextOptions {
  /** ANSI colours: for terminals only. */
  readonly colour?: boolean;
  /** Verdict, reason and enclave only; the steps are counted, not listed. */
  readonly brief?: boolean;
}

const ansi = {good: "32;1", bad: "31;1", warn: "33;1", dim: "2", bold: "1"} as const;
type Style = keyof typeof ansi;

const stepStyles: Readonly<Record<DocumentStep["status"], {readonly mark: string; readonly style: Style}>> = {
  ok: {mark: "ok     ", style: "good"},
  failed: {mark: "FAILED ", style: "bad"},
  skipped: {mark: "skipped", style: "dim"},
};

/** The report as lines that end in a line feed. */
export function renderReportText(report: Report, {colour = false, brief = false}: TextOptions = {}): string {
  const paint = (style: Style, text: string) => (colour ? `\u001b[${ansi[style]}m${text}\u001b[0m` : text);
  const document = reportDocument(report);
  const steps = brief
    ? [countLine(document.steps, paint)]
    : ["", paint("bold", "Steps"), ...document.steps.flatMap((step) => stepLines(step, paint))];
  const lines = [...headLines(document, paint), ...steps];
  for (const {title, rows} of document.tables.filter(({essential}) => essential || !brief)) {
    const width = Math.max(...rows.map(([label]) => label.length));
    lines.push(
      "",
      paint("bold", title),
      ...rows.map(([label, value]) => `  ${paint("dim", label.padEnd(width))}  ${value}`),
    );
  }
  return `${lines.join("\n")}\n`;
}

type Paint = (style: Style, text: string) => string;

function headLines({verdict, simulated, headline, summary, problem}: ReportDocument, paint: Paint): readonly string[] {
  const style = verdict === "refused" ? "bad" : simulated ? "warn" : "good";
  const lines = [paint(style, headline), summary];
  if (problem === null) return lines;
  return [
    ...lines,
    `  ${paint("dim", "code    ")}  ${paint("bad", problem.code)} (step ${problem.step})`,
    `  ${paint("dim", "found   ")}  ${problem.found}`,
    `  ${paint("dim", "expected")}  ${problem.expected}`,
    `  ${paint("dim", "to do   ")}  ${problem.todo}`,
  ];
}

function countLine(steps: readonly DocumentStep[], paint: Paint): string {
  const count = (status: DocumentStep["status"]) => steps.filter((step) => step.status === status).length;
  return paint(
    "dim",
    `Checks: ${count("ok")} passed, ${count("failed")} failed, ${count("skipped")} not asked for or not reached`,
  );
}

function stepLines({status, id, title, code, found}: DocumentStep, paint: Paint): readonly string[] {
  const {mark, style} = stepStyles[status];
  const line = `  ${paint(style, mark)}  ${id.padEnd(24)}  ${status === "skipped" ? paint("dim", title) : title}`;
  if (status === "skipped") return found.startsWith("not reached") ? [line] : [`${line} ${paint("dim", `(${found})`)}`];
  return [line, `${" ".repeat(37)}${paint("dim", `${code && `${code}: `}${found}`)}`];
}
