import assert from "node:assert/strict";
import {createHash, createPrivateKey, X509Certificate} from "node:crypto";
import {test} from "node:test";
import {makeTlsIdentity} from "./tls-identity.ts";

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
