/**
 * Checks of what Intel says (TCB info, QE identity) and of what the quoting enclave says, down to the attestation key;
 * and of the TCB as a whole.
 */
import {concatBytes, encodeHex, equalBytes, sha256} from "@tf-trusted/core";
import {unexpected} from "../../attestation-error.ts";
import {type Check, fail, pass, passIf} from "../../checks/check.ts";
import type {AttestationCode} from "../../codes.ts";
import {findQeLevel, openQeIdentity, type QeIdentity, readQeIdentity} from "../../collateral/qe-identity.ts";
import type {SignedJson} from "../../collateral/signed-json.ts";
import {openTcbInfo, readTcbInfo, readTcbInfoId, type TcbInfo} from "../../collateral/tcb-info.ts";
import {convergeTcbStatus, relaunchStatus} from "../../collateral/tcb-status.ts";
import {markVerified} from "../../verified.ts";
import type {Certificate} from "../../x509/certificate.ts";
import {Memory} from "../../x509/memory.ts";
import {publicKeyFromCoordinates, verifyLastingSignature, verifyRawSignature} from "../../x509/public-key.ts";
import type {
  DcapQuoteFacts,
  DcapStart,
  PartsFacts,
  PckExtensionFacts,
  PckFacts,
  QeIdentityFacts,
  QeLevelFacts,
  QuoteSignedFacts,
  SignerFacts,
  TcbInfoFacts,
  TcbLevelFacts,
  TcbStatusFacts,
} from "./facts.ts";

/** What a text says that this key has signed. Kept once it was signed and read whole. */
const signedTcbInfos = new Memory<TcbInfo>();
const signedQeIdentities = new Memory<QeIdentity>();

export const tcbInfoGenuine: Check<PartsFacts & SignerFacts & DcapQuoteFacts, TcbInfoFacts> = {
  id: "tcb-info",
  title: "The TCB info is the vendor's",
  expects: "strict JSON of version 2 or 3 for this TEE, signed byte for byte by the TCB signing certificate",
  source: "PCS, signed documents",
  codes: ["TCB_INFO_FORMAT", "TCB_INFO_SIGNATURE", "TCB_INFO_ID"],
  run: async ({parts, tcbInfoSigner, collateralIds}) => {
    const signerKey = tcbInfoSigner.publicKey.spki;
    let tcbInfo = signedTcbInfos.recall(parts.tcbInfo, signerKey);
    if (tcbInfo === undefined) {
      const signed = openTcbInfo(parts.tcbInfo);
      await requireSignature(signed, tcbInfoSigner, "TCB_INFO_SIGNATURE");
      // The identifier decides which members there are, so that a wrong one comes before the flaws that it causes.
      const id = readTcbInfoId(signed.body);
      if (id !== collateralIds.tcbInfo) return fail("TCB_INFO_ID", id, collateralIds.tcbInfo);
      tcbInfo = readTcbInfo(signed.body);
      signedTcbInfos.keep(tcbInfo, parts.tcbInfo, signerKey);
    }
    if (tcbInfo.id !== collateralIds.tcbInfo) return fail("TCB_INFO_ID", tcbInfo.id, collateralIds.tcbInfo);
    return pass(
      `version ${tcbInfo.version}, ${tcbInfo.levels.length} levels, evaluation ${tcbInfo.tcbEvaluationDataNumber}`,
      {
        tcbInfo: markVerified(tcbInfo),
      },
    );
  },
};

export const tcbInfoCurrent: Check<DcapStart & TcbInfoFacts, object> = {
  id: "tcb-info-dates",
  title: "The TCB info is current",
  expects: "issueDate and nextUpdate around the time of verification",
  source: "PCS, validity of documents",
  codes: ["TCB_INFO_EXPIRED", "TCB_INFO_NOT_YET_VALID"],
  run: ({tcbInfo, at}) => current(tcbInfo, at, "TCB_INFO_EXPIRED", "TCB_INFO_NOT_YET_VALID"),
};

export const tcbInfoFits: Check<TcbInfoFacts & PckExtensionFacts, object> = {
  id: "tcb-info-platform",
  title: "The TCB info is about this platform",
  expects: "FMSPC and PCEID of the PCK certificate",
  source: "PCS, TCB info",
  codes: ["FMSPC_MISMATCH", "PCEID_MISMATCH"],
  run: ({tcbInfo, platform}) => {
    if (!equalBytes(tcbInfo.fmspc, platform.fmspc)) {
      return fail("FMSPC_MISMATCH", `FMSPC ${encodeHex(tcbInfo.fmspc)}`, encodeHex(platform.fmspc));
    }
    return passIf(
      equalBytes(tcbInfo.pceId, platform.pceId),
      "PCEID_MISMATCH",
      `${tcbInfo.id}, FMSPC ${encodeHex(tcbInfo.fmspc)}, PCEID ${encodeHex(tcbInfo.pceId)}`,
      `PCEID ${encodeHex(platform.pceId)}`,
    );
  },
};

export const qeIdentityGenuine: Check<PartsFacts & SignerFacts, QeIdentityFacts> = {
  id: "qe-identity",
  title: "The identity of the quoting enclave is the vendor's",
  expects: "strict JSON of version 2, signed byte for byte by the TCB signing certificate",
  source: "PCS, signed documents",
  codes: ["QE_IDENTITY_FORMAT", "QE_IDENTITY_SIGNATURE"],
  run: async ({parts, qeIdentitySigner}) => {
    const signerKey = qeIdentitySigner.publicKey.spki;
    let qeIdentity = signedQeIdentities.recall(parts.qeIdentity, signerKey);
    if (qeIdentity === undefined) {
      const signed = openQeIdentity(parts.qeIdentity);
      await requireSignature(signed, qeIdentitySigner, "QE_IDENTITY_SIGNATURE");
      qeIdentity = readQeIdentity(signed.body);
      signedQeIdentities.keep(qeIdentity, parts.qeIdentity, signerKey);
    }
    return pass(
      `${qeIdentity.id}, ${qeIdentity.levels.length} levels, evaluation ${qeIdentity.tcbEvaluationDataNumber}`,
      {
        qeIdentity: markVerified(qeIdentity),
      },
    );
  },
};

export const qeIdentityCurrent: Check<DcapStart & QeIdentityFacts, object> = {
  id: "qe-identity-dates",
  title: "The identity of the quoting enclave is current",
  expects: "issueDate and nextUpdate around the time of verification",
  source: "PCS, validity of documents",
  codes: ["QE_IDENTITY_EXPIRED", "QE_IDENTITY_NOT_YET_VALID"],
  run: ({qeIdentity, at}) => current(qeIdentity, at, "QE_IDENTITY_EXPIRED", "QE_IDENTITY_NOT_YET_VALID"),
};

export const qeReportSigned: Check<DcapQuoteFacts & PckFacts, object> = {
  id: "qe-report-signature",
  title: "The platform signed the quoting enclave's report",
  expects: "a signature by the PCK key",
  source: "Quote Library, quote format",
  codes: ["QE_REPORT_SIGNATURE"],
  run: async ({qeReportBytes, qeReportSignature, pck}) => {
    // In effect the certificate of the attestation key: the same in all quotes of a platform.
    const signed = await verifyLastingSignature(pck.publicKey, qeReportSignature, qeReportBytes);
    const found = signed ? "the report is signed" : "a signature by another key or over other bytes";
    return passIf(signed, "QE_REPORT_SIGNATURE", found, "one by the PCK key over the report");
  },
};

export const qeVouchesForKey: Check<DcapQuoteFacts, object> = {
  id: "qe-report-data",
  title: "The quoting enclave vouches for the attestation key",
  expects: "report data = SHA-256(attestation key, authentication data), then 32 zeros",
  source: "Quote Library, quote format",
  codes: ["QE_REPORT_DATA"],
  run: async ({qeReport, attestationKey, qeAuthenticationData}) => {
    const digest = await sha256(concatBytes(attestationKey, qeAuthenticationData));
    // All 64 bytes: other verifiers forget the second half.
    const expected = concatBytes(digest, new Uint8Array(32));
    const found = encodeHex(qeReport.reportData);
    return passIf(equalBytes(qeReport.reportData, expected), "QE_REPORT_DATA", found, encodeHex(expected));
  },
};

export const qeIsVendors: Check<DcapQuoteFacts & QeIdentityFacts, object> = {
  id: "qe-match",
  title: "It is the vendor's quoting enclave",
  expects: "identifier of this TEE's QE; MISCSELECT, ATTRIBUTES (masked), MRSIGNER and ISVPRODID of its identity",
  source: "PCS, enclave identity",
  codes: ["QE_IDENTITY_ID", "QE_MISCSELECT", "QE_ATTRIBUTES", "QE_MRSIGNER", "QE_ISVPRODID"],
  run: ({qeReport, qeIdentity, collateralIds}) => {
    if (qeIdentity.id !== collateralIds.qeIdentity)
      return fail("QE_IDENTITY_ID", qeIdentity.id, collateralIds.qeIdentity);
    const misc = masked(qeReport.miscSelect, qeIdentity.miscSelectMask);
    if (!equalBytes(misc, qeIdentity.miscSelect)) {
      return fail("QE_MISCSELECT", encodeHex(misc), encodeHex(qeIdentity.miscSelect));
    }
    const attributes = masked(qeReport.attributes, qeIdentity.attributesMask);
    if (!equalBytes(attributes, qeIdentity.attributes)) {
      return fail("QE_ATTRIBUTES", encodeHex(attributes), encodeHex(qeIdentity.attributes));
    }
    if (!equalBytes(qeReport.mrSigner, qeIdentity.mrSigner)) {
      return fail("QE_MRSIGNER", encodeHex(qeReport.mrSigner), encodeHex(qeIdentity.mrSigner));
    }
    return passIf(
      qeReport.isvProdId === qeIdentity.isvProdId,
      "QE_ISVPRODID",
      `${qeIdentity.id}, product ${qeReport.isvProdId}`,
      `product ${qeIdentity.isvProdId}`,
    );
  },
};

export const qeLevelFound: Check<DcapQuoteFacts & QeIdentityFacts, QeLevelFacts> = {
  id: "qe-tcb-level",
  title: "The quoting enclave's version is known",
  expects: "a level of its identity that its ISVSVN reaches",
  source: "PCS, enclave identity",
  codes: ["QE_TCB_LEVEL_NOT_FOUND"],
  run: ({qeReport, qeIdentity}) => {
    const qeLevel = findQeLevel(qeIdentity.levels, qeReport.isvSvn);
    if (qeLevel === undefined) {
      const lowest = Math.min(...qeIdentity.levels.map(({isvSvn}) => isvSvn));
      return fail("QE_TCB_LEVEL_NOT_FOUND", `ISVSVN ${qeReport.isvSvn}`, `${lowest} at least`);
    }
    return pass(`ISVSVN ${qeReport.isvSvn}: ${qeLevel.status}`, {qeLevel});
  },
};

export const quoteSigned: Check<DcapQuoteFacts, QuoteSignedFacts> = {
  id: "quote-signature",
  title: "The attestation key signed the quote",
  expects: "a point of P-256, and its signature over header and body",
  source: "Quote Library, quote format",
  codes: ["QUOTE_SIGNATURE"],
  run: async ({attestationKey, quoteSignature, quoteSignedBytes}) => {
    const key = publicKeyFromCoordinates(attestationKey);
    if (!(await verifyRawSignature(key, quoteSignature, quoteSignedBytes))) {
      return fail(
        "QUOTE_SIGNATURE",
        "a signature by another key or over other bytes",
        "one by the attestation key over header and body",
      );
    }
    return pass("header and body are signed", {signedQuote: markVerified(quoteSignedBytes)});
  },
};

export const tcbConverged: Check<TcbInfoFacts & QeIdentityFacts & TcbLevelFacts & QeLevelFacts, TcbStatusFacts> = {
  id: "tcb-status",
  title: "The platform as a whole has a TCB status",
  expects: "the platform's level and its parts', as one status",
  source: "PCS, TCB statuses",
  codes: [],
  run: ({tcbInfo, qeIdentity, platformLevel, moduleLevel, currentLevels, qeLevel}) => {
    const statusOf = ({platformLevel: platform, moduleLevel: module}: Omit<TcbLevelFacts, "currentLevels">) =>
      convergeTcbStatus(platform.status, [qeLevel.status, ...(module ? [module.status] : [])]);
    const launch = statusOf({platformLevel, moduleLevel});
    const levels = [platformLevel, qeLevel, ...(moduleLevel ? [moduleLevel] : [])];
    const tcb = {
      status: currentLevels ? relaunchStatus(launch, statusOf(currentLevels)) : launch,
      advisories: [...new Set(levels.flatMap(({advisories}) => advisories))].sort(),
      date: Math.min(...levels.map(({date}) => date)),
      evaluationDataNumber: Math.min(tcbInfo.tcbEvaluationDataNumber, qeIdentity.tcbEvaluationDataNumber),
    };
    const module = moduleLevel ? `, TDX module ${moduleLevel.status}` : "";
    return pass(`${tcb.status} (platform ${platformLevel.status}, quoting enclave ${qeLevel.status}${module})`, {tcb});
  },
};

async function requireSignature(signed: SignedJson, signer: Certificate, code: AttestationCode): Promise<void> {
  if (await verifyRawSignature(signer.publicKey, signed.signature, signed.signedBytes)) return;
  throw unexpected(
    code,
    "a signature by another key or over other bytes",
    `one by "${signer.subject.commonName}" over the exact text`,
  );
}

function current(
  {issueDate, nextUpdate}: {readonly issueDate: number; readonly nextUpdate: number},
  at: number,
  expired: AttestationCode,
  notYetValid: AttestationCode,
) {
  const [from, until, now] = [issueDate, nextUpdate, at].map((time) => new Date(time).toISOString());
  if (at < issueDate) return fail(notYetValid, `issued at ${from}`, `before ${now}`);
  return passIf(at <= nextUpdate, expired, `until ${until}`, `valid at ${now}`);
}

function masked(bytes: Uint8Array, mask: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => byte & mask[i]!);
}
