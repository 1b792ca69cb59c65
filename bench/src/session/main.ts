/** `npm run bench [-- --rounds N] [--json]`: what an attested call costs beside its engine, and beside bare TLS. */
import {cpus} from "node:os";
import {parseArgs} from "node:util";
import type {Percentiles} from "@tf-trusted/cli";
import {measureAttestation} from "./attestation.ts";
import {measureFairness} from "./fairness.ts";
import {measureSession, type SessionMeasurement} from "./measure.ts";
import {measureThroughput, type ThroughputMeasurement} from "./throughput.ts";
import {digitsWorkload, meansWorkload, mobilenetWorkload} from "./workloads.ts";

const {values} = parseArgs({
  options: {rounds: {type: "string", default: "300"}, json: {type: "boolean", default: false}},
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError(`--rounds ${values.rounds}: expected a whole number`);

const results: SessionMeasurement[] = [];
const workloads = [digitsWorkload, () => meansWorkload(32, 1), () => meansWorkload(224, 3), mobilenetWorkload];
for (const workload of workloads) results.push(await measureSession(await workload(), rounds));

const throughput: ThroughputMeasurement[] = [
  await measureThroughput(await mobilenetWorkload(), {
    callers: 8,
    workers: 2,
    against: "engine",
    rounds: 5,
    milliseconds: 2000,
    maxBatch: 8,
  }),
  await measureThroughput(await digitsWorkload(), {
    callers: 32,
    workers: 2,
    against: "grpc",
    rounds: 7,
    milliseconds: 1000,
    maxBatch: 32,
  }),
];

const fairness = await measureFairness(await digitsWorkload(), await mobilenetWorkload(), 8, 5);
const attestation = [
  await measureAttestation(await digitsWorkload(), 3 * rounds),
  await measureAttestation(await meansWorkload(224, 3), 3 * rounds),
];

if (values.json) {
  console.log(
    JSON.stringify(
      {node: process.version, cpus: cpus().map(({model}) => model), results, throughput, fairness, attestation},
      undefined,
      2,
    ),
  );
} else {
  for (const result of results) console.log(table(result));
  for (const {name, callers, workers, against, session, reference, ratio, joined} of throughput) {
    const beside = against === "engine" ? `the engine alone on ${workers} workers` : "a bare gRPC echo";
    console.log(
      `${name}, ${callers} callers, ${workers} workers: ${session.toFixed(1)} calls/s, ${beside} ${reference.toFixed(1)}: ` +
        `${ratio.toFixed(2)}`,
    );
    if (joined !== undefined) {
      console.log(
        `  the same with calls joined up to ${joined.maxBatch} rows: ${joined.session.toFixed(1)} calls/s: ` +
          `${joined.ratio.toFixed(2)} of the former`,
      );
    }
  }
  const ms = ({p50, p90, p99}: Percentiles) => `p50 ${p50.toFixed(2)}, p90 ${p90.toFixed(2)}, p99 ${p99.toFixed(2)} ms`;
  console.log(
    `${fairness.fast}, one caller alone: ${ms(fairness.alone)}; beside ${fairness.slowCallers} callers of ` +
      `${fairness.slow} (${ms(fairness.slowCalls)}): ${ms(fairness.beside)}`,
  );
  for (const {name, attested, without} of attestation) {
    console.log(
      `${name}, attested session: ${ms(attested)}; without attestation: ${ms(without)}; ` +
        `p50 ${(attested.p50 / without.p50).toFixed(3)}`,
    );
  }
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
