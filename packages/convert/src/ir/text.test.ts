import assert from "node:assert/strict";
import {test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import fc from "fast-check";
import {convert} from "../convert.ts";
import {ConvertError} from "../convert-error.ts";
import {smallNet} from "../testing/graphs.ts";
import type {Attribute, Graph, Node, TensorType} from "./graph.ts";
import {parseGraph, printGraph} from "./text.ts";

const name = fc.oneof(fc.stringMatching(/^[A-Za-z0-9.][\w./>-]{0,12}$/), fc.string({minLength: 1, maxLength: 8}));
const dim = fc.oneof(fc.nat(100), fc.constantFrom("?", "x.0", "2*x.0", "ceil(x.1/2)", "(a.0+-3)"));
const type: fc.Arbitrary<TensorType> = fc.record(
  {
    dtype: fc.constantFrom("float32" as const, "int64" as const, "resource" as const),
    shape: fc.option(fc.array(dim, {maxLength: 4}), {nil: undefined}),
    elements: fc.array(dim, {maxLength: 3}),
  },
  {requiredKeys: ["dtype", "shape"]},
);
const quantisation = fc
  .array(fc.tuple(fc.float({noNaN: true}), fc.integer({min: -128, max: 255})), {minLength: 1, maxLength: 4})
  .chain((pairs) => {
    const [scale, zero] = [pairs.map(([each]) => each), pairs.map(([, each]) => each)];
    return fc.nat(scale.length === 1 ? 0 : 3).map((axis) => ({scale, zero, axis}));
  });
const quantised: fc.Arbitrary<TensorType> = fc.record({
  dtype: fc.constantFrom("int8" as const, "uint8" as const),
  shape: fc.option(fc.array(dim, {maxLength: 4}), {nil: undefined}),
  quantisation,
});
const tensor = fc.oneof(
  fc.array(fc.float(), {maxLength: 20}).map((values) => Tensor.from(values, {dtype: "float32"})),
  fc
    .array(fc.bigInt({min: -(2n ** 63n), max: 2n ** 63n - 1n}), {maxLength: 4})
    .map((values) => Tensor.from(values, {dtype: "int64"})),
  fc.array(fc.string(), {maxLength: 3}).map((values) =>
    Tensor.from(
      values.filter((each) => each.isWellFormed()),
      {dtype: "string"},
    ),
  ),
  fc.boolean().map((value) => Tensor.from(value)),
);
const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  fc.double(),
  fc.boolean(),
  fc.string(),
  tensor,
  fc.array(fc.oneof(fc.integer(), fc.string(), fc.boolean()), {maxLength: 3}),
  fc.array(fc.array(fc.integer(), {maxLength: 2}), {maxLength: 2, minLength: 1}),
);
const ref = fc.tuple(name, fc.nat(3)).map(([node, index]) => `${node}:${index}`);
const node: fc.Arbitrary<Node> = fc.record(
  {
    name: name.filter((each) => each !== "input" && each !== "output"),
    op: fc.constantFrom("tf.Add", "const", "tfl.CONV_2D"),
    inputs: fc.array(fc.oneof(ref, fc.constant("")), {maxLength: 3}),
    attributes: fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), attribute, {maxKeys: 3}),
    outputs: fc.array(fc.oneof(type, quantised), {maxLength: 2}),
    origin: name,
  },
  {requiredKeys: ["name", "op", "inputs", "attributes", "outputs"]},
);
const ports = fc.array(fc.record({name: fc.string(), ref}), {maxLength: 2});
const graph: fc.Arbitrary<Graph> = fc.record({inputs: ports, outputs: ports, nodes: fc.array(node, {maxLength: 5})});

test("print → parse → print gives the same text", () => {
  fc.assert(
    fc.property(graph, (value) => {
      const text = printGraph(value);
      assert.equal(printGraph(parseGraph(text)), text);
    }),
  );
});

test("scales and zeros are part of the type", () => {
  const text =
    "graph\nw = const() {value: int8[2] <1, -2>} : int8[2] scaled (0.5,0.25) from (0,3) along 0\nv = tfl.QUANTIZE(x:0) : int8[x.0] scaled (0.5) from (-128)\n";
  assert.equal(printGraph(parseGraph(text)), text);
  const [w, v] = parseGraph(text).nodes;
  assert.deepEqual(w!.outputs[0]!.quantisation, {scale: [0.5, 0.25], zero: [0, 3], axis: 0});
  assert.deepEqual(v!.outputs[0]!.quantisation, {scale: [0.5], zero: [-128], axis: 0});
});

test("the text of a graph after every pass parses back", () => {
  const seen: string[] = [];
  convert(new TextEncoder().encode(smallNet), {
    dumpPass: (pass, text) => {
      seen.push(pass);
      assert.equal(printGraph(parseGraph(text)), text, pass);
    },
  });
  assert.equal(seen[0], "import");
  assert.ok(seen.includes("lower"));
});

test("broken text gives the line", () => {
  for (const text of [
    "x = tf.Add(",
    "graph\nx == y",
    'input "x = x:0',
    "x = tf.Add() : floaty[1]",
    "w = const() {value: float32[2] <1>} : float32[2]",
  ]) {
    assert.throws(
      () => parseGraph(text),
      (error) => error instanceof ConvertError && error.code === "CONVERT_IR_TEXT" && /line \d/.test(error.message),
    );
  }
});
