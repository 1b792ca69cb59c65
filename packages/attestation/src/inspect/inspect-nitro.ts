/** Nitro attestation documents, member by member. */
import {encodeHex} from "@tf-trusted/core";
import {isDebugEnclave, readDocument, readEnvelope} from "../evidence/nitro/document.ts";
import {parseCertificate} from "../x509/certificate.ts";
import {certificateSection} from "./certificates.ts";
import {decoded, type InspectedSection, isZero} from "./inspection.ts";

const pcrTitles: Readonly<Record<number, string>> = {
  0: "the image",
  1: "kernel and boot",
  2: "the application",
  3: "the parent instance's IAM role",
  4: "the parent instance",
  8: "the image's signer",
};

/** Adds the sections of a document. Throws `NITRO_FORMAT`, `NITRO_ALGORITHM` and those of certificates. */
export async function inspectNitro(bytes: Uint8Array, sections: InspectedSection[]): Promise<void> {
  const envelope = readEnvelope(bytes);
  sections.push({
    title: "COSE_Sign1",
    fields: [
      decoded("tag", bytes[0] === 0xd2 ? "18" : "none"),
      decoded("protected header", `${encodeHex(envelope.protectedHeader)}: ES384`),
      decoded("payload", `${envelope.payload.length} bytes`),
      decoded("signature", encodeHex(envelope.signature)),
    ],
  });
  const document = readDocument(envelope.payload);
  const maybe = (part: Uint8Array | null) => (part === null ? "none" : encodeHex(part));
  sections.push({
    title: "Attestation document",
    fields: [
      decoded("module_id", document.moduleId),
      decoded("digest", "SHA384"),
      decoded("timestamp", `${document.timestamp}: ${timeText(document.timestamp)}`),
      decoded("debug enclave", isDebugEnclave(document) ? "YES: PCR0 to PCR2 are zero" : "no"),
      decoded("public_key", maybe(document.publicKey)),
      decoded("user_data", maybe(document.userData)),
      decoded("nonce", maybe(document.nonce)),
    ],
  });
  sections.push({
    title: "PCRs",
    fields: [...document.pcrs].map(([index, pcr]) => ({
      name: `PCR${index}`,
      offset: null,
      size: pcr.length,
      hex: encodeHex(pcr),
      meaning: [pcrTitles[index], isZero(pcr) ? "zero" : undefined].filter(Boolean).join(": ") || null,
    })),
  });
  sections.push(await certificateSection("Certificate", parseCertificate(document.certificate)));
  for (const [i, der] of document.cabundle.entries()) {
    sections.push(await certificateSection(`Bundle ${i + 1}`, parseCertificate(der)));
  }
}

function timeText(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? "beyond the calendar" : time.toISOString();
}
