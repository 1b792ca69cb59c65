/**
 * The enclave's TLS key: P-256, made at every start, inside, and never written anywhere. Its certificate is self-signed and
 * says nothing: trust comes from evidence that binds the key (DESIGN §5), not from names or dates.
 */
import {createHash, generateKeyPairSync, randomBytes, sign} from "node:crypto";

export interface TlsIdentity {
  /** PKCS #8 in PEM, as node:tls takes it. */
  readonly key: string;
  /** X.509 in PEM. */
  readonly certificate: string;
  /** SHA-256 of the SubjectPublicKeyInfo. */
  readonly spkiSha256: Uint8Array;
}

export function makeTlsIdentity(): TlsIdentity {
  const {privateKey, publicKey} = generateKeyPairSync("ec", {namedCurve: "P-256"});
  const spki = publicKey.export({type: "spki", format: "der"});
  const body = certificateBody(spki);
  const signature = sign("sha256", body, privateKey);
  const certificate = sequence(body, ecdsaWithSha256, bitString(signature));
  const base64 = certificate.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return {
    key: privateKey.export({type: "pkcs8", format: "pem"}) as string,
    certificate: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    spkiSha256: Uint8Array.from(createHash("sha256").update(spki).digest()),
  };
}

/** RFC 5280 §4.1 TBSCertificate of version 3 without extensions. */
function certificateBody(spki: Buffer): Buffer {
  const serial = randomBytes(16);
  // Positive, and without a leading zero that DER would forbid.
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const name = sequence(tagged(0x31, sequence(commonName, tagged(0x0c, Buffer.from("tf-trusted enclave")))));
  // RFC 5280 §4.1.2.5: 99991231235959Z for "no well-defined expiration date". The enclave's clock is its host's.
  const validity = sequence(time("20200101000000Z"), time("99991231235959Z"));
  const version3 = tagged(0xa0, tagged(0x02, Buffer.of(2)));
  return sequence(version3, tagged(0x02, serial), ecdsaWithSha256, name, validity, name, spki);
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
/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = sequence(tagged(0x06, Buffer.from("2a8648ce3d040302", "hex")));
