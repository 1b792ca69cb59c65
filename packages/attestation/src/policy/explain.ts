/** A policy in plain English, for people who have to sign it off. */
import {vendorRoots} from "../roots/vendor-roots.ts";
import {tdxRegisters} from "./match-tdx.ts";
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
  const {root} = identity;
  const lines = [
    typeof root === "string"
      ? `It runs on a genuine ${teeTitles[identity.tee]} platform: the chain of certificates ends in ${vendorRoots[root].title}.`
      : `It runs in the SIMULATION whose root key has the SHA-256 ${root.simulated}. A simulation protects nothing.`,
    ...particulars(identity),
    ...("acceptedTcbStatuses" in identity ? dcapLines(identity) : []),
    identity.allowDebug
      ? "Debug enclaves are ACCEPTED: their memory can be read from outside."
      : "It is no debug enclave.",
    identity.tee === "sgx" && identity.allowTcbInfoV2 && "TCB info of the retired version 2 is accepted.",
    ...Object.entries(identity.requiredClaims).map(
      ([name, value]) =>
        `Its claim ${name} is ${(Array.isArray(value) ? value : [value]).map((item) => JSON.stringify(item)).join(" or ")}.`,
    ),
  ];
  return [
    `${identityTitle(identity, index)} (${teeTitles[identity.tee]}):`,
    ...lines.filter((line) => typeof line === "string").map((line) => `  - ${line}`),
  ];
}

type Lines = readonly (string | false | undefined)[];

const teeTitles: Readonly<Record<PolicyIdentity["tee"], string>> = {
  sgx: "SGX",
  tdx: "TDX",
  snp: "SEV-SNP",
  nitro: "Nitro",
};

/** What it runs, by kind of TEE. */
function particulars(identity: PolicyIdentity): Lines {
  switch (identity.tee) {
    case "sgx": {
      const {mrEnclave, mrSigner, isvProdId, minimumIsvSvn} = identity;
      return [
        mrEnclave && `Its code has the measurement (MRENCLAVE) ${mrEnclave.join(" or ")}.`,
        mrSigner && `It was signed by the key with the digest (MRSIGNER) ${mrSigner}.`,
        isvProdId !== undefined && `Its product number (ISVPRODID) is ${isvProdId}.`,
        minimumIsvSvn !== undefined && `Its security version (ISVSVN) is at least ${minimumIsvSvn}.`,
      ];
    }
    case "tdx":
      return [
        ...tdxRegisters.map((name) => identity[name] && `Its ${name.toUpperCase()} is ${identity[name].join(" or ")}.`),
      ];
    case "snp": {
      const {product, measurement, hostData, minimumGuestSvn, maximumVmpl, minimumReportedTcb} = identity;
      const minimum = Object.entries(minimumReportedTcb ?? {}).map(([part, version]) => `${part} ${version}`);
      return [
        `Its processor is an AMD EPYC of the line ${product}.`,
        `Its launch measurement is ${measurement.join(" or ")}.`,
        hostData && `Its host data is ${hostData.join(" or ")}.`,
        identity.idKeyDigest && `Its identity key has the digest ${identity.idKeyDigest.join(" or ")}.`,
        identity.authorKeyDigest && `Its author key has the digest ${identity.authorKeyDigest.join(" or ")}.`,
        identity.chipId && `It runs on the chip ${identity.chipId.join(" or ")}.`,
        minimumGuestSvn !== undefined && `Its guest SVN is at least ${minimumGuestSvn}.`,
        `The report was asked for at VMPL ${maximumVmpl} or a more privileged level.`,
        minimum.length > 0 && `The platform's firmware is at least ${minimum.join(", ")}.`,
        identity.allowMigrationAgent ? "A migration agent is ACCEPTED." : "No migration agent is bound to it.",
        !identity.allowSmt && "It doesn't allow simultaneous multithreading.",
      ];
    }
    case "nitro":
      return [
        ...Object.entries(identity.pcrs).map(([pcr, values]) => `Its PCR${pcr} is ${values.join(" or ")}.`),
        identity.maximumAgeSeconds !== undefined &&
          `The document is at most ${identity.maximumAgeSeconds} seconds old.`,
      ];
  }
}

function dcapLines(identity: Extract<PolicyIdentity, {tee: "sgx" | "tdx"}>): Lines {
  const {acceptedTcbStatuses, acceptedAdvisories, deniedAdvisories, maximumCollateralAgeDays} = identity;
  return [
    `The platform's TCB status is ${acceptedTcbStatuses.join(" or ") || "(none is accepted)"}.`,
    acceptedAdvisories &&
      `No security advisory applies to the platform, other than: ${acceptedAdvisories.join(", ") || "none"}.`,
    deniedAdvisories.length > 0 && `None of these advisories applies: ${deniedAdvisories.join(", ")}.`,
    identity.minimumTcbEvaluationDataNumber > 0 &&
      `The vendor's statements are of evaluation ${identity.minimumTcbEvaluationDataNumber} or later.`,
    maximumCollateralAgeDays !== undefined &&
      `The vendor's statements are at most ${maximumCollateralAgeDays} days old.`,
    identity.trailingBytes !== "refuse" &&
      `${identity.trailingBytes === "allow" ? "Bytes" : "Zero bytes"} after the end of the quote are accepted.`,
  ];
}
