import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {test} from "node:test";
import fc from "fast-check";
import {
  ByteReader,
  CoreError,
  canonicalJson,
  concatBytes,
  encodeHex,
  equalBytes,
  type JsonValue,
  parseHex,
  sha256,
  sha512,
} from "./index.ts";

test("a byte reader gives integers in both byte orders, views, and its offset", () => {
  const reader = new ByteReader(
    parseHex("01 0200 03000000 ffffffff 0400000000000000 0005 00000006 aabb".replaceAll(" ", "")),
    "t",
  );
  assert.equal(reader.u8(), 1);
  assert.equal(reader.u16le(), 2);
  assert.equal(reader.u32le(), 3);
  assert.equal(reader.i32le(), -1);
  assert.equal(reader.u64le(), 4n);
  assert.equal(reader.u16be(), 5);
  assert.equal(reader.u32be(), 6);
  assert.equal(reader.offset, 25);
  assert.throws(() => reader.expectEnd(), {code: "BYTES_TRAILING"});
  assert.equal(encodeHex(reader.rest()), "aabb");
  reader.expectEnd();
});

test("a byte reader never reads past its end, whatever length is asked for", () => {
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 16}), fc.oneof(fc.integer(), fc.double()), (bytes, length) => {
      const reader = new ByteReader(bytes, "t");
      const fits = Number.isSafeInteger(length) && length >= 0 && length <= bytes.length;
      // Not strict: a length of -0 takes as many bytes as 0.
      if (fits) assert.ok(reader.take(length).length === length);
      else assert.throws(() => reader.take(length), CoreError);
    }),
  );
});

test("a sub-reader is bounded by its own length and names offsets in the whole input", () => {
  const reader = new ByteReader(new Uint8Array(10), "outer");
  reader.take(4);
  const inner = reader.sub(2, "inner");
  inner.u8();
  assert.throws(() => inner.u16le(), {
    code: "BYTES_TRUNCATED",
    message: /inner: 2 bytes wanted at offset 5, 1 are left/,
  });
});

test("hexadecimal round trip, and refusals", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(parseHex(encodeHex(bytes)), bytes)));
  for (const text of ["0", "0g", " 00", "0x00"]) assert.throws(() => parseHex(text), {code: "HEX_INVALID"});
});

test("equalBytes compares contents and length", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      assert.equal(equalBytes(a, b), Buffer.compare(a, b) === 0);
      assert.ok(equalBytes(a, a.slice()));
    }),
  );
});

test("concatBytes and the digests agree with Node's", async () => {
  const parts = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)];
  assert.deepEqual(concatBytes(...parts), Uint8Array.of(1, 2, 3));
  assert.equal(encodeHex(await sha256(Uint8Array.of(1))), createHash("sha256").update(Uint8Array.of(1)).digest("hex"));
  assert.equal(encodeHex(await sha512(Uint8Array.of(1))), createHash("sha512").update(Uint8Array.of(1)).digest("hex"));
});

test("RFC 8785 §3.2.2, §3.2.3: numbers, strings, order of members", () => {
  const value: JsonValue = {
    numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/",
    literals: [null, true, false],
  };
  assert.equal(
    canonicalJson(value),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
  const keys: JsonValue = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7};
  assert.equal(canonicalJson(keys), '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}');
});

test("canonical JSON is parsed back to the same value, and refuses what JSON can't carry", () => {
  fc.assert(
    fc.property(fc.jsonValue({noUnicodeString: false}), (value) => {
      const text = canonicalJson(value as JsonValue);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.equal(canonicalJson(JSON.parse(text)), text);
    }),
  );
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "\ud800", undefined, 1n]) {
    assert.throws(() => canonicalJson(value as JsonValue), {code: "JSON_NOT_CANONICAL"});
  }
});
