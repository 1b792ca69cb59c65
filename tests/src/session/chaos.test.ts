import assert from "node:assert/strict";
import {test} from "node:test";
import {chaos, clearCodes} from "./chaos.ts";

test("workers that end under load: no wrong answer, no stuck call, clear errors (a minute of it: npm run chaos)", async (t) => {
  const {kills, answers, wrong, stuck, failures} = await chaos(4, 150, () => undefined);
  t.diagnostic(`${kills} workers ended, ${answers} answers, failures ${JSON.stringify(failures)}`);
  assert.deepEqual({wrong, stuck}, {wrong: 0, stuck: 0});
  assert.deepEqual(
    Object.keys(failures).filter((code) => !clearCodes.has(code)),
    [],
  );
  assert.ok(kills >= 1 && answers >= kills, `${kills} ended, ${answers} answers`);
});
