/** Which engine is taken, and that taking it changes the measurement. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {isNativeInstalled} from "@tf-trusted/litert";
import {defaultArtefact, measureArtefact, nativeParts} from "./artefact.ts";
import {artefactWith, chooseEngine} from "./native-artefact.ts";

test("auto takes the native engine where it can run, and says why not where it can't", () => {
  const there = {mayStartProcesses: true, isNativeInstalled: true};
  assert.deepEqual(chooseEngine("auto", there), {engine: "native"});
  assert.deepEqual(chooseEngine("native", there), {engine: "native"});
  assert.deepEqual(chooseEngine("wasm", there), {engine: "wasm"});
  const missing = chooseEngine("auto", {...there, isNativeInstalled: false});
  assert.equal(missing.engine, "wasm");
  assert.match(missing.reason ?? "", /not installed/);
  const forbidden = chooseEngine("auto", {...there, mayStartProcesses: false});
  assert.equal(forbidden.engine, "wasm");
  assert.match(forbidden.reason ?? "", /forbids child processes/);
  for (const change of [{isNativeInstalled: false}, {mayStartProcesses: false}]) {
    assert.throws(() => chooseEngine("native", {...there, ...change}), {code: "ENGINE_MISSING"});
  }
});

test("each engine has its own measurement, the native one's known without the library", async (context) => {
  const wasm = await measureArtefact(await artefactWith("wasm"));
  assert.equal((await measureArtefact(defaultArtefact)).measurement, wasm.measurement);
  const parts = await measureArtefact(nativeParts);
  assert.notEqual(parts.expected, wasm.expected);
  assert.equal(parts.altered.length, 1, "the library alone is to come");
  assert.ok(parts.manifest.arguments.includes("--allow-child-process"));
  assert.ok(!parts.manifest.arguments.includes("--allow-worker"));
  if (!isNativeInstalled())
    return context.diagnostic("the rest needs the native engine (tf-trusted engine install native)");
  const native = await measureArtefact(await artefactWith("native"));
  assert.deepEqual([native.measurement, native.altered], [parts.expected, []]);
});
