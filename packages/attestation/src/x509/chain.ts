/**
 * Path validation (RFC 5280 §6.1) for the fixed shapes of vendors' chains: every link is checked by itself, from the leaf
 * to the root that the policy names.
 */
import {equalBytes} from "@tf-trusted/core";
import {unexpected} from "../attestation-error.ts";
import type {Certificate} from "./certificate.ts";
import {verifyDerSignature} from "./public-key.ts";

/**
 * Checks that `issuer` may issue certificates, and issued `certificate`, with `authoritiesBelow` authorities between it and
 * the leaf. Throws `CERT_CHAIN` or `CERT_SIGNATURE`. Dates are apart ({@link checkDates}).
 */
export async function verifyIssuedBy(
  certificate: Certificate,
  issuer: Certificate,
  authoritiesBelow: number,
): Promise<void> {
  const by = `"${issuer.subject.commonName}"`;
  if (!equalBytes(certificate.issuer.encoding, issuer.subject.encoding)) {
    throw unexpected(
      "CERT_CHAIN",
      `"${certificate.subject.commonName}" issued by "${certificate.issuer.commonName}"`,
      `by ${by}`,
    );
  }
  if (!issuer.isAuthority || !issuer.keyUsage.has("keyCertSign")) {
    throw unexpected("CERT_CHAIN", `${by} as an issuer, which is no authority`, "CA:TRUE and keyCertSign");
  }
  if (issuer.pathLength !== null && issuer.pathLength < authoritiesBelow) {
    throw unexpected("CERT_CHAIN", `${authoritiesBelow} authorities beneath ${by}`, `${issuer.pathLength} at most`);
  }
  if (!(await verifyDerSignature(issuer.publicKey, certificate.signature, certificate.toBeSigned))) {
    throw unexpected(
      "CERT_SIGNATURE",
      `"${certificate.subject.commonName}" with a signature that isn't ${by}'s`,
      `one by ${by}`,
    );
  }
}

/** Throws `CERT_NOT_YET_VALID` or `CERT_EXPIRED` for the first certificate that isn't valid at `at` (milliseconds). */
export function checkDates(certificates: readonly Certificate[], at: number): void {
  for (const {subject, notBefore, notAfter} of certificates) {
    const time = new Date(at).toISOString();
    if (at < notBefore) {
      throw unexpected(
        "CERT_NOT_YET_VALID",
        `"${subject.commonName}", valid from ${new Date(notBefore).toISOString()}`,
        `valid at ${time}`,
      );
    }
    if (at > notAfter) {
      throw unexpected(
        "CERT_EXPIRED",
        `"${subject.commonName}", valid until ${new Date(notAfter).toISOString()}`,
        `valid at ${time}`,
      );
    }
  }
}
