/**
 * The identity that evidence itself claims, as the part of a policy that would accept exactly it: for a policy to begin
 * with, and for bundles that leave the measurement open. It says nothing about whether the evidence is genuine.
 */
import {ByteReader, encodeHex} from "@tf-trusted/core";
import {AttestationError, unexpected} from "../attestation-error.ts";
import {readDocument, readEnvelope} from "../evidence/nitro/document.ts";
import {parseSgxQuote} from "../evidence/sgx/parse.ts";
import {productOfCpuid, type SnpProduct, snpReportLayout} from "../evidence/snp/layout.ts";
import {parseTdxQuote} from "../evidence/tdx/parse.ts";
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

/**
 * An identity for a policy that accepts the very program that made `evidence`, under its vendor's root: measurements that
 * are the same on every machine, none of one machine or session. Throws the codes of parsers for evidence that is broken, and
 * `SNP_PRODUCT_MISMATCH` for an SNP report that doesn't say its product (version 2) and no `product`.
 */
export function identityOfEvidence(tee: Tee, evidence: Uint8Array, product?: SnpProduct): IdentityInput {
  switch (tee) {
    case "sgx":
      return {
        tee,
        root: "intel",
        mrEnclave: [encodeHex(parseSgxQuote(evidence, undefined, "allow-zero").report.mrEnclave)],
      };
    case "tdx": {
      const {report} = parseTdxQuote(evidence, "allow-zero");
      const used = (["rtmr0", "rtmr1", "rtmr2", "rtmr3"] as const).filter((name) => !isZero(report[name]));
      const registers = Object.fromEntries(used.map((name) => [name, [encodeHex(report[name])]]));
      return {tee, root: "intel", mrTd: [encodeHex(report.mrTd)], ...registers};
    }
    case "snp": {
      const report = snpReportLayout.read(new ByteReader(evidence, "report"));
      const line = product ?? productOfCpuid(report.cpuid);
      if (line === undefined) {
        throw unexpected("SNP_PRODUCT_MISMATCH", "a report that doesn't say its processor", "a product line beside it");
      }
      const root = `amd-${line.toLowerCase()}` as "amd-milan" | "amd-genoa" | "amd-turin";
      const keys = (["idKeyDigest", "authorKeyDigest"] as const).filter((name) => !isZero(report[name]));
      const digests = Object.fromEntries(keys.map((name) => [name, [encodeHex(report[name])]]));
      return {tee, root, product: line, measurement: [encodeHex(report.measurement)], ...digests};
    }
    case "nitro": {
      const {pcrs} = readDocument(readEnvelope(evidence).payload);
      const named = [...pcrs].filter(([index, pcr]) => programPcrs.includes(index) && !isZero(pcr));
      if (named.length === 0) throw unexpected("NITRO_FORMAT", "a debug document without PCRs", "PCR0, PCR1, PCR2");
      return {tee, root: "aws-nitro", pcrs: Object.fromEntries(named.map(([index, pcr]) => [index, [encodeHex(pcr)]]))};
    }
  }
}

/** Image, kernel, application, signer; the others are of the instance, or of the program's own making. */
const programPcrs: readonly number[] = [0, 1, 2, 8];

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

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
