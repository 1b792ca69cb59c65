/** `npm run bench [-- --rounds N] [--json]`: what the attested session costs, beside the engine alone and bare TLS. */
import {cpus} from "node:os";
import {parseArgs} from "node:util";
import type {Percentiles} from "@tf-trusted/cli";
import {measureSession, type SessionMeasurement} from "./measure.ts";
import {digitsWorkload, mobilenetWorkload} from "./workloads.ts";

const {values} = parseArgs({
  options: {rounds: {type: "string", default: "300"}, json: {type: "boolean", default: false}},
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError(`--rounds ${values.rounds}: expected a whole number`);

const results: SessionMeasurement[] = [];
for (const workload of [digitsWorkload, mobilenetWorkload])
  results.push(await measureSession(await workload(), rounds));

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
    row("engine alone (Node 24, own process)", measured.engine),
    row("whole call over the attested session", measured.call),
    row("bare TLS exchange of as many bytes", measured.echo),
    row("call − engine", measured.added),
    row("call − engine − bare exchange", measured.addedBeyondEcho),
    `  (call − engine) / bare exchange, p50: ${ratio}`,
    "",
  ].join("\n");
}
