import assert from "node:assert/strict";
import {test} from "node:test";
import {type Evidence, evidenceParts} from "@tf-trusted/attestation";
import type {Platform} from "../platforms/platform.ts";
import {QuoteQueue} from "./quote-queue.ts";

function platform(quote: () => Promise<void>): Platform {
  return {
    kind: "simulated",
    capabilities: {sealing: false, monotonicCounter: false, trustedTime: false},
    measurement: () => "",
    evidence: async (reportData) => {
      await quote();
      return {kind: "sgx-quote-v3", quote: reportData, collateral: {}} satisfies Evidence;
    },
    sealingKey: async () => new Uint8Array(32),
  };
}

test("one at a time, in order, each with its own report data; a failure doesn't stop the rest", async () => {
  let running = 0;
  let calls = 0;
  const queue = new QuoteQueue(
    platform(async () => {
      assert.equal(++running, 1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      running--;
      if (++calls === 2) throw new Error("no quote");
    }),
    10,
  );
  const results = await Promise.allSettled([0, 1, 2, 3].map((i) => queue.evidence(Uint8Array.of(i))));
  assert.deepEqual(
    results.map((result) => (result.status === "fulfilled" ? [...evidenceParts(result.value).body] : "failed")),
    [[0], "failed", [2], [3]],
  );
});

test("a burst, then no more than the rate", async () => {
  const queue = new QuoteQueue(
    platform(async () => undefined),
    3,
  );
  const results = await Promise.allSettled(Array.from({length: 10}, () => queue.evidence(new Uint8Array(64))));
  assert.equal(results.filter(({status}) => status === "fulfilled").length, 6);
  const refused = results.filter((result) => result.status === "rejected");
  assert.deepEqual(new Set(refused.map(({reason}) => (reason as {code: string}).code)), new Set(["ATTEST_BUSY"]));
});
