/** Every operator case of the corpus: converted, run in LiteRT, compared with TensorFlow's numbers. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {createWasmEngine} from "@tf-trusted/litert";
import {type Case, casesOf, judgeAll, models, type Outcome, skipReason} from "./corpus.ts";

/** How many were right when this was last measured: fewer is a step back. */
const rightAtLeast = 585;

test("operators of the corpus", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  const cases = casesOf("ops");
  const outcomes = await judgeAll(engine, cases).finally(() => engine.close());
  const of = (kind: Outcome["kind"]) => [...outcomes].filter(([, outcome]) => outcome.kind === kind);
  const [right, refused, wrong] = [of("right"), of("refused"), of("wrong")];
  if (process.env.CONVERT_DETAILS)
    for (const [id, outcome] of [...refused, ...wrong]) t.diagnostic(`${id} ${JSON.stringify(outcome)}`);
  t.diagnostic(`ops: ${right.length} of ${outcomes.size} right, ${refused.length} refused, ${wrong.length} wrong`);

  // What Google's converter does right, ours does too, but for what its engine has and ours hasn't.
  const missed = cases.filter((each) => each.litert === "ok" && outcomes.get(each.id)!.kind !== "right");
  const excused = missed.map((each) => [each.id, excuseFor(each, outcomes.get(each.id)!)] as const);
  for (const [id, excuse] of excused)
    t.diagnostic(`${id} is right by Google's converter, not by ours: ${excuse ?? "!"}`);

  assert.deepEqual(wrong, []);
  assert.deepEqual(
    excused.filter(([, excuse]) => excuse === undefined).map(([id]) => id),
    [],
  );
  assert.ok(right.length >= rightAtLeast, `${right.length} right, expected at least ${rightAtLeast}`);
});

/** Why a case may be refused that Google's converter does right: its file is ours to make, not always ours to run. */
function excuseFor({inputs, outputs, compare}: Case, outcome: Outcome): string | undefined {
  const isString = [...inputs, ...outputs].some(({dtype}) => dtype === "string");
  if (isString && outcome.kind === "refused" && outcome.by === "engine") return "strings, which the engine can't pass";
  return compare === "shape" ? "random numbers" : undefined;
}
