/** Hostile bytes give coded errors or a model, whatever was done to them: no crash, no hang, no raw error. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {TfTrustedError} from "@tf-trusted/core";
import {convert} from "./convert.ts";
import {inspectGraph} from "./inspect.ts";
import {encodeGraphText} from "./testing/graph-bytes.ts";
import {smallNet} from "./testing/graphs.ts";
import {mutants} from "./testing/mutate.ts";

const limits = {maxConstantBytes: 1 << 24, maxTensorBytes: 1 << 28};

function survive(bytes: Uint8Array): "converted" | "refused" {
  const start = performance.now();
  try {
    convert(bytes, {limits, verify: true});
    return "converted";
  } catch (error) {
    assert.ok(error instanceof TfTrustedError, `raw ${error instanceof Error ? error.stack : String(error)}`);
    return "refused";
  } finally {
    assert.ok(performance.now() - start < 2000, "took more than two seconds");
  }
}

const count = 3000;

for (const [format, bytes] of [
  ["binary", encodeGraphText(smallNet)],
  ["text", new TextEncoder().encode(smallNet)],
] as const) {
  test(`${count} mutants of a ${format} GraphDef`, (t) => {
    assert.equal(survive(bytes), "converted");
    const outcomes = {converted: 0, refused: 0};
    for (const mutant of mutants(bytes, count)) outcomes[survive(mutant)]++;
    t.diagnostic(JSON.stringify(outcomes));
    assert.ok(outcomes.refused > count / 10);
  });

  test(`every cut of a ${format} GraphDef`, () => {
    for (let length = 0; length < bytes.length; length += 7) survive(bytes.subarray(0, length));
  });
}

test("inspecting mutants gives coded errors, too", () => {
  for (const mutant of mutants(encodeGraphText(smallNet), 300, 7)) {
    try {
      inspectGraph(mutant, {limits});
    } catch (error) {
      assert.ok(error instanceof TfTrustedError, String(error));
    }
  }
});
