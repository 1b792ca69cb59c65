/** A policy in plain English, for people who have to sign it off. */
import {vendorRoots} from "../roots/vendor-roots.ts";
import type {Policy, PolicyIdentity} from "./schema.ts";

/** One line per statement; identities are numbered from 0 as in reports and findings. */
export function explainPolicy({identities}: Policy): readonly string[] {
  if (identities.length === 0) return ["This policy accepts nothing: it lists no identity."];
  const head =
    identities.length === 1
      ? "An enclave is accepted if all of this holds:"
      : "An enclave is accepted if it meets any one of these:";
  return [head, ...identities.flatMap(explainIdentity)];
}

/** How reports and findings call an identity. */
export function identityTitle({name}: PolicyIdentity, index: number): string {
  return name === undefined ? `identity ${index}` : `identity ${index} "${name}"`;
}

function explainIdentity(identity: PolicyIdentity, index: number): readonly string[] {
  const {root, mrEnclave, mrSigner, isvProdId, minimumIsvSvn, acceptedAdvisories, deniedAdvisories} = identity;
  const lines = [
    typeof root === "string"
      ? `It runs on a genuine SGX platform: the chain of certificates ends in ${vendorRoots[root].title}.`
      : `It runs in the SIMULATION whose root key has the SHA-256 ${root.simulated}. A simulation protects nothing.`,
    mrEnclave && `Its code has the measurement (MRENCLAVE) ${mrEnclave.join(" or ")}.`,
    mrSigner && `It was signed by the key with the digest (MRSIGNER) ${mrSigner}.`,
    isvProdId !== undefined && `Its product number (ISVPRODID) is ${isvProdId}.`,
    minimumIsvSvn !== undefined && `Its security version (ISVSVN) is at least ${minimumIsvSvn}.`,
    `The platform's TCB status is ${identity.acceptedTcbStatuses.join(" or ") || "(none is accepted)"}.`,
    acceptedAdvisories &&
      `No security advisory applies to the platform, other than: ${acceptedAdvisories.join(", ") || "none"}.`,
    deniedAdvisories.length > 0 && `None of these advisories applies: ${deniedAdvisories.join(", ")}.`,
    identity.minimumTcbEvaluationDataNumber > 0 &&
      `The vendor's statements are of evaluation ${identity.minimumTcbEvaluationDataNumber} or later.`,
    identity.maximumCollateralAgeDays !== undefined &&
      `The vendor's statements are at most ${identity.maximumCollateralAgeDays} days old.`,
    identity.allowDebug
      ? "Debug enclaves are ACCEPTED: their memory can be read from outside."
      : "It is no debug enclave.",
    identity.allowTcbInfoV2 && "TCB info of the retired version 2 is accepted.",
    ...Object.entries(identity.requiredClaims).map(
      ([name, value]) =>
        `Its claim ${name} is ${(Array.isArray(value) ? value : [value]).map((item) => JSON.stringify(item)).join(" or ")}.`,
    ),
  ];
  return [
    `${identityTitle(identity, index)} (SGX):`,
    ...lines.filter((line) => typeof line === "string").map((line) => `  - ${line}`),
  ];
}
