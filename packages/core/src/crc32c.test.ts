import assert from "node:assert/strict";
import {test} from "node:test";
import {crc32c} from "./crc32c.ts";

test("RFC 3720 §B.4: CRC-32C of its examples", () => {
  const ascending = Uint8Array.from({length: 32}, (_, i) => i);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(ascending), 0x46dd794e);
  assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c);
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(0)), 0);
});

test("any length at any offset is what bit by bit gives", () => {
  const bytes = Uint8Array.from({length: 64}, (_, i) => (i * 73) & 0xff);
  for (let start = 0; start < 9; start++) {
    for (let end = start; end < 40; end++) {
      const part = bytes.subarray(start, end);
      assert.equal(crc32c(part), bitwise(part), `${start} to ${end}`);
    }
  }
});

function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
