/** Graphs that other people made: how many are right, how many are refused; none may be wrong. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {createWasmEngine} from "@tf-trusted/litert";
import {judgeAll, models, skipReason, thirdPartyCases} from "./corpus.ts";

/** Right ones that there have been; more is better. */
const least = 634;

test("third-party graphs of the corpus", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  const outcomes = await judgeAll(engine, thirdPartyCases()).finally(() => engine.close());
  const of = (kind: string) => [...outcomes].filter(([, outcome]) => outcome.kind === kind);
  const [right, refused, wrong] = [of("right"), of("refused"), of("wrong")];
  if (process.env.CONVERT_DETAILS) {
    for (const [id, outcome] of [...refused, ...wrong]) t.diagnostic(`${id} ${JSON.stringify(outcome)}`);
  }
  t.diagnostic(
    `third party: ${right.length} of ${outcomes.size} right, ${refused.length} refused, ${wrong.length} wrong`,
  );
  assert.deepEqual(wrong, []);
  assert.ok(right.length >= least, `${right.length} are right, expected at least ${least}`);
});
