/** A report as one HTML page without scripts, fonts or other requests, for mail, tickets and audits. */
import {type DocumentStep, type DocumentTable, printable, reportDocument} from "./document.ts";
import type {Report} from "./report.ts";

const style = `
:root{color-scheme:light dark;--ink:#1b1d20;--soft:#5c6570;--line:#dcdfe4;--paper:#fff;--panel:#f6f7f9;--good:#0a6b3d;--bad:#b3221b;--warn:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa3ad;--line:#3a3f45;--paper:#16181b;--panel:#1f2226;--good:#5fd39a;--bad:#ff8a80;--warn:#f0c060}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:2.5rem 1.5rem 4rem;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
header{border:1px solid var(--tone);border-left-width:.6rem;border-radius:.4rem;padding:1rem 1.2rem;margin-bottom:1.5rem;background:var(--panel)}
h1{margin:0;font-size:1.6rem;letter-spacing:.03em;color:var(--tone)}
header .counts{color:var(--soft);font-size:.87rem}
h2{margin:2.2rem 0 .5rem;font-size:1.05rem}
p{margin:.3rem 0}
.good{--tone:var(--good)}.bad{--tone:var(--bad)}.warn{--tone:var(--warn)}
table{width:100%;border-collapse:collapse}
th,td{text-align:left;vertical-align:top;padding:.32rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:400;color:var(--soft)}
.facts th{width:13.5rem}
.facts td,code{font-family:ui-monospace,monospace;font-size:.78rem}
.problem{background:var(--panel);border:1px solid var(--bad)}
.steps{font-size:.9rem;table-layout:fixed}
.steps thead th{font-size:.8rem;border-bottom:2px solid var(--line)}
.steps .n{width:2.6rem;text-align:right;color:var(--soft)}.steps .r{width:6.4rem;white-space:nowrap}.steps .w{width:34%}.steps .s{width:21%}
.steps small{display:block;color:var(--soft);font-size:.8rem}
.ok .r{color:var(--good)}.failed .r{color:var(--bad);font-weight:600}.failed{background:var(--panel)}
.skipped,.skipped .r{color:var(--soft)}
ul{margin:.3rem 0;padding-left:1.2rem;overflow-wrap:anywhere}
footer{margin-top:2.5rem;padding-top:.8rem;border-top:1px solid var(--line);color:var(--soft);font-size:.83rem}
@media(max-width:40rem){.facts th{width:8rem}.steps .s{display:none}}
@media print{body{max-width:none;padding:0}tr,header{break-inside:avoid}}
`.trim();

export interface HtmlOptions {
  /** The policy in words ({@link explainPolicy}), for readers who don't have it. */
  readonly policyStatements?: readonly string[];
}

/** The whole page. Every text from outside is escaped. */
export function renderReportHtml(report: Report, {policyStatements = []}: HtmlOptions = {}): string {
  const document = reportDocument(report);
  const tone = document.verdict === "refused" ? "bad" : document.simulated ? "warn" : "good";
  const {problem} = document;
  const problemTable: readonly DocumentTable[] = problem
    ? [
        {
          title: "Why",
          essential: true,
          rows: [
            ["code", `${problem.code} (step ${problem.step})`],
            ["found", problem.found],
            ["expected", problem.expected],
            ["what to do", problem.todo],
          ],
        },
      ]
    : [];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Attestation: ${escapeHtml(document.headline)}</title>
<style>
${style}
</style>
</head>
<body class="${tone}">
<header>
<h1>${escapeHtml(document.headline)}</h1>
<p>${escapeHtml(document.summary)}</p>
<p class="counts">${countText(document.steps)}</p>
</header>
${problemTable.map((table) => tableHtml(table, " problem")).join("\n")}
${document.tables.map((table) => tableHtml(table)).join("\n")}
${statementsHtml(policyStatements)}
<section>
<h2>Checks, in the order in which they ran</h2>
<table class="steps">
<thead><tr><th class="n">#</th><th class="r">result</th><th class="w">what holds if it passes</th><th>found</th><th class="s">specified in</th></tr></thead>
<tbody>
${document.steps.map(stepHtml).join("\n")}
</tbody></table>
</section>
<footer>
<p>A trusted report says that a platform which the root vouches for runs the program with these measurements, and that the policy's
conditions held at the time above. It doesn't say that the program is good, nor whose machine it is; without binding to a session it
says nothing about who is at the other end of a connection. Values above a failed check are as the evidence claims them.</p>
<p>TF Trusted attestation report, format ${report.format}. The same report exists as JSON.</p>
</footer>
</body>
</html>
`;
}

function countText(steps: readonly DocumentStep[]): string {
  const count = (status: DocumentStep["status"]) => steps.filter((step) => step.status === status).length;
  return `${steps.length} checks: ${count("ok")} passed, ${count("failed")} failed, ${count("skipped")} not asked for or not reached.`;
}

function statementsHtml(statements: readonly string[]): string {
  if (statements.length === 0) return "";
  const items = statements.map((text) =>
    text.startsWith("  - ")
      ? `<li>${escapeHtml(printable(text.slice("  - ".length)))}</li>`
      : `</ul><p>${escapeHtml(printable(text))}</p><ul>`,
  );
  return `<section>
<h2>The policy, in words</h2>
<ul>${items.join("")}</ul>
</section>`.replaceAll("<ul></ul>", "");
}

function tableHtml({title, rows}: DocumentTable, className = ""): string {
  const lines = rows.map(
    ([label, value]) => `<tr><th scope="row">${escapeHtml(label)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<section>
<h2>${escapeHtml(title)}</h2>
<table class="facts${className}"><tbody>
${lines.join("\n")}
</tbody></table>
</section>`;
}

const results: Readonly<Record<DocumentStep["status"], string>> = {
  ok: "✓ passed",
  failed: "✕ FAILED",
  skipped: "– skipped",
};

function stepHtml({status, id, title, code, found, expected, source}: DocumentStep, index: number): string {
  const why =
    status === "failed" ? `<small><code>${escapeHtml(code)}</code>, expected: ${escapeHtml(expected)}</small>` : "";
  const cells = [
    `<td class="n">${index + 1}</td>`,
    `<td class="r">${results[status]}</td>`,
    `<td class="w">${escapeHtml(title)}<small><code>${escapeHtml(id)}</code></small></td>`,
    `<td>${escapeHtml(found)}${why}</td>`,
    `<td class="s">${escapeHtml(source)}</td>`,
  ];
  return `<tr class="${status}">${cells.join("")}</tr>`;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character]!);
}
