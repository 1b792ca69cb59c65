import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {TensorError} from "./errors.ts";
import {decodeStrings, encodeStrings} from "./strings.ts";
import {throwsCode} from "./testing/throws-code.ts";

test("the packing of tensorflow/lite/string_util.h", () => {
  const packed = encodeStrings([Uint8Array.of(0x61, 0x62), Uint8Array.of(), Uint8Array.of(0)]);
  // count 3; offsets 20, 22, 22, 23; "ab", "", "\0"
  assert.deepEqual([...packed], [3, 0, 0, 0, 20, 0, 0, 0, 22, 0, 0, 0, 22, 0, 0, 0, 23, 0, 0, 0, 0x61, 0x62, 0]);
  assert.deepEqual([...encodeStrings([])], [0, 0, 0, 0, 8, 0, 0, 0]);
});

test("property: what was packed comes back, as views", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (items) => {
      const packed = encodeStrings(items);
      const found = decodeStrings(packed, items.length);
      assert.deepEqual(found, items);
      assert.ok(found.every((item) => item.buffer === packed.buffer));
    }),
  );
});

/** i32 numbers, and then some bytes. */
function pack(numbers: readonly number[], ...bytes: readonly number[]): Uint8Array {
  return Uint8Array.of(...new Uint8Array(Int32Array.from(numbers).buffer), ...bytes);
}

test("refuses every other packing", () => {
  const refused: Readonly<Record<string, readonly [Uint8Array, number]>> = {
    empty: [pack([]), 0],
    "no offsets": [pack([0]), 0],
    "another count than the shape's": [pack([0, 8]), 1],
    "a count that the bytes can't have": [pack([2 ** 31 - 1, 8]), 2 ** 31 - 1],
    "a negative count": [pack([-1, 8]), 0],
    "a first offset into the offsets": [pack([1, 8, 13], 1), 1],
    "a gap before the first string": [pack([1, 13, 14], 1, 2), 1],
    "a negative offset": [pack([1, 12, -1]), 1],
    "an end before the start": [pack([2, 16, 15, 16]), 2],
    "an offset beyond the end": [pack([1, 12, 14], 1), 1],
    "bytes after the last string": [pack([1, 12, 12], 1), 1],
  };
  for (const [bytes, count] of Object.values(refused)) throwsCode("TENSOR_STRINGS", () => decodeStrings(bytes, count));
});

test("property: any change of any byte gives strings or TENSOR_STRINGS", () => {
  const packed = encodeStrings([Uint8Array.of(1, 2, 3), Uint8Array.of(), Uint8Array.of(4)]);
  for (let offset = 0; offset < packed.length; offset++) {
    for (const byte of [0, 1, 17, 0x7f, 0x80, 0xff]) {
      const changed = packed.slice();
      changed[offset] = byte;
      try {
        assert.equal(decodeStrings(changed, 3).length, 3);
      } catch (error) {
        assert.ok(error instanceof TensorError && error.code === "TENSOR_STRINGS", `${error}`);
      }
    }
  }
});

test("refuses more bytes than 32-bit offsets reach, before allocating them", () => {
  const large = Object.defineProperty(new Uint8Array(), "length", {value: 2 ** 30});
  throwsCode("TENSOR_SIZE", () => encodeStrings([large, large]));
});
