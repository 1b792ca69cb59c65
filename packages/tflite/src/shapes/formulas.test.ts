import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import type {TfliteModel} from "../model.ts";
import {claimedShapes, shapesMetadata} from "./formulas.ts";

function modelWith(claims: unknown, bytes = new TextEncoder().encode(JSON.stringify(claims))): TfliteModel {
  return {
    version: 3,
    description: "",
    operatorCodes: [],
    subgraphs: [],
    buffers: [new Uint8Array(0), bytes],
    metadata: [{name: shapesMetadata, buffer: 1}],
    signatures: [{key: "f", subgraph: 0, inputs: [{name: "x", tensor: 0}], outputs: [{name: "y", tensor: 1}]}],
  };
}

const claim = (...shape: readonly unknown[]) =>
  modelWith({signatures: {f: {inputs: {x: ["a/b-c.0", "x.1"]}, outputs: {y: shape}}}});

const cases: readonly (readonly [string | number, number | undefined])[] = [
  [7, 7],
  ["a/b-c.0", 5],
  ["2*a/b-c.0*x.1", 30],
  ["ceil(x.1/2)", 2],
  ["floor(x.1/2)", 1],
  ["ceil(a/b-c.0/2)", 3],
  ["(x.1+-1)", 2],
  ["(2*x.1+a/b-c.0)", 11],
  ["2*ceil((x.1+4)/2)", 8],
  ["?", undefined],
  ["z.0", undefined],
  ["(x.1+-9)", undefined],
  ["ceil(x.1/0)", undefined],
  ["x.1+", undefined],
  ["((", undefined],
];

for (const [dim, size] of cases) {
  test(`[${dim}] is ${size}`, () => {
    assert.deepEqual(claimedShapes(claim(dim), "f", [[5, 3]]), [size === undefined ? undefined : [size]]);
  });
}

test("other metadata, signatures and JSON claim nothing", () => {
  for (const claims of [null, [], {signatures: {g: {}}}, {signatures: {f: {outputs: {y: 3}}}}, "x"]) {
    assert.deepEqual(claimedShapes(modelWith(claims), "f", [[1, 1]]), [undefined]);
  }
  assert.deepEqual(claimedShapes(modelWith(null, Uint8Array.of(0xff)), "f", [[1, 1]]), [undefined]);
  assert.deepEqual(claimedShapes({...claim(1), metadata: []}, "f", [[1, 1]]), [undefined]);
});

test("any expression gives a size or nothing, quickly", () => {
  const text = fc.stringMatching(/^[a-z0-9.*+/()-]{0,40}$/);
  fc.assert(
    fc.property(text, (dim) => {
      const [shape] = claimedShapes(claim(dim), "f", [[5, 3]]);
      assert.ok(shape === undefined || shape.every((size) => size >= 0));
    }),
  );
});
