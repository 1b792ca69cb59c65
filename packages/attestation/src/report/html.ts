/** A report as one HTML page without scripts, fonts or other requests, for mail, tickets and audits. */
import {type DocumentStep, type DocumentTable, reportDocument} from "./document.ts";
import type {Report} from "./report.ts";

const marks: Readonly<Record<DocumentStep["status"], string>> = {ok: "✓", failed: "✕", skipped: "–"};

const style = `
:root{color-scheme:light dark;--ink:#1c1e21;--soft:#667;--line:#d9dce1;--paper:#fff;--panel:#f5f6f8;--good:#0a6b3d;--bad:#b3221b;--warn:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa3ad;--line:#3a3f45;--paper:#16181b;--panel:#1f2226;--good:#5fd39a;--bad:#ff8a80;--warn:#f0c060}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:2rem 1rem 4rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
header{border-left:.4rem solid var(--tone);padding:.2rem 0 .2rem 1rem;margin-bottom:1.5rem}
h1{margin:0;font-size:1.7rem;letter-spacing:.02em;color:var(--tone)}
h2{margin:2rem 0 .5rem;font-size:1.1rem}
p{margin:.3rem 0}
.good{--tone:var(--good)}.bad{--tone:var(--bad)}.warn{--tone:var(--warn)}
table{width:100%;border-collapse:collapse}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-weight:400;color:var(--soft);width:14rem}
td,code{font-family:ui-monospace,monospace;font-size:.85rem}
.problem{background:var(--panel)}
ol{list-style:none;margin:0;padding:0}
li{display:grid;grid-template-columns:1.6rem 1fr;padding:.35rem 0;border-bottom:1px solid var(--line)}
li>b{color:var(--soft)}li.ok>b{color:var(--good)}li.failed>b{color:var(--bad)}
li.failed{background:var(--panel)}li.skipped{color:var(--soft)}
li small{display:block;color:var(--soft);overflow-wrap:anywhere}
footer{margin-top:2rem;color:var(--soft);font-size:.85rem}
@media(max-width:40rem){th{width:8rem}}
`.trim();

/** The whole page. Every text from outside is escaped. */
export function renderReportHtml(report: Report): string {
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
</header>
${problemTable.map((table) => tableHtml(table, "problem")).join("\n")}
${document.tables.map((table) => tableHtml(table)).join("\n")}
<h2>Steps</h2>
<ol>
${document.steps.map(stepHtml).join("\n")}
</ol>
<footer>TF Trusted attestation report, format ${report.format}. The same report exists as JSON.</footer>
</body>
</html>
`;
}

function tableHtml({title, rows}: DocumentTable, className = ""): string {
  const lines = rows.map(
    ([label, value]) => `<tr><th scope="row">${escapeHtml(label)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<section>
<h2>${escapeHtml(title)}</h2>
<table${className && ` class="${className}"`}><tbody>
${lines.join("\n")}
</tbody></table>
</section>`;
}

function stepHtml({status, id, title, code, found, expected}: DocumentStep): string {
  const details = [
    `<code>${escapeHtml(id)}</code>${code && ` <code>${escapeHtml(code)}</code>`}`,
    escapeHtml(found),
    ...(status === "failed" ? [`expected: ${escapeHtml(expected)}`] : []),
  ];
  return `<li class="${status}"><b>${marks[status]}</b><div><span>${escapeHtml(title)}</span>${details.map((line) => `<small>${line}</small>`).join("")}</div></li>`;
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
