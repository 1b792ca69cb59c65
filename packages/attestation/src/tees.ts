/** The kinds of TEE as rows of one table: what each one's evidence consists of, its checks, and its words in the report. */
import type {CheckSequence} from "./checks/check.ts";
import type {TrustedRoot} from "./evidence/dcap/facts.ts";
import type {TrailingBytes} from "./evidence/dcap/quote.ts";
import type {Evidence} from "./evidence/evidence.ts";
import {type GenuineNitro, nitroChecks} from "./evidence/nitro/verify.ts";
import {sgxForms} from "./evidence/sgx/parse.ts";
import {sgxChecks} from "./evidence/sgx/verify.ts";
import {type GenuineSnp, snpChecks} from "./evidence/snp/verify.ts";
import {tdxChecks} from "./evidence/tdx/verify.ts";
import {type GenuineSgx, sgxPolicyChecks} from "./policy/match.ts";
import {nitroPolicyChecks} from "./policy/match-nitro.ts";
import {snpPolicyChecks} from "./policy/match-snp.ts";
import {type GenuineTdx, tdxPolicyChecks} from "./policy/match-tdx.ts";
import type {Policy, Tee} from "./policy/schema.ts";
import {type Description, describeSgx, describeTdx} from "./report/describe-dcap.ts";
import {describeNitro} from "./report/describe-nitro.ts";
import {describeSnp} from "./report/describe-snp.ts";

/** A copy of evidence, taken at the door. */
export interface EvidenceSnapshot {
  readonly kind: Evidence["kind"];
  readonly bytes: Uint8Array;
  readonly collateral: Readonly<Record<string, Uint8Array>>;
}

// biome-ignore lint/suspicious/noExplicitAny: each row's facts meet their types where its sequences are built
type AnySequence = CheckSequence<any, any>;

export interface TeeVerifier {
  readonly tee: Tee;
  readonly checks: AnySequence;
  readonly policyChecks: AnySequence;
  /** What the checks begin with. */
  readonly start: (
    snapshot: EvidenceSnapshot,
    policy: Policy,
    trustedRoots: readonly TrustedRoot[],
    at: number,
  ) => object;
  /** Of genuine evidence: the nonce that it carries apart from the report data, where this kind of TEE has one. */
  readonly nonce?: (facts: object) => Uint8Array | null;
  /** Of genuine evidence: the bytes that bind it to a session; of Nitro documents the user data. */
  readonly reportData: (facts: object) => Uint8Array | null;
  /** Whether these are the facts of genuine evidence. */
  readonly isGenuine: (facts: object) => boolean;
  readonly describe: (facts: object) => Description;
}

export const teeVerifiers = {
  sgx: {
    tee: "sgx",
    checks: sgxChecks,
    policyChecks: sgxPolicyChecks,
    start: ({kind, bytes, collateral}, policy, trustedRoots, at) => ({
      quoteBytes: bytes,
      form: sgxForms[kind as keyof typeof sgxForms],
      trailingBytes: trailingBytesOf(policy, "sgx"),
      collateral,
      trustedRoots,
      at,
    }),
    reportData: (facts) => (facts as GenuineSgx).enclave.reportData,
    isGenuine: (facts) => "tcb" in facts,
    describe: describeSgx,
  },
  tdx: {
    tee: "tdx",
    checks: tdxChecks,
    policyChecks: tdxPolicyChecks,
    start: ({bytes, collateral}, policy, trustedRoots, at) => ({
      quoteBytes: bytes,
      trailingBytes: trailingBytesOf(policy, "tdx"),
      collateral,
      trustedRoots,
      at,
    }),
    reportData: (facts) => (facts as GenuineTdx).td.reportData,
    isGenuine: (facts) => "tcb" in facts,
    describe: describeTdx,
  },
  snp: {
    tee: "snp",
    checks: snpChecks,
    policyChecks: snpPolicyChecks,
    start: ({bytes, collateral}, _policy, trustedRoots, at) => ({reportBytes: bytes, collateral, trustedRoots, at}),
    reportData: (facts) => (facts as GenuineSnp).guest.reportData,
    isGenuine: (facts) => "datesChecked" in facts,
    describe: describeSnp,
  },
  nitro: {
    tee: "nitro",
    checks: nitroChecks,
    policyChecks: nitroPolicyChecks,
    start: ({bytes}, _policy, trustedRoots, at) => ({documentBytes: bytes, trustedRoots, at}),
    reportData: (facts) => (facts as GenuineNitro).signedDocument.userData,
    nonce: (facts) => (facts as GenuineNitro).signedDocument.nonce,
    isGenuine: (facts) => "signedDocument" in facts,
    describe: describeNitro,
  },
} as const satisfies Readonly<Partial<Record<Tee, TeeVerifier>>>;

/** What any identity of this TEE allows: the parser comes before the choice of the identity, which checks it again. */
function trailingBytesOf({identities}: Policy, tee: Tee): TrailingBytes {
  const allowed = identities.flatMap((identity) =>
    identity.tee === tee && "trailingBytes" in identity ? [identity.trailingBytes] : [],
  );
  return (["allow", "allow-zero"] as const).find((item) => allowed.includes(item)) ?? "refuse";
}
