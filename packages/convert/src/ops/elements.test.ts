/** Moving elements about: the fast path of 4-byte elements against the definition. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import fc from "fast-check";
import {stridesOf, transposeTensor} from "./elements.ts";

const shapeAndOrder = fc
  .array(fc.oneof(fc.integer({min: 0, max: 5}), fc.constantFrom(1, 65, 130)), {maxLength: 5})
  .filter((shape) => shape.reduce((product, size) => product * size, 1) < 50_000)
  .chain((shape) =>
    fc.tuple(
      fc.constant(shape),
      fc.shuffledSubarray(
        shape.map((_, axis) => axis),
        {minLength: shape.length},
      ),
    ),
  );

test("a transposed tensor has each element where its axes say, wherever its bytes begin", () => {
  fc.assert(
    fc.property(shapeAndOrder, fc.integer({min: 0, max: 3}), ([shape, order], shift) => {
      const size = shape.reduce((product, each) => product * each, 1);
      const values = Int32Array.from({length: size}, (_, i) => i);
      const bytes = new Uint8Array(4 * size + shift);
      bytes.set(new Uint8Array(values.buffer), shift);
      const result = transposeTensor(new Tensor("int32", shape, bytes.subarray(shift)), order);
      assert.deepEqual(
        result.shape,
        order.map((axis) => shape[axis]),
      );
      const [from, to] = [stridesOf(shape), stridesOf(result.shape)];
      const data = result.data as Int32Array;
      for (let i = 0; i < size; i++) {
        const source = order.reduce(
          (sum, axis, k) => sum + (Math.floor(i / to[k]!) % result.shape[k]!) * from[axis]!,
          0,
        );
        assert.equal(data[i], source);
      }
    }),
  );
});
