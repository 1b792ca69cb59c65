/**
 * The enclave's TLS key: P-256, made at every start, inside, and never written anywhere. Its certificate is self-signed and
 * says nothing by itself: trust comes from evidence that binds the key to a session (DESIGN §5), not from names or dates.
 * For verifiers of RA-TLS the certificate also carries a quote about the key, where the platform makes quotes: of SGX and
 * TDX, the kinds of evidence that "Interoperable RA-TLS" has a tag for.
 */
import {createHash, generateKeyPairSync, type KeyPairKeyObjectResult, randomBytes, sign} from "node:crypto";
import {encodeRaTlsEvidence, raTlsClaims} from "@tf-trusted/attestation";
import type {Platform} from "../platforms/platform.ts";

export interface TlsIdentity {
  /** PKCS #8 in PEM, as node:tls takes it. */
  readonly key: string;
  /** X.509 in PEM. */
  readonly certificate: string;
  /** SHA-256 of the SubjectPublicKeyInfo. */
  readonly spkiSha256: Uint8Array;
}

/** A new key, with a certificate that has no evidence. */
export function makeTlsIdentity(): TlsIdentity {
  return identityOf(makeKeyPair(), undefined);
}

/** A new key, with a certificate that has a quote about it where the platform makes quotes. Throws `PLATFORM_FAILED`. */
export async function makeAttestedTlsIdentity(platform: Platform): Promise<TlsIdentity> {
  const keys = makeKeyPair();
  const {claims, reportData} = await raTlsClaims(spkiOf(keys));
  const evidence = await platform.evidence(reportData);
  return identityOf(keys, "quote" in evidence ? encodeRaTlsEvidence(evidence.quote, claims) : undefined);
}

function makeKeyPair(): KeyPairKeyObjectResult {
  return generateKeyPairSync("ec", {namedCurve: "P-256"});
}

function spkiOf({publicKey}: KeyPairKeyObjectResult): Buffer {
  return publicKey.export({type: "spki", format: "der"});
}

function identityOf(keys: KeyPairKeyObjectResult, evidence: Uint8Array | undefined): TlsIdentity {
  const {privateKey} = keys;
  const spki = spkiOf(keys);
  const body = certificateBody(spki, evidence);
  const signature = sign("sha256", body, privateKey);
  const certificate = sequence(body, ecdsaWithSha256, bitString(signature));
  const base64 = certificate.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return {
    key: privateKey.export({type: "pkcs8", format: "pem"}) as string,
    certificate: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    spkiSha256: Uint8Array.from(createHash("sha256").update(spki).digest()),
  };
}

/** RFC 5280 §4.1 TBSCertificate of version 3, with the evidence as its only extension. */
function certificateBody(spki: Buffer, evidence: Uint8Array | undefined): Buffer {
  const serial = randomBytes(16);
  // Positive, and without a leading zero that DER would forbid.
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const name = sequence(tagged(0x31, sequence(commonName, tagged(0x0c, Buffer.from("tf-trusted enclave")))));
  // RFC 5280 §4.1.2.5: 99991231235959Z for "no well-defined expiration date". The enclave's clock is its host's.
  const validity = sequence(time("20200101000000Z"), time("99991231235959Z"));
  const version3 = tagged(0xa0, tagged(0x02, Buffer.of(2)));
  const extensions =
    evidence === undefined
      ? []
      : [tagged(0xa3, sequence(sequence(taggedEvidence, tagged(0x04, Buffer.from(evidence)))))];
  return sequence(version3, tagged(0x02, serial), ecdsaWithSha256, name, validity, name, spki, ...extensions);
}

function tagged(tag: number, content: Buffer): Buffer {
  const {length} = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  return length < 0x100
    ? Buffer.concat([Buffer.of(tag, 0x81, length), content])
    : Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), content]);
}

function sequence(...items: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(items));
}

function bitString(content: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.of(0), content]));
}

/** UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
function time(text: string): Buffer {
  return text < "2050" ? tagged(0x17, Buffer.from(text.slice(2))) : tagged(0x18, Buffer.from(text));
}

/** 2.5.4.3 */
const commonName = tagged(0x06, Buffer.from("550403", "hex"));
/** 2.23.133.5.4.9, TCG DICE tagged evidence */
const taggedEvidence = tagged(0x06, Buffer.from("678105050409", "hex"));
/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = sequence(tagged(0x06, Buffer.from("2a8648ce3d040302", "hex")));
