/** One case of an index of attestation vectors: what verification says, and whether that is what the index expects. */
import {type AttestationCode, attestationCodes, parseBundle, type Report, verifyBundle} from "../index.ts";
import type {VectorCase} from "./corpus.ts";

/** Verifies one case; `read` gives the bytes at a path of the index. */
export async function verifyVector(vector: VectorCase, read: (path: string) => Uint8Array): Promise<Report> {
  return (await verifyBundle(parseBundle(vector), read)).report;
}

/** What is wrong with a report; empty where all is as the index says. */
export function vectorFlaws(report: Report, {expect}: VectorCase): readonly string[] {
  const flaws: string[] = [];
  const compare = (what: string, found: unknown, expected: unknown) => {
    const [a, b] = [found, expected].map((value) => JSON.stringify(value));
    if (a !== b) flaws.push(`${what}: found ${a}, expected ${b}`);
  };
  compare("verdict", report.verdict, expect.verdict === "accept" ? "trusted" : "refused");
  compare("tcbStatus", report.tcbStatus, expect.tcbStatus);
  if (expect.tcbStatus !== null && expect.advisories !== null) {
    compare("advisories", report.advisories, [...expect.advisories].sort());
  }
  if (expect.reason !== null && !reasonFits(report.code, expect.reason)) compare("code", report.code, expect.reason);
  const identity = report.identity as unknown as Readonly<Record<string, unknown>> | null;
  for (const [name, value] of Object.entries(expect.claims)) compare(name, identity?.[name], value);
  return flaws;
}

/** Our codes are one to one with the index's reasons or finer: `family` is the reason. */
export function reasonFits(code: AttestationCode | null, expected: string): boolean {
  if (code === null) return false;
  const {family}: {readonly family: string} = attestationCodes[code];
  return expected
    .split("|")
    .some((reason) => family === reason || (/^(EXPIRED|NOT_YET_VALID)$/.test(reason) && family.endsWith(`_${reason}`)));
}
