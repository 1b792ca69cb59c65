/** The reference evaluator on every graph of the corpus that converts: its numbers are TensorFlow's, or it refuses. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {type Case, casesOf, judgeReference, models, type Outcome, skipReason, thirdPartyCases} from "./corpus.ts";

/** How many were right when this was last measured: fewer is a step back. */
const sets: readonly (readonly [name: string, cases: () => readonly Case[], rightAtLeast: number])[] = [
  ["ops", () => casesOf("ops"), 588],
  ["nets", () => casesOf("nets"), 27],
  ["third_party/dl4j", thirdPartyCases, 635],
];

for (const [name, cases, rightAtLeast] of sets) {
  test(`the reference on ${name}`, {skip: models ? false : skipReason}, async (t) => {
    const outcomes: (readonly [string, Outcome])[] = [];
    for (const each of cases()) outcomes.push([each.id, await judgeReference(each)]);
    const right = outcomes.filter(([, {kind}]) => kind === "right").length;
    const wrong = outcomes.filter(([, {kind}]) => kind === "wrong");
    const without = outcomes.filter(([, outcome]) => outcome.kind === "refused" && outcome.by === "reference");
    t.diagnostic(
      `${name}: ${right} of ${outcomes.length} right by the reference, ${without.length} without one, ${wrong.length} wrong`,
    );
    assert.deepEqual(wrong, []);
    assert.ok(right >= rightAtLeast, `${right} right, expected at least ${rightAtLeast}`);
  });
}
