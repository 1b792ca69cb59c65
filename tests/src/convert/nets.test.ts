/** The small complete networks of the corpus, and two real ones, from their frozen graphs. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {createWasmEngine} from "@tf-trusted/litert";
import {type Case, casesOf, judge, judgeAll, models, skipReason} from "./corpus.ts";

test("nets of the corpus", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  const cases = casesOf("nets").map((each) => ({...each, file: `${each.id}/model.pb`, io: `${each.id}/io.npz`}));
  const outcomes = await judgeAll(engine, cases, {verify: true}).finally(() => engine.close());
  const refused = [...outcomes].filter(([, outcome]) => outcome.kind === "refused").map(([id]) => id);
  const wrong = [...outcomes].filter(([, outcome]) => outcome.kind === "wrong");
  t.diagnostic(
    `nets: ${cases.length - refused.length - wrong.length} of ${cases.length} right, ${refused.length} refused, ${wrong.length} wrong`,
  );
  assert.deepEqual(wrong, []);
  assert.deepEqual(refused, []);
});

// Their goldens come without tolerances: float32 nets of this depth agree to five digits.
const real: readonly Pick<Case, "id" | "tol">[] = [
  {id: "real/antispoof", tol: {abs: 1e-5, rel: 1e-4}},
  {id: "real/blazeface", tol: {abs: 1e-4, rel: 1e-4}},
];

test("real models", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  try {
    for (const {id, tol} of real) {
      const each: Case = {id, tol, kind: "real", file: `${id}/model.pb`, io: `${id}/io.npz`, inputs: [], outputs: []};
      const outcome = await judge(engine, each, {verify: true});
      assert.deepEqual(outcome, {kind: "right"}, id);
      t.diagnostic(`${id}: right`);
    }
  } finally {
    await engine.close();
  }
});
