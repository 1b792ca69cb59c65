/** The checks that every DCAP quote goes through between reading it and judging its TCB. */
import type {CheckSequence} from "../../checks/check.ts";
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
} from "./chains.ts";
import type {DcapQuoteFacts, DcapStart} from "./facts.ts";
import type {DcapQuote} from "./quote.ts";
import {
  qeIdentityCurrent,
  qeIdentityGenuine,
  qeIsVendors,
  qeLevelFound,
  qeReportSigned,
  qeVouchesForKey,
  quoteSigned,
  tcbInfoCurrent,
  tcbInfoFits,
  tcbInfoGenuine,
} from "./statements.ts";

/** `read`, which gives the quote's facts, and then all checks up to the quote's signature. */
export function dcapGenuine<Start extends object, Facts extends DcapStart & DcapQuoteFacts>(
  read: CheckSequence<Start, Facts>,
) {
  return read
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
    .followedBy(tcbInfoFits)
    .followedBy(tcbInfoCurrent)
    .followedBy(qeIdentityGenuine)
    .followedBy(qeIdentityCurrent)
    .followedBy(qeReportSigned)
    .followedBy(qeVouchesForKey)
    .followedBy(qeIsVendors)
    .followedBy(qeLevelFound)
    .followedBy(quoteSigned);
}

/** What a quote of any TEE gives to these checks. */
export function dcapFacts(quote: DcapQuote<unknown>, collateralIds: DcapQuoteFacts["collateralIds"]): DcapQuoteFacts {
  return {
    certification: quote.certification,
    qeReport: quote.qeReport,
    qeReportBytes: quote.qeReportBytes,
    qeReportSignature: quote.qeReportSignature,
    qeAuthenticationData: quote.qeAuthenticationData,
    attestationKey: quote.attestationKey,
    quoteSignature: quote.signature,
    quoteSignedBytes: quote.signedBytes,
    collateralIds,
  };
}
