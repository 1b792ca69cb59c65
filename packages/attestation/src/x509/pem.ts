/** PEM (RFC 7468 §3, strict form) holding certificates: what comes in quotes and from provisioning services. */
import {unexpected} from "../attestation-error.ts";

const BEGIN = "-----BEGIN CERTIFICATE-----";
const END = "-----END CERTIFICATE-----";

/** Vendors' chains have three certificates; more than this is an attempt to keep us busy. */
export const MAX_CERTIFICATES = 8;

/**
 * The DER of each certificate in `pem`, in order. Between the blocks only white space may stand; NULs may follow the last
 * one, as in real quotes. No block at all gives an empty list. Throws `CERT_FORMAT`.
 */
export function parsePem(pem: Uint8Array): readonly Uint8Array<ArrayBuffer>[] {
  let text = asciiText(pem).replace(/\0+$/, "");
  const found: Uint8Array<ArrayBuffer>[] = [];
  for (;;) {
    text = text.trimStart();
    if (text === "") return found;
    if (found.length === MAX_CERTIFICATES)
      throw pemError(`more than ${MAX_CERTIFICATES} certificates`, "a vendor's chain");
    const end = text.indexOf(END);
    if (!text.startsWith(BEGIN) || end < 0) throw pemError("text outside of certificate blocks", `${BEGIN} … ${END}`);
    found.push(decodeBase64(text.slice(BEGIN.length, end).replaceAll(/[\r\n\t ]/g, "")));
    text = text.slice(end + END.length);
  }
}

/** PEM of certificates in DER, lines of 64 characters. */
export function encodePem(certificates: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const blocks = certificates.map((der) => {
    const base64 = btoa(Array.from(der, (byte) => String.fromCharCode(byte)).join(""));
    return `${BEGIN}\n${base64.replaceAll(/.{64}(?=.)/g, "$&\n")}\n${END}\n`;
  });
  return new TextEncoder().encode(blocks.join("")) as Uint8Array<ArrayBuffer>;
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  if (text.length === 0 || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw pemError(`${text.length} characters that aren't base64`, "padded base64");
  }
  const binary = atob(text);
  // One certificate, one text: bits that padding throws away must be zero, and only the end can have them.
  const end = text.slice(-4);
  if (btoa(atob(end)) !== end) throw pemError("base64 with stray bits before its padding", "canonical base64");
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function asciiText(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte > 0x7e)) throw pemError("bytes that aren't ASCII", "PEM text");
  return new TextDecoder().decode(bytes);
}

function pemError(found: string, expected: string) {
  return unexpected("CERT_FORMAT", `PEM with ${found}`, expected);
}
