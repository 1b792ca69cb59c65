/** `npm run bench [-- --rounds N] [--json]`: what an attested call costs beside its engine, and beside bare TLS. */
import {cpus} from "node:os";
import {parseArgs} from "node:util";
import type {Percentiles} from "@tf-trusted/cli";
import {measureSession, type SessionMeasurement} from "./measure.ts";
import {digitsWorkload, meansWorkload, mobilenetWorkload} from "./workloads.ts";

const {values} = parseArgs({
  options: {rounds: {type: "string", default: "300"}, json: {type: "boolean", default: false}},
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError(`--rounds ${values.rounds}: expected a whole number`);

const results: SessionMeasurement[] = [];
const workloads = [digitsWorkload, () => meansWorkload(32, 1), () => meansWorkload(224, 3), mobilenetWorkload];
for (const workload of workloads) results.push(await measureSession(await workload(), rounds));

if (values.json) {
  console.log(JSON.stringify({node: process.version, cpus: cpus().map(({model}) => model), results}, undefined, 2));
} else {
  for (const result of results) console.log(table(result));
}

function table({name, rounds, inputBytes, outputBytes, ...measured}: SessionMeasurement): string {
  const row = (what: string, {p50, p90, p99}: Percentiles) =>
    `  ${what.padEnd(44)}${[p50, p90, p99].map((ms) => ms.toFixed(2).padStart(9)).join("")}`;
  const ratio = (measured.added.p50 / measured.echo.p50).toFixed(2);
  return [
    `${name}: ${inputBytes} bytes in, ${outputBytes} out, ${rounds} rounds, milliseconds`,
    `  ${"".padEnd(44)}${["p50", "p90", "p99"].map((title) => title.padStart(9)).join("")}`,
    row("whole call over the attested session", measured.call),
    row("  engine, computing", measured.engine),
    row("  in the enclave: checks, queue, hand-over", measured.handOver),
    row("  client, messages, HTTP/2, TLS, both ways", measured.way),
    row("call − engine", measured.added),
    row("bare TLS exchange of as many bytes", measured.echo),
    `  (call − engine) / bare exchange, p50: ${ratio}`,
    "",
  ].join("\n");
}
