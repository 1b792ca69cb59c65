/**
 * What the simulated quoting enclave does: an attestation key vouched for by the QE's report, which the PCK key signs; and
 * under that key a quote, of version 3 for SGX and of version 4 for TDX.
 */
import {concatBytes, parseHex, sha256} from "@tf-trusted/core";
import {
  ATTRIBUTE_DEBUG,
  type EnclaveReport,
  enclaveReport,
  INTEL_QE_VENDOR_ID,
  KEY_TYPE_ECDSA_P256,
  qeCertification,
  quoteHeader,
} from "../evidence/dcap/layout.ts";
import {QUOTE_V3} from "../evidence/sgx/layout.ts";
import {encodeTdReport, TD_ATTRIBUTE_DEBUG} from "../evidence/tdx/layout.ts";
import {encodePem} from "../x509/pem.ts";
import {simulatedQe} from "./collateral.ts";
import type {SimulatedHierarchy} from "./hierarchy.ts";
import {coordinates, signRaw} from "./keys.ts";
import type {SimulatedPlan} from "./plan.ts";

/** What the simulated CPU is told about the enclave that it measures. Lengths in bytes. */
export interface SimulatedQuoteRequest {
  /** 32. */
  readonly mrEnclave: Uint8Array;
  /** 32. */
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  /** 64. */
  readonly reportData: Uint8Array;
  readonly debug?: boolean;
}

/** The same of a trust domain. Its RTMRs stay zero: the measurement of the simulated image is all in MRTD. */
export interface SimulatedTdxRequest {
  /** 48. */
  readonly mrTd: Uint8Array;
  /** 64. */
  readonly reportData: Uint8Array;
  readonly debug?: boolean;
}

const QUOTE_V4 = 4;
const TEE_TYPE_SGX = 0;
const TEE_TYPE_TDX = 0x81;
const QE_REPORT_CERTIFICATION = 6;
const PCK_CHAIN = 5;

/** INIT and MODE64BIT, with XFRM as on a current processor. */
export const enclaveAttributes = parseHex("0500000000000000e700000000000000");
/** SEPT_VE_DISABLE; XFAM as on a current processor. */
const tdAttributes = parseHex("0000001000000000");
const xfam = parseHex("e718060000000000");

export async function makeSgxQuote(
  hierarchy: SimulatedHierarchy,
  plan: SimulatedPlan,
  qeMrSigner: Uint8Array,
  request: SimulatedQuoteRequest,
): Promise<Uint8Array> {
  const cpuSvn = Uint8Array.from(plan.components);
  const attributes = enclaveAttributes.map((byte, i) => (i === 0 && request.debug ? byte | ATTRIBUTE_DEBUG : byte));
  const {mrEnclave, mrSigner, isvProdId, isvSvn, reportData} = request;
  const signed = concatBytes(
    quoteHeader.encode({
      version: QUOTE_V3,
      attestationKeyType: KEY_TYPE_ECDSA_P256,
      teeType: TEE_TYPE_SGX,
      qeSvn: plan.qeIsvSvn,
      pceSvn: plan.pceSvn,
      qeVendorId: parseHex(INTEL_QE_VENDOR_ID),
      userData: new Uint8Array(20),
    }),
    enclaveReport.encode({...blankReport, cpuSvn, attributes, mrEnclave, mrSigner, isvProdId, isvSvn, reportData}),
  );
  return encodeQuote(signed, await signQuote(hierarchy, plan, qeMrSigner, signed));
}

export async function makeTdxQuote(
  hierarchy: SimulatedHierarchy,
  plan: SimulatedPlan,
  qeMrSigner: Uint8Array,
  {mrTd, reportData, debug}: SimulatedTdxRequest,
): Promise<Uint8Array> {
  const zeros = new Uint8Array(48);
  const signed = concatBytes(
    quoteHeader.encode({
      version: QUOTE_V4,
      attestationKeyType: KEY_TYPE_ECDSA_P256,
      teeType: TEE_TYPE_TDX,
      // Both reserved in this version.
      qeSvn: 0,
      pceSvn: 0,
      qeVendorId: parseHex(INTEL_QE_VENDOR_ID),
      userData: new Uint8Array(20),
    }),
    encodeTdReport({
      teeTcbSvn: Uint8Array.from(plan.tdxComponents),
      mrSeam: zeros,
      mrSignerSeam: plan.moduleSigner,
      seamAttributes: new Uint8Array(8),
      tdAttributes: tdAttributes.map((byte, i) => (i === 0 && debug ? byte | TD_ATTRIBUTE_DEBUG : byte)),
      xfam,
      mrTd,
      mrConfigId: zeros,
      mrOwner: zeros,
      mrOwnerConfig: zeros,
      rtmr0: zeros,
      rtmr1: zeros,
      rtmr2: zeros,
      rtmr3: zeros,
      reportData,
      addition: null,
      extension: null,
    }),
  );
  const {signature, attestationKey, ...qe} = await signQuote(hierarchy, plan, qeMrSigner, signed);
  const certification = encodeCertification(qe);
  const data = concatBytes(
    signature,
    attestationKey,
    littleEndian(2, QE_REPORT_CERTIFICATION),
    littleEndian(4, certification.length),
    certification,
  );
  return concatBytes(signed, littleEndian(4, data.length), data);
}

async function signQuote(
  {keys, certificates}: SimulatedHierarchy,
  plan: SimulatedPlan,
  qeMrSigner: Uint8Array,
  signed: Uint8Array,
): Promise<QuoteParts> {
  const attestationKey = coordinates(keys.attestation);
  const authenticationData = Uint8Array.from({length: 32}, (_, i) => i);
  const qeReport = enclaveReport.encode({
    ...blankReport,
    cpuSvn: Uint8Array.from(plan.components),
    attributes: simulatedQe.attributes,
    mrSigner: qeMrSigner,
    isvProdId: simulatedQe.isvProdId,
    isvSvn: plan.qeIsvSvn,
    reportData: concatBytes(await sha256(concatBytes(attestationKey, authenticationData)), new Uint8Array(32)),
  });
  return {
    signature: await signRaw(keys.attestation, signed),
    attestationKey,
    qeReport,
    qeReportSignature: await signRaw(keys.pck, qeReport),
    authenticationData,
    certificationDataType: PCK_CHAIN,
    certificationData: encodePem([certificates.pck, certificates.authority, certificates.root]),
  };
}

export interface QuoteParts {
  readonly signature: Uint8Array;
  readonly attestationKey: Uint8Array;
  readonly qeReport: Uint8Array;
  readonly qeReportSignature: Uint8Array;
  readonly authenticationData: Uint8Array;
  readonly certificationDataType: number;
  readonly certificationData: Uint8Array;
}

/** Puts a quote of version 3 together: signed header and report, length, signature data. */
export function encodeQuote(signed: Uint8Array, parts: QuoteParts): Uint8Array<ArrayBuffer> {
  const data = concatBytes(parts.signature, parts.attestationKey, encodeCertification(parts));
  return concatBytes(signed, littleEndian(4, data.length), data);
}

/** What vouches for the attestation key: the QE's report, its signature, authentication data, certification data. */
function encodeCertification(parts: Omit<QuoteParts, "signature" | "attestationKey">): Uint8Array {
  const {qeReport, qeReportSignature, authenticationData, certificationDataType, certificationData} = parts;
  return concatBytes(
    qeCertification.encode({qeReport, qeReportSignature}),
    littleEndian(2, authenticationData.length),
    authenticationData,
    littleEndian(2, certificationDataType),
    littleEndian(4, certificationData.length),
    certificationData,
  );
}

export const blankReport: EnclaveReport = {
  cpuSvn: new Uint8Array(16),
  miscSelect: new Uint8Array(4),
  isvExtProdId: new Uint8Array(16),
  attributes: new Uint8Array(16),
  mrEnclave: new Uint8Array(32),
  mrSigner: new Uint8Array(32),
  configId: new Uint8Array(64),
  isvProdId: 0,
  isvSvn: 0,
  configSvn: 0,
  isvFamilyId: new Uint8Array(16),
  reportData: new Uint8Array(64),
};

function littleEndian(size: number, value: number): Uint8Array {
  return Uint8Array.from({length: size}, (_, i) => Math.floor(value / 256 ** i) % 256);
}
