import assert from "node:assert/strict";
import {before, test} from "node:test";
import {
  allChecks,
  type Report,
  renderReportHtml,
  renderReportJson,
  renderReportText,
  verifyEvidence,
} from "../index.ts";
import {forge, forgeCertificate, makeWorld, type World} from "../testing/forge.ts";

let world: World;
let trusted: Report;
let refused: Report;
let hostile: Report;
const trick = "</td><script>alert(1)</script>\u001b[2J\u202e\u0085'\"&";

before(async () => {
  world = await makeWorld();
  const verify = async (changes: Parameters<typeof forge>[1]) => {
    const {evidence, options} = await forge(world, changes);
    return verifyEvidence(evidence, options);
  };
  trusted = await verify({identity: {name: trick}});
  refused = await verify({plan: {platformStatus: "OutOfDate", platformAdvisories: ["SA-1"]}});
  const {pck, root} = world.certificates;
  hostile = await verify({pckChain: [pck, await forgeCertificate(world, "authority", {subject: trick}), root]});
  assert.deepEqual([trusted.verdict, refused.code, hostile.code], ["trusted", "TCB_STATUS", "CERT_ROLE"]);
});

test("JSON is the report itself", () => {
  for (const report of [trusted, refused, hostile]) assert.deepEqual(JSON.parse(renderReportJson(report)), report);
});

test("text shows verdict, reason, what to do, facts and every step", () => {
  const text = renderReportText(refused);
  assert.match(
    text,
    /^REFUSED \(SIMULATION\)\nRefused: genuine \(simulated\), but the platform's TCB status isn't one that the policy accepts/,
  );
  assert.match(
    text,
    /code {6}TCB_STATUS \(step policy-tcb-status\)\n {2}found {5}OutOfDate \(SA-1\)\n {2}expected {2}UpToDate\n {2}to do {5}Update/,
  );
  assert.match(text, /MRENCLAVE {12}a1a1/);
  assert.match(text, /advisories +SA-1\n/);
  for (const {id} of allChecks) assert.ok(text.includes(`  ${id} `), id);
  assert.match(
    renderReportText(trusted),
    /^TRUSTED \(SIMULATION\)\nTrusted: a SIMULATED enclave, which protects nothing, matching/,
  );
});

test("brief text has verdict, reason and enclave, and counts the steps", () => {
  const text = renderReportText(refused, {brief: true});
  assert.match(
    text,
    /^REFUSED \(SIMULATION\)\n.*\n {2}code {6}TCB_STATUS .*\n(.*\n){3}Checks: \d+ passed, 1 failed, \d+ not asked/,
  );
  assert.match(text, /\nEnclave\n {2}MRENCLAVE/);
  assert.doesNotMatch(text, /Steps|Platform|Dates/);
});

test("text has colours only where asked, and no other control characters", () => {
  for (const report of [trusted, refused, hostile]) {
    const plain = renderReportText(report);
    assert.doesNotMatch(plain, /[^\P{C}\n]/u);
    const coloured = renderReportText(report, {colour: true});
    assert.notEqual(coloured, plain);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of colours
    assert.equal(coloured.replaceAll(/\u001b\[[\d;]*m/g, ""), plain);
  }
  assert.ok(renderReportText(hostile).includes("</td><script>alert(1)</script>\\u{1b}[2J\\u{202e}\\u{85}"));
});

test("the page is self-contained, and what comes from outside is escaped", () => {
  for (const report of [trusted, refused, hostile]) {
    const html = renderReportHtml(report);
    assert.match(html, /^<!doctype html>\n<html lang="en">/);
    assert.doesNotMatch(html, /<script|<link|<img|src=|href=|@import|url\(/);
    assert.match(html, /default-src 'none'/);
    assert.doesNotMatch(html, /[^\P{C}\n]/u);
    for (const {id} of allChecks) assert.ok(html.includes(`<code>${id}</code>`), id);
    assert.deepEqual(unclosed(html), []);
  }
  assert.ok(renderReportHtml(hostile).includes("&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
  assert.ok(renderReportHtml(trusted).includes("&#39;&quot;&amp;"));
});

/** Tags without their partner. */
function unclosed(html: string): readonly string[] {
  const open: string[] = [];
  for (const [, close, name = ""] of html.replace(/<!doctype html>|<meta [^>]*>/g, "").matchAll(/<(\/?)([a-z]\w*)/g)) {
    if (close === "") open.push(name);
    else if (open[open.length - 1] === name) open.pop();
    else return [`</${name}> in ${open.join(" ")}`];
  }
  return open;
}
