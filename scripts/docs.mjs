#!/usr/bin/env node
// Writes docs/errors.md and docs/attestation-codes.md from the tables in the code: `npm run docs` after a build.
// `npm run docs -- --check` changes nothing and fails if they differ (a test runs it).
import {readFileSync, writeFileSync} from "node:fs";
import * as attestation from "@tf-trusted/attestation";

const packages = [
  "core",
  "tensor",
  "tflite",
  "convert",
  "litert",
  "attestation",
  "protocol",
  "enclave",
  "client",
  "cli",
];
const check = process.argv.includes("--check");

const sections = [];
for (const name of packages) {
  const surface = await import(`@tf-trusted/${name}`);
  for (const [key, table] of Object.entries(surface)) {
    if (!/(Errors|Findings)$/.test(key) || typeof table !== "object") continue;
    const title = key.endsWith("Findings") ? `${name}: findings in a file, told within errors` : name;
    const rows = Object.entries(table).map(([code, {when, todo}]) => `| \`${code}\` | ${cell(when)} | ${cell(todo)} |`);
    sections.push(`## ${title}\n\n| code | when | what to do |\n|---|---|---|\n${rows.join("\n")}\n`);
  }
}
const errors = `# Errors

Every error is a \`TfTrustedError\` with a stable \`code\`; its message says what was found, what was expected, where, and what
to do. This page is made from the tables in the code (\`npm run docs\`).

${sections.join("\n")}`;

let stale = 0;
update("docs/errors.md", errors);
update("docs/attestation-codes.md", attestation.attestationCodesMarkdown());
process.exit(stale === 0 ? 0 : 1);

function update(path, text) {
  let old = "";
  try {
    old = readFileSync(path, "utf8");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  if (old === text) return;
  if (check) {
    console.error(`${path} is not what the code's tables say: run npm run docs`);
    stale++;
    return;
  }
  writeFileSync(path, text);
  console.log(`wrote ${path}`);
}

function cell(text) {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
