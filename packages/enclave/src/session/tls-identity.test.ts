import assert from "node:assert/strict";
import {createHash, createPrivateKey, X509Certificate} from "node:crypto";
import {test} from "node:test";
import {createSimulatedMachine, parseSgxQuote, readRaTlsCertificate} from "@tf-trusted/attestation";
import type {Platform} from "../platforms/platform.ts";
import {makeAttestedTlsIdentity, makeTlsIdentity} from "./tls-identity.ts";

test("a self-signed certificate that node:crypto reads, over a fresh P-256 key", () => {
  const identity = makeTlsIdentity();
  const certificate = new X509Certificate(identity.certificate);
  assert.ok(certificate.verify(certificate.publicKey));
  assert.ok(certificate.checkPrivateKey(createPrivateKey(identity.key)));
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.equal(certificate.subject, "CN=tf-trusted enclave");
  assert.match(certificate.validTo, /9999/);
  const spki = certificate.publicKey.export({type: "spki", format: "der"});
  assert.deepEqual(identity.spkiSha256, Uint8Array.from(createHash("sha256").update(spki).digest()));
  assert.notDeepEqual(makeTlsIdentity().spkiSha256, identity.spkiSha256);
});

test("a certificate with evidence: RA-TLS where the platform makes quotes, plain where it makes reports", async () => {
  const machine = await createSimulatedMachine("sgx", {now: () => new Date()});
  const platform = (kind: "quote" | "report"): Platform => ({
    kind: "simulated",
    capabilities: {sealing: false, monotonicCounter: false, trustedTime: false},
    measurement: () => "",
    sealingKey: () => Promise.reject(new Error("no sealing")),
    evidence: async (reportData) =>
      kind === "quote"
        ? machine.attest({measurement: new Uint8Array(32), reportData})
        : {kind: "snp-report", report: reportData, collateral: {}},
  });
  const identity = await makeAttestedTlsIdentity(platform("quote"));
  const certificate = new X509Certificate(identity.certificate);
  assert.ok(certificate.verify(certificate.publicKey));
  const read = await readRaTlsCertificate(certificate.raw);
  assert.equal(read.form, "tagged");
  assert.deepEqual(Uint8Array.from(createHash("sha256").update(read.spki).digest()), identity.spkiSha256);
  assert.deepEqual(Uint8Array.from(parseSgxQuote(read.quote).report.reportData), read.reportData);

  const plain = await makeAttestedTlsIdentity(platform("report"));
  await assert.rejects(readRaTlsCertificate(new X509Certificate(plain.certificate).raw), {code: "RATLS_INVALID"});
});
