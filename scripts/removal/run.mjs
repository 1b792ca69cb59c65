#!/usr/bin/env node
// Takes away, one by one, the checks that stand against the known mistakes (`mistakes.mjs`), and runs tests that have to fail
// then: `npm run checks:removal` (a few minutes), `-- WORD` for those whose text has the word, `-- --write` for docs/attestation-mistakes.md.
// Works on a copy of the compiled package in scratch/. Ends with 1 where a check can go unnoticed, or isn't where it was.
import {execFile} from "node:child_process";
import {cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {transformSync} from "esbuild";
import {mistakes} from "./mistakes.mjs";

const source = "packages/attestation/src";
const compiled = "packages/attestation/dist";
// As deep as the package, so that tests find fixtures and corpus by the same relative paths.
const copy = `scratch/checks-removal-${process.pid}`;
const page = "docs/attestation-mistakes.md";

const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const write = process.argv.includes("--write");
const rows = mistakes.flatMap(({mistake, checks}) => checks.map((check) => ({mistake, ...check})));
const chosen = rows.filter((row) => words.every((word) => `${row.mistake} ${row.what} ${row.file}`.includes(word)));

let unnoticed = 0;
const results = [];
process.once("SIGINT", () => {
  rmSync(copy, {recursive: true, force: true});
  process.exit(130);
});
try {
  mkdirSync(copy, {recursive: true});
  cpSync(compiled, join(copy, "dist"), {recursive: true});
  cpSync("packages/attestation/package.json", join(copy, "package.json"));
  for (const row of chosen) {
    const failing = await failuresWithout(row);
    results.push({...row, failing});
    if (failing.length === 0) unnoticed++;
    console.log(`${failing.length > 0 ? "noticed  " : "UNNOTICED"}  ${row.mistake}: ${row.what} (${row.file})`);
    if (failing.length > 0) console.log(`           ${failing.slice(0, 2).join("; ")}`);
  }
} finally {
  rmSync(copy, {recursive: true, force: true});
}
console.log(`${chosen.length - unnoticed} of ${chosen.length} removals are noticed by a test`);
if (write && words.length === 0) writeFileSync(page, markdown());
process.exitCode = unnoticed > 0 ? 1 : 0;

/** The names of the tests that fail without the check; those of the corpus are asked where the package's own don't tell. */
async function failuresWithout({file, from, to, tests}) {
  const text = readFileSync(join(source, file), "utf8");
  if (text.split(from).length !== 2) {
    throw new Error(
      `${file} has ${text.split(from).length - 1} places with ${JSON.stringify(from)}, expected one: update mistakes.mjs`,
    );
  }
  const target = join(copy, "dist", file.replace(/\.ts$/, ".js"));
  const whole = readFileSync(target);
  writeFileSync(target, compile(text.replace(from, () => to)));
  try {
    const own = await failingOf(tests);
    return own.length > 0 ? own : await failingOf(["vectors.test.js"]);
  } finally {
    writeFileSync(target, whole);
  }
}

function compile(text) {
  const {code} = transformSync(text, {loader: "ts", target: "es2022", format: "esm"});
  return code.replace(/(from\s+"\.[^"]*)\.ts"/g, '$1.js"');
}

async function failingOf(tests) {
  const files = tests.map((test) => join(copy, "dist", test));
  for (const file of files) if (!existsSync(file)) throw new Error(`there is no ${file}: npm run build`);
  // It ends with 1 where tests fail, which is what is wanted here.
  const stdout = await new Promise((resolve) => {
    const words = ["--test", "--test-reporter=tap", ...files];
    execFile(process.execPath, words, {maxBuffer: 1 << 28}, (_error, text) => resolve(text));
  });
  const names = [...stdout.matchAll(/^ *not ok \d+ - (.*)$/gm)].map(([, name]) => name.replace(/\\#/g, "#"));
  // Subtests come before the tests that hold them; a file's own line says nothing.
  return [...new Set(names)].filter((name) => !name.includes(".test.js"));
}

function markdown() {
  const lines = results.map(({mistake, what, file, failing: [first = "none"]}, i) => {
    const same = results[i - 1]?.mistake === mistake;
    return `| ${same ? "" : cell(mistake)} | ${cell(what)} | \`${file}\` | ${cell(first)} |`;
  });
  return `# Attestation: known mistakes, and what notices them

Mistakes that verifiers of attestation evidence have made, some with a number. For each: the checks of ours that stand against it,
and a test that fails when the check is taken away. \`npm run checks:removal -- --write\` takes away one after the other
(\`scripts/removal/mistakes.mjs\` has the places and what is left), runs the tests and writes this page; it fails where a removal goes
unnoticed or a check isn't in its place any more. The last run: ${results.filter(({failing}) => failing.length > 0).length} of ${results.length} removals are noticed.

| mistake | check that was taken away | in | first test that fails |
|---|---|---|---|
${lines.join("\n")}
`;
}

function cell(text) {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
