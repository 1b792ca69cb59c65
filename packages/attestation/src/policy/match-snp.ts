/** Is a genuine SNP guest what an identity of the policy wants? */
import {encodeHex} from "@tf-trusted/core";
import {type Check, checksFrom, fail, pass, passIf} from "../checks/check.ts";
import {formatTcb, guestPolicy, tcbParts} from "../evidence/snp/layout.ts";
import type {GenuineSnp} from "../evidence/snp/verify.ts";
import {claimsMade, type MatchBase, rootWanted} from "./match.ts";
import type {SnpPolicyIdentity} from "./schema.ts";

type MatchStart = GenuineSnp & MatchBase & {readonly identity: SnpPolicyIdentity};

const productWanted: Check<MatchStart, object> = {
  id: "policy-product",
  title: "The processor is of the product line",
  expects: "the identity's product",
  source: "own rule",
  codes: ["SNP_PRODUCT_MISMATCH"],
  run: ({identity, product}) => passIf(identity.product === product, "SNP_PRODUCT_MISMATCH", product, identity.product),
};

const debugRefused: Check<MatchStart, object> = {
  id: "policy-debug",
  title: "It is no debug guest",
  expects: "the guest policy's bit DEBUG clear, unless allowDebug",
  source: "AMD 56860, guest policy",
  codes: ["DEBUG"],
  run: ({identity, guest}) => {
    const debug = guestPolicy(guest.policy, "debug");
    if (debug && identity.allowDebug) return pass("a debug guest, which the policy allows", {});
    return passIf(!debug, "DEBUG", debug ? "a debug guest" : "no debug guest", "a guest that can't be debugged");
  },
};

const guestPolicyWanted: Check<MatchStart, object> = {
  id: "policy-guest",
  title: "The guest policy allows no more than is accepted",
  expects: "no migration agent and no SMT unless accepted; a VMPL of maximumVmpl at most",
  source: "AMD 56860, guest policy, VMPL",
  codes: ["SNP_GUEST_POLICY"],
  run: ({identity, guest}) => {
    const {maximumVmpl, allowMigrationAgent, allowSmt} = identity;
    if (guestPolicy(guest.policy, "migrationAgent") && !allowMigrationAgent) {
      return fail("SNP_GUEST_POLICY", "a migration agent is allowed", "none");
    }
    if (guestPolicy(guest.policy, "smt") && !allowSmt) return fail("SNP_GUEST_POLICY", "SMT is allowed", "no SMT");
    // What the host asked for says 2^32 − 1, which is no level of a guest.
    return passIf(guest.vmpl <= maximumVmpl, "SNP_GUEST_POLICY", `VMPL ${guest.vmpl}`, `at most ${maximumVmpl}`);
  },
};

const registers = ["measurement", "hostData", "idKeyDigest", "authorKeyDigest", "chipId"] as const;

const measured: Check<MatchStart, object> = {
  id: "policy-measurements",
  title: "Its measurements are accepted",
  expects: "each register that the identity names, with one of its values",
  source: "AMD 56860, ATTESTATION_REPORT",
  codes: ["MEASUREMENT", "GUEST_SVN"],
  run: ({identity, guest}) => {
    for (const name of registers) {
      const accepted = identity[name];
      const found = encodeHex(guest[name]);
      if (accepted && !accepted.includes(found)) return fail("MEASUREMENT", `${name} ${found}`, accepted.join(" or "));
    }
    const minimum = identity.minimumGuestSvn ?? 0;
    if (guest.guestSvn < minimum) return fail("GUEST_SVN", `guest SVN ${guest.guestSvn}`, `${minimum} or more`);
    return pass(registers.filter((name) => identity[name] !== undefined).join(", "), {});
  },
};

const firmwareWanted: Check<MatchStart, object> = {
  id: "policy-minimum-tcb",
  title: "The platform's firmware is new enough",
  expects: "each part of minimumReportedTcb or later",
  source: "AMD 56860, TCB_VERSION",
  codes: ["SNP_TCB_TOO_LOW"],
  run: ({identity: {minimumReportedTcb = {}}, reportedTcb}) => {
    const low = tcbParts.find((part) => (reportedTcb[part] ?? 0) < (minimumReportedTcb[part] ?? 0));
    if (low === undefined) return pass(formatTcb(reportedTcb), {});
    return fail("SNP_TCB_TOO_LOW", `${low} ${reportedTcb[low] ?? 0}`, `${minimumReportedTcb[low]} or later`);
  },
};

export const snpPolicyChecks = checksFrom<MatchStart>()
  .followedBy(rootWanted)
  .followedBy(productWanted)
  .followedBy(debugRefused)
  .followedBy(guestPolicyWanted)
  .followedBy(measured)
  .followedBy(firmwareWanted)
  .followedBy(claimsMade);
