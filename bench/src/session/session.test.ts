/** The benchmark's pieces work; its figures are another matter (`npm run bench`). */
import assert from "node:assert/strict";
import {test} from "node:test";
import {measureSession} from "./measure.ts";
import {digitsWorkload} from "./workloads.ts";

test("session and bare exchange of the digits, a few rounds", async (t) => {
  const {engine, call, echo, added, inputBytes, outputBytes} = await measureSession(await digitsWorkload(), 20);
  t.diagnostic(
    `p50: engine ${engine.p50.toFixed(2)} ms, call ${call.p50.toFixed(2)} ms, echo ${echo.p50.toFixed(2)} ms`,
  );
  assert.deepEqual([inputBytes, outputBytes], [256, 40]);
  for (const {p50, p99} of [engine, call, echo]) assert.ok(p50 > 0 && p99 >= p50);
  assert.ok(added.p50 < call.p50);
});
