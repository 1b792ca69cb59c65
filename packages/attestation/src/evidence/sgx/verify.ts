/**
 * Is an SGX quote genuine? The checks in order, as one sequence. What the caller wants of a genuine
 * enclave is policy, and not here.
 */
import {type Check, checksFrom, fail, pass} from "../../checks/check.ts";
import {findTcbLevel} from "../../collateral/tcb-info.ts";
import {markVerified, type Verified} from "../../verified.ts";
import {
  certificatesReadable,
  collateralPresent,
  collateralSigners,
  crlsValid,
  pckChainValid,
  pckDates,
  pckExtension,
  pckNotRevoked,
  rootTrusted,
} from "../dcap/chains.ts";
import type {
  DcapQuoteFacts,
  DcapStart,
  PckExtensionFacts,
  QuoteSignedFacts,
  TcbInfoFacts,
  TcbLevelFacts,
} from "../dcap/facts.ts";
import type {EnclaveReport} from "../dcap/layout.ts";
import {
  qeIdentityCurrent,
  qeIdentityGenuine,
  qeIsVendors,
  qeLevelFound,
  qeReportSigned,
  qeVouchesForKey,
  quoteSigned,
  tcbConverged,
  tcbInfoCurrent,
  tcbInfoFits,
  tcbInfoGenuine,
} from "../dcap/statements.ts";
import {parseQuoteHeader, parseSgxQuote, type SgxQuote} from "./parse.ts";

export interface SgxStart extends DcapStart {
  readonly quoteBytes: Uint8Array;
}

export interface SgxQuoteFacts extends DcapQuoteFacts {
  readonly quote: SgxQuote;
}

/** The attested enclave, once every signature on the way to it was right. */
export interface SgxEnclaveFacts {
  readonly enclave: Verified<EnclaveReport>;
}

const headerSupported: Check<SgxStart, object> = {
  id: "quote-header",
  title: "The quote is of a supported kind",
  expects: "version 3, ECDSA P-256, SGX, Intel's quoting enclave",
  source: "Quote Library, quote format",
  codes: ["QUOTE_FORMAT", "QUOTE_VERSION", "QUOTE_KEY_TYPE", "QUOTE_TEE_TYPE", "QE_VENDOR"],
  run: ({quoteBytes}) => pass(`version ${parseQuoteHeader(quoteBytes).version}`, {}),
};

const quoteReadable: Check<SgxStart, SgxQuoteFacts> = {
  id: "quote-structure",
  title: "The quote is whole",
  expects: "lengths that fit each other, nothing after the end",
  source: "Quote Library, quote format",
  codes: ["QUOTE_FORMAT", "CERT_DATA_TYPE"],
  run: ({quoteBytes}) => {
    const quote = parseSgxQuote(quoteBytes);
    return pass(`${quoteBytes.length} bytes, certification data type ${quote.certification.type}`, {
      quote,
      certification: quote.certification,
      qeReport: quote.qeReport,
      qeReportBytes: quote.qeReportBytes,
      qeReportSignature: quote.qeReportSignature,
      qeAuthenticationData: quote.qeAuthenticationData,
      attestationKey: quote.attestationKey,
      quoteSignature: quote.signature,
      quoteSignedBytes: quote.signedBytes,
      collateralIds: {tcbInfo: "SGX", qeIdentity: "QE"} as const,
    });
  },
};

const tcbLevelFound: Check<
  SgxQuoteFacts & PckExtensionFacts & TcbInfoFacts & QuoteSignedFacts,
  TcbLevelFacts & SgxEnclaveFacts
> = {
  id: "tcb-level",
  title: "The platform's TCB level is known",
  expects: "a level that the PCK certificate reaches in all 16 components and in PCESVN",
  source: "PCS, choice of the TCB level",
  codes: ["TCB_LEVEL_NOT_FOUND"],
  run: ({quote, platformTcb, tcbInfo}) => {
    const platformLevel = findTcbLevel(tcbInfo.levels, platformTcb);
    const found = `components ${platformTcb.components.join(" ")}, PCESVN ${platformTcb.pceSvn}`;
    if (platformLevel === undefined) {
      const lowest = tcbInfo.levels[tcbInfo.levels.length - 1]!;
      return fail(
        "TCB_LEVEL_NOT_FOUND",
        found,
        `components ${lowest.components.join(" ")}, PCESVN ${lowest.pceSvn} at least`,
      );
    }
    return pass(`${found}: ${platformLevel.status}`, {platformLevel, enclave: markVerified(quote.report)});
  },
};

export const sgxChecks = checksFrom<SgxStart>()
  .followedBy(headerSupported)
  .followedBy(quoteReadable)
  .followedBy(collateralPresent)
  .followedBy(certificatesReadable)
  .followedBy(rootTrusted)
  .followedBy(pckChainValid)
  .followedBy(pckDates)
  .followedBy(pckExtension)
  .followedBy(crlsValid)
  .followedBy(pckNotRevoked)
  .followedBy(collateralSigners)
  .followedBy(tcbInfoGenuine)
  .followedBy(tcbInfoCurrent)
  .followedBy(tcbInfoFits)
  .followedBy(qeIdentityGenuine)
  .followedBy(qeIdentityCurrent)
  .followedBy(qeReportSigned)
  .followedBy(qeVouchesForKey)
  .followedBy(qeIsVendors)
  .followedBy(qeLevelFound)
  .followedBy(quoteSigned)
  .followedBy(tcbLevelFound)
  .followedBy(tcbConverged);
