/** Large constants are transposed when they are read: the file is the same as with small ones' rules. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {bytesOf, Tensor} from "@tf-trusted/tensor";
import {sameBytes} from "../bytes/hash.ts";
import {transposeTensor} from "./elements.ts";

const [rows, columns] = [700, 400];
const values = Float32Array.from({length: rows * columns}, (_, i) => i);
const large = Tensor.from(values, {shape: [rows, columns]});

test("a large transpose is lazy, and what it stands for", () => {
  const lazy = transposeTensor(large, [1, 0]);
  assert.ok(!(lazy.lazyBytes instanceof Uint8Array));
  assert.deepEqual(lazy.shape, [columns, rows]);
  const {data} = lazy;
  for (const [row, column] of [
    [0, 0],
    [3, 7],
    [699, 399],
    [12, 399],
  ] as const) {
    assert.equal(data[column * rows + row], row * columns + column);
  }
  assert.ok(transposeTensor(lazy, [1, 0]).equals(large));
});

test("equal transposes of one value are the same, others aren't", () => {
  const [a, b] = [transposeTensor(large, [1, 0]), transposeTensor(large, [1, 0])];
  assert.ok(sameBytes(a.lazyBytes, b.lazyBytes));
  assert.ok(!sameBytes(a.lazyBytes, transposeTensor(large.reshape([columns, rows]), [1, 0]).lazyBytes));
  assert.ok(!sameBytes(a.lazyBytes, bytesOf(a.lazyBytes)));
});
