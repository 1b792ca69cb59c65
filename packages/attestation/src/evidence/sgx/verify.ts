/**
 * Is an SGX quote genuine? The checks in order, as one sequence. What the caller wants of a genuine
 * enclave is policy, and not here.
 */
import {type Check, checksFrom, fail, pass} from "../../checks/check.ts";
import {findTcbLevel} from "../../collateral/tcb-info.ts";
import {markVerified, type Verified} from "../../verified.ts";
import type {
  DcapQuoteFacts,
  DcapStart,
  PckExtensionFacts,
  QuoteSignedFacts,
  TcbInfoFacts,
  TcbLevelFacts,
} from "../dcap/facts.ts";
import type {EnclaveReport} from "../dcap/layout.ts";
import type {QuoteForm, TrailingBytes} from "../dcap/quote.ts";
import {dcapFacts, dcapGenuine} from "../dcap/sequence.ts";
import {tcbConverged} from "../dcap/statements.ts";
import {parseQuoteHeader, parseSgxQuote, type SgxQuote} from "./parse.ts";

export interface SgxStart extends DcapStart {
  readonly quoteBytes: Uint8Array;
  /** The versions that the kind of evidence allows. */
  readonly form: QuoteForm<EnclaveReport>;
  readonly trailingBytes: TrailingBytes;
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
  expects: "version 3 (or 4 or 5), ECDSA P-256, SGX, Intel's quoting enclave",
  source: "Quote Library, quote format",
  codes: ["QUOTE_FORMAT", "QUOTE_VERSION", "QUOTE_KEY_TYPE", "QUOTE_TEE_TYPE", "QE_VENDOR"],
  run: ({quoteBytes, form}) => pass(`version ${parseQuoteHeader(quoteBytes, form).version}`, {}),
};

const quoteReadable: Check<SgxStart, SgxQuoteFacts> = {
  id: "quote-structure",
  title: "The quote is whole",
  expects: "lengths that fit each other, nothing after the end",
  source: "Quote Library, quote format",
  codes: ["QUOTE_FORMAT", "CERT_DATA_TYPE"],
  run: ({quoteBytes, form, trailingBytes}) => {
    const quote = parseSgxQuote(quoteBytes, form, trailingBytes);
    return pass(`${quoteBytes.length} bytes, certification data type ${quote.certification.type}`, {
      quote,
      ...dcapFacts(quote, {tcbInfo: "SGX", qeIdentity: "QE"}),
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
    return pass(`${found}: ${platformLevel.status}`, {
      platformLevel,
      moduleLevel: null,
      currentLevels: null,
      enclave: markVerified(quote.report),
    });
  },
};

export const sgxChecks = dcapGenuine(checksFrom<SgxStart>().followedBy(headerSupported).followedBy(quoteReadable))
  .followedBy(tcbLevelFound)
  .followedBy(tcbConverged);
