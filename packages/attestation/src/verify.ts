/**
 * The door of the package: evidence, policy and time in, a report out. First *is it genuine* (evidence/), then *is it of
 * this session*, then *is it wanted* (policy/). The first failure decides.
 */
import {encodeHex, equalBytes} from "@tf-trusted/core";
import {unexpected} from "./attestation-error.ts";
import {type Check, checksFrom, fail, pass, passIf, type Step} from "./checks/check.ts";
import type {TrustedRoot} from "./evidence/dcap/facts.ts";
import type {Evidence, SgxCollateral, SgxQuoteV3Evidence} from "./evidence/evidence.ts";
import {type SgxEnclaveFacts, sgxChecks} from "./evidence/sgx/verify.ts";
import {identityTitle} from "./policy/explain.ts";
import {type Claims, type GenuineSgx, sgxPolicyChecks, trustedRootOf} from "./policy/match.ts";
import type {Policy} from "./policy/schema.ts";
import {describeSgx, type SgxFacts} from "./report/describe-sgx.ts";
import type {PolicyReport, Report} from "./report/report.ts";
import {summarise} from "./report/summary.ts";

export interface VerifyOptions {
  readonly policy: Policy;
  /** The time for which dates are checked: this machine's clock, or that of an archived verification. */
  readonly now: Date;
  /**
   * The 64 bytes that the evidence must carry, which bind it to a session and to claims. `null` leaves the question open,
   * for stored evidence and inspection: the report then says `bound: false`.
   */
  readonly expectedReportData: Uint8Array | null;
  /** The enclave's claims, for `requiredClaims`. The caller has put their digest into `expectedReportData`. */
  readonly claims?: Claims;
}

/** No real quote or collateral comes near these; what is larger is refused before it is read. */
export const evidenceLimits = {quoteBytes: 128 * 1024, collateralPartBytes: 1024 * 1024} as const;

const collateralParts = [
  "tcbInfo",
  "tcbInfoIssuerChain",
  "qeIdentity",
  "qeIdentityIssuerChain",
  "pckCrl",
  "pckCrlIssuerChain",
  "rootCrl",
  "pckChain",
] as const satisfies readonly (keyof SgxCollateral)[];

interface DoorStart {
  readonly evidence: Evidence;
  readonly policy: Policy;
}

const evidenceReadable: Check<DoorStart, {readonly snapshot: SgxQuoteV3Evidence}> = {
  id: "evidence-kind",
  title: "The evidence is of a known kind and a sensible size",
  expects: `sgx-quote-v3; a quote of ${evidenceLimits.quoteBytes} bytes at most, parts of the collateral of ${evidenceLimits.collateralPartBytes}`,
  source: "own rule",
  codes: ["EVIDENCE_KIND", "EVIDENCE_TOO_LARGE"],
  // The first check, and synchronous: the bytes are copied before the caller can change them.
  run: ({evidence}) => {
    const kind = kindOf(evidence);
    if (kind !== "sgx-quote-v3") return fail("EVIDENCE_KIND", kind, "sgx-quote-v3");
    const parts = [
      ["quote", evidence.quote] as const,
      ...collateralParts
        .map((name) => [name, evidence.collateral?.[name]] as const)
        .filter(([, part]) => part !== undefined),
    ];
    for (const [name, part] of parts) {
      if (!(part instanceof Uint8Array)) return fail("EVIDENCE_KIND", `${name} of type ${typeof part}`, "bytes");
      const limit = name === "quote" ? evidenceLimits.quoteBytes : evidenceLimits.collateralPartBytes;
      if (part.length > limit) return fail("EVIDENCE_TOO_LARGE", `${name} of ${part.length} bytes`, `${limit} at most`);
    }
    const {quote, ...collateral} = Object.fromEntries(parts.map(([name, part]) => [name, Uint8Array.from(part!)]));
    const total = parts.reduce((sum, [, part]) => sum + part!.length, 0);
    return pass(`${kind}, ${total} bytes`, {snapshot: {kind, quote: quote!, collateral}});
  },
};

const policyApplies: Check<DoorStart, {readonly trustedRoots: readonly TrustedRoot[]}> = {
  id: "policy-tee",
  title: "The policy accepts this kind of TEE",
  expects: "an identity of the evidence's TEE",
  source: "own rule",
  codes: ["POLICY_EMPTY", "POLICY_TEE"],
  run: ({policy: {identities}}) => {
    if (identities.length === 0) return fail("POLICY_EMPTY", "no identity", "one at least");
    const candidates = identities.filter(({tee}) => tee === "sgx");
    if (candidates.length === 0) return fail("POLICY_TEE", "no identity for sgx", "one at least");
    return pass(`${candidates.length} of ${identities.length} identities`, {
      trustedRoots: candidates.map(({root}) => trustedRootOf(root)),
    });
  },
};

const reportDataExpected: Check<SgxEnclaveFacts & {readonly expectedReportData: Uint8Array | null}, object> = {
  id: "report-data",
  title: "The evidence was made for this session",
  expects: "the report data that the caller computed itself",
  source: "own rule; RFC 9266",
  codes: ["REPORT_DATA"],
  run: ({enclave, expectedReportData}) => {
    if (expectedReportData === null) return {status: "skipped", found: "the caller expects no particular report data"};
    const found = encodeHex(enclave.reportData);
    return passIf(
      equalBytes(enclave.reportData, expectedReportData),
      "REPORT_DATA",
      found,
      encodeHex(expectedReportData),
    );
  },
};

const doorChecks = checksFrom<DoorStart>().followedBy(evidenceReadable).followedBy(policyApplies);
const sessionChecks = checksFrom<SgxEnclaveFacts & {readonly expectedReportData: Uint8Array | null}>().followedBy(
  reportDataExpected,
);

/** All checks in the order in which they run: the reports' and the documentation's list. */
export const allChecks = [
  ...doorChecks.checks,
  ...sgxChecks.checks,
  ...sessionChecks.checks,
  ...sgxPolicyChecks.checks,
];

/**
 * Verifies `evidence` against `policy` at `now`. Never rejects for what the evidence holds: hostile bytes give a refused
 * report with a code. Throws `CLOCK_INVALID` for a `now` that is no time.
 */
export async function verifyEvidence(evidence: Evidence, options: VerifyOptions): Promise<Report> {
  const at = options.now.getTime();
  if (Number.isNaN(at)) throw unexpected("CLOCK_INVALID", "an invalid Date", "the time of verification");
  const {policy, claims} = options;
  const expectedReportData = options.expectedReportData && Uint8Array.from(options.expectedReportData);

  const door = await doorChecks.run({evidence, policy});
  const {snapshot, trustedRoots} = door.facts;
  if (snapshot === undefined || trustedRoots === undefined) {
    const steps = [...door.steps, ...skippedAfter(door.failed, sgxChecks, sessionChecks, sgxPolicyChecks)];
    return assemble({evidence, at, steps, failed: door.failed, facts: {}, bound: false, policy: notCompared});
  }

  const start = {quoteBytes: snapshot.quote, collateral: snapshot.collateral, trustedRoots, at};
  const genuine = await sgxChecks.run(start);
  if (genuine.failed) {
    const steps = [...door.steps, ...genuine.steps, ...skippedAfter(genuine.failed, sessionChecks, sgxPolicyChecks)];
    const {facts, failed} = genuine;
    return assemble({evidence: snapshot, at, steps, failed, facts, bound: false, policy: notCompared});
  }
  // All checks passed, so that every fact is there.
  const facts = genuine.facts as GenuineSgx;

  const session = await sessionChecks.run({enclave: facts.enclave, expectedReportData});
  const bound = session.failed === null && expectedReportData !== null;
  const steps = [...door.steps, ...genuine.steps, ...session.steps];
  if (session.failed) {
    steps.push(...skippedAfter(session.failed, sgxPolicyChecks));
    return assemble({evidence: snapshot, at, steps, failed: session.failed, facts, bound, policy: notCompared});
  }

  const match = await matchPolicy(policy, facts, claims, bound);
  steps.push(...match.steps);
  return assemble({evidence: snapshot, at, steps, failed: match.failed, facts, bound, policy: match.report});
}

interface PolicyMatch {
  readonly steps: readonly Step[];
  readonly failed: Step | null;
  readonly report: PolicyReport;
}

/** Compares with every identity of this TEE; the report shows the one that matched, else the one that came nearest. */
async function matchPolicy(
  policy: Policy,
  facts: GenuineSgx,
  claims: Claims | undefined,
  bound: boolean,
): Promise<PolicyMatch> {
  const results = [];
  for (const [index, identity] of policy.identities.entries()) {
    const result = await sgxPolicyChecks.run({...facts, identity, claims, reportDataChecked: bound});
    const {failed} = result;
    const title = identityTitle(identity, index);
    const reached = failed === null ? Number.POSITIVE_INFINITY : result.steps.indexOf(failed);
    results.push({index, title, ...result, reached});
  }
  const best = results.reduce((nearest, other) => (other.reached > nearest.reached ? other : nearest));
  return {
    steps: best.steps,
    failed: best.failed,
    report: {
      matchedIdentity: best.failed === null ? best.index : null,
      nearestIdentity: best.failed === null ? null : best.index,
      considered: results.map(({index, title, failed}) => ({
        index,
        title,
        code: failed?.code ?? null,
        failedStep: failed?.id ?? null,
        expected: failed?.expected ?? null,
        found: failed?.found ?? null,
      })),
    },
  };
}

const notCompared: PolicyReport = {matchedIdentity: null, nearestIdentity: null, considered: []};

function skippedAfter(
  failed: Step | null,
  ...sequences: readonly {skipped(why: string): readonly Step[]}[]
): readonly Step[] {
  return sequences.flatMap((sequence) => sequence.skipped(`not reached: ${failed?.id} failed`));
}

interface Findings {
  readonly evidence: Evidence;
  readonly at: number;
  readonly steps: readonly Step[];
  readonly failed: Step | null;
  readonly facts: SgxFacts;
  readonly bound: boolean;
  readonly policy: PolicyReport;
}

function assemble({evidence, at, steps, failed, facts, bound, policy}: Findings): Report {
  const verdict = failed === null ? "trusted" : "refused";
  const simulated = facts.trustedRoot?.kind === "simulated";
  const genuine = facts.tcb !== undefined;
  return Object.freeze({
    format: 1,
    verdict,
    code: failed?.code ?? null,
    summary: summarise({failed, genuine, simulated, bound, policy}),
    evidenceKind: kindOf(evidence),
    verifiedAt: isoTime(at),
    genuine,
    simulated,
    root: facts.trustedRoot ?? null,
    ...describeSgx(facts),
    bound,
    policy,
    steps,
  } as const);
}

/** Evidence comes from outside: at run time its kind may be anything. */
function kindOf(evidence: Evidence | null | undefined): string {
  const kind: unknown = evidence?.kind;
  return typeof kind === "string" ? kind.slice(0, 80) : `a kind of type ${typeof kind}`;
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
