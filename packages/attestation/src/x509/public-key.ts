/**
 * Public keys and signatures by WebCrypto. Algorithms are rows of one table: a new vendor's curve or padding is a row,
 * not a branch.
 */
import {concatBytes, encodeHex, TfTrustedError} from "@tf-trusted/core";
import {unexpected} from "../attestation-error.ts";
import {DerReader, derTag} from "../der/reader.ts";

interface KeyAlgorithm {
  /** `AlgorithmIdentifier` of the SubjectPublicKeyInfo, as hex of its DER (RFC 5480 §2.1.1). */
  readonly identifier: string;
  readonly keyBytes: number;
  readonly coordinateBytes: number;
  readonly importParameters: EcKeyImportParams;
  readonly verifyParameters: EcdsaParams;
  /** OID of the X.509 signature algorithm that such a key signs with (RFC 5758 §3.2). */
  readonly signatureOid: string;
}

export const keyAlgorithms = {
  "ECDSA P-256": {
    identifier: "301306072a8648ce3d020106082a8648ce3d030107",
    keyBytes: 65,
    coordinateBytes: 32,
    importParameters: {name: "ECDSA", namedCurve: "P-256"},
    verifyParameters: {name: "ECDSA", hash: "SHA-256"},
    signatureOid: "1.2.840.10045.4.3.2",
  },
} as const satisfies Readonly<Record<string, KeyAlgorithm>>;

export type KeyAlgorithmName = keyof typeof keyAlgorithms;

export interface PublicKey {
  readonly algorithm: KeyAlgorithmName;
  /** SubjectPublicKeyInfo in DER: what roots are pinned by. */
  readonly spki: Uint8Array;
  /** Uncompressed point, 04 ‖ x ‖ y. */
  readonly point: Uint8Array;
}

/** Parses a SubjectPublicKeyInfo. Throws `DER_INVALID` for algorithms that no vendor here uses. */
export function parsePublicKey(spki: Uint8Array): PublicKey {
  const outer = new DerReader(spki, "public key");
  const body = outer.sequence("public key");
  outer.end();
  const identifier = encodeHex(body.value(derTag.SEQUENCE).encoding);
  const point = body.bitStringBytes();
  body.end();
  for (const [name, row] of Object.entries(keyAlgorithms)) {
    if (row.identifier !== identifier) continue;
    if (point.length !== row.keyBytes || point[0] !== 4) {
      throw unexpected("DER_INVALID", `a ${name} key of ${point.length} bytes`, `04 and ${row.keyBytes - 1} bytes`);
    }
    return Object.freeze({algorithm: name as KeyAlgorithmName, spki, point});
  }
  throw unexpected("DER_INVALID", `the key algorithm ${identifier}`, Object.keys(keyAlgorithms).join(" or "));
}

/** The key whose coordinates are `xy`, as quotes carry it, without the leading 04. */
export function publicKeyFromCoordinates(xy: Uint8Array): PublicKey {
  const algorithm = "ECDSA P-256" satisfies KeyAlgorithmName;
  const point = concatBytes(Uint8Array.of(4), xy);
  const identifier = keyAlgorithms[algorithm].identifier;
  const header = Uint8Array.from(`3059${identifier}034200`.match(/../g)!, (pair) => Number.parseInt(pair, 16));
  return Object.freeze({algorithm, spki: concatBytes(header, point), point});
}

/**
 * Whether `signature`, r ‖ s in big-endian of the curve's size, is `key`'s over `data`. False, too, where the key is not
 * a point of its curve or r or s are out of range.
 */
export async function verifyRawSignature(key: PublicKey, signature: Uint8Array, data: Uint8Array): Promise<boolean> {
  const row = keyAlgorithms[key.algorithm];
  const handle = await importKey(key);
  if (handle === null || signature.length !== 2 * row.coordinateBytes) return false;
  return crypto.subtle.verify(row.verifyParameters, handle, webBytes(signature), webBytes(data));
}

/** Like {@link verifyRawSignature} for the DER form of X.509 (RFC 3279 §2.2.3). Malformed DER is a wrong signature. */
export async function verifyDerSignature(key: PublicKey, signature: Uint8Array, data: Uint8Array): Promise<boolean> {
  const raw = rawSignature(signature, keyAlgorithms[key.algorithm].coordinateBytes);
  return raw !== null && verifyRawSignature(key, raw, data);
}

const importedKeys = new WeakMap<PublicKey, Promise<CryptoKey | null>>();

/** A key signs several things in one verification; importing it costs as much as a verification does. */
function importKey(key: PublicKey): Promise<CryptoKey | null> {
  const known = importedKeys.get(key);
  if (known) return known;
  const {importParameters} = keyAlgorithms[key.algorithm];
  const handle = crypto.subtle
    .importKey("raw", webBytes(key.point), importParameters, false, ["verify"])
    .catch((error: unknown) => {
      // DataError is how WebCrypto says that the point isn't on the curve.
      if (error instanceof DOMException && error.name === "DataError") return null;
      throw error;
    });
  importedKeys.set(key, handle);
  return handle;
}

function rawSignature(der: Uint8Array, size: number): Uint8Array | null {
  try {
    const outer = new DerReader(der, "signature");
    const body = outer.sequence("signature");
    outer.end();
    const out = new Uint8Array(2 * size);
    for (const end of [size, 2 * size]) {
      const magnitude = body.unsigned(size);
      out.set(magnitude, end - magnitude.length);
    }
    body.end();
    return out;
  } catch (error) {
    if (error instanceof TfTrustedError) return null;
    throw error;
  }
}

/** WebCrypto's types want an ArrayBuffer underneath; evidence is copied into one at the door. */
function webBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
