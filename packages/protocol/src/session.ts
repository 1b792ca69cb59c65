/**
 * The binding of evidence to one TLS session (DESIGN §5.3): what the report data of the evidence has to be. Both sides
 * compute it, each from its own nonce, exporter and key; nothing is ever taken from what the other says. SGX, TDX and SNP
 * carry it as their report data, which has just this size; a Nitro document carries it as its user data.
 */
import {concatBytes, sha256, sha512} from "@tf-trusted/core";
import {ProtocolError} from "./protocol-error.ts";

/** Label of the TLS exporter (RFC 8446 §7.5); the nonce is its context. */
export const exporterLabel = "EXPERIMENTAL tf-trusted/1";

/** Bytes of a nonce, of an exporter, and of each digest. */
export const fieldBytes = 32;

/** A session lives an hour at most, whatever either side is told. */
export const maxSessionMs = 3_600_000;

/** Who the evidence speaks for. The exporter is the same on both sides, so that a role has to tell them apart. */
export type Role = "enclave" | "client";

/** Fields of the report data; 32 bytes each. */
export interface SessionBinding {
  readonly role: Role;
  /** SHA-256 of the SubjectPublicKeyInfo (DER) of the enclave's TLS key, as seen on this connection. */
  readonly spkiSha256: Uint8Array;
  readonly nonce: Uint8Array;
  readonly exporter: Uint8Array;
  /** SHA-256 of the claims as received. */
  readonly claimsSha256: Uint8Array;
}

const domainTag = new TextEncoder().encode("tf-trusted/session/1");
const roleBytes: Readonly<Record<Role, number>> = {enclave: 1, client: 2};
const digestFields = ["spkiSha256", "nonce", "exporter", "claimsSha256"] as const;

/**
 * `SHA-512("tf-trusted/session/1" ‖ role ‖ SHA-256(SPKI) ‖ nonce ‖ exporter ‖ SHA-256(claims))`, 64 bytes. Throws
 * `SESSION_FIELD` for a field that hasn't 32 bytes.
 */
export async function sessionReportData(binding: SessionBinding): Promise<Uint8Array<ArrayBuffer>> {
  for (const name of digestFields) {
    if (binding[name].length !== fieldBytes) {
      throw new ProtocolError("SESSION_FIELD", `${name} has ${binding[name].length} bytes, expected ${fieldBytes}`);
    }
  }
  return sha512(
    concatBytes(domainTag, Uint8Array.of(roleBytes[binding.role]), ...digestFields.map((name) => binding[name])),
  );
}

/** SHA-256 of the claims' bytes. */
export function claimsDigest(claims: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return sha256(claims);
}
