/** Complex numbers as pairs: what is left of them, and what is refused. Their numbers are tested in tests/src/convert. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {convert} from "../convert.ts";
import {ConvertError} from "../convert-error.ts";
import {float, int32, ints, node, placeholder} from "../testing/graphs.ts";

const complex64 = "type: DT_COMPLEX64";
const bytesOf = (...nodes: readonly string[]) => new TextEncoder().encode(nodes.join("\n"));
const pair = [
  placeholder("x", [3]),
  placeholder("y", [3]),
  node("z", "Complex", ["x", "y"], {T: float, Tout: complex64}),
];
const take = (op: string) => node("out", op, ["z2"], {T: complex64, Tout: float});

test("what is made and taken apart again is never a complex number", () => {
  const product = node("z2", "Mul", ["z", "z"], {T: complex64});
  const {report} = convert(bytesOf(...pair, product, take("Real")), {verify: true});
  assert.deepEqual(report.operators, {MUL: 2, SUB: 1});
  const taken = report.changes.find(({what}) => what === "complex operators taken apart");
  assert.deepEqual(taken?.nodes, ["z2", "out"]);
});

test("a conjugate changes one part only", () => {
  const conjugate = node("z2", "Conj", ["z"], {T: complex64});
  assert.deepEqual(convert(bytesOf(...pair, conjugate, take("Imag"))).report.operators, {NEG: 1});
});

test("complex results are pairs, bit by bit", () => {
  const {signature, report} = convert(bytesOf(...pair), {verify: true});
  assert.equal(signature.outputs[0]!.dtype, "complex64");
  assert.deepEqual(report.operators, {BITCAST: 1, PACK: 1});
});

test("real transforms of a power of two are the kernel's, others products with matrices", () => {
  const transform = (size: number) =>
    bytesOf(
      placeholder("x", [2, size]),
      ints("length", [1], [size]),
      node("z2", "RFFT", ["x", "length"], {Treal: float, Tcomplex: complex64, Tidx: int32}),
      node("out", "Real", ["z2"], {T: complex64, Tout: float}),
    );
  assert.equal(convert(transform(8)).report.operators.RFFT2D, 1);
  assert.deepEqual(convert(transform(6)).report.operators, {FULLY_CONNECTED: 1});
  assert.throws(
    () => convert(transform(1025)),
    (error) => error instanceof ConvertError && error.code === "CONVERT_OP_UNSUPPORTED",
  );
});

test("an operator that knows no complex numbers is refused, not computed on one part", () => {
  const tangent = node("z2", "Tan", ["z"], {T: complex64});
  assert.throws(
    () => convert(bytesOf(...pair, tangent, take("Real"))),
    (error) => error instanceof ConvertError && error.code === "CONVERT_OP_UNSUPPORTED" && /Tan/.test(error.message),
  );
});
