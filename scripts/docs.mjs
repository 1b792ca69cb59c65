#!/usr/bin/env node
// Writes docs/errors.md, docs/attestation-codes.md, the layers in docs/convert.md and the JSON Schema of policies from the
// code: `npm run docs` after a build.
// `npm run docs -- --check` changes nothing and fails if they differ (a test runs it).
import {readFileSync, writeFileSync} from "node:fs";
import * as attestation from "@tf-trusted/attestation";
import {kerasLayers} from "@tf-trusted/convert";

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
update("docs/convert.md", withLayers(readFileSync("docs/convert.md", "utf8")));
update("packages/attestation/policy.schema.json", `${JSON.stringify(attestation.policySchema, null, 2)}\n`);
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

/** What stands between two marks. */
function withLayers(text) {
  const [begin, end] = ["<!-- layers: made by npm run docs -->", "<!-- end of layers -->"];
  const {families, refused} = kerasLayers();
  const names = Object.values(families).flat();
  const rows = Object.entries(families).map(([family, all]) => `| ${family} | ${all.map(code).join(" ")} |`);
  const others = Object.entries(refused).map(([name, why]) => `| ${code(name)} | ${cell(why)} |`);
  const table = `${names.length} names of layers, those of earlier versions among them:

| family | layers |
|---|---|
${rows.join("\n")}

Those of Keras that are refused by name, and why:

| layer | |
|---|---|
${others.join("\n")}
`;
  const start = text.indexOf(begin);
  const stop = text.indexOf(end);
  if (start < 0 || stop < 0) throw new Error(`docs/convert.md lacks ${begin} or ${end}`);
  return `${text.slice(0, start)}${begin}\n${table}${text.slice(stop)}`;
}

function code(name) {
  return `\`${name}\``;
}

function cell(text) {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
