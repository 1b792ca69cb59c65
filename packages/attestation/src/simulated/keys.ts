/**
 * Key pairs of the simulated vendors, by WebCrypto; extractable, so that a platform survives a restart. Their algorithms
 * are the rows of the table that verification has.
 */
import {concatBytes} from "@tf-trusted/core";
import {derInteger, derSequence} from "../der/writer.ts";
import {type KeyAlgorithmName, keyAlgorithms, type PublicKey, parsePublicKey} from "../x509/public-key.ts";

export interface SigningKey {
  readonly publicKey: PublicKey;
  readonly privateKey: CryptoKey;
}

export async function generateSigningKey(algorithm: KeyAlgorithmName = "ECDSA P-256"): Promise<SigningKey> {
  const {importParameters, coordinateBytes} = keyAlgorithms[algorithm];
  // AMD's roots have 4096 bits, and 65537.
  const rsa = {modulusLength: 4096, publicExponent: Uint8Array.of(1, 0, 1)};
  const parameters = {...importParameters, ...(coordinateBytes === null && rsa)};
  const pair = (await crypto.subtle.generateKey(parameters as EcKeyGenParams, true, [
    "sign",
    "verify",
  ])) as CryptoKeyPair;
  return {privateKey: pair.privateKey, publicKey: await publicKeyOf(pair.publicKey)};
}

/** The private key as PKCS #8, in base64. */
export async function exportSigningKey(key: SigningKey): Promise<{readonly pkcs8: string; readonly spki: string}> {
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", key.privateKey));
  return {pkcs8: toBase64(pkcs8), spki: toBase64(key.publicKey.spki)};
}

export async function importSigningKey({
  pkcs8,
  spki,
}: {
  readonly pkcs8: string;
  readonly spki: string;
}): Promise<SigningKey> {
  const publicKey = parsePublicKey(fromBase64(spki));
  const {importParameters} = keyAlgorithms[publicKey.algorithm];
  const privateKey = await crypto.subtle.importKey("pkcs8", fromBase64(pkcs8), importParameters, true, ["sign"]);
  return {privateKey, publicKey};
}

/** r ‖ s, as quotes, reports and collateral carry it; of RSA its one number. */
export async function signRaw(key: SigningKey, data: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const {verifyParameters} = keyAlgorithms[key.publicKey.algorithm];
  return new Uint8Array(await crypto.subtle.sign(verifyParameters, key.privateKey, data as Uint8Array<ArrayBuffer>));
}

/** As certificates and CRLs carry it: SEQUENCE {r, s}, or RSA's number. */
export async function signDer(key: SigningKey, data: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const raw = await signRaw(key, data);
  const {coordinateBytes} = keyAlgorithms[key.publicKey.algorithm];
  if (coordinateBytes === null) return raw;
  return derSequence(derInteger(raw.subarray(0, coordinateBytes)), derInteger(raw.subarray(coordinateBytes)));
}

/** x ‖ y, as quotes carry it. */
export function coordinates(key: SigningKey): Uint8Array<ArrayBuffer> {
  return concatBytes(key.publicKey.point.subarray(1));
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

async function publicKeyOf(key: CryptoKey): Promise<PublicKey> {
  return parsePublicKey(new Uint8Array(await crypto.subtle.exportKey("spki", key)));
}
