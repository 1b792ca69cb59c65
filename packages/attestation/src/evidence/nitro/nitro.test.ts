/** Nitro documents: a synthetic one that is accepted, and what each change to it gives. */
import assert from "node:assert/strict";
import {createHash, X509Certificate} from "node:crypto";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {type AttestationCode, type PolicyInput, parsePolicy, type VerifyOptions, verifyEvidence} from "../../index.ts";

const folder = fileURLToPath(new URL("../../../../../fixtures/nitro/", import.meta.url));
const document: Uint8Array = new Uint8Array(readFileSync(`${folder}document.bin`));
const root = new X509Certificate(readFileSync(`${folder}root.pem`));
const spki = createHash("sha256")
  .update(root.publicKey.export({type: "spki", format: "der"}))
  .digest("hex");
const now = new Date("2026-03-01T00:00:00Z");
const userData = new TextEncoder().encode("user");
const nonce = new Uint8Array(32).fill(7);

type Identity = Extract<PolicyInput["identities"][number], {tee: "nitro"}>;
const identity: Identity = {tee: "nitro", root: {simulated: spki}, pcrs: {0: ["10".repeat(48)], 4: ["14".repeat(48)]}};

function verify(bytes = document, wanted: Partial<Identity> = {}, options: Partial<VerifyOptions> = {}) {
  const policy = parsePolicy({version: 1, identities: [{...identity, ...wanted}]});
  const evidence = {kind: "nitro-document", document: bytes, collateral: {}} as const;
  return verifyEvidence(evidence, {policy, now, expectedReportData: userData, expectedNonce: nonce, ...options});
}

/** The document with its n-th occurrence of a text replaced by another as long. */
function edited(from: string, to: string): Uint8Array {
  const at = Buffer.from(document).indexOf(from);
  assert.ok(at > 0 && from.length === to.length, from);
  const copy = document.slice();
  copy.set(Buffer.from(to), at);
  return copy;
}

test("a genuine document, bound by user data and nonce", async () => {
  const report = await verify();
  assert.deepEqual([report.verdict, report.code, report.bound], ["trusted", null, true]);
  assert.ok(report.identity?.tee === "nitro" && report.identity.nonce === "07".repeat(32));
  assert.equal((await verify(Uint8Array.from([0xd2, ...document]))).verdict, "trusted", "with the COSE tag");
});

const documentChanges: readonly (readonly [string, Uint8Array, AttestationCode])[] = [
  ["nothing", new Uint8Array(0), "NITRO_FORMAT"],
  ["a byte less", document.subarray(0, -1), "NITRO_FORMAT"],
  ["a byte more", Uint8Array.from([...document, 0]), "NITRO_FORMAT"],
  ["another tag", Uint8Array.from([0xd1, ...document]), "NITRO_FORMAT"],
  ["an array of three", document.with(0, 0x83), "NITRO_FORMAT"],
  ["an unknown member", edited("module_id", "module_ix"), "NITRO_FORMAT"],
  ["another digest", edited("SHA384", "SHA512"), "NITRO_FORMAT"],
  ["another algorithm", document.with(5, 0x21), "NITRO_ALGORITHM"],
  ["another module", edited("i-0123", "i-9123"), "NITRO_SIGNATURE"],
  ["another signature", document.with(document.length - 1, document.at(-1)! ^ 1), "NITRO_SIGNATURE"],
];

for (const [name, bytes, code] of documentChanges) {
  test(`${name}: ${code}`, async () => assert.equal((await verify(bytes)).code, code));
}

const policyChanges: readonly (readonly [string, Partial<Identity>, AttestationCode])[] = [
  ["another root", {root: {simulated: "00".repeat(32)}}, "ROOT_UNTRUSTED"],
  ["another image", {pcrs: {0: ["11".repeat(48)]}}, "MEASUREMENT"],
  ["a PCR that isn't there", {pcrs: {31: ["11".repeat(48)]}}, "MEASUREMENT"],
  ["a document of this second", {maximumAgeSeconds: 0.001}, "DOCUMENT_AGE"],
];

for (const [name, wanted, code] of policyChanges) {
  test(`a policy that wants ${name}: ${code}`, async () => assert.equal((await verify(document, wanted)).code, code));
}

test("another nonce, other user data, another time", async () => {
  assert.equal((await verify(document, {}, {expectedNonce: nonce.with(0, 0)})).code, "NONCE");
  assert.equal((await verify(document, {}, {expectedReportData: userData.with(0, 0)})).code, "REPORT_DATA");
  assert.equal((await verify(document, {}, {now: new Date("2010-01-01T00:00:00Z")})).code, "CERT_NOT_YET_VALID");
  assert.equal((await verify(document, {}, {now: new Date("2200-01-01T00:00:00Z")})).code, "CERT_EXPIRED");
});

test("no flipped bit is accepted, and none is a bug of ours", async () => {
  for (let at = 0; at < document.length; at += 7) {
    const report = await verify(document.with(at, document[at]! ^ (1 << (at % 8))));
    assert.equal(report.verdict, "refused", `byte ${at}`);
    assert.notEqual(report.code, "INTERNAL", `byte ${at}: ${report.summary}`);
  }
});

test("nothing may stand in the unprotected header, which no signature covers", async () => {
  const at = document.indexOf(0xa0);
  assert.deepEqual([...document.subarray(0, at)], [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22]);
  for (const header of [
    [0xa1, 0x01, 0x38, 0x22],
    [0xa1, 0x04, 0x41, 0x00],
  ]) {
    const changed = Uint8Array.from([...document.subarray(0, at), ...header, ...document.subarray(at + 1)]);
    assert.equal((await verify(changed)).code, "NITRO_ALGORITHM");
  }
});
