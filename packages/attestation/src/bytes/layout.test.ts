import assert from "node:assert/strict";
import {test} from "node:test";
import {ByteReader, encodeHex} from "@tf-trusted/core";
import fc from "fast-check";
import {enclaveReport, quoteHeader} from "../evidence/dcap/layout.ts";
import {quoteSignature} from "../evidence/sgx/layout.ts";
import {bytes, field, layout, reserved, u16le, u32le} from "./layout.ts";

const sample = layout("sample", 12, [
  field("a", 0, u16le),
  reserved(2, 2),
  field("b", 4, u32le),
  field("c", 8, bytes(4)),
]);

test("a layout reads and writes little-endian integers and bytes, and skips what is reserved", () => {
  const encoded = sample.encode({a: 0x0102, b: 0x03040506, c: Uint8Array.of(7, 8, 9, 10)});
  assert.equal(encodeHex(encoded), "02010000060504030708090a");
  const value = sample.read(new ByteReader(encoded.with(2, 0xff), "t"));
  assert.deepEqual({...value}, {a: 0x0102, b: 0x03040506, c: Uint8Array.of(7, 8, 9, 10)});
  assert.ok(Object.isFrozen(value));
});

test("what is written is read back", () => {
  const report = fc.record({
    a: fc.nat({max: 0xffff}),
    b: fc.nat({max: 0xffffffff}),
    c: fc.uint8Array({minLength: 4, maxLength: 4}),
  });
  fc.assert(
    fc.property(report, (value) =>
      assert.deepEqual({...sample.read(new ByteReader(sample.encode(value), "t"))}, {...value}),
    ),
  );
});

test("fields must tile the whole size", () => {
  assert.throws(() => layout("gap", 4, [field("a", 0, u16le)]), {code: "LAYOUT_INVALID"});
  assert.throws(() => layout("gap", 4, [field("a", 0, u16le), field("b", 3, u16le)]), {code: "LAYOUT_INVALID"});
  assert.throws(() => layout("overlap", 4, [field("a", 0, u32le), field("b", 2, u16le)]), {code: "LAYOUT_INVALID"});
});

test("values that don't fit are not written, short input is not read", () => {
  const value = {a: 1, b: 2, c: new Uint8Array(4)};
  for (const wrong of [{a: -1}, {a: 0x10000}, {b: 1.5}, {b: 2 ** 32}, {c: new Uint8Array(5)}]) {
    assert.throws(() => sample.encode({...value, ...wrong}), {code: "LAYOUT_INVALID"});
  }
  assert.throws(() => sample.read(new ByteReader(new Uint8Array(11), "t")), {code: "BYTES_TRUNCATED"});
});

test("the view names every byte", () => {
  for (const known of [sample, quoteHeader, enclaveReport, quoteSignature]) {
    const lines = known.view(new Uint8Array(known.size));
    assert.equal(lines.map(({hex}) => hex).join("").length, 2 * known.size);
  }
  assert.deepEqual(sample.view(sample.encode({a: 1, b: 2, c: new Uint8Array(4)}))[1], {
    name: "(reserved)",
    offset: 2,
    type: "bytes[2]",
    hex: "0000",
  });
});
