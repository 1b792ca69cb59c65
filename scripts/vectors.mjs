#!/usr/bin/env node
// Runs an index of attestation vectors: `npm run vectors -- INDEX.json [--json]`. One line per case on stdout:
// id, verdict, tcbStatus, advisories, code, claims. Where a case says what is expected, differences are told on stderr;
// a verdict that differs ends the run with status 1.
import {readFileSync} from "node:fs";
import {dirname, resolve} from "node:path";
import {AttestationError, attestationCodes} from "@tf-trusted/attestation";
import {vectorReader} from "../packages/attestation/dist/testing/corpus.js";
import {vectorFlaws, verifyVector} from "../packages/attestation/dist/testing/vector-case.js";

const words = process.argv.slice(2);
const json = words.includes("--json");
const [index, ...others] = words.filter((word) => word !== "--json");
if (index === undefined || others.length > 0) {
  console.error("usage: npm run vectors -- INDEX.json [--json]");
  process.exit(2);
}

const read = vectorReader(dirname(resolve(index)));
const {cases} = JSON.parse(readFileSync(index, "utf8"));
const counts = new Map();
let wrongVerdicts = 0;
for (const vector of cases) {
  const count = counts.get(vector.tee) ?? {all: 0, expected: 0, asExpected: 0};
  counts.set(vector.tee, {...count, all: count.all + 1});
  const {row, report} = await run(vector);
  console.log(json ? JSON.stringify(row) : lineOf(row));
  if (vector.expect === undefined) continue;
  const flaws = report === null ? [`not verified: ${row.message}`] : vectorFlaws(report, vector);
  if (row.verdict !== vector.expect.verdict) wrongVerdicts++;
  for (const flaw of flaws) console.error(`${vector.id}: ${flaw}`);
  const {all, expected, asExpected} = counts.get(vector.tee);
  counts.set(vector.tee, {all, expected: expected + 1, asExpected: asExpected + (flaws.length === 0 ? 1 : 0)});
}
for (const [tee, {all, expected, asExpected}] of counts) {
  console.error(`${tee}: ${all} cases, ${asExpected} of ${expected} as expected`);
}
process.exitCode = wrongVerdicts > 0 ? 1 : 0;

/** A case that can't even be put as a question (a policy that no reader takes) is a refusal; what isn't ours, an `error`. */
async function run(vector) {
  try {
    const report = await verifyVector(vector, read);
    const {code, tcbStatus, advisories, identity} = report;
    const verdict = report.verdict === "trusted" ? "accept" : "refuse";
    const family = code === null ? null : attestationCodes[code].family;
    return {row: {id: vector.id, verdict, tcbStatus, advisories, code, family, claims: identity}, report};
  } catch (error) {
    const coded = error instanceof AttestationError;
    const [verdict, code] = coded ? ["refuse", error.code] : ["error", "ERROR"];
    const nothing = {tcbStatus: null, advisories: [], family: null, claims: null};
    return {row: {id: vector.id, verdict, ...nothing, code, message: String(error?.message)}, report: null};
  }
}

function lineOf({id, verdict, tcbStatus, advisories, code, claims}) {
  return [id, verdict, tcbStatus ?? "-", advisories.join(" ") || "-", code ?? "-", JSON.stringify(claims)].join(", ");
}
