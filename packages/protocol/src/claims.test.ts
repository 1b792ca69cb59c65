import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {type EnclaveClaims, encodeClaims, parseClaims} from "./claims.ts";
import {ProtocolError} from "./protocol-error.ts";

const claims: EnclaveClaims = {
  protocol: 1,
  software: "0.1.0",
  tlsKeySha256: "ab".repeat(32),
  configurationSha256: "cd".repeat(32),
  engine: {id: "wasm/2.5.3/relaxed", sha256: "ef".repeat(32)},
  receiptKey: "01".repeat(32),
  startup: "23".repeat(16),
};
const text = new TextDecoder().decode(encodeClaims(claims));
const parse = (source: string) => parseClaims(new TextEncoder().encode(source));

test("encode → parse", () => {
  assert.deepEqual(parse(text), claims);
  assert.match(text, /^\{"configurationSha256"/);
});

test("anything but the exact members in canonical form is refused", () => {
  for (const other of [
    "",
    "null",
    "[]",
    `${text} `,
    `\ufeff${text}`,
    text.replace('"protocol":1', '"protocol":2'),
    text.replace('"protocol":1', '"protocol":1.0'),
    text.replace('"protocol":1', '"protocol":"1"'),
    text.replace('"protocol":1', '"protocol":1,"protocol":1'),
    text.replace('"protocol":1', '"more":0,"protocol":1'),
    text.replace(/"startup":"[^"]*",/, ""),
    text.replace("ab".repeat(32), "AB".repeat(32)),
    text.replace("ab".repeat(32), "ab".repeat(31)),
    text.replace('"id"', '"ID"'),
    text.replace("0.1.0", ""),
    text.replace("0.1.0", "0.1.0\\n"),
    JSON.stringify(claims),
    "x".repeat(20_000),
  ]) {
    assert.throws(() => parse(other), {code: "CLAIMS_INVALID"}, other.slice(0, 60));
  }
  assert.throws(() => parseClaims(Uint8Array.of(0xff, 0xfe)), {code: "CLAIMS_INVALID"});
});

test("mutated bytes are read as valid claims or refused with a code", () => {
  const source = encodeClaims(claims);
  fc.assert(
    fc.property(fc.nat(source.length - 1), fc.nat(255), fc.nat(source.length), (at, byte, end) => {
      const mutant = source.slice(0, end);
      if (at < mutant.length) mutant[at] = byte;
      try {
        parseClaims(mutant);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
  );
});
