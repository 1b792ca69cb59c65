/** What a report tells about SNP evidence: the part that the evidence decides. */
import {encodeHex} from "@tf-trusted/core";
import {guestPolicy, type SnpReport} from "../evidence/snp/layout.ts";
import type {GenuineSnp} from "../evidence/snp/verify.ts";
import type {Description} from "./describe-dcap.ts";
import type {DatesReport, SnpIdentity, SnpPlatform} from "./report.ts";

export function describeSnp(facts: Partial<GenuineSnp>): Description {
  return {
    identity: facts.report ? identityOf(facts.report) : null,
    platform: platformOf(facts),
    tcbStatus: null,
    tcb: null,
    advisories: [],
    dates: datesOf(facts),
  };
}

function identityOf(report: SnpReport): SnpIdentity {
  const hex = (
    name:
      | "reportData"
      | "measurement"
      | "hostData"
      | "familyId"
      | "imageId"
      | "idKeyDigest"
      | "authorKeyDigest"
      | "reportId"
      | "chipId"
      | "reportedTcb"
      | "currentTcb"
      | "committedTcb"
      | "launchTcb",
  ) => encodeHex(report[name]);
  return {
    tee: "snp",
    version: report.version,
    guestSvn: report.guestSvn,
    policy: `0x${encodeHex(Uint8Array.from(report.policy).reverse()).replace(/^0+(?=.)/, "")}`,
    vmpl: report.vmpl,
    debug: guestPolicy(report.policy, "debug"),
    reportData: hex("reportData"),
    measurement: hex("measurement"),
    hostData: hex("hostData"),
    familyId: hex("familyId"),
    imageId: hex("imageId"),
    idKeyDigest: hex("idKeyDigest"),
    authorKeyDigest: hex("authorKeyDigest"),
    reportId: hex("reportId"),
    chipId: hex("chipId"),
    reportedTcb: hex("reportedTcb"),
    currentTcb: hex("currentTcb"),
    committedTcb: hex("committedTcb"),
    launchTcb: hex("launchTcb"),
  };
}

function platformOf({key, product, signingKey}: Partial<GenuineSnp>): SnpPlatform | null {
  return key && product && signingKey ? {product, signingKey, productName: key.productName} : null;
}

function datesOf({root, signer, signerAuthority, amdCrl}: Partial<GenuineSnp>): DatesReport | null {
  if (!root || !signer || !signerAuthority) return null;
  const isoTime = (time: number) => new Date(time).toISOString();
  const ends = [root, signer, signerAuthority].map(({notAfter}) => notAfter);
  return {
    collateralIssued: amdCrl ? isoTime(amdCrl.thisUpdate) : null,
    earliestExpiry: isoTime(Math.min(...ends, ...(amdCrl ? [amdCrl.nextUpdate] : []))),
    tcbInfoNextUpdate: null,
    qeIdentityNextUpdate: null,
    rootCrlNextUpdate: amdCrl ? isoTime(amdCrl.nextUpdate) : null,
    pckCrlNextUpdate: null,
  };
}
