/** CBOR: what is read, and everything that has another form. Vectors of RFC 8949, Appendix A. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {TfTrustedError} from "@tf-trusted/core";
import fc from "fast-check";
import {type CborValue, readCbor} from "./reader.ts";

const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const read = (hex: string): CborValue => readCbor(bytesOf(hex), "test");

const values: readonly (readonly [string, CborValue])[] = [
  ["00", 0],
  ["17", 23],
  ["1818", 24],
  ["1903e8", 1000],
  ["1b000000e8d4a51000", 1_000_000_000_000],
  ["20", -1],
  ["3903e7", -1000],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["4401020304", Uint8Array.of(1, 2, 3, 4)],
  ["62c3bc", "ü"],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
  [
    "a201020304",
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  ["bf6161016162ff", "unreadable"],
  ["bf616101ff", new Map([["a", 1]])],
  ["d28401", "unreadable"],
  ["d20a", {tag: 18, value: 10}],
];

for (const [hex, value] of values) {
  test(`${hex} is ${JSON.stringify(value)}`, () => {
    if (value === "unreadable") assert.throws(() => read(hex), TfTrustedError);
    else assert.deepEqual(read(hex), value);
  });
}

const refused: readonly (readonly [string, string])[] = [
  ["a number that is longer than it must be", "1817"],
  ["a length that is longer than it must be", "580101"],
  ["a number beyond 2^53", "1bffffffffffffffff"],
  ["a string in pieces", "5f4101ff"],
  ["a float", "f90000"],
  ["undefined", "f7"],
  ["a key twice", "a201000100"],
  ["a key that is an array", "a18000"],
  ["text that isn't UTF-8", "61ff"],
  ["a byte after the end", "0000"],
  ["a length beyond the end", "5affffffff"],
  ["an array of more items than bytes", "9affffffff"],
  ["no end of a map", "bf"],
  ["nesting without end", "81".repeat(100)],
  ["reserved additional information", "1c"],
];

for (const [name, hex] of refused) test(`${name} is refused`, () => assert.throws(() => read(hex), TfTrustedError));

test("any bytes give a value or a coded error", () => {
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 64}), (bytes) => {
      try {
        readCbor(bytes, "test");
      } catch (error) {
        assert.ok(error instanceof TfTrustedError);
      }
    }),
  );
});

test("depth, number of items and lengths are bounded before anything is made of them", () => {
  const nested = (depth: number) => Uint8Array.from([...Array.from({length: depth}, () => 0x81), 0x00]);
  assert.ok(Array.isArray(readCbor(nested(8), "test")));
  assert.throws(() => readCbor(nested(9), "test"), {code: "CBOR_INVALID", message: /nested too deep/});
  const many = (count: number) => Uint8Array.from([0x99, count >> 8, count & 255, ...new Uint8Array(count)]);
  assert.ok(Array.isArray(readCbor(many(999), "test")));
  assert.throws(() => readCbor(many(1000), "test"), {code: "CBOR_INVALID", message: /too many values/});
  for (const head of [0x5a, 0x7a, 0x9a, 0xba]) {
    const long = Uint8Array.of(head, 0xff, 0xff, 0xff, 0xff, 0x00);
    assert.throws(() => readCbor(long, "test"), {code: "CBOR_INVALID", message: /a length of 4294967295/});
  }
});
