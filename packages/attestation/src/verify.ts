/**
 * The door of the package: evidence, policy and time in, a report out. First *is it genuine* (evidence/), then *is it of
 * this session*, then *is it wanted* (policy/). The first failure decides.
 */
import {encodeHex, equalBytes, sha256} from "@tf-trusted/core";
import {unexpected} from "./attestation-error.ts";
import {type Check, checksFrom, fail, pass, passIf, type Step} from "./checks/check.ts";
import type {TrustedRoot} from "./evidence/dcap/facts.ts";
import type {Evidence} from "./evidence/evidence.ts";
import {evidenceKinds, isEvidenceKind} from "./evidence/kinds.ts";
import {identityTitle} from "./policy/explain.ts";
import {type Claims, trustedRootOf} from "./policy/match.ts";
import type {Policy} from "./policy/schema.ts";
import type {PolicyReport, Report} from "./report/report.ts";
import {summarise} from "./report/summary.ts";
import {type EvidenceSnapshot, type TeeVerifier, teeVerifiers} from "./tees.ts";

export interface VerifyOptions {
  readonly policy: Policy;
  /** The time for which dates are checked: this machine's clock, or that of an archived verification. */
  readonly now: Date;
  /**
   * The 64 bytes that the evidence must carry, which bind it to a session and to claims. `null` leaves the question open,
   * for stored evidence and inspection: the report then says `bound: false`.
   */
  readonly expectedReportData: Uint8Array | null;
  /**
   * The nonce that the evidence must carry, for kinds of TEE that have one apart from the report data (Nitro); evidence of
   * other kinds is refused then. Default: any.
   */
  readonly expectedNonce?: Uint8Array | null;
  /** The enclave's claims, for `requiredClaims`. The caller has put their digest into `expectedReportData`. */
  readonly claims?: Claims;
}

/** No real quote or collateral comes near these; what is larger is refused before it is read. */
export const evidenceLimits = {quoteBytes: 128 * 1024, collateralPartBytes: 1024 * 1024} as const;

interface DoorStart {
  readonly evidence: Evidence;
  readonly policy: Policy;
}

const evidenceReadable: Check<DoorStart, {readonly snapshot: EvidenceSnapshot}> = {
  id: "evidence-kind",
  title: "The evidence is of a known kind and a sensible size",
  expects: `${Object.keys(evidenceKinds).join(", ")}; a quote of ${evidenceLimits.quoteBytes} bytes at most, parts of the collateral of ${evidenceLimits.collateralPartBytes}`,
  source: "own rule",
  codes: ["EVIDENCE_KIND", "EVIDENCE_TOO_LARGE"],
  // The first check, and synchronous: the bytes are copied before the caller can change them.
  run: ({evidence}) => {
    const kind = kindOf(evidence);
    if (!isEvidenceKind(kind)) return fail("EVIDENCE_KIND", kind, Object.keys(evidenceKinds).join(", "));
    const {main, parts: names} = evidenceKinds[kind];
    const outer = evidence as unknown as Readonly<Record<string, unknown>>;
    const collateral = outer.collateral as Readonly<Record<string, unknown>> | null | undefined;
    const parts = [
      [main, outer[main]] as const,
      ...names.map((name) => [name, collateral?.[name]] as const).filter(([, part]) => part !== undefined),
    ];
    const copied: (readonly [string, Uint8Array])[] = [];
    for (const [name, part] of parts) {
      if (!(part instanceof Uint8Array)) return fail("EVIDENCE_KIND", `${name} of type ${typeof part}`, "bytes");
      const limit = name === main ? evidenceLimits.quoteBytes : evidenceLimits.collateralPartBytes;
      if (part.length > limit) return fail("EVIDENCE_TOO_LARGE", `${name} of ${part.length} bytes`, `${limit} at most`);
      copied.push([name, Uint8Array.from(part)]);
    }
    const total = copied.reduce((sum, [, part]) => sum + part.length, 0);
    const [[, bytes], ...rest] = copied as [readonly [string, Uint8Array], ...(readonly [string, Uint8Array])[]];
    return pass(`${kind}, ${total} bytes`, {snapshot: {kind, bytes, collateral: Object.fromEntries(rest)}});
  },
};

const policyApplies: Check<
  DoorStart & {readonly snapshot: EvidenceSnapshot},
  {readonly trustedRoots: readonly TrustedRoot[]}
> = {
  id: "policy-tee",
  title: "The policy accepts this kind of TEE",
  expects: "an identity of the evidence's TEE",
  source: "own rule",
  codes: ["POLICY_EMPTY", "POLICY_TEE"],
  run: ({policy: {identities}, snapshot: {kind}}) => {
    if (identities.length === 0) return fail("POLICY_EMPTY", "no identity", "one at least");
    const {tee} = evidenceKinds[kind];
    const candidates = identities.filter((identity) => identity.tee === tee);
    if (candidates.length === 0) return fail("POLICY_TEE", `no identity for ${tee}`, "one at least");
    return pass(`${candidates.length} of ${identities.length} identities`, {
      trustedRoots: candidates.map(({root}) => trustedRootOf(root)),
    });
  },
};

export interface SessionStart {
  /** `null` where the evidence has none. */
  readonly reportData: Uint8Array | null;
  readonly expectedReportData: Uint8Array | null;
  /** `null` where the evidence has none. */
  readonly nonce: Uint8Array | null;
  readonly expectedNonce: Uint8Array | null;
}

const nonceExpected: Check<SessionStart, object> = {
  id: "nonce",
  title: "The evidence answers this caller's nonce",
  expects: "the nonce that the caller chose",
  source: "own rule",
  codes: ["NONCE"],
  run: ({nonce, expectedNonce}) => {
    if (expectedNonce === null) return {status: "skipped", found: "the caller expects no particular nonce"};
    const same = nonce !== null && equalBytes(nonce, expectedNonce);
    return passIf(same, "NONCE", nonce === null ? "none" : encodeHex(nonce), encodeHex(expectedNonce));
  },
};

const reportDataExpected: Check<SessionStart, object> = {
  id: "report-data",
  title: "The evidence was made for this session",
  expects: "the report data that the caller computed itself",
  source: "own rule; RFC 9266",
  codes: ["REPORT_DATA"],
  run: ({reportData, expectedReportData}) => {
    if (expectedReportData === null) return {status: "skipped", found: "the caller expects no particular report data"};
    return passIf(
      reportData !== null && equalBytes(reportData, expectedReportData),
      "REPORT_DATA",
      reportData === null ? "none" : encodeHex(reportData),
      encodeHex(expectedReportData),
    );
  },
};

const doorChecks = checksFrom<DoorStart>().followedBy(evidenceReadable).followedBy(policyApplies);
const sessionChecks = checksFrom<SessionStart>().followedBy(nonceExpected).followedBy(reportDataExpected);

/** The checks of a kind of TEE in the order in which they run: the reports' and the documentation's list. */
export function checksOf(tee: keyof typeof teeVerifiers): typeof doorChecks.checks {
  const {checks, policyChecks} = teeVerifiers[tee];
  return [...doorChecks.checks, ...checks.checks, ...sessionChecks.checks, ...policyChecks.checks];
}

/** Those of SGX. */
export const allChecks = checksOf("sgx");

/**
 * Verifies `evidence` against `policy` at `now`. Never rejects for what the evidence holds: hostile bytes give a refused
 * report with a code. Throws `CLOCK_INVALID` for a `now` that is no time.
 */
export async function verifyEvidence(evidence: Evidence, options: VerifyOptions): Promise<Report> {
  const at = options.now.getTime();
  if (Number.isNaN(at)) throw unexpected("CLOCK_INVALID", "an invalid Date", "the time of verification");
  const {policy, claims} = options;
  const expectedReportData = options.expectedReportData && Uint8Array.from(options.expectedReportData);
  const expectedNonce = options.expectedNonce ? Uint8Array.from(options.expectedNonce) : null;
  const kind = kindOf(evidence);
  const verifier: TeeVerifier = teeVerifiers[isEvidenceKind(kind) ? evidenceKinds[kind].tee : "sgx"];
  const {checks, policyChecks} = verifier;
  const door = await doorChecks.run({evidence, policy});
  const {snapshot, trustedRoots} = door.facts;
  // In the background: nothing depends on it.
  const digest = snapshot ? sha256(snapshot.bytes).then(encodeHex) : null;
  const base = {kind, at, verifier};
  if (snapshot === undefined || trustedRoots === undefined) {
    const steps = [...door.steps, ...skippedAfter(door.failed, checks, sessionChecks, policyChecks)];
    return assemble({
      ...base,
      digest: await digest,
      steps,
      failed: door.failed,
      facts: {},
      bound: false,
      policy: notCompared,
    });
  }
  const genuine = await checks.run(verifier.start(snapshot, policy, trustedRoots, at));
  const facts: object = genuine.facts;
  if (genuine.failed) {
    const steps = [...door.steps, ...genuine.steps, ...skippedAfter(genuine.failed, sessionChecks, policyChecks)];
    return assemble({
      ...base,
      digest: await digest,
      steps,
      failed: genuine.failed,
      facts,
      bound: false,
      policy: notCompared,
    });
  }
  // All checks passed, so that every fact is there.
  const session = await sessionChecks.run({
    reportData: verifier.reportData(facts),
    expectedReportData,
    nonce: verifier.nonce?.(facts) ?? null,
    expectedNonce,
  });
  const bound = session.failed === null && expectedReportData !== null;
  const steps = [...door.steps, ...genuine.steps, ...session.steps];
  if (session.failed) {
    steps.push(...skippedAfter(session.failed, policyChecks));
    return assemble({...base, digest: await digest, steps, failed: session.failed, facts, bound, policy: notCompared});
  }
  const match = await matchPolicy(verifier, policy, facts, claims, bound);
  steps.push(...match.steps);
  return assemble({...base, digest: await digest, steps, failed: match.failed, facts, bound, policy: match.report});
}

interface PolicyMatch {
  readonly steps: readonly Step[];
  readonly failed: Step | null;
  readonly report: PolicyReport;
}

/** Compares with every identity of this TEE; the report shows the one that matched, else the one that came nearest. */
async function matchPolicy(
  {tee, policyChecks}: TeeVerifier,
  policy: Policy,
  facts: object,
  claims: Claims | undefined,
  bound: boolean,
): Promise<PolicyMatch> {
  const results = [];
  for (const [index, identity] of policy.identities.entries()) {
    if (identity.tee !== tee) continue;
    const result = await policyChecks.run({...facts, identity, claims, reportDataChecked: bound});
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
  readonly kind: string;
  readonly digest: string | null;
  readonly verifier: TeeVerifier;
  readonly at: number;
  readonly steps: readonly Step[];
  readonly failed: Step | null;
  readonly facts: object;
  readonly bound: boolean;
  readonly policy: PolicyReport;
}

function assemble({kind, digest, verifier, at, steps, failed, facts, bound, policy}: Findings): Report {
  const verdict = failed === null ? "trusted" : "refused";
  const {trustedRoot} = facts as {readonly trustedRoot?: TrustedRoot};
  const simulated = trustedRoot?.kind === "simulated";
  const genuine = verifier.isGenuine(facts);
  return Object.freeze({
    format: 1,
    verdict,
    code: failed?.code ?? null,
    summary: summarise({failed, genuine, simulated, bound, policy}),
    evidenceKind: kind,
    evidenceSha256: digest,
    verifiedAt: isoTime(at),
    genuine,
    simulated,
    root: trustedRoot ?? null,
    ...verifier.describe(facts),
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
