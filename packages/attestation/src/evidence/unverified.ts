/**
 * What evidence says of its program, before anybody verified it: for the program itself, which looks at its own evidence
 * before it hands it out. Nothing here is a judgement; a caller who wants one verifies.
 */
import {ByteReader} from "@tf-trusted/core";
import {parsing, unexpected} from "../attestation-error.ts";
import {isDebug} from "./dcap/layout.ts";
import type {DcapEvidence, SnpReportEvidence} from "./evidence.ts";
import {parseSgxQuote} from "./sgx/parse.ts";
import {guestPolicy, snpReportLayout} from "./snp/layout.ts";
import {TD_ATTRIBUTE_DEBUG} from "./tdx/layout.ts";
import {parseTdxQuote} from "./tdx/parse.ts";

export interface UnverifiedStatement {
  /** 64 bytes, a view. */
  readonly reportData: Uint8Array;
  /** MRENCLAVE (32 bytes), MRTD or the launch digest (48 each), a view. */
  readonly measurement: Uint8Array;
  /** Whether the host may read the TEE's memory. */
  readonly debug: boolean;
}

/** Throws `QUOTE_FORMAT` and the other codes of a quote that can't be read, and `SNP_REPORT_FORMAT`. */
export function readUnverified(evidence: DcapEvidence | SnpReportEvidence): UnverifiedStatement {
  switch (evidence.kind) {
    case "sgx-quote-v3":
    case "sgx-quote": {
      const {reportData, mrEnclave, attributes} = parseSgxQuote(evidence.quote).report;
      return {reportData, measurement: mrEnclave, debug: isDebug(attributes)};
    }
    case "tdx-quote": {
      const {reportData, mrTd, tdAttributes} = parseTdxQuote(evidence.quote).report;
      return {reportData, measurement: mrTd, debug: (tdAttributes[0]! & TD_ATTRIBUTE_DEBUG) !== 0};
    }
    case "snp-report": {
      const {length} = evidence.report;
      if (length !== snpReportLayout.size) {
        throw unexpected("SNP_REPORT_FORMAT", `${length} bytes`, `${snpReportLayout.size}`);
      }
      const {reportData, measurement, policy} = parsing("SNP_REPORT_FORMAT", "SNP report", () =>
        snpReportLayout.read(new ByteReader(evidence.report, "SNP report")),
      );
      return {reportData, measurement, debug: guestPolicy(policy, "debug")};
    }
  }
}
