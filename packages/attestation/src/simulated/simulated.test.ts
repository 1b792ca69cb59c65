import assert from "node:assert/strict";
import {X509Certificate} from "node:crypto";
import {test} from "node:test";
import {encodeHex} from "@tf-trusted/core";
import {
  createSimulatedPlatform,
  parsePolicy,
  restoreSimulatedPlatform,
  type SimulatedPlatform,
  verifyEvidence,
} from "../index.ts";

const time = new Date("2026-03-01T12:34:56.789Z");
const now = () => time;
const request = {
  mrEnclave: new Uint8Array(32).fill(1),
  mrSigner: new Uint8Array(32).fill(2),
  isvProdId: 3,
  isvSvn: 4,
  reportData: new Uint8Array(64).fill(5),
};

async function verify(platform: SimulatedPlatform, at = time) {
  const policy = parsePolicy({
    version: 1,
    identities: [
      {
        tee: "sgx",
        root: {simulated: platform.rootSpkiSha256},
        mrEnclave: [encodeHex(request.mrEnclave)],
        minimumTcbEvaluationDataNumber: 19,
      },
    ],
  });
  return verifyEvidence(await platform.evidence(request), {policy, now: at, expectedReportData: request.reportData});
}

test("a simulated platform is verified as a real one, and named as simulated", async () => {
  const platform = await createSimulatedPlatform({now});
  const report = await verify(platform);
  assert.equal(report.verdict, "trusted");
  assert.ok(report.identity?.tee === "sgx");
  assert.deepEqual(
    [report.simulated, report.root?.kind, report.identity.isvProdId, report.identity.isvSvn],
    [true, "simulated", 3, 4],
  );
  const root = new X509Certificate(platform.rootCertificate);
  assert.ok(
    root.verify(root.publicKey) &&
      root.subject.includes("Simulated SGX Root CA") &&
      root.subject.includes("no protection"),
  );
});

test("each platform has its own root, which no other policy accepts", async () => {
  const [one, other] = [await createSimulatedPlatform({now}), await createSimulatedPlatform({now})];
  assert.notEqual(one.rootSpkiSha256, other.rootSpkiSha256);
  assert.equal((await verify({...one, rootSpkiSha256: other.rootSpkiSha256})).code, "ROOT_UNTRUSTED");
});

test("a restored platform has the same root, and makes fresh collateral", async () => {
  const platform = await createSimulatedPlatform({now});
  const state: unknown = JSON.parse(JSON.stringify(await platform.state()));
  const later = new Date("2027-03-01T00:00:00Z");
  assert.equal((await verify(platform, later)).code, "CRL_EXPIRED");
  const restored = await restoreSimulatedPlatform(state, {now: () => later});
  assert.equal(restored.rootSpkiSha256, platform.rootSpkiSha256);
  assert.equal((await verify(restored, later)).verdict, "trusted");
});

test("a damaged state is refused", async () => {
  const state = await (await createSimulatedPlatform({now})).state();
  for (const damaged of [
    null,
    {},
    {...state, format: "x"},
    {...state, keys: {}},
    {...state, certificates: {root: "!"}},
  ]) {
    await assert.rejects(restoreSimulatedPlatform(damaged, {now}), {code: "SIMULATION_STATE"});
  }
});

test("requests of wrong lengths are refused", async () => {
  const platform = await createSimulatedPlatform({now});
  for (const wrong of [{mrEnclave: new Uint8Array(31)}, {reportData: new Uint8Array(65)}, {isvSvn: 65536}]) {
    await assert.rejects(platform.quote({...request, ...wrong}), {code: "LAYOUT_INVALID"});
  }
});
