/**
 * Byte layouts that all quotes of Intel's DCAP share, whatever their version and TEE: Intel, "SGX ECDSA Quote Library
 * Reference" §A, and "SDM" vol. 3D, REPORT. Integers are little-endian; r, s, x and y are big-endian.
 */
import {bytes, field, type LayoutValue, layout, reserved, u16le, u32le} from "../../bytes/layout.ts";

/** What every quote begins with; in version 3 the TEE type is a reserved zero. */
export const quoteHeader = layout("quote header", 48, [
  field("version", 0, u16le),
  field("attestationKeyType", 2, u16le),
  field("teeType", 4, u32le),
  field("qeSvn", 8, u16le),
  field("pceSvn", 10, u16le),
  field("qeVendorId", 12, bytes(16)),
  field("userData", 28, bytes(20)),
]);

/** The report of an enclave: the one that is attested, and the quoting enclave's own. */
export const enclaveReport = layout("enclave report", 384, [
  field("cpuSvn", 0, bytes(16)),
  field("miscSelect", 16, bytes(4)),
  reserved(20, 12),
  field("isvExtProdId", 32, bytes(16)),
  field("attributes", 48, bytes(16)),
  field("mrEnclave", 64, bytes(32)),
  reserved(96, 32),
  field("mrSigner", 128, bytes(32)),
  reserved(160, 32),
  field("configId", 192, bytes(64)),
  field("isvProdId", 256, u16le),
  field("isvSvn", 258, u16le),
  field("configSvn", 260, u16le),
  reserved(262, 42),
  field("isvFamilyId", 304, bytes(16)),
  field("reportData", 320, bytes(64)),
]);

/** The signature data of a quote begins with this, after its length. */
export const quoteKeySignature = layout("quote signature", 128, [
  field("signature", 0, bytes(64)),
  field("attestationKey", 64, bytes(64)),
]);

/** What vouches for the attestation key; then come authentication and certification data. */
export const qeCertification = layout("QE report and signature", 448, [
  field("qeReport", 0, bytes(384)),
  field("qeReportSignature", 384, bytes(64)),
]);

/**
 * Certification data types 1 to 3: the PPID, in clear or encrypted, then this, then PCEID. Intel's documents leave the
 * PCEID out, and so does its sample quote; its library writes it.
 */
export const pckIdentifier = layout("PCK identifier", 18, [field("cpuSvn", 0, bytes(16)), field("pceSvn", 16, u16le)]);
export const PCE_ID_BYTES = 2;

export type QuoteHeader = LayoutValue<typeof quoteHeader>;
export type EnclaveReport = LayoutValue<typeof enclaveReport>;

export const KEY_TYPE_ECDSA_P256 = 2;
export const INTEL_QE_VENDOR_ID = "939a7233f79c4ca9940a0db3957f0607";

/** Bits of the first byte of the attributes. */
export const ATTRIBUTE_DEBUG = 0x02;

/** Certification data types that this version reads, by number. */
export const certificationDataTypes = {
  1: {title: "PPID in clear", ppidBytes: 16},
  2: {title: "PPID, RSA-2048 encrypted", ppidBytes: 256},
  3: {title: "PPID, RSA-3072 encrypted", ppidBytes: 384},
  4: {title: "PCK certificate", ppidBytes: null},
  5: {title: "PCK certificate chain", ppidBytes: null},
} as const;
export type CertificationDataType = keyof typeof certificationDataTypes;

/** Whether the attributes have DEBUG. */
export function isDebug(attributes: Uint8Array): boolean {
  return (attributes[0]! & ATTRIBUTE_DEBUG) !== 0;
}
