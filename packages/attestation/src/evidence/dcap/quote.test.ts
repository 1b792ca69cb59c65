/** Lengths inside quotes of version 4: whatever stands between the structures is refused, also where no signature covers it. */
import assert from "node:assert/strict";
import {before, test} from "node:test";
import {createSimulatedMachine} from "../../index.ts";
import {parseTdxQuote} from "../tdx/parse.ts";

/** Header and body, then the length of the signature data. */
const LENGTH_AT = 48 + 584;
/** Signature and key, then type and size of the nested certification data. */
const NESTED_SIZE_AT = LENGTH_AT + 4 + 128 + 2;

let quote: Uint8Array;
before(async () => {
  const machine = await createSimulatedMachine("tdx", {now: () => new Date("2026-03-01T00:00:00Z")});
  const program = {measurement: new Uint8Array(32).fill(1), reportData: new Uint8Array(64).fill(5), debug: false};
  const evidence = await machine.attest(program);
  assert.ok("quote" in evidence);
  quote = evidence.quote;
  assert.deepEqual([quote[0], parseTdxQuote(quote).trailing.length], [4, 0]);
});

/** With a byte more at the end, and the lengths at `lengths` one larger. */
function lengthened(...lengths: readonly number[]): Uint8Array {
  const copy = new Uint8Array(quote.length + 1);
  copy.set(quote);
  const view = new DataView(copy.buffer);
  for (const at of lengths) view.setUint32(at, view.getUint32(at, true) + 1, true);
  return copy;
}

test("bytes after the nested certification data, within the signature data", () => {
  assert.throws(() => parseTdxQuote(lengthened(LENGTH_AT)), {code: "QUOTE_FORMAT"});
  assert.throws(() => parseTdxQuote(lengthened(LENGTH_AT), "allow"), {code: "QUOTE_FORMAT"});
});

test("bytes after the PCK chain's certification data, within the nested one", () => {
  assert.throws(() => parseTdxQuote(lengthened(LENGTH_AT, NESTED_SIZE_AT), "allow"), {code: "QUOTE_FORMAT"});
});

test("bytes after the quote, as the caller allows", () => {
  assert.throws(() => parseTdxQuote(lengthened()), {code: "QUOTE_FORMAT"});
  assert.equal(parseTdxQuote(lengthened(), "allow-zero").trailing.length, 1);
  const other = lengthened();
  other[other.length - 1] = 1;
  assert.throws(() => parseTdxQuote(other, "allow-zero"), {code: "QUOTE_FORMAT"});
  assert.equal(parseTdxQuote(other, "allow").trailing.length, 1);
});
