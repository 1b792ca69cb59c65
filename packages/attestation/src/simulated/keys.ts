/** P-256 key pairs of the simulated platform, by WebCrypto; extractable, so that a platform survives a restart. */
import {concatBytes} from "@tf-trusted/core";
import {derInteger, derSequence} from "../der/writer.ts";
import {type PublicKey, parsePublicKey} from "../x509/public-key.ts";

export interface SigningKey {
  readonly publicKey: PublicKey;
  readonly privateKey: CryptoKey;
}

const curve = {name: "ECDSA", namedCurve: "P-256"} as const;

export async function generateSigningKey(): Promise<SigningKey> {
  const pair = await crypto.subtle.generateKey(curve, true, ["sign", "verify"]);
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
  const privateKey = await crypto.subtle.importKey("pkcs8", fromBase64(pkcs8), curve, true, ["sign"]);
  return {privateKey, publicKey: parsePublicKey(fromBase64(spki))};
}

/** r ‖ s, as quotes and collateral carry it. */
export async function signRaw(key: SigningKey, data: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = {name: "ECDSA", hash: "SHA-256"};
  return new Uint8Array(await crypto.subtle.sign(algorithm, key.privateKey, data as Uint8Array<ArrayBuffer>));
}

/** SEQUENCE {r, s}, as certificates and CRLs carry it. */
export async function signDer(key: SigningKey, data: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const raw = await signRaw(key, data);
  return derSequence(derInteger(raw.subarray(0, 32)), derInteger(raw.subarray(32)));
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
