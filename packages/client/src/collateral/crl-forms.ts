/** CRLs as services send them: DER; PEM, which is PCS' default; the hexadecimal of DER, which is PCCS'. */

const SEQUENCE = 0x30;
const pem = /^\s*-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----\s*$/;

/** The DER; bytes in no known form as they are, for the verifier to refuse. */
export function derOfCrl(body: Uint8Array): Uint8Array {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString("latin1");
  const digits = text.trim();
  if (digits.length % 2 === 0 && /^[0-9A-Fa-f]+$/.test(digits)) return Uint8Array.from(Buffer.from(digits, "hex"));
  if (body[0] === SEQUENCE) return body;
  const base64 = pem.exec(text)?.[1];
  return base64 === undefined ? body : Uint8Array.from(Buffer.from(base64, "base64"));
}
