/**
 * Public keys and signatures by WebCrypto. Algorithms are rows of one table: a new vendor's curve or padding is a row,
 * not a branch.
 */
import {concatBytes, encodeHex, sha256, TfTrustedError} from "@tf-trusted/core";
import {unexpected} from "../attestation-error.ts";
import {DerReader, derTag} from "../der/reader.ts";
import {Memory} from "./memory.ts";

interface KeyAlgorithm {
  /** `AlgorithmIdentifier` of the SubjectPublicKeyInfo, as hex of its DER (RFC 5480 §2.1.1, RFC 8017 A.1). */
  readonly identifier: string;
  /** Of the key itself: an uncompressed point, or an RSAPublicKey in DER. */
  readonly keyBytes: number;
  /** Of r and of s; `null` for RSA, whose signatures are one number. */
  readonly coordinateBytes: number | null;
  readonly importParameters: EcKeyImportParams | RsaHashedImportParams;
  readonly verifyParameters: EcdsaParams | RsaPssParams;
  /** `AlgorithmIdentifier` of the X.509 signatures that such a key makes, its content as hex of DER (RFC 5758 §3.2, RFC 4055 §3.1). */
  readonly signatureIdentifiers: readonly string[];
}

const pssParameters =
  "a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130";
/** SHA-384 with MGF1 over it and a salt of 48 bytes; AMD writes the default trailer out, which DER leaves out. */
const pssSha384 = [
  `06092a864886f70d01010a3034${pssParameters}`,
  `06092a864886f70d01010a3039${pssParameters}a303020101`,
];

export const keyAlgorithms = {
  "ECDSA P-256": {
    identifier: "301306072a8648ce3d020106082a8648ce3d030107",
    keyBytes: 65,
    coordinateBytes: 32,
    importParameters: {name: "ECDSA", namedCurve: "P-256"},
    verifyParameters: {name: "ECDSA", hash: "SHA-256"},
    signatureIdentifiers: ["06082a8648ce3d040302"],
  },
  "ECDSA P-384": {
    identifier: "301006072a8648ce3d020106052b81040022",
    keyBytes: 97,
    coordinateBytes: 48,
    importParameters: {name: "ECDSA", namedCurve: "P-384"},
    verifyParameters: {name: "ECDSA", hash: "SHA-384"},
    signatureIdentifiers: ["06082a8648ce3d040303"],
  },
  "RSA-4096 PSS": {
    identifier: "300d06092a864886f70d0101010500",
    keyBytes: 526,
    coordinateBytes: null,
    importParameters: {name: "RSA-PSS", hash: "SHA-384"},
    verifyParameters: {name: "RSA-PSS", saltLength: 48},
    signatureIdentifiers: pssSha384,
  },
} as const satisfies Readonly<Record<string, KeyAlgorithm>>;

export type KeyAlgorithmName = keyof typeof keyAlgorithms;

export interface PublicKey {
  readonly algorithm: KeyAlgorithmName;
  /** SubjectPublicKeyInfo in DER: what roots are pinned by. */
  readonly spki: Uint8Array;
  /** Uncompressed point, 04 ‖ x ‖ y; of RSA the RSAPublicKey. */
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
    const first = row.coordinateBytes === null ? derTag.SEQUENCE : 4;
    if (point.length !== row.keyBytes || point[0] !== first) {
      throw unexpected(
        "DER_INVALID",
        `a ${name} key of ${point.length} bytes`,
        `${row.keyBytes} bytes, ${first} first`,
      );
    }
    return Object.freeze({algorithm: name as KeyAlgorithmName, spki, point});
  }
  throw unexpected("DER_INVALID", `the key algorithm ${identifier}`, Object.keys(keyAlgorithms).join(" or "));
}

const coordinateKeys = new Memory<PublicKey>();

/** The key whose coordinates are `xy`, as quotes carry it, without the leading 04. */
export function publicKeyFromCoordinates(xy: Uint8Array): PublicKey {
  const known = coordinateKeys.recall(xy);
  if (known) return known;
  const algorithm = "ECDSA P-256" satisfies KeyAlgorithmName;
  const point = concatBytes(Uint8Array.of(4), xy);
  const identifier = keyAlgorithms[algorithm].identifier;
  const header = Uint8Array.from(`3059${identifier}034200`.match(/../g)!, (pair) => Number.parseInt(pair, 16));
  const key = Object.freeze({algorithm, spki: concatBytes(header, point), point});
  // A platform keeps its attestation key; with the object the import is remembered.
  coordinateKeys.keep(key, xy);
  return key;
}

/**
 * Whether `signature`, r ‖ s in big-endian of the curve's size, is `key`'s over `data`. False, too, where the key is not
 * a point of its curve or r or s are out of range. Vendors use the hash of the table; `hash` is another for ECDSA.
 */
export async function verifyRawSignature(
  key: PublicKey,
  signature: Uint8Array,
  data: Uint8Array,
  hash?: AlgorithmIdentifier,
): Promise<boolean> {
  const row: KeyAlgorithm = keyAlgorithms[key.algorithm];
  const handle = await importKey(key);
  if (handle === null || (row.coordinateBytes !== null && signature.length !== 2 * row.coordinateBytes)) return false;
  return crypto.subtle.verify({...row.verifyParameters, ...(hash && {hash})}, handle, webBytes(signature), webBytes(data));
}

const rightSignatures = new Memory<true>();

/**
 * {@link verifyRawSignature} for what stays the same from one verification to the next, certificates and vendors' statements: a
 * right signature is remembered, by all bytes of key, signature and data.
 */
export async function verifyLastingSignature(
  key: PublicKey,
  signature: Uint8Array,
  data: Uint8Array,
): Promise<boolean> {
  if (rightSignatures.recall(signature, key.spki, data)) return true;
  const right = await verifyRawSignature(key, signature, data);
  if (right) rightSignatures.keep(true, signature, key.spki, data);
  return right;
}

/** Like {@link verifyLastingSignature} for the form of X.509 (of ECDSA: RFC 3279 §2.2.3). Malformed DER is a wrong signature. */
export async function verifyDerSignature(key: PublicKey, signature: Uint8Array, data: Uint8Array): Promise<boolean> {
  const {coordinateBytes} = keyAlgorithms[key.algorithm];
  const raw = coordinateBytes === null ? signature : rawSignature(signature, coordinateBytes);
  return raw !== null && verifyLastingSignature(key, raw, data);
}

/** The same for a signature by ECDSA with a hash that the table doesn't have for the curve. Nothing is remembered. */
export async function verifyDerSignatureWith(
  hash: AlgorithmIdentifier,
  key: PublicKey,
  signature: Uint8Array,
  data: Uint8Array,
): Promise<boolean> {
  const {coordinateBytes} = keyAlgorithms[key.algorithm];
  const raw = coordinateBytes === null ? null : rawSignature(signature, coordinateBytes);
  return raw !== null && verifyRawSignature(key, raw, data, hash);
}

const pins = new WeakMap<PublicKey, Promise<string>>();

/** SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal: what roots are pinned by. */
export function pinOf(key: PublicKey): Promise<string> {
  const pin = pins.get(key) ?? sha256(key.spki).then(encodeHex);
  pins.set(key, pin);
  return pin;
}

const importedKeys = new WeakMap<PublicKey, Promise<CryptoKey | null>>();

/** A key signs several things in one verification; importing it costs as much as a verification does. */
function importKey(key: PublicKey): Promise<CryptoKey | null> {
  const known = importedKeys.get(key);
  if (known) return known;
  const {importParameters} = keyAlgorithms[key.algorithm];
  const handle = crypto.subtle
    .importKey("spki", webBytes(key.spki), importParameters, false, ["verify"])
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
