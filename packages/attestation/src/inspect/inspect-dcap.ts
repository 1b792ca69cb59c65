/** SGX and TDX quotes, field by field, as far as they can be read. */
import {ByteReader, encodeHex} from "@tf-trusted/core";
import {unexpected} from "../attestation-error.ts";
import {readCertificationData} from "../evidence/dcap/certification-data.ts";
import {
  type CertificationDataType,
  certificationDataTypes,
  enclaveReport,
  INTEL_QE_VENDOR_ID,
  qeCertification,
  quoteHeader,
  quoteKeySignature,
} from "../evidence/dcap/layout.ts";
import {tdReport10, tdReport15Addition, tdReport15Extension} from "../evidence/tdx/layout.ts";
import {parseCertificates} from "../x509/certificate.ts";
import {certificateSection} from "./certificates.ts";
import {
  bitNames,
  decoded,
  fieldAt,
  type InspectedSection,
  isZero,
  littleEndian,
  type Meanings,
  readSection,
} from "./inspection.ts";

const teeTypes: Readonly<Record<number, string>> = {0: "SGX", 129: "TDX"};

const headerMeanings: Meanings = {
  attestationKeyType: (bytes) => (littleEndian(bytes) === 2 ? "2: ECDSA P-256" : `${littleEndian(bytes)}: unknown`),
  teeType: (bytes) => teeTypes[littleEndian(bytes)] ?? `0x${littleEndian(bytes).toString(16)}: unknown`,
  qeVendorId: (bytes) => (encodeHex(bytes) === INTEL_QE_VENDOR_ID ? "Intel" : "unknown"),
};

/** SDM vol. 3D, ATTRIBUTES and MISCSELECT; the second half of the attributes is XFRM. */
const sgxAttributes = {
  0: "INIT",
  1: "DEBUG",
  2: "MODE64BIT",
  4: "PROVISIONKEY",
  5: "EINITTOKEN_KEY",
  6: "CET",
  7: "KSS",
  10: "AEXNOTIFY",
} as const;
const xfrm = {
  0: "x87",
  1: "SSE",
  2: "AVX",
  3: "BNDREGS",
  4: "BNDCSR",
  5: "OPMASK",
  6: "ZMM_Hi256",
  7: "Hi16_ZMM",
  9: "PKRU",
  11: "CET_U",
  12: "CET_S",
  17: "TILECFG",
  18: "TILEDATA",
} as const;

const enclaveMeanings: Meanings = {
  miscSelect: (bytes) => bitNames(bytes, {0: "EXINFO", 1: "CPINFO"}),
  attributes: (bytes) => `${bitNames(bytes.subarray(0, 8), sgxAttributes)}; XFRM: ${bitNames(bytes.subarray(8), xfrm)}`,
  mrEnclave: () => "measurement of the enclave's code and data",
  mrSigner: () => "SHA-256 of the signer's key",
};

/** TDX module ABI, TD attributes. */
const tdAttributes = {
  0: "DEBUG",
  28: "SEPT_VE_DISABLE",
  29: "MIGRATABLE",
  30: "PKS",
  31: "KL",
  63: "PERFMON",
} as const;

const noneIfZero = (bytes: Uint8Array) => (isZero(bytes) ? "zero: none" : "");
const tcbSvn = (bytes: Uint8Array) => `SVNs ${[...bytes].join(" ")}; module version ${bytes[1]}, SVN ${bytes[0]}`;

const tdMeanings: Meanings = {
  teeTcbSvn: tcbSvn,
  teeTcbSvn2: tcbSvn,
  mrSeam: () => "measurement of the TDX module",
  mrSignerSeam: (bytes) => (isZero(bytes) ? "zero: Intel's module" : "another signer of the TDX module"),
  seamAttributes: (bytes) => bitNames(bytes, {}),
  tdAttributes: (bytes) => bitNames(bytes, tdAttributes),
  curServTdAttributes: (bytes) => bitNames(bytes, tdAttributes),
  initServTdAttributes: (bytes) => bitNames(bytes, tdAttributes),
  xfam: (bytes) => bitNames(bytes, xfrm),
  mrTd: () => "measurement of the initial memory (the firmware)",
  mrConfigId: noneIfZero,
  mrOwner: noneIfZero,
  mrOwnerConfig: noneIfZero,
  mrServiceTd: noneIfZero,
  rtmr0: () => "the firmware's configuration",
  rtmr1: () => "boot loader and kernel",
  rtmr2: () => "kernel command line and initial file system",
  rtmr3: () => "the application",
};

/** Body types of version 5, and of the TEE in version 4 and before: the structures one after the other. */
const bodies = {
  1: [["Enclave report", enclaveReport, enclaveMeanings]],
  2: [["TD report", tdReport10, tdMeanings]],
  3: [
    ["TD report", tdReport10, tdMeanings],
    ["TD report, TDX 1.5", tdReport15Addition, tdMeanings],
  ],
  4: [
    ["TD report", tdReport10, tdMeanings],
    ["TD report, TDX 1.5", tdReport15Addition, tdMeanings],
    ["TD report, TDX 1.5 extended", tdReport15Extension, tdMeanings],
  ],
} as const;

/** Adds sections until the end of the quote. Throws where it can't be read on. */
export async function inspectDcap(bytes: Uint8Array, sections: InspectedSection[]): Promise<void> {
  const reader = new ByteReader(bytes, "quote");
  sections.push(readSection("Quote header", quoteHeader, reader, headerMeanings));
  const version = littleEndian(bytes.subarray(0, 2));
  const isTdx = littleEndian(bytes.subarray(4, 8)) === 0x81;
  let bodyType: number = isTdx ? 2 : 1;
  if (version >= 5) {
    const at = reader.offset;
    bodyType = reader.u16le();
    const size = reader.u32le();
    sections.push({
      title: "Body descriptor",
      fields: [
        fieldAt("bodyType", at, bytes.subarray(at, at + 2), String(bodyType)),
        fieldAt("bodySize", at + 2, bytes.subarray(at + 2, at + 6), `${size} bytes`),
      ],
    });
  }
  const body = bodies[bodyType as keyof typeof bodies];
  if (body === undefined) throw unexpected("QUOTE_FORMAT", `body type ${bodyType}`, Object.keys(bodies).join(", "));
  for (const [title, structure, meanings] of body) sections.push(readSection(title, structure, reader, meanings));
  const lengthAt = reader.offset;
  const length = reader.u32le();
  const signatures = readSection("Signature data", quoteKeySignature, reader, {
    signature: () => "r, s: ECDSA by the attestation key over header and body",
    attestationKey: () => "x, y on P-256",
  });
  const lengthField = fieldAt("length", lengthAt, bytes.subarray(lengthAt, lengthAt + 4), `${length} bytes`);
  sections.push({title: signatures.title, fields: [lengthField, ...signatures.fields]});
  if (version >= 4) sections.push(envelopeSection(reader, bytes));
  const qe = readSection("Quoting enclave", qeCertification, reader, {
    qeReportSignature: () => "r, s: ECDSA by the PCK key over the report",
  });
  const qeReportAt = qe.fields[0]!.offset!;
  const qeReport = new ByteReader(bytes.subarray(0, qeReportAt + enclaveReport.size), "QE report");
  qeReport.take(qeReportAt);
  sections.push(readSection("Report of the quoting enclave", enclaveReport, qeReport, enclaveMeanings));
  const authentication = reader.take(reader.u16le());
  const authenticationAt = reader.offset - authentication.length;
  sections.push({
    title: qe.title,
    fields: [
      ...qe.fields.slice(1),
      fieldAt("authenticationData", authenticationAt, authentication, `${authentication.length} bytes`),
    ],
  });
  await inspectCertificationData(reader, sections);
  if (reader.remaining > 0) {
    const rest = reader.take(reader.remaining);
    const meaning = isZero(rest) ? "zero: padding" : "NOT zero";
    sections.push({title: "After the end", fields: [fieldAt("trailing", bytes.length - rest.length, rest, meaning)]});
  }
}

/** From version 4 on the rest is certification data of type 6 itself. */
function envelopeSection(reader: ByteReader, bytes: Uint8Array): InspectedSection {
  const at = reader.offset;
  const type = reader.u16le();
  const size = reader.u32le();
  return {
    title: "QE report certification data",
    fields: [
      fieldAt("type", at, bytes.subarray(at, at + 2), `${type}${type === 6 ? ": QE report certification data" : ""}`),
      fieldAt("size", at + 2, bytes.subarray(at + 2, at + 6), `${size} bytes`),
    ],
  };
}

async function inspectCertificationData(reader: ByteReader, sections: InspectedSection[]): Promise<void> {
  const type = reader.u16le();
  const data = reader.take(reader.u32le());
  const known = certificationDataTypes[type as CertificationDataType];
  sections.push({
    title: "Certification data",
    fields: [
      decoded("type", `${type}: ${known?.title ?? "unknown"}`),
      type === 4 || type === 5
        ? decoded("size", `${data.length} bytes`)
        : fieldAt("data", reader.offset - data.length, data, `${data.length} bytes`),
    ],
  });
  const certification = readCertificationData(type, data);
  if (!("pem" in certification)) return;
  for (const [i, certificate] of parseCertificates(certification.pem).entries()) {
    sections.push(await certificateSection(`Certificate ${i + 1}`, certificate));
  }
}
