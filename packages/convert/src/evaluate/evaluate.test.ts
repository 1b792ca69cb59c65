/** The reference evaluator over graphs: loops, lists, refusals; and the comparison of outputs. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import {convert} from "../convert.ts";
import {ConvertError} from "../convert-error.ts";
import {GraphBuilder} from "../ir/builder.ts";
import type {Graph, Ref, TensorType} from "../ir/graph.ts";
import {tfTable} from "../ops/tf/index.ts";
import {float, floats, node, placeholder} from "../testing/graphs.ts";
import {compareOutputs} from "./compare.ts";
import {evaluateGraph} from "./evaluate-graph.ts";

const vector = (...values: number[]) => Tensor.from(values, {dtype: "float32"});
const bytesOf = (...nodes: readonly string[]) => new TextEncoder().encode(nodes.join("\n"));
const refusedWith = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof ConvertError && error.code === code && message.test(error.message);

test("a converted graph's reference computes in the graph's own dtypes", () => {
  const source = bytesOf(
    placeholder("x", [2]),
    node("wide", "Cast", ["x"], {SrcT: float, DstT: "type: DT_DOUBLE"}),
    node("third", "Reciprocal", ["wide"], {T: "type: DT_DOUBLE"}),
  );
  const {reference, signature} = convert(source, {reference: true});
  const out = reference!(new Map([["x", vector(3, 4)]])).get("third")!;
  assert.deepEqual([out.dtype, signature.outputs[0]!.dtype], ["float64", "float64"]);
  assert.deepEqual([...out.values()], [1 / 3, 0.25]);
});

test("without `reference` nothing is kept", () => {
  assert.equal(convert(bytesOf(placeholder("x", [2]), node("y", "Neg", ["x"], {T: float}))).reference, undefined);
});

const scalar = (value: number) => Tensor.from(value, {dtype: "int32"});
const counter: TensorType = {dtype: "int32", shape: []};
const list: TensorType = {dtype: "variant", shape: [], list: {dtype: "float32", shape: ["?", 2]}};

/** A loop that pushes x·turn behind a list while turn < limit; the list stacked. */
function pushingLoop(limit: number): Graph {
  const region = (make: (b: GraphBuilder, turn: Ref, items: Ref, x: Ref) => readonly Ref[]): Graph => {
    const b = new GraphBuilder(tfTable);
    const refs = [b.input("turn", counter), b.input("items", list), b.input("x", {dtype: "float32", shape: [2]})];
    const [turn, items, x] = refs as [Ref, Ref, Ref];
    const ports = (all: readonly Ref[]) => all.map((ref, i) => ({name: `${i}`, ref}));
    return b.build(ports(refs), ports(make(b, turn, items, x)));
  };
  const cond = region((b, turn) => [b.op("tf.Less", [turn, b.constant(scalar(limit))])]);
  const body = region((b, turn, items, x) => {
    const scaled = b.op("tf.Mul", [x, b.op("tf.Cast", [turn], {SrcT: "int32", DstT: "float32"})]);
    const longer = b.op("tf.TensorListPushBack", [items, scaled], {element_dtype: "float32"});
    return [b.op("tf.AddV2", [turn, b.constant(scalar(1))]), longer, x];
  });
  const b = new GraphBuilder(tfTable);
  const x = b.input("x", {dtype: "float32", shape: [2]});
  const shape = b.constant(Tensor.from([2], {dtype: "int32"}));
  const empty = b.op("tf.EmptyTensorList", [shape, b.constant(scalar(-1))], {element_dtype: "float32"});
  const types = [counter, list, {dtype: "float32" as const, shape: [2]}];
  const loop = b.emit("tf.While", [b.constant(scalar(0)), empty, x], {}, {types, regions: {cond, body}});
  const stacked = b.op("tf.TensorListStack", [loop[1]!, shape], {element_dtype: "float32"});
  return b.build([{name: "x", ref: x}], [{name: "y", ref: stacked}]);
}

for (const limit of [0, 3]) {
  test(`a loop of ${limit} turns`, () => {
    const y = evaluateGraph(pushingLoop(limit), new Map([["x", vector(1, 10)]])).get("y")!;
    assert.deepEqual(y.shape, [limit, 2]);
    assert.deepEqual(y.values(), Array.from({length: limit}, (_, turn) => [turn, 10 * turn]).flat());
  });
}

test("a loop that doesn't end is refused", () => {
  assert.throws(
    () => evaluateGraph(pushingLoop(1e6), new Map([["x", vector(1, 2)]])),
    refusedWith("CONVERT_LIMIT", /goes on after 100000 turns/),
  );
});

test("what has no reference is named", () => {
  const source = bytesOf(
    placeholder("x", [2]),
    floats("scale", [2], [0, 0]),
    node("shape", "Shape", ["x"], {T: float, out_type: "type: DT_INT32"}),
    node("noise", "RandomUniform", ["shape"], {T: "type: DT_INT32", dtype: float}),
    node("y", "AddV2", ["x", "noise"], {T: float}),
  );
  const {reference} = convert(source, {reference: true});
  assert.throws(
    () => reference!(new Map([["x", vector(1, 2)]])),
    refusedWith("CONVERT_NO_REFERENCE", /"noise" \(RandomUniform\)/),
  );
});

test("inputs that are missing or of another dtype are refused", () => {
  const {reference} = convert(bytesOf(placeholder("x", [2]), node("y", "Neg", ["x"], {T: float})), {reference: true});
  assert.throws(() => reference!(new Map()), refusedWith("CONVERT_INPUT_SHAPE", /"x" is nothing, expected float32/));
  const whole = Tensor.from([1, 2], {dtype: "int32"});
  assert.throws(() => reference!(new Map([["x", whole]])), refusedWith("CONVERT_INPUT_SHAPE", /"x" is int32 \[2\]/));
});

test("differences are told with their place", () => {
  const wanted = new Map([["y", Tensor.from([1, -4, Number.NaN, 2], {dtype: "float32", shape: [2, 2]})]]);
  const [same] = compareOutputs(wanted, {y: wanted.get("y")!});
  assert.deepEqual([same!.largest, same!.relative, same!.at], [0, 0, []]);
  const found = Tensor.from([1, -3, Number.NaN, 2.5], {dtype: "float32", shape: [2, 2]});
  const [off] = compareOutputs(wanted, {y: found});
  assert.deepEqual([off!.largest, off!.relative, off!.at], [1, 0.25, [0, 1]]);
});

test("a number instead of NaN, another shape and a missing output are infinitely far", () => {
  const wanted = new Map([["y", vector(Number.NaN)]]);
  for (const found of [{y: vector(0)}, {y: vector(Number.NaN, 1)}, {}]) {
    assert.equal(compareOutputs(wanted, found as Record<string, Tensor>)[0]!.relative, Number.POSITIVE_INFINITY);
  }
});

test("inputs may be outputs", () => {
  const source = bytesOf(placeholder("x", [2]), node("y", "Neg", ["x"], {T: float}));
  const {reference} = convert(source, {reference: true, outputs: ["x", "y"]});
  assert.deepEqual([...reference!(new Map([["x", vector(1, 2)]])).keys()], ["x", "y"]);
});
