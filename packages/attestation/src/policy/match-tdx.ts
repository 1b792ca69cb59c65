/** Is a genuine trust domain one that an identity of the policy wants? */
import {encodeHex} from "@tf-trusted/core";
import {type Check, checksFrom, fail, pass, passIf} from "../checks/check.ts";
import {TD_ATTRIBUTE_DEBUG, type TdReport} from "../evidence/tdx/layout.ts";
import type {TdxQuote} from "../evidence/tdx/parse.ts";
import type {TdFacts} from "../evidence/tdx/verify.ts";
import {
  advisoriesAccepted,
  ageAccepted,
  claimsMade,
  type DcapMatchStart,
  evaluationWanted,
  type GenuineDcap,
  rootWanted,
  statusAccepted,
  trailingAccepted,
} from "./match.ts";
import type {TdxPolicyIdentity} from "./schema.ts";

export type GenuineTdx = GenuineDcap & TdFacts & {readonly quote: TdxQuote};
type MatchStart = GenuineTdx & DcapMatchStart & {readonly identity: TdxPolicyIdentity};

/** The registers that an identity may name, in the order of a boot. */
export const tdxRegisters = [
  "mrSeam",
  "mrTd",
  "mrConfigId",
  "mrOwner",
  "mrOwnerConfig",
  "rtmr0",
  "rtmr1",
  "rtmr2",
  "rtmr3",
  "mrServiceTd",
] as const satisfies readonly (keyof TdxPolicyIdentity)[];

const debugRefused: Check<MatchStart, object> = {
  id: "policy-debug",
  title: "It is no debug domain",
  expects: "the TD attribute DEBUG clear, unless allowDebug",
  source: "TDX module, TD attributes",
  codes: ["DEBUG"],
  run: ({identity, td}) => {
    const debug = (td.tdAttributes[0]! & TD_ATTRIBUTE_DEBUG) !== 0;
    if (debug && identity.allowDebug) return pass("a debug domain, which the policy allows", {});
    return passIf(!debug, "DEBUG", debug ? "a debug domain" : "no debug domain", "a domain that can't be debugged");
  },
};

const attributesTrusted: Check<MatchStart, object> = {
  id: "policy-td-attributes",
  title: "No attribute makes it untrusted",
  expects: "bits 1 to 7 of the TD attributes clear",
  source: "TDX module, TD attributes (TUD)",
  codes: ["TD_ATTRIBUTES"],
  run: ({td}) => {
    const untrusted = td.tdAttributes[0]! & ~TD_ATTRIBUTE_DEBUG;
    return passIf(untrusted === 0, "TD_ATTRIBUTES", encodeHex(td.tdAttributes), "bits 1 to 7 clear");
  },
};

const measured: Check<MatchStart, object> = {
  id: "policy-measurements",
  title: "Its measurements are accepted",
  expects: "each register that the identity names, with one of its values",
  source: "TDX module, TD report",
  codes: ["MEASUREMENT"],
  run: ({td, identity}) => {
    for (const name of tdxRegisters) {
      const accepted = identity[name];
      if (accepted === undefined) continue;
      const value = registerOf(td, name);
      const found = value === null ? "nothing" : encodeHex(value);
      if (!accepted.includes(found)) return fail("MEASUREMENT", `${name} ${found}`, accepted.join(" or "));
    }
    return pass(tdxRegisters.filter((name) => identity[name] !== undefined).join(", "), {});
  },
};

export const tdxPolicyChecks = checksFrom<MatchStart>()
  .followedBy(rootWanted)
  .followedBy(trailingAccepted)
  .followedBy(debugRefused)
  .followedBy(attributesTrusted)
  .followedBy(measured)
  .followedBy(statusAccepted)
  .followedBy(evaluationWanted)
  .followedBy(advisoriesAccepted)
  .followedBy(ageAccepted)
  .followedBy(claimsMade);

function registerOf(td: TdReport, name: (typeof tdxRegisters)[number]): Uint8Array | null {
  return name === "mrServiceTd" ? (td.addition?.mrServiceTd ?? null) : td[name];
}
