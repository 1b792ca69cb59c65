/**
 * Quotes of Intel's DCAP, versions 3 to 5, for SGX and TDX: bytes → value, with bounds and nothing but bounds. Whether a
 * quote is genuine is another question. Source: Intel, Quote Library References for SGX and TDX, §A.
 */
import {ByteReader, encodeHex} from "@tf-trusted/core";
import {parsing, unexpected} from "../../attestation-error.ts";
import {type CertificationData, readCertificationData} from "./certification-data.ts";
import {
  type EnclaveReport,
  enclaveReport,
  INTEL_QE_VENDOR_ID,
  KEY_TYPE_ECDSA_P256,
  type QuoteHeader,
  qeCertification,
  quoteHeader,
  quoteKeySignature,
} from "./layout.ts";

/** What may stand after the end of a quote: platforms hand quotes out in padded buffers. */
export type TrailingBytes = "refuse" | "allow-zero" | "allow";

/** What a parser of one kind of quote accepts. */
export interface QuoteForm<Body> {
  readonly versions: readonly number[];
  readonly teeType: number;
  readonly teeName: string;
  /** Type of the body in version 5, its size, and how it is read. Version 3 and 4 have the first. */
  readonly bodies: readonly QuoteBody<Body>[];
}

export interface QuoteBody<Body> {
  readonly type: number;
  readonly size: number;
  readonly read: (reader: ByteReader) => Body;
}

export interface DcapQuote<Body> {
  readonly header: QuoteHeader;
  /** Type of the body, as version 5 numbers it. */
  readonly bodyType: number;
  readonly report: Body;
  /** Header, descriptor (version 5) and body: what {@link DcapQuote.signature} covers. */
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
  /** What stands after the signature data. */
  readonly trailing: Uint8Array;
}

const NESTED_CERTIFICATION = 6;
const VERSION_WITH_DESCRIPTOR = 5;
const VERSION_WITH_NESTING = 4;

/** The header, refused where this verifier can't go on. Throws `QUOTE_FORMAT`, `QUOTE_VERSION`, …. */
export function parseQuoteHeaderOf(quote: Uint8Array, form: QuoteForm<unknown>): QuoteHeader {
  const header = parsing("QUOTE_FORMAT", "quote", () => quoteHeader.read(new ByteReader(quote, "quote")));
  if (!form.versions.includes(header.version)) {
    throw unexpected("QUOTE_VERSION", `quote version ${header.version}`, form.versions.join(" or "));
  }
  if (header.attestationKeyType !== KEY_TYPE_ECDSA_P256) {
    throw unexpected(
      "QUOTE_KEY_TYPE",
      `attestation key type ${header.attestationKeyType}`,
      `${KEY_TYPE_ECDSA_P256} (ECDSA P-256)`,
    );
  }
  if (header.teeType !== form.teeType) {
    const [found, wanted] = [header.teeType, form.teeType].map((type) => `0x${type.toString(16)}`);
    throw unexpected("QUOTE_TEE_TYPE", `TEE type ${found}`, `${wanted} (${form.teeName})`);
  }
  const vendor = encodeHex(header.qeVendorId);
  if (vendor !== INTEL_QE_VENDOR_ID) throw unexpected("QE_VENDOR", vendor, INTEL_QE_VENDOR_ID);
  return header;
}

/**
 * The whole quote. Throws as {@link parseQuoteHeaderOf}, `CERT_DATA_TYPE`, and `QUOTE_FORMAT` also for bytes after the
 * end that `trailingBytes` doesn't allow. Byte fields are views of `quote`.
 */
export function parseDcapQuote<Body>(
  quote: Uint8Array,
  form: QuoteForm<Body>,
  trailingBytes: TrailingBytes = "refuse",
): DcapQuote<Body> {
  const header = parseQuoteHeaderOf(quote, form);
  return parsing("QUOTE_FORMAT", "quote", () => {
    const reader = new ByteReader(quote, "quote");
    reader.take(quoteHeader.size);
    const body = header.version === VERSION_WITH_DESCRIPTOR ? describedBody(reader, form) : form.bodies[0]!;
    const report = body.read(reader);
    const signedBytes = quote.subarray(0, reader.offset);
    const signatureData = reader.sub(reader.u32le(), "quote signature data");
    const trailing = reader.take(reader.remaining);
    requireAllowed(trailing, trailingBytes);
    const keySignature = quoteKeySignature.read(signatureData);
    const certification = header.version >= VERSION_WITH_NESTING ? nestedCertification(signatureData) : signatureData;
    const {qeReport, qeReportSignature} = qeCertification.read(certification);
    const qeAuthenticationData = certification.take(certification.u16le());
    const type = certification.u16le();
    const data = certification.take(certification.u32le());
    certification.expectEnd();
    signatureData.expectEnd();
    return Object.freeze({
      header,
      bodyType: body.type,
      report,
      signedBytes,
      ...keySignature,
      qeReport: enclaveReport.read(new ByteReader(qeReport, "QE report")),
      qeReportBytes: qeReport,
      qeReportSignature,
      qeAuthenticationData,
      certification: readCertificationData(type, data),
      trailing,
    });
  });
}

function describedBody<Body>(reader: ByteReader, form: QuoteForm<Body>): QuoteBody<Body> {
  const type = reader.u16le();
  const size = reader.u32le();
  const body = form.bodies.find((item) => item.type === type);
  if (body === undefined || body.size !== size) {
    const known = form.bodies.map((item) => `type ${item.type} of ${item.size} bytes`).join(", ");
    throw unexpected("QUOTE_FORMAT", `a body of type ${type} and ${size} bytes`, known);
  }
  return body;
}

/** From version 4 on the QE's report and the PCK's chain are themselves certification data, of type 6. */
function nestedCertification(signatureData: ByteReader): ByteReader {
  const type = signatureData.u16le();
  if (type !== NESTED_CERTIFICATION) {
    throw unexpected(
      "CERT_DATA_TYPE",
      `certification data type ${type}`,
      `${NESTED_CERTIFICATION} around the QE report`,
    );
  }
  return signatureData.sub(signatureData.u32le(), "QE report certification data");
}

function requireAllowed(trailing: Uint8Array, allowed: TrailingBytes): void {
  if (trailing.length === 0 || allowed === "allow") return;
  const zero = trailing.every((byte) => byte === 0);
  if (allowed === "allow-zero" && zero) return;
  throw unexpected(
    "QUOTE_FORMAT",
    `${trailing.length} ${zero ? "zero bytes" : "bytes"} after the end`,
    allowed === "allow-zero" ? "nothing but zeros there" : "nothing there",
  );
}
