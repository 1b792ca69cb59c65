/** Certificates for people: who, by whom, when, which key, and the vendors' extensions. */
import {encodeHex, sha256} from "@tf-trusted/core";
import {AttestationError} from "../attestation-error.ts";
import {readPckExtension, SGX_EXTENSION} from "../evidence/dcap/pck-extension.ts";
import type {Certificate} from "../x509/certificate.ts";
import {decoded, type InspectedField, type InspectedSection} from "./inspection.ts";

export async function certificateSection(title: string, certificate: Certificate): Promise<InspectedSection> {
  const {subject, issuer, serial, notBefore, notAfter, publicKey, isAuthority, pathLength, keyUsage} = certificate;
  const date = (time: number) => new Date(time).toISOString();
  return {
    title: `${title}: ${subject.commonName || "(no common name)"}`,
    fields: [
      decoded("subject", subject.commonName),
      decoded("issuer", issuer.commonName),
      decoded("serial", serial),
      decoded("valid from", date(notBefore)),
      decoded("valid until", date(notAfter)),
      decoded("public key", publicKey.algorithm),
      decoded("SHA-256 of the public key (SPKI)", encodeHex(await sha256(publicKey.spki))),
      decoded("SHA-256 of the certificate", encodeHex(await sha256(certificate.encoding))),
      decoded("authority", isAuthority ? `yes, path length ${pathLength ?? "any"}` : "no"),
      decoded("key usage", [...keyUsage].join(", ") || "none"),
      ...(certificate.extensions.has(SGX_EXTENSION) ? pckFields(certificate) : []),
    ],
  };
}

/** The SGX extension; where it can't be read, why. */
function pckFields(certificate: Certificate): readonly InspectedField[] {
  try {
    const pck = readPckExtension(certificate);
    const {dynamicPlatform, cachedKeys, smtEnabled} = pck.configuration;
    const flag = (value: boolean | null) => (value === null ? "not told" : value ? "yes" : "no");
    return [
      decoded("FMSPC", encodeHex(pck.fmspc)),
      decoded("PCEID", encodeHex(pck.pceId)),
      decoded("PPID", encodeHex(pck.ppid)),
      decoded("TCB components", pck.components.join(" ")),
      decoded("PCESVN", String(pck.pceSvn)),
      decoded("CPUSVN", encodeHex(pck.cpuSvn)),
      decoded("SGX type", pck.sgxType),
      decoded("platform instance", pck.platformInstanceId ? encodeHex(pck.platformInstanceId) : "none"),
      decoded("dynamic platform", flag(dynamicPlatform)),
      decoded("cached keys", flag(cachedKeys)),
      decoded("SMT enabled", flag(smtEnabled)),
    ];
  } catch (error) {
    if (error instanceof AttestationError) return [decoded("SGX extension", `can't be read: ${error.message}`)];
    throw error;
  }
}
