import assert from "node:assert/strict";
import {test} from "node:test";
import {bytesOf, isLazyBytes, type LazyBytes} from "./lazy-bytes.ts";
import {Tensor} from "./tensor.ts";

function counting(bytes: Uint8Array): {readonly lazy: LazyBytes; readonly made: () => number} {
  let count = 0;
  const make = (): Uint8Array => {
    count++;
    return bytes.slice();
  };
  return {lazy: {length: bytes.length, source: bytes, how: "copied", make}, made: () => count};
}

const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);

test("a tensor of lazy bytes is like one of the bytes, and makes them when they are read", async () => {
  const {lazy, made} = counting(floats);
  const tensor = new Tensor("float32", [2, 3], lazy);
  const reshaped = tensor.reshape([3, 2]);
  assert.equal(made(), 0);
  assert.deepEqual(reshaped.values(), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(tensor.toNested(), [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  // Element by element in one go: made once.
  assert.equal(made(), 1);
  assert.ok(tensor.equals(new Tensor("float32", [2, 3], floats)));
  assert.equal(tensor.lazyBytes, lazy);
  assert.equal(reshaped.lazyBytes, lazy);
  await Promise.resolve();
  // And not kept.
  bytesOf(lazy);
  assert.equal(made(), 2);
});

test("what a tensor checks, it checks of lazy bytes as well", () => {
  const {lazy} = counting(Uint8Array.of(0, 1, 2));
  assert.throws(() => new Tensor("bool", [3], lazy), {code: "TENSOR_VALUE"});
  assert.throws(() => new Tensor("uint8", [4], lazy), {code: "TENSOR_SIZE"});
  assert.ok(isLazyBytes(lazy));
  assert.ok(!isLazyBytes({}) && !isLazyBytes(Uint8Array.of(1)));
});
