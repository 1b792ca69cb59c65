/**
 * What evidence needs from its vendor's service: the question, not the answer. Nothing here is verified; the answers are,
 * like everything else, when the evidence is. Every text is hexadecimal of a fixed length or one of a few words, so that it
 * can stand in a URL as it is.
 */
import {ByteReader, encodeHex, TfTrustedError} from "@tf-trusted/core";
import {readPckExtension, SGX_EXTENSION} from "../evidence/dcap/pck-extension.ts";
import type {DcapEvidence, Evidence, SnpReportEvidence} from "../evidence/evidence.ts";
import {parseSgxQuote, sgxForms} from "../evidence/sgx/parse.ts";
import {readKeyExtensions} from "../evidence/snp/key-extensions.ts";
import {
  readTcb,
  type SnpProduct,
  type SnpReport,
  type SnpTcb,
  signingKeyOf,
  signingKeys,
  snpProcessors,
  snpReportLayout,
} from "../evidence/snp/layout.ts";
import {parseTdxQuote} from "../evidence/tdx/parse.ts";
import {parseCertificates} from "../x509/certificate.ts";
import {parseRevocationList} from "../x509/crl.ts";
import {openQeIdentity} from "./qe-identity.ts";
import {openTcbInfo} from "./tcb-info.ts";

/** For Intel's provisioning service (PCS v4). */
export interface IntelSubject {
  readonly vendor: "intel";
  readonly tee: "sgx" | "tdx";
  /** 12 hexadecimal digits. */
  readonly fmspc: string;
  /** Which authority issued the PCK certificate. */
  readonly authority: "processor" | "platform";
}

/** For AMD's key distribution service (KDS). */
export interface AmdSubject {
  readonly vendor: "amd";
  readonly product: SnpProduct;
  /** A VLEK is its cloud's own: only the certificates above it can be asked for. */
  readonly signingKey: "VCEK" | "VLEK";
  /** 128 hexadecimal digits; of Turin 16. */
  readonly hardwareId: string;
  readonly tcb: SnpTcb;
}

export type CollateralSubject = IntelSubject | AmdSubject;

const TURIN_ID_BYTES = 8;

/**
 * What to ask for; `null` where nothing is (Nitro), or where the evidence can't be read: `verifyEvidence` says why better.
 */
export function collateralSubject(evidence: Evidence): CollateralSubject | null {
  try {
    switch (evidence.kind) {
      case "sgx-quote-v3":
      case "sgx-quote":
      case "tdx-quote":
        return intelSubject(evidence);
      case "snp-report":
        return amdSubject(evidence);
      default:
        return null;
    }
  } catch (error) {
    if (error instanceof TfTrustedError) return null;
    throw error;
  }
}

/** Parts of collateral that say by themselves until when they hold. */
export type DatedPart = "tcbInfo" | "qeIdentity" | "crl";

const expiries: Readonly<Record<DatedPart, (part: Uint8Array) => number>> = {
  tcbInfo: (part) => openTcbInfo(part).body.date("nextUpdate"),
  qeIdentity: (part) => openQeIdentity(part).body.date("nextUpdate"),
  crl: (part) => parseRevocationList(part).nextUpdate,
};

/** Until when a part claims to hold, in milliseconds since 1970, unverified: for caches. `null` where it can't be read. */
export function collateralExpiry(kind: DatedPart, part: Uint8Array): number | null {
  try {
    return expiries[kind](part);
  } catch (error) {
    if (error instanceof TfTrustedError) return null;
    throw error;
  }
}

function intelSubject(evidence: DcapEvidence): IntelSubject | null {
  const isTdx = evidence.kind === "tdx-quote";
  const {certification} = isTdx
    ? parseTdxQuote(evidence.quote, "allow")
    : parseSgxQuote(evidence.quote, sgxForms[evidence.kind], "allow");
  const chain = "pem" in certification ? certification.pem : evidence.collateral.pckChain;
  const pck = chain && parseCertificates(chain).find(({extensions}) => extensions.has(SGX_EXTENSION));
  if (!pck) return null;
  return {
    vendor: "intel",
    tee: isTdx ? "tdx" : "sgx",
    fmspc: encodeHex(readPckExtension(pck).fmspc),
    authority: pck.issuer.commonName.includes("Processor") ? "processor" : "platform",
  };
}

function amdSubject({report: bytes, collateral}: SnpReportEvidence): AmdSubject | null {
  const report = snpReportLayout.read(new ByteReader(bytes, "SNP report"));
  const signingKey = signingKeys[signingKeyOf(report.flags)];
  const product = productOf(report, collateral.vcek);
  if (signingKey === undefined || product === undefined) return null;
  const id = product === "Turin" ? report.chipId.subarray(0, TURIN_ID_BYTES) : report.chipId;
  return {
    vendor: "amd",
    product,
    signingKey,
    hardwareId: encodeHex(id),
    tcb: readTcb(product, report.reportedTcb),
  };
}

/** Reports of version 2 don't name their processor; a certificate that came along does. */
function productOf({cpuid}: SnpReport, vcek: Uint8Array | undefined): SnpProduct | undefined {
  const [family, model] = cpuid as unknown as readonly [number, number];
  const row = snpProcessors.find(
    (each) => each.family === family && model >= each.models[0] && model <= each.models[1],
  );
  if (row !== undefined) return row.product;
  const leaf = vcek && parseCertificates(vcek)[0];
  return leaf && readKeyExtensions(leaf).product;
}
