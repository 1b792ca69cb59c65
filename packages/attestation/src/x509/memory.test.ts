import assert from "node:assert/strict";
import {before, test} from "node:test";
import {verifyEvidence} from "../index.ts";
import {type ForgedCase, forge, makeWorld, type World} from "../testing/forge.ts";
import {parseCertificate} from "./certificate.ts";
import {forgetAll, Memory} from "./memory.ts";
import {verifyDerSignature} from "./public-key.ts";

let world: World;
let healthy: ForgedCase;
before(async () => {
  world = await makeWorld();
  healthy = await forge(world, {});
});

const bytes = (...values: readonly number[]) => Uint8Array.from(values);

test("only all bytes of all parts recall a value", () => {
  const memory = new Memory<string>();
  const long = new Uint8Array(100).fill(7);
  memory.keep("known", long, bytes(1, 2));
  assert.equal(memory.recall(long, bytes(1, 2)), "known");
  for (const at of [0, 50, 99]) {
    const other = long.slice();
    other[at]! ^= 1;
    assert.equal(memory.recall(other, bytes(1, 2)), undefined, `byte ${at}`);
  }
  assert.equal(memory.recall(long, bytes(1, 3)), undefined);
  assert.equal(memory.recall(long), undefined);
  assert.equal(memory.recall(long, bytes(1), bytes(2)), undefined);
});

test("what was remembered doesn't change with the caller's bytes", () => {
  const memory = new Memory<string>();
  const own = bytes(1, 2, 3);
  memory.keep("known", own);
  own.fill(9);
  assert.equal(memory.recall(own), undefined);
  assert.equal(memory.recall(bytes(1, 2, 3)), "known");
});

test("a memory is bounded by entries and by bytes, and forgets the oldest", () => {
  const memory = new Memory<number>();
  for (let i = 0; i < 300; i++) memory.keep(i, bytes(i & 255, i >> 8));
  assert.equal(memory.recall(bytes(0, 0)), undefined);
  assert.equal(memory.recall(bytes(299 & 255, 299 >> 8)), 299);
  const large = (first: number) => new Uint8Array(1024 * 1024).fill(first);
  for (let i = 0; i < 6; i++) memory.keep(i, large(i));
  assert.deepEqual([memory.recall(large(0)), memory.recall(large(5))], [undefined, 5]);
  memory.keep(1, new Uint8Array(1024 * 1024 + 1));
  assert.equal(memory.recall(new Uint8Array(1024 * 1024 + 1)), undefined);
});

test("a wrong signature isn't remembered, and a right one only for its key and data", async () => {
  const root = parseCertificate(world.certificates.root);
  const pck = parseCertificate(world.certificates.pck);
  const right = () => verifyDerSignature(root.publicKey, root.signature, root.toBeSigned);
  assert.deepEqual([await right(), await right()], [true, true]);
  assert.equal(await verifyDerSignature(pck.publicKey, root.signature, root.toBeSigned), false);
  const other = root.toBeSigned.slice();
  other[20]! ^= 1;
  for (let turn = 0; turn < 2; turn++) {
    assert.equal(await verifyDerSignature(root.publicKey, root.signature, other), false);
    assert.equal(await verifyDerSignature(root.publicKey, pck.signature, root.toBeSigned), false);
  }
});

test("verdicts aren't remembered: dates, revocation and policy are looked at again", async () => {
  const verify = async ({evidence, options}: ForgedCase) => (await verifyEvidence(evidence, options)).code;
  assert.equal(await verify(healthy), null);
  assert.equal(await verify(healthy), null);
  const late = {...healthy, options: {...healthy.options, now: new Date("2090-01-01T00:00:00Z")}};
  assert.match((await verify(late))!, /EXPIRED/);
  const collateral = {...healthy.evidence.collateral};
  const tcbInfo = collateral.tcbInfo!.slice();
  tcbInfo[tcbInfo.indexOf(0x55)]! ^= 0x20;
  assert.match(
    (await verify({...healthy, evidence: {...healthy.evidence, collateral: {...collateral, tcbInfo}}}))!,
    /TCB_INFO_(FORMAT|SIGNATURE)/,
  );
  const quote = healthy.evidence.quote.slice();
  quote[48 + 64]! ^= 1;
  assert.equal(await verify({...healthy, evidence: {...healthy.evidence, quote}}), "QUOTE_SIGNATURE");
  forgetAll();
  assert.equal(await verify(healthy), null);
});
