/**
 * A report as a document: headline, tables of facts, list of steps. Text and HTML are two ways of writing this one
 * structure, so that they say the same.
 */
import {attestationCodes} from "../codes.ts";
import type {Report} from "./report.ts";

export interface ReportDocument {
  readonly verdict: Report["verdict"];
  readonly simulated: boolean;
  /** "TRUSTED", "REFUSED", … */
  readonly headline: string;
  readonly summary: string;
  /** Of a refusal. */
  readonly problem: {
    readonly code: string;
    readonly step: string;
    readonly found: string;
    readonly expected: string;
    readonly todo: string;
  } | null;
  readonly tables: readonly DocumentTable[];
  readonly steps: readonly DocumentStep[];
}

export interface DocumentTable {
  readonly title: string;
  /** Part of the shortest form of the report. */
  readonly essential: boolean;
  readonly rows: readonly (readonly [label: string, value: string])[];
}

export interface DocumentStep {
  readonly status: "ok" | "failed" | "skipped";
  readonly id: string;
  readonly title: string;
  readonly code: string;
  readonly found: string;
  readonly expected: string;
  readonly source: string;
}

/** Long enough for every honest value; evidence decides some of these texts. */
const MAX_TEXT = 400;

export function reportDocument(report: Report): ReportDocument {
  const failed = report.steps.find(({status}) => status === "failed");
  const trusted = report.verdict === "trusted";
  return {
    verdict: report.verdict,
    simulated: report.simulated,
    headline: `${trusted ? "TRUSTED" : "REFUSED"}${report.simulated ? " (SIMULATION)" : ""}`,
    summary: printable(report.summary),
    problem: failed?.code
      ? {
          code: failed.code,
          step: failed.id,
          found: printable(failed.found),
          expected: printable(failed.expected),
          todo: attestationCodes[failed.code].todo,
        }
      : null,
    tables: [verdictTable(report), enclaveTable(report), platformTable(report), datesTable(report), policyTable(report)]
      .map(({rows, ...table}) => ({...table, rows: rows.flatMap(printableRow)}))
      .filter(({rows}) => rows.length > 0),
    steps: report.steps.map(({status, id, title, code, found, expected, source}) => ({
      status,
      id,
      title,
      code: code ?? "",
      found: printable(found),
      expected: printable(expected),
      source,
    })),
  };
}

type Row = readonly [label: string, value: string | number | boolean | null | undefined];
interface Table {
  readonly title: string;
  readonly essential: boolean;
  readonly rows: readonly Row[];
}

function verdictTable(report: Report): Table {
  return {
    title: "Verdict",
    essential: true,
    rows: [
      ["evidence", report.evidenceKind],
      ["SHA-256 of the evidence", report.evidenceSha256],
      ["verified for", report.verifiedAt],
      ["genuine", report.genuine],
      ["bound to the session", report.bound],
      ["root", report.root && `${report.root.kind} ${report.root.spkiSha256}`],
    ],
  };
}

function enclaveTable({identity, genuine}: Report): Table {
  return {
    title: genuine ? "Enclave" : "Enclave, as it claims (not verified)",
    essential: true,
    rows:
      identity?.tee === "sgx"
        ? [
            ["MRENCLAVE", identity.mrEnclave],
            ["MRSIGNER", identity.mrSigner],
            ["product (ISVPRODID)", identity.isvProdId],
            ["version (ISVSVN)", identity.isvSvn],
            ["debug", identity.debug],
            ["attributes", identity.attributes],
            ["report data", identity.reportData],
          ]
        : Object.entries(identity ?? {}).flatMap(([name, value]) => identityRows(name, value)),
  };
}

/** What vendors call the members of identities; others are shown under their own names. */
const identityLabels: Readonly<Record<string, string>> = {
  tee: "kind of TEE",
  mrTd: "MRTD (firmware)",
  mrSeam: "MRSEAM (TDX module)",
  mrSignerSeam: "MRSIGNERSEAM",
  mrConfigId: "MRCONFIGID",
  mrOwner: "MROWNER",
  mrOwnerConfig: "MROWNERCONFIG",
  mrServiceTd: "MRSERVICETD",
  rtmr0: "RTMR0 (configuration)",
  rtmr1: "RTMR1 (boot, kernel)",
  rtmr2: "RTMR2 (command line)",
  rtmr3: "RTMR3 (application)",
  tdAttributes: "TD attributes",
  seamAttributes: "SEAM attributes",
  xfam: "XFAM",
  teeTcbSvn: "TEE TCB SVN",
  teeTcbSvn2: "TEE TCB SVN, now",
  reportData: "report data",
  guestSvn: "guest SVN",
  policy: "guest policy",
  vmpl: "VMPL",
  hostData: "host data",
  familyId: "family",
  imageId: "image",
  idKeyDigest: "ID key digest",
  authorKeyDigest: "author key digest",
  reportId: "report id",
  chipId: "chip",
  reportedTcb: "reported TCB",
  currentTcb: "current TCB",
  committedTcb: "committed TCB",
  launchTcb: "launch TCB",
  moduleId: "module",
  timestampMs: "made at",
  publicKey: "public key",
  userData: "user data",
};

function identityRows(name: string, value: Row[1] | Readonly<Record<string, string>>): readonly Row[] {
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).map(([index, item]) => [`PCR${index}`, item]);
  }
  const text = name === "timestampMs" && typeof value === "number" ? timeText(value) : value;
  return [[identityLabels[name] ?? name, text]];
}

/** Evidence may hold times beyond the calendar. */
function timeText(ms: number): string {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? `${ms} ms` : time.toISOString();
}

function platformTable({platform, tcb, advisories}: Report): Table {
  return {
    title: "Platform",
    essential: false,
    rows: [
      ["TCB status", tcb?.status],
      ["TCB status, platform alone", tcb?.platformStatus],
      ["TCB status, TDX module", tcb?.moduleStatus],
      ["TCB status, quoting enclave", tcb?.qeStatus],
      ["advisories", tcb && (advisories.join(", ") || "none")],
      ["TCB date", tcb?.date],
      ["evaluation of TCB info", tcb?.tcbInfoEvaluationDataNumber],
      ["evaluation of QE identity", tcb?.qeIdentityEvaluationDataNumber],
      ...platformRows(platform),
    ],
  };
}

function platformRows(platform: Report["platform"]): readonly Row[] {
  if (platform === null) return [];
  if ("product" in platform) {
    return [
      ["product", `${platform.product} (${platform.productName})`],
      ["signing key", platform.signingKey],
    ];
  }
  return [
    ["FMSPC", platform.fmspc],
    ["PCEID", platform.pceId],
    ["PCESVN", platform.pceSvn],
    ["platform instance", platform.platformInstanceId],
  ];
}

function datesTable({dates}: Report): Table {
  return {
    title: "Dates",
    essential: false,
    rows: [
      ["collateral issued", dates?.collateralIssued],
      ["verify again before", dates?.earliestExpiry],
      ["TCB info until", dates?.tcbInfoNextUpdate],
      ["QE identity until", dates?.qeIdentityNextUpdate],
      ["root CRL until", dates?.rootCrlNextUpdate],
      ["PCK CRL until", dates?.pckCrlNextUpdate],
    ],
  };
}

function policyTable({policy}: Report): Table {
  return {
    title: "Policy",
    essential: false,
    rows: policy.considered.map(({index, title, code, failedStep, found, expected}) => [
      `${title}${index === policy.nearestIdentity && policy.considered.length > 1 ? " (nearest)" : ""}`,
      code === null ? "matches" : `${code} at ${failedStep}: found ${found}, expected ${expected}`,
    ]),
  };
}

function printableRow([label, value]: Row): (readonly [string, string])[] {
  if (value === null || value === undefined) return [];
  const text = typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
  return [[printable(label), printable(text)]];
}

/**
 * Text that can't play with a terminal or a reader: control, formatting and bidirectional characters are written as code
 * points. Names in hostile certificates end up here.
 */
export function printable(text: string): string {
  const short = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length} characters)` : text;
  return short.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
