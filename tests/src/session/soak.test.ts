import assert from "node:assert/strict";
import {test} from "node:test";
import {allowedGrowthMegabytes, soak} from "./soak.ts";

test("60 rounds of load, predict, delete leave the enclave's memory flat (1,000: soak.js)", async (context) => {
  const {early, late} = await soak(60, () => undefined);
  context.diagnostic(`resident: ${early.toFixed(1)} MB → ${late.toFixed(1)} MB`);
  assert.ok(late - early <= allowedGrowthMegabytes, `grew from ${early} MB to ${late} MB`);
});

test("800 predictions leave the enclave's memory flat (10,000: npm run soak -- --predictions 10000)", async (context) => {
  const {early, late} = await soak(800, () => undefined, {keepModel: true});
  context.diagnostic(`resident: ${early.toFixed(1)} MB → ${late.toFixed(1)} MB`);
  assert.ok(late - early <= allowedGrowthMegabytes, `grew from ${early} MB to ${late} MB`);
});
