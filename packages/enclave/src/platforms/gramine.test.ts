/** Gramine's `/dev/attestation`, over a stand-in that behaves as platforms.md §3 says. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {createSimulatedPlatform, readUnverified} from "@tf-trusted/attestation";
import {encodeHex} from "@tf-trusted/core";
import {fakeMeasurement, sgxQuoteBlob, tdxQuoteBlob} from "../testing/evidence-blobs.ts";
import {type AttestationFaults, fakeAttestationDevice} from "../testing/fake-attestation-device.ts";
import {openGraminePlatform} from "./gramine.ts";

const simulated = await createSimulatedPlatform({now: () => new Date()});
const quote = (reportData: Uint8Array) => sgxQuoteBlob(simulated, reportData);
const open = (faults: AttestationFaults = {}) => openGraminePlatform({files: fakeAttestationDevice(quote, faults)});

test("evidence carries the report data and this enclave's measurement", async () => {
  const platform = await open();
  assert.equal(platform.kind, "gramine");
  assert.equal(platform.measurement(), encodeHex(fakeMeasurement.subarray(0, 32)));
  const reportData = new Uint8Array(64).fill(9);
  const evidence = await platform.evidence(reportData);
  assert.equal(evidence.kind, "sgx-quote");
  assert.deepEqual(Uint8Array.from(readUnverified(evidence).reportData), reportData);
});

test("callers at the same time: one after the other, each with its own report data", async () => {
  const platform = await open();
  const asked = Array.from({length: 8}, (_, i) => new Uint8Array(64).fill(i));
  const got = await Promise.all(asked.map((reportData) => platform.evidence(reportData)));
  got.forEach((evidence, i) => {
    assert.ok(evidence.kind === "sgx-quote");
    assert.deepEqual(Uint8Array.from(readUnverified(evidence).reportData), asked[i]);
  });
});

test("a quoting service that fails now and then is asked again; one that stays away is told", async () => {
  await open({quoteFailures: 2});
  await assert.rejects(open({quoteFailures: 3}), {code: "PLATFORM_FAILED", message: /EACCES, 3 attempts.*AESM/});
});

test("report data of another length is refused: the device would cut it without a word", async () => {
  const platform = await open();
  for (const length of [0, 63, 65, 128]) {
    await assert.rejects(platform.evidence(new Uint8Array(length)), {code: "PLATFORM_FAILED", message: /report data/});
  }
});

const refusals: readonly (readonly [title: string, faults: AttestationFaults, code: string, message: RegExp])[] = [
  ["another type of attestation", {attestationType: "none"}, "PLATFORM_UNSAFE", /says "none".*remote_attestation/],
  ["a newline that Gramine doesn't write", {attestationType: "dcap\n"}, "PLATFORM_UNSAFE", /dcap/],
  ["gramine-direct", {direct: true}, "PLATFORM_MISSING", /only in an enclave under gramine-sgx/],
  ["a key that the manifest gives away", {insecureKey: new Uint8Array(16)}, "PLATFORM_UNSAFE", /insecure__keys/],
  ["a quote that is cut", {quoteLimit: 500}, "PLATFORM_FAILED", /no SGX quote/],
  ["an empty quote", {quoteLimit: 0}, "PLATFORM_FAILED", /empty/],
  ["another writer", {racingWriter: () => new Uint8Array(64)}, "PLATFORM_FAILED", /other report data/],
];
for (const [title, faults, code, message] of refusals) {
  test(`refused: ${title}`, async () => {
    await assert.rejects(open(faults), {code, message});
  });
}

test("refused: an enclave for debugging, a quote of another TEE, another enclave later on", async () => {
  const debug = fakeAttestationDevice((data) => sgxQuoteBlob(simulated, data, {debug: true}));
  await assert.rejects(openGraminePlatform({files: debug}), {code: "PLATFORM_UNSAFE", message: /debug mode/});
  const tdx = fakeAttestationDevice((data) => tdxQuoteBlob(simulated, data));
  await assert.rejects(openGraminePlatform({files: tdx}), {code: "PLATFORM_FAILED", message: /no SGX quote/});
  let other = false;
  const changing = fakeAttestationDevice(async (data) => {
    const bytes = await quote(data);
    if (other) bytes[48 + 64] = 0;
    return bytes;
  });
  const platform = await openGraminePlatform({files: changing});
  other = true;
  await assert.rejects(platform.evidence(new Uint8Array(64)), {code: "PLATFORM_FAILED", message: /another enclave/});
});

test("sealing keys: one a label, the same each time, none from a key of zeros or another length", async () => {
  const platform = await open();
  const [a, again, b] = await Promise.all(["a", "a", "b"].map((label) => platform.sealingKey(label)));
  assert.deepEqual(a, again);
  assert.notDeepEqual(a, b);
  assert.equal(a!.length, 32);
  const other = await open({sealingKey: new Uint8Array(16).fill(8)});
  assert.notDeepEqual(await other.sealingKey("a"), a);
  for (const length of [0, 15, 16, 17]) {
    const zeros = await open({sealingKey: new Uint8Array(length)});
    await assert.rejects(zeros.sealingKey("a"), {code: "PLATFORM_FAILED", message: /holds no key/});
  }
});
