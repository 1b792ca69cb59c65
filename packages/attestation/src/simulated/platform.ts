/**
 * A simulated SGX platform: a machine's CPU, quoting enclave and Intel's provisioning service in one object, in the real
 * formats, so that everything else runs the same code as on hardware. It signs whatever measurement it is told: it
 * protects nothing, its root is its own, and a policy has to name that root.
 */
import {concatBytes, encodeHex, parseHex, sha256} from "@tf-trusted/core";
import {AttestationError} from "../attestation-error.ts";
import {
  ATTRIBUTE_DEBUG,
  type EnclaveReport,
  enclaveReport,
  INTEL_QE_VENDOR_ID,
  KEY_TYPE_ECDSA_P256,
  quoteHeader,
} from "../evidence/dcap/layout.ts";
import type {SgxCollateral, SgxQuoteV3Evidence} from "../evidence/evidence.ts";
import {QUOTE_V3, quoteSignature} from "../evidence/sgx/layout.ts";
import {encodePem} from "../x509/pem.ts";
import {makeCollateral, simulatedQe} from "./collateral.ts";
import {makeHierarchy, type SimulatedHierarchy, type SimulatedKeyName, simulatedKeyNames} from "./hierarchy.ts";
import {coordinates, exportSigningKey, fromBase64, importSigningKey, signRaw, toBase64} from "./keys.ts";
import {healthyPlan, type SimulatedFault, type SimulatedPlan, simulatedFaults} from "./plan.ts";

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

export interface SimulatedPlatformOptions {
  /** The clock from which all dates are taken. */
  readonly now: () => Date;
  readonly faults?: readonly SimulatedFault[];
  /** Finer than faults, for tests. */
  readonly overrides?: Partial<SimulatedPlan>;
}

export interface SimulatedPlatform {
  /** DER. */
  readonly rootCertificate: Uint8Array;
  /** What a policy names: SHA-256 of the root's SubjectPublicKeyInfo, hexadecimal. */
  readonly rootSpkiSha256: string;
  /** A quote of version 3. Throws `LAYOUT_INVALID` for wrong lengths. */
  readonly quote: (request: SimulatedQuoteRequest) => Promise<Uint8Array>;
  /** Fresh collateral, issued an hour ago and valid for 30 days. */
  readonly collateral: () => Promise<SgxCollateral>;
  /** Both. */
  readonly evidence: (request: SimulatedQuoteRequest) => Promise<SgxQuoteV3Evidence>;
  /** Everything, with private keys, to be kept for a restart: whoever reads it can play this platform. */
  readonly state: () => Promise<SimulatedPlatformState>;
}

/** Plain JSON. */
export interface SimulatedPlatformState {
  readonly format: "tf-trusted/simulated-platform/1";
  readonly keys: Readonly<Record<SimulatedKeyName, {readonly pkcs8: string; readonly spki: string}>>;
  /** DER in base64. */
  readonly certificates: Readonly<Record<keyof SimulatedHierarchy["certificates"], string>>;
}

const STATE_FORMAT = "tf-trusted/simulated-platform/1";

/** A new platform with a new root. */
export async function createSimulatedPlatform(options: SimulatedPlatformOptions): Promise<SimulatedPlatform> {
  return platform(await makeHierarchy(planOf(options)), options);
}

/** The platform whose `state()` was kept. Throws `SIMULATION_STATE`. */
export async function restoreSimulatedPlatform(
  state: unknown,
  options: SimulatedPlatformOptions,
): Promise<SimulatedPlatform> {
  try {
    const {format, keys, certificates} = state as SimulatedPlatformState;
    if (format !== STATE_FORMAT) throw new TypeError(`format ${JSON.stringify(format)}`);
    const imported = await Promise.all(
      simulatedKeyNames.map(async (name) => [name, await importSigningKey(keys[name])] as const),
    );
    const {root, authority, pck, tcbSigner} = certificates;
    const hierarchy: SimulatedHierarchy = {
      keys: Object.fromEntries(imported) as SimulatedHierarchy["keys"],
      certificates: {
        root: fromBase64(root),
        authority: fromBase64(authority),
        pck: fromBase64(pck),
        tcbSigner: fromBase64(tcbSigner),
      },
    };
    return await platform(hierarchy, options);
  } catch (cause) {
    throw new AttestationError(
      "SIMULATION_STATE",
      `found a state that can't be read (${String(cause)}), expected ${STATE_FORMAT}`,
      {cause},
    );
  }
}

function planOf({now, faults = [], overrides = {}}: SimulatedPlatformOptions): SimulatedPlan {
  const healthy = healthyPlan(now());
  return Object.assign({...healthy}, ...faults.map((fault) => simulatedFaults[fault](healthy)), overrides);
}

async function platform(hierarchy: SimulatedHierarchy, options: SimulatedPlatformOptions): Promise<SimulatedPlatform> {
  const {keys, certificates} = hierarchy;
  const qeMrSigner = await sha256(new TextEncoder().encode(simulatedQe.signerSeed));
  const rootSpkiSha256 = encodeHex(await sha256(keys.root.publicKey.spki));
  const collateral = () => makeCollateral(hierarchy, planOf(options), qeMrSigner);
  const quote = (request: SimulatedQuoteRequest) => makeQuote(hierarchy, planOf(options), qeMrSigner, request);
  return {
    rootCertificate: certificates.root,
    rootSpkiSha256,
    quote,
    collateral,
    evidence: async (request) => ({kind: "sgx-quote-v3", quote: await quote(request), collateral: await collateral()}),
    state: async () => {
      const exported = await Promise.all(
        simulatedKeyNames.map(async (name) => [name, await exportSigningKey(keys[name])] as const),
      );
      return {
        format: STATE_FORMAT,
        keys: Object.fromEntries(exported) as SimulatedPlatformState["keys"],
        certificates: {
          root: toBase64(certificates.root),
          authority: toBase64(certificates.authority),
          pck: toBase64(certificates.pck),
          tcbSigner: toBase64(certificates.tcbSigner),
        },
      };
    },
  };
}

/** INIT and MODE64BIT, with XFRM as on a current processor. */
export const enclaveAttributes = parseHex("0500000000000000e700000000000000");

async function makeQuote(
  {keys, certificates}: SimulatedHierarchy,
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
      teeType: 0,
      qeSvn: plan.qeIsvSvn,
      pceSvn: plan.pceSvn,
      qeVendorId: parseHex(INTEL_QE_VENDOR_ID),
      userData: new Uint8Array(20),
    }),
    enclaveReport.encode({...blankReport, cpuSvn, attributes, mrEnclave, mrSigner, isvProdId, isvSvn, reportData}),
  );
  const attestationKey = coordinates(keys.attestation);
  const authenticationData = Uint8Array.from({length: 32}, (_, i) => i);
  const qeReport = enclaveReport.encode({
    ...blankReport,
    cpuSvn,
    attributes: simulatedQe.attributes,
    mrSigner: qeMrSigner,
    isvProdId: simulatedQe.isvProdId,
    isvSvn: plan.qeIsvSvn,
    reportData: concatBytes(await sha256(concatBytes(attestationKey, authenticationData)), new Uint8Array(32)),
  });
  const chain = encodePem([certificates.pck, certificates.authority, certificates.root]);
  return encodeQuote(signed, {
    signature: await signRaw(keys.attestation, signed),
    attestationKey,
    qeReport,
    qeReportSignature: await signRaw(keys.pck, qeReport),
    authenticationData,
    certificationDataType: 5,
    certificationData: chain,
  });
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

/** Puts a quote together: signed header and report, length, signature data. */
export function encodeQuote(signed: Uint8Array, parts: QuoteParts): Uint8Array<ArrayBuffer> {
  const {authenticationData, certificationDataType, certificationData, ...signatures} = parts;
  const data = concatBytes(
    quoteSignature.encode(signatures),
    littleEndian(2, authenticationData.length),
    authenticationData,
    littleEndian(2, certificationDataType),
    littleEndian(4, certificationData.length),
    certificationData,
  );
  return concatBytes(signed, littleEndian(4, data.length), data);
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
