/**
 * The identity that evidence itself claims, as the part of a policy that would accept exactly it: for a policy to begin
 * with, and for bundles that leave the measurement open. It says nothing about whether the evidence is genuine.
 */
import {encodeHex} from "@tf-trusted/core";
import {AttestationError} from "../attestation-error.ts";
import {readDocument, readEnvelope} from "../evidence/nitro/document.ts";
import type {PolicyInput, Tee} from "../policy/schema.ts";

export type IdentityInput = PolicyInput["identities"][number];

/** Offset of the body: behind the header and, in version 5, the body's descriptor. */
const bodyOffset = (quote: Uint8Array): number => (quote[0] === 5 ? 54 : 48);

/** The measurement that `evidence` claims. Bytes that aren't there count as zeros, which no enclave has. */
export function ownMeasurement(tee: Tee, evidence: Uint8Array): Partial<IdentityInput> {
  const hexAt = (from: number, size: number) => encodeHex(evidence.subarray(from, from + size)).padEnd(2 * size, "0");
  const body = bodyOffset(evidence);
  switch (tee) {
    case "sgx":
      return {mrEnclave: [hexAt(body + 64, 32)]};
    case "tdx":
      return {mrTd: [hexAt(body + 136, 48)]};
    case "snp":
      return {measurement: [hexAt(0x90, 48)]};
    case "nitro":
      return {pcrs: ownPcrs(evidence)};
  }
}

/** Its first PCR, or zeros where the document can't be read. */
function ownPcrs(document: Uint8Array): Record<string, [string, ...string[]]> {
  try {
    const [[index, pcr]] = [...readDocument(readEnvelope(document).payload).pcrs] as [[number, Uint8Array]];
    return {[index]: [encodeHex(pcr)]};
  } catch (error) {
    if (error instanceof AttestationError) return {0: ["00".repeat(48)]};
    throw error;
  }
}
