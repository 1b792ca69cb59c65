/** SGX quote version 3: bytes → value, with bounds and nothing but bounds. Whether it is genuine is another question. */
import {ByteReader, encodeHex} from "@tf-trusted/core";
import {parsing, unexpected} from "../../attestation-error.ts";
import {type CertificationData, readCertificationData} from "../dcap/certification-data.ts";
import {
  type EnclaveReport,
  enclaveReport,
  INTEL_QE_VENDOR_ID,
  KEY_TYPE_ECDSA_P256,
  type QuoteHeader,
  quoteHeader,
} from "../dcap/layout.ts";
import {QUOTE_V3, quoteSignature} from "./layout.ts";

export interface SgxQuote {
  readonly header: QuoteHeader;
  readonly report: EnclaveReport;
  /** Header and report: what {@link SgxQuote.signature} covers. */
  readonly signedBytes: Uint8Array;
  /** r ‖ s by the attestation key. */
  readonly signature: Uint8Array;
  /** x ‖ y on P-256. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: EnclaveReport;
  readonly qeReportBytes: Uint8Array;
  /** r ‖ s by the PCK key. */
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthenticationData: Uint8Array;
  readonly certification: CertificationData;
}

/** The header, refused where this verifier can't go on. Throws `QUOTE_FORMAT`, `QUOTE_VERSION`, …. */
export function parseQuoteHeader(quote: Uint8Array): QuoteHeader {
  const header = parsing("QUOTE_FORMAT", "quote", () => quoteHeader.read(new ByteReader(quote, "quote")));
  if (header.version !== QUOTE_V3) throw unexpected("QUOTE_VERSION", `quote version ${header.version}`, `${QUOTE_V3}`);
  if (header.attestationKeyType !== KEY_TYPE_ECDSA_P256) {
    throw unexpected(
      "QUOTE_KEY_TYPE",
      `attestation key type ${header.attestationKeyType}`,
      `${KEY_TYPE_ECDSA_P256} (ECDSA P-256)`,
    );
  }
  if (header.teeType !== 0) throw unexpected("QUOTE_TEE_TYPE", `TEE type 0x${header.teeType.toString(16)}`, "0 (SGX)");
  const vendor = encodeHex(header.qeVendorId);
  if (vendor !== INTEL_QE_VENDOR_ID) throw unexpected("QE_VENDOR", vendor, INTEL_QE_VENDOR_ID);
  return header;
}

/** The whole quote. Throws as {@link parseQuoteHeader}, and `CERT_DATA_TYPE`. Byte fields are views of `quote`. */
export function parseSgxQuote(quote: Uint8Array): SgxQuote {
  const header = parseQuoteHeader(quote);
  return parsing("QUOTE_FORMAT", "quote", () => {
    const reader = new ByteReader(quote, "quote");
    reader.take(quoteHeader.size);
    const report = enclaveReport.read(reader);
    const signedBytes = quote.subarray(0, reader.offset);
    const signatureData = reader.sub(reader.u32le(), "quote signature data");
    reader.expectEnd();
    const {qeReport, ...signatures} = quoteSignature.read(signatureData);
    const qeAuthenticationData = signatureData.take(signatureData.u16le());
    const type = signatureData.u16le();
    const data = signatureData.take(signatureData.u32le());
    signatureData.expectEnd();
    return Object.freeze({
      header,
      report,
      signedBytes,
      ...signatures,
      qeReport: enclaveReport.read(new ByteReader(qeReport, "QE report")),
      qeReportBytes: qeReport,
      qeAuthenticationData,
      certification: readCertificationData(type, data),
    });
  });
}
