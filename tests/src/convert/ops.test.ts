/** Every operator case of the corpus: converted, run in LiteRT, compared with TensorFlow's numbers. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {createWasmEngine} from "@tf-trusted/litert";
import {casesOf, judgeAll, models, type Outcome, skipReason} from "./corpus.ts";

/** How many were right when this was last measured: fewer is a step back. */
const rightAtLeast = 580;

test("operators of the corpus", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  const outcomes = await judgeAll(engine, casesOf("ops")).finally(() => engine.close());
  const of = (kind: Outcome["kind"]) => [...outcomes].filter(([, outcome]) => outcome.kind === kind);
  const [right, refused, wrong] = [of("right"), of("refused"), of("wrong")];
  if (process.env.CONVERT_DETAILS)
    for (const [id, outcome] of [...refused, ...wrong]) t.diagnostic(`${id} ${JSON.stringify(outcome)}`);
  t.diagnostic(`ops: ${right.length} of ${outcomes.size} right, ${refused.length} refused, ${wrong.length} wrong`);
  assert.deepEqual(wrong, []);
  assert.ok(right.length >= rightAtLeast, `${right.length} right, expected at least ${rightAtLeast}`);
});
