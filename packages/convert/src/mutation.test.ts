/** Hostile bytes give coded errors or a model, whatever was done to them: no crash, no hang, no raw error. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {TfTrustedError} from "@tf-trusted/core";
import {type ConvertOptions, convert} from "./convert.ts";
import {inspectGraph} from "./inspect.ts";
import {encodeGraphText} from "./testing/graph-bytes.ts";
import {float, floats, node, placeholder, smallNet} from "./testing/graphs.ts";
import {mutants} from "./testing/mutate.ts";

const range = (name: string, low: number, high: number) => [
  floats(`${name}/low`, [], [low]),
  floats(`${name}/high`, [], [high]),
];
const fakeQuant = (name: string, input: string) =>
  node(name, "FakeQuantWithMinMaxVars", [input, `${name}/low`, `${name}/high`], {num_bits: "i: 8"});
const fakeQuantised = [
  placeholder("x", [-1, 6, 6, 1]),
  ...range("q", -3, 3),
  fakeQuant("q", "x"),
  floats(
    "w",
    [3, 3, 1, 2],
    Array.from({length: 18}, (_, i) => i / 8 - 1),
  ),
  ...range("v", -1, 1.25),
  fakeQuant("v", "w"),
  node("conv", "Conv2D", ["q", "v"], {T: float, strides: "list { i: [1, 1, 1, 1] }", padding: 's: "SAME"'}),
  floats("bias", [2], [0.5, -0.25]),
  node("sum", "BiasAdd", ["conv", "bias"], {T: float}),
  ...range("y", -6, 6),
  fakeQuant("y", "sum"),
].join("\n");

const limits = {maxConstantBytes: 1 << 24, maxTensorBytes: 1 << 28};

function survive(bytes: Uint8Array, options: ConvertOptions = {}): "converted" | "refused" {
  const start = performance.now();
  try {
    convert(bytes, {limits, verify: true, ...options});
    return "converted";
  } catch (error) {
    assert.ok(error instanceof TfTrustedError, `raw ${error instanceof Error ? error.stack : String(error)}`);
    assert.notEqual(error.code, "TFLITE_UNWRITABLE", `names no node: ${error.message}`);
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

test("mutants of a fake-quantised graph that is to be quantised", (t) => {
  const bytes = encodeGraphText(fakeQuantised);
  assert.equal(survive(bytes, {quantize: "keep"}), "converted");
  const outcomes = {converted: 0, refused: 0};
  for (const mutant of mutants(bytes, 1000, 3)) {
    outcomes[survive(mutant, {quantize: "keep", ioType: "uint8"})]++;
    outcomes[survive(mutant, {quantize: "weights"})]++;
  }
  t.diagnostic(JSON.stringify(outcomes));
  assert.ok(outcomes.converted > 100 && outcomes.refused > 100);
});
