/** Is genuine evidence what an identity of the policy wants? What all TEEs have in common, and SGX. */
import {encodeHex} from "@tf-trusted/core";
import {type Check, checksFrom, fail, pass, passIf} from "../checks/check.ts";
import type {
  CrlFacts,
  DcapStart,
  QeIdentityFacts,
  RootFacts,
  TcbInfoFacts,
  TcbStatusFacts,
  TrustedRoot,
} from "../evidence/dcap/facts.ts";
import {isDebug} from "../evidence/dcap/layout.ts";
import type {SgxQuote} from "../evidence/sgx/parse.ts";
import type {SgxEnclaveFacts} from "../evidence/sgx/verify.ts";
import {vendorRoots} from "../roots/vendor-roots.ts";
import type {PolicyIdentity, PolicyRoot, SgxPolicyIdentity, TdxPolicyIdentity} from "./schema.ts";

/** What an enclave says about itself: the value of the JSON whose digest the report data binds. */
export type Claims = object;

/** Everything that verification established about DCAP evidence. */
export type GenuineDcap = Pick<DcapStart, "at"> &
  RootFacts &
  CrlFacts &
  TcbInfoFacts &
  QeIdentityFacts &
  TcbStatusFacts;
export type GenuineSgx = GenuineDcap & SgxEnclaveFacts & {readonly quote: SgxQuote};

/** What every policy check may ask for. */
export interface MatchBase {
  readonly identity: PolicyIdentity;
  readonly trustedRoot: TrustedRoot;
  /** `undefined` where none came. */
  readonly claims: Claims | undefined;
  /** Whether the report data was compared with what the caller expects, which is what binds claims. */
  readonly reportDataChecked: boolean;
}

export type DcapMatchStart = GenuineDcap &
  MatchBase & {
    readonly identity: SgxPolicyIdentity | TdxPolicyIdentity;
    readonly quote: {readonly trailing: Uint8Array};
  };
export type MatchStart = GenuineSgx & DcapMatchStart & {readonly identity: SgxPolicyIdentity};

const MILLISECONDS_PER_DAY = 86_400_000;

/** The pin of a policy's root. */
export function trustedRootOf(root: PolicyRoot): TrustedRoot {
  return typeof root === "string"
    ? {kind: root, spkiSha256: vendorRoots[root].spkiSha256}
    : {kind: "simulated", spkiSha256: root.simulated};
}

export const rootWanted: Check<MatchBase, object> = {
  id: "policy-root",
  title: "This identity is of that root",
  expects: "the root of the identity",
  source: "own rule",
  codes: ["POLICY_ROOT"],
  run: ({identity, trustedRoot}) => {
    const wanted = trustedRootOf(identity.root);
    const same = wanted.kind === trustedRoot.kind && wanted.spkiSha256 === trustedRoot.spkiSha256;
    return passIf(
      same,
      "POLICY_ROOT",
      `${trustedRoot.kind} ${trustedRoot.spkiSha256}`,
      `${wanted.kind} ${wanted.spkiSha256}`,
    );
  },
};

export const statusAccepted: Check<DcapMatchStart, object> = {
  id: "policy-tcb-status",
  title: "The TCB status is accepted",
  expects: "one of acceptedTcbStatuses; never Revoked",
  source: "PCS, TCB statuses",
  codes: ["TCB_STATUS"],
  run: ({identity, tcb}) => {
    const accepted: readonly string[] = identity.acceptedTcbStatuses;
    const found = tcb.advisories.length === 0 ? tcb.status : `${tcb.status} (${tcb.advisories.join(", ")})`;
    return passIf(
      tcb.status !== "Revoked" && accepted.includes(tcb.status),
      "TCB_STATUS",
      found,
      accepted.join(" or ") || "nothing",
    );
  },
};

const debugRefused: Check<MatchStart, object> = {
  id: "policy-debug",
  title: "It is no debug enclave",
  expects: "the attribute DEBUG clear, unless allowDebug",
  source: "SDM, REPORT structure",
  codes: ["DEBUG"],
  run: ({identity, enclave}) => {
    const debug = isDebug(enclave.attributes);
    if (debug && identity.allowDebug) return pass("a debug enclave, which the policy allows", {});
    return passIf(!debug, "DEBUG", debug ? "a debug enclave" : "no debug enclave", "an enclave that can't be debugged");
  },
};

const measurementWanted: Check<MatchStart, object> = {
  id: "policy-mrenclave",
  title: "Its code is one of the accepted",
  expects: "MRENCLAVE in mrEnclave",
  source: "SDM, REPORT structure",
  codes: ["MRENCLAVE"],
  run: ({identity: {mrEnclave}, enclave}) => {
    if (mrEnclave === undefined) return notAsked;
    const found = encodeHex(enclave.mrEnclave);
    return passIf(mrEnclave.includes(found), "MRENCLAVE", found, mrEnclave.join(" or "));
  },
};

const signerWanted: Check<MatchStart, object> = {
  id: "policy-mrsigner",
  title: "Its signer is accepted",
  expects: "MRSIGNER equal to mrSigner",
  source: "SDM, REPORT structure",
  codes: ["MRSIGNER"],
  run: ({identity: {mrSigner}, enclave}) => {
    if (mrSigner === undefined) return notAsked;
    const found = encodeHex(enclave.mrSigner);
    return passIf(found === mrSigner, "MRSIGNER", found, mrSigner);
  },
};

const productWanted: Check<MatchStart, object> = {
  id: "policy-isvprodid",
  title: "It is the accepted product",
  expects: "ISVPRODID equal to isvProdId",
  source: "SDM, REPORT structure",
  codes: ["ISVPRODID"],
  run: ({identity: {isvProdId}, enclave}) => {
    if (isvProdId === undefined) return notAsked;
    return passIf(enclave.isvProdId === isvProdId, "ISVPRODID", `${enclave.isvProdId}`, `${isvProdId}`);
  },
};

const versionWanted: Check<MatchStart, object> = {
  id: "policy-isvsvn",
  title: "It is new enough",
  expects: "ISVSVN of minimumIsvSvn or more",
  source: "SDM, REPORT structure",
  codes: ["ISVSVN"],
  run: ({identity: {minimumIsvSvn}, enclave}) => {
    if (minimumIsvSvn === undefined) return notAsked;
    return passIf(enclave.isvSvn >= minimumIsvSvn, "ISVSVN", `${enclave.isvSvn}`, `${minimumIsvSvn} at least`);
  },
};

export const evaluationWanted: Check<DcapMatchStart, object> = {
  id: "policy-evaluation-number",
  title: "The vendor's statements are of a late enough evaluation",
  expects: "the lower of both evaluation numbers, minimumTcbEvaluationDataNumber or more",
  source: "PCS, TCB evaluation data number",
  codes: ["TCB_EVALUATION_NUMBER"],
  run: ({identity: {minimumTcbEvaluationDataNumber: minimum}, tcb: {evaluationDataNumber}}) =>
    passIf(evaluationDataNumber >= minimum, "TCB_EVALUATION_NUMBER", `${evaluationDataNumber}`, `${minimum} at least`),
};

export const advisoriesAccepted: Check<DcapMatchStart, object> = {
  id: "policy-advisories",
  title: "No unwanted advisory applies",
  expects: "advisories in acceptedAdvisories, if given, and none in deniedAdvisories",
  source: "PCS, TCB statuses",
  codes: ["ADVISORY"],
  run: ({identity: {acceptedAdvisories, deniedAdvisories}, tcb: {advisories}}) => {
    const unwanted = advisories.filter(
      (advisory) =>
        deniedAdvisories.includes(advisory) || (acceptedAdvisories && !acceptedAdvisories.includes(advisory)),
    );
    if (unwanted.length > 0) return fail("ADVISORY", unwanted.join(", "), "none of these");
    return pass(advisories.join(", ") || "none applies", {});
  },
};

export const ageAccepted: Check<DcapMatchStart, object> = {
  id: "policy-collateral-age",
  title: "The vendor's statements are fresh enough",
  expects: "the oldest of TCB info, QE identity and CRLs, maximumCollateralAgeDays old or less",
  source: "own rule",
  codes: ["COLLATERAL_AGE"],
  run: ({identity: {maximumCollateralAgeDays: maximum}, tcbInfo, qeIdentity, rootCrl, pckCrl, at}) => {
    if (maximum === undefined) return notAsked;
    const oldest = Math.min(tcbInfo.issueDate, qeIdentity.issueDate, rootCrl.thisUpdate, pckCrl.thisUpdate);
    const days = (at - oldest) / MILLISECONDS_PER_DAY;
    return passIf(days <= maximum, "COLLATERAL_AGE", `${days.toFixed(1)} days`, `${maximum} days at most`);
  },
};

const tcbInfoVersionAccepted: Check<MatchStart, object> = {
  id: "policy-tcb-info-version",
  title: "The TCB info is of an accepted version",
  expects: "version 3, or version 2 with allowTcbInfoV2",
  source: "PCS, TCB info",
  codes: ["TCB_INFO_VERSION"],
  run: ({identity, tcbInfo}) =>
    passIf(
      tcbInfo.version === 3 || identity.allowTcbInfoV2,
      "TCB_INFO_VERSION",
      `version ${tcbInfo.version}`,
      "version 3",
    ),
};

export const claimsMade: Check<MatchBase, object> = {
  id: "policy-claims",
  title: "It makes the required claims",
  expects: "each of requiredClaims with an accepted value, bound by the report data",
  source: "own rule",
  codes: ["CLAIM_UNBOUND", "CLAIM_MISSING", "CLAIM_MISMATCH"],
  run: ({identity: {requiredClaims}, claims, reportDataChecked}) => {
    const required = Object.entries(requiredClaims);
    if (required.length === 0) return notAsked;
    if (claims === undefined || !reportDataChecked) {
      return fail(
        "CLAIM_UNBOUND",
        claims ? "claims that nothing binds to the evidence" : "no claims",
        "claims and the report data that binds them",
      );
    }
    for (const [name, accepted] of required) {
      const found = claimAt(claims, name);
      if (typeof found !== "string")
        return fail("CLAIM_MISSING", `no text in the claim ${name}`, `${name} to be there`);
      const values = typeof accepted === "string" ? [accepted] : accepted;
      if (!values.includes(found)) {
        return fail(
          "CLAIM_MISMATCH",
          `${name}: ${JSON.stringify(found)}`,
          values.map((value) => JSON.stringify(value)).join(" or "),
        );
      }
    }
    return pass(required.map(([name]) => name).join(", "), {});
  },
};

export const trailingAccepted: Check<DcapMatchStart, object> = {
  id: "policy-trailing-bytes",
  title: "What stands after the quote is accepted",
  expects: "nothing, or what trailingBytes allows",
  source: "own rule",
  codes: ["QUOTE_FORMAT"],
  run: ({identity: {trailingBytes}, quote: {trailing}}) => {
    const zero = trailing.every((byte) => byte === 0);
    const allowed = trailing.length === 0 || trailingBytes === "allow" || (trailingBytes === "allow-zero" && zero);
    return passIf(allowed, "QUOTE_FORMAT", `${trailing.length} bytes after the end`, trailingBytes);
  },
};

export const sgxPolicyChecks = checksFrom<MatchStart>()
  .followedBy(rootWanted)
  .followedBy(trailingAccepted)
  .followedBy(debugRefused)
  .followedBy(measurementWanted)
  .followedBy(signerWanted)
  .followedBy(productWanted)
  .followedBy(versionWanted)
  .followedBy(statusAccepted)
  .followedBy(tcbInfoVersionAccepted)
  .followedBy(evaluationWanted)
  .followedBy(advisoriesAccepted)
  .followedBy(ageAccepted)
  .followedBy(claimsMade);

export const notAsked = {status: "skipped", found: "the policy doesn't ask"} as const;

function claimAt(claims: Claims, path: string): unknown {
  let value: unknown = claims;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}
