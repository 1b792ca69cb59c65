import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {formatTensor} from "./format.ts";
import {Tensor} from "./tensor.ts";
import {anyTensor} from "./testing/arbitraries.ts";
import {golden, goldenTensor} from "./testing/golden.ts";

for (const [index, row] of golden.prints.entries()) {
  test(`as NumPy ${golden.numpy} prints ${row.dtype} [${row.shape.join(", ")}] (${index})`, () => {
    assert.equal(formatTensor(goldenTensor(row)), row.text);
  });
}

test("strings: quoted text, escaped bytes, cut when long", () => {
  assert.equal(formatTensor(Tensor.from(["a", 'b"\n', "é"])), '["a" "b\\"\\n" "é"]');
  assert.equal(formatTensor(Tensor.from([Uint8Array.of(0xff, 0x41, 0x22)], {dtype: "string"})), '[b"\\xffA\\x22"]');
  assert.equal(formatTensor(Tensor.from("x".repeat(61))), `"${"x".repeat(60)}"…`);
  assert.equal(formatTensor(Tensor.from(`${"x".repeat(59)}é`)), `"${"x".repeat(59)}"…`);
});

test("strings: nothing that drives a terminal or turns text around gets through", () => {
  const text = formatTensor(Tensor.from("\x1b[31m\x9b31m\u202egnp.exe\u2028\x7f"));
  assert.equal(text, '"\\u001b[31m\\u{9b}31m\\u{202e}gnp.exe\\u{2028}\\u{7f}"');
});

test("options: line width and precision", () => {
  const tensor = Tensor.from([1 / 3, 2 / 3, 1], {dtype: "float64"});
  assert.equal(formatTensor(tensor, {precision: 2}), "[0.33 0.67 1.  ]");
  assert.equal(formatTensor(tensor, {precision: 2, lineWidth: 12}), "[0.33 0.67\n 1.  ]");
  assert.equal(formatTensor(tensor, {lineWidth: 1}).split("\n").length, 3);
});

test("bfloat16: as few digits as tell it from its neighbours", () => {
  assert.equal(formatTensor(Tensor.from([0.1, 2, 255], {dtype: "bfloat16"})), "[1.00e-01 2.00e+00 2.55e+02]");
});

test("bounded: many axes, many elements", () => {
  assert.equal(formatTensor(new Tensor("int8", new Array(20).fill(2), new Uint8Array(2 ** 20))), "[…]");
  const six = new Tensor("int8", new Array(6).fill(10), new Uint8Array(10 ** 6));
  assert.ok(formatTensor(six).length < 30_000);
  assert.equal(
    formatTensor(new Tensor("int8", new Array(64).fill(1), new Uint8Array(1))),
    `${"[".repeat(64)}0${"]".repeat(64)}`,
  );
  assert.equal(formatTensor(new Tensor("int8", [2 ** 40, 0], new Uint8Array())), "[]");
});

test("property: every tensor has a text without control characters", () => {
  fc.assert(fc.property(anyTensor(), (tensor) => assert.match(formatTensor(tensor), /^[^\p{Cc}]*(\n[^\p{Cc}]*)*$/u)));
});
