/** The benchmark's pieces work; its figures are another matter (`npm run bench`). */
import assert from "node:assert/strict";
import {test} from "node:test";
import {measureAttestation} from "./attestation.ts";
import {measureFairness} from "./fairness.ts";
import {measureSession} from "./measure.ts";
import {measureThroughput} from "./throughput.ts";
import {digitsWorkload, mobilenetWorkload} from "./workloads.ts";

test("session and bare exchange of the digits, a few rounds", async (t) => {
  const {engine, call, echo, added, inputBytes, outputBytes} = await measureSession(await digitsWorkload(), 20);
  t.diagnostic(
    `p50: engine ${engine.p50.toFixed(2)} ms, call ${call.p50.toFixed(2)} ms, echo ${echo.p50.toFixed(2)} ms`,
  );
  assert.deepEqual([inputBytes, outputBytes], [256, 40]);
  for (const {p50, p99} of [engine, call, echo]) assert.ok(p50 > 0 && p99 >= p50);
  assert.ok(added.p50 < call.p50);
});

test("a fast model's caller doesn't wait for the calls of a slow one", async (t) => {
  const {alone, beside, slowCalls} = await measureFairness(await digitsWorkload(), await mobilenetWorkload(), 4, 1);
  t.diagnostic(
    `p50: alone ${alone.p50.toFixed(2)} ms, beside ${beside.p50.toFixed(2)} ms; the slow one ${slowCalls.p50.toFixed(1)} ms`,
  );
  assert.ok(beside.p50 < slowCalls.p50 / 2, "it waits for the slow model's calls");
});

test("many callers, beside the engine and beside a bare gRPC echo; a server without attestation", async (t) => {
  const workload = await digitsWorkload();
  const options = {callers: 4, workers: 2, rounds: 1, milliseconds: 200};
  for (const against of ["engine", "grpc"] as const) {
    const {session, reference} = await measureThroughput(workload, {...options, against});
    t.diagnostic(`${session.toFixed(0)} calls/s, ${against} ${reference.toFixed(0)}`);
    assert.ok(session > 0 && reference > 0);
  }
  const {attested, without} = await measureAttestation(workload, 20);
  assert.ok(attested.p50 > 0 && without.p50 > 0);
});
