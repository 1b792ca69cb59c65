/** What a report tells about Nitro evidence: the part that the evidence decides. */
import {encodeHex} from "@tf-trusted/core";
import {isDebugEnclave, type NitroDocument} from "../evidence/nitro/document.ts";
import type {GenuineNitro} from "../evidence/nitro/verify.ts";
import type {Description} from "./describe-dcap.ts";
import type {DatesReport, NitroIdentity} from "./report.ts";

export function describeNitro(facts: Partial<GenuineNitro>): Description {
  return {
    identity: facts.document ? identityOf(facts.document) : null,
    platform: null,
    tcbStatus: null,
    tcb: null,
    advisories: [],
    dates: datesOf(facts),
  };
}

const isZero = (pcr: Uint8Array): boolean => pcr.every((byte) => byte === 0);

function identityOf(document: NitroDocument): NitroIdentity {
  const maybe = (bytes: Uint8Array | null) => bytes && encodeHex(bytes);
  return {
    tee: "nitro",
    moduleId: document.moduleId,
    timestampMs: document.timestamp,
    pcrs: Object.fromEntries(
      [...document.pcrs].filter(([, pcr]) => !isZero(pcr)).map(([index, pcr]) => [index, encodeHex(pcr)]),
    ),
    debug: isDebugEnclave(document),
    publicKey: maybe(document.publicKey),
    userData: maybe(document.userData),
    nonce: maybe(document.nonce),
  };
}

function datesOf({root, authorities, signer}: Partial<GenuineNitro>): DatesReport | null {
  if (!root || !authorities || !signer) return null;
  const ends = [root, ...authorities, signer].map(({notAfter}) => notAfter);
  return {
    collateralIssued: null,
    earliestExpiry: new Date(Math.min(...ends)).toISOString(),
    tcbInfoNextUpdate: null,
    qeIdentityNextUpdate: null,
    rootCrlNextUpdate: null,
    pckCrlNextUpdate: null,
  };
}
