/** What verification established about DCAP evidence, as far as it came, in the words of the report. */
import {encodeHex} from "@tf-trusted/core";
import {isDebug} from "../evidence/dcap/layout.ts";
import type {PckExtension} from "../evidence/dcap/pck-extension.ts";
import type {SgxQuote} from "../evidence/sgx/parse.ts";
import type {sgxChecks} from "../evidence/sgx/verify.ts";
import {TD_ATTRIBUTE_DEBUG} from "../evidence/tdx/layout.ts";
import type {TdxQuote} from "../evidence/tdx/parse.ts";
import type {tdxChecks} from "../evidence/tdx/verify.ts";
import type {DatesReport, Report, SgxIdentity, SgxPlatform, TcbReport, TdxIdentity} from "./report.ts";

/** The facts of the checks that passed. */
export type SgxFacts = Awaited<ReturnType<(typeof sgxChecks)["run"]>>["facts"];

export type TdxFacts = Awaited<ReturnType<(typeof tdxChecks)["run"]>>["facts"];
type DcapFacts = Omit<SgxFacts, "quote" | "enclave" | "form">;

/** The part of a report that evidence decides. */
export type Description = Pick<Report, "identity" | "platform" | "tcbStatus" | "tcb" | "advisories" | "dates">;

export function describeSgx(facts: SgxFacts): Description {
  return {identity: identityOf(facts.quote), ...describeDcap(facts)};
}

export function describeTdx(facts: TdxFacts): Description {
  return {identity: tdIdentityOf(facts.quote), ...describeDcap(facts)};
}

function describeDcap(facts: DcapFacts): Omit<Description, "identity"> {
  return {
    // The certificate is trusted once its chain and the lists of revoked ones were.
    platform: facts.pckCrl && facts.platform ? platformOf(facts.platform) : null,
    tcbStatus: facts.tcb?.status ?? null,
    tcb: tcbOf(facts),
    advisories: facts.tcb?.advisories ?? [],
    dates: datesOf(facts),
  };
}

/** What the quote claims, also where the report refuses it: people need to see what came. */
function identityOf(quote: SgxQuote | undefined): SgxIdentity | null {
  if (quote === undefined) return null;
  const {report} = quote;
  return {
    tee: "sgx",
    mrEnclave: encodeHex(report.mrEnclave),
    mrSigner: encodeHex(report.mrSigner),
    isvProdId: report.isvProdId,
    isvSvn: report.isvSvn,
    attributes: encodeHex(report.attributes),
    debug: isDebug(report.attributes),
    reportData: encodeHex(report.reportData),
    miscSelect: encodeHex(report.miscSelect),
    cpuSvn: encodeHex(report.cpuSvn),
    isvExtProdId: encodeHex(report.isvExtProdId),
    isvFamilyId: encodeHex(report.isvFamilyId),
    configId: encodeHex(report.configId),
    configSvn: report.configSvn,
  };
}

function tdIdentityOf(quote: TdxQuote | undefined): TdxIdentity | null {
  if (quote === undefined) return null;
  const {addition, extension: _, ...report} = quote.report;
  const registers = Object.fromEntries(Object.entries(report).map(([name, bytes]) => [name, encodeHex(bytes)]));
  return {
    tee: "tdx",
    ...(registers as Readonly<Record<keyof typeof report, string>>),
    debug: (report.tdAttributes[0]! & TD_ATTRIBUTE_DEBUG) !== 0,
    teeTcbSvn2: addition && encodeHex(addition.teeTcbSvn2),
    mrServiceTd: addition && encodeHex(addition.mrServiceTd),
  };
}

function platformOf(platform: PckExtension): SgxPlatform {
  const {fmspc, pceId, pceSvn, platformInstanceId, sgxType, configuration} = platform;
  return {
    fmspc: encodeHex(fmspc),
    pceId: encodeHex(pceId),
    pceSvn,
    platformInstanceId: platformInstanceId && encodeHex(platformInstanceId),
    sgxType,
    smtEnabled: configuration.smtEnabled,
  };
}

function tcbOf({tcb, platformLevel, moduleLevel, qeLevel, tcbInfo, qeIdentity}: DcapFacts): TcbReport | null {
  if (!tcb || !platformLevel || !qeLevel || !tcbInfo || !qeIdentity) return null;
  return {
    status: tcb.status,
    platformStatus: platformLevel.status,
    moduleStatus: moduleLevel?.status ?? null,
    qeStatus: qeLevel.status,
    date: isoTime(tcb.date),
    tcbInfoEvaluationDataNumber: tcbInfo.tcbEvaluationDataNumber,
    qeIdentityEvaluationDataNumber: qeIdentity.tcbEvaluationDataNumber,
  };
}

function datesOf({tcbInfo, qeIdentity, rootCrl, pckCrl, ...certificates}: DcapFacts): DatesReport | null {
  const {root, pck, pckAuthority, tcbInfoSigner, qeIdentitySigner} = certificates;
  if (
    !tcbInfo ||
    !qeIdentity ||
    !rootCrl ||
    !pckCrl ||
    !root ||
    !pck ||
    !pckAuthority ||
    !tcbInfoSigner ||
    !qeIdentitySigner
  ) {
    return null;
  }
  const updates = [tcbInfo.nextUpdate, qeIdentity.nextUpdate, rootCrl.nextUpdate, pckCrl.nextUpdate];
  const ends = [root, pck, pckAuthority, tcbInfoSigner, qeIdentitySigner].map(({notAfter}) => notAfter);
  return {
    collateralIssued: isoTime(Math.min(tcbInfo.issueDate, qeIdentity.issueDate, rootCrl.thisUpdate, pckCrl.thisUpdate)),
    earliestExpiry: isoTime(Math.min(...updates, ...ends)),
    tcbInfoNextUpdate: isoTime(tcbInfo.nextUpdate),
    qeIdentityNextUpdate: isoTime(qeIdentity.nextUpdate),
    rootCrlNextUpdate: isoTime(rootCrl.nextUpdate),
    pckCrlNextUpdate: isoTime(pckCrl.nextUpdate),
  };
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
