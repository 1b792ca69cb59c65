/** Is a TDX quote genuine? The checks in order, as one sequence; most are those of every DCAP quote. */
import {encodeHex} from "@tf-trusted/core";
import {type Check, checksFrom, fail, pass, passIf} from "../../checks/check.ts";
import {markVerified, type Verified} from "../../verified.ts";
import type {
  DcapQuoteFacts,
  DcapStart,
  PckExtensionFacts,
  QuoteSignedFacts,
  TcbInfoFacts,
  TcbLevelFacts,
} from "../dcap/facts.ts";
import {parseQuoteHeaderOf, type TrailingBytes} from "../dcap/quote.ts";
import {dcapFacts, dcapGenuine} from "../dcap/sequence.ts";
import {tcbConverged} from "../dcap/statements.ts";
import type {TdReport} from "./layout.ts";
import {parseTdxQuote, type TdxQuote, tdxForm} from "./parse.ts";
import {findTdxLevels, findTdxModule, isExpectedModule, moduleId} from "./tcb.ts";

export interface TdxStart extends DcapStart {
  readonly quoteBytes: Uint8Array;
  readonly trailingBytes: TrailingBytes;
}

export interface TdxQuoteFacts extends DcapQuoteFacts {
  readonly quote: TdxQuote;
}

/** The attested trust domain, once every signature on the way to it was right. */
export interface TdFacts {
  readonly td: Verified<TdReport>;
}

const headerSupported: Check<TdxStart, object> = {
  id: "quote-header",
  title: "The quote is of a supported kind",
  expects: "version 4 or 5, ECDSA P-256, TDX, Intel's quoting enclave",
  source: "TDX Quoting Library, quote format",
  codes: ["QUOTE_FORMAT", "QUOTE_VERSION", "QUOTE_KEY_TYPE", "QUOTE_TEE_TYPE", "QE_VENDOR"],
  run: ({quoteBytes}) => pass(`version ${parseQuoteHeaderOf(quoteBytes, tdxForm).version}`, {}),
};

const quoteReadable: Check<TdxStart, TdxQuoteFacts> = {
  id: "quote-structure",
  title: "The quote is whole",
  expects: "lengths that fit each other, nothing after the end",
  source: "TDX Quoting Library, quote format",
  codes: ["QUOTE_FORMAT", "CERT_DATA_TYPE"],
  run: ({quoteBytes, trailingBytes}) => {
    const quote = parseTdxQuote(quoteBytes, trailingBytes);
    return pass(`${quoteBytes.length} bytes, body type ${quote.bodyType}, ${quote.trailing.length} bytes after it`, {
      quote,
      ...dcapFacts(quote, {tcbInfo: "TDX", qeIdentity: "TD_QE"}),
    });
  },
};

const moduleExpected: Check<TdxQuoteFacts & TcbInfoFacts & QuoteSignedFacts, object> = {
  id: "tdx-module",
  title: "The TDX module is the vendor's",
  expects: "an identity for its version, that identity's MRSIGNER, and attributes of zero",
  source: "PCS, TDX module identities",
  codes: ["TDX_MODULE"],
  run: ({quote: {report}, tcbInfo}) => {
    const module = findTdxModule(tcbInfo, report.teeTcbSvn);
    const id = moduleId(report.teeTcbSvn);
    if (module === undefined) return fail("TDX_MODULE", `a module of ${id}, without identity`, `an identity ${id}`);
    return passIf(
      isExpectedModule(module, report),
      "TDX_MODULE",
      `MRSIGNERSEAM ${encodeHex(report.mrSignerSeam)}, attributes ${encodeHex(report.seamAttributes)}`,
      `MRSIGNERSEAM ${encodeHex(module.mrSigner)}, attributes ${encodeHex(module.attributes)}, which must be zero`,
    );
  },
};

const tcbLevelFound: Check<
  TdxQuoteFacts & PckExtensionFacts & TcbInfoFacts & QuoteSignedFacts,
  TcbLevelFacts & TdFacts
> = {
  id: "tcb-level",
  title: "The platform's TCB level is known",
  expects: "levels that the PCK certificate, the TDX components and the module reach",
  source: "PCS, choice of the TCB level",
  codes: ["TCB_LEVEL_NOT_FOUND", "TDX_MODULE_TCB_LEVEL_NOT_FOUND"],
  run: ({quote: {report}, platformTcb, tcbInfo}) => {
    const launch = findTdxLevels(tcbInfo, platformTcb, report.teeTcbSvn);
    const components = `components ${platformTcb.components.join(" ")}, PCESVN ${platformTcb.pceSvn}`;
    const found = `${components}, TDX components ${report.teeTcbSvn.join(" ")}`;
    if ("missing" in launch) {
      const code = launch.missing === "module" ? "TDX_MODULE_TCB_LEVEL_NOT_FOUND" : "TCB_LEVEL_NOT_FOUND";
      return fail(code, found, "a level of the TCB info that all of these reach");
    }
    const now = report.addition && findTdxLevels(tcbInfo, platformTcb, report.addition.teeTcbSvn2);
    return pass(`${found}: ${launch.platformLevel.status}, module ${launch.moduleLevel?.status ?? "as the platform"}`, {
      ...launch,
      // What has no level now is no better than at launch.
      currentLevels: now && !("missing" in now) ? now : null,
      td: markVerified(report),
    });
  },
};

export const tdxChecks = dcapGenuine(checksFrom<TdxStart>().followedBy(headerSupported).followedBy(quoteReadable))
  .followedBy(moduleExpected)
  .followedBy(tcbLevelFound)
  .followedBy(tcbConverged);
