/** A few damaged inputs for every reader; `npm run fuzz` tries thousands. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {TfTrustedError} from "@tf-trusted/core";
import {fuzzTargets} from "./testing/fuzz-targets.ts";

for (const {name, cases} of fuzzTargets) {
  test(`40 mutants: ${name}`, async () => {
    let refused = 0;
    for (const run of cases(40)) {
      const started = performance.now();
      try {
        await run();
      } catch (error) {
        assert.ok(error instanceof TfTrustedError, error instanceof Error ? error.stack : String(error));
        refused++;
      }
      assert.ok(performance.now() - started < 2000, "took more than two seconds");
    }
    assert.ok(refused > 0, "nothing was refused: were the inputs damaged?");
  });
}
