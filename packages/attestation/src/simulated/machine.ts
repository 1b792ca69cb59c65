/**
 * A simulated machine of any kind, as launchers and commands use it: it attests programs by one measurement, the SHA-256 of
 * what runs, and says which identity a policy has to name for them.
 */
import {concatBytes, sha512} from "@tf-trusted/core";
import type {Evidence, SgxCollateral, SnpCollateral} from "../evidence/evidence.ts";
import type {PolicyInput} from "../policy/schema.ts";
import type {SimulatedTee} from "./plan.ts";

export interface SimulatedProgram {
  /** 32 bytes. */
  readonly measurement: Uint8Array;
  /** 64 bytes. */
  readonly reportData: Uint8Array;
  readonly debug?: boolean;
}

export interface SimulatedMachine {
  readonly tee: SimulatedTee;
  /** DER. */
  readonly rootCertificate: Uint8Array;
  /** What a policy names: SHA-256 of the root's SubjectPublicKeyInfo, hexadecimal. */
  readonly rootSpkiSha256: string;
  /** What the vendor's services would answer about this machine now. */
  readonly collateral: () => Promise<SgxCollateral | SnpCollateral>;
  /** Evidence about a program, with collateral. Throws `LAYOUT_INVALID` for wrong lengths. */
  readonly attest: (program: SimulatedProgram) => Promise<Evidence>;
  /** The identity of exactly these programs (hexadecimal) on exactly this machine. */
  readonly identity: (measurements: readonly string[]) => Promise<PolicyInput["identities"][number]>;
  /** Everything, with private keys, as plain JSON to be kept for a restart: whoever reads it can play this machine. */
  readonly state: () => Promise<object>;
}

const wideTag = new TextEncoder().encode("tf-trusted/simulated-measurement/1");

/** MRTD and launch measurements have 48 bytes: the first of the SHA-512 of a tag and the program's 32. */
export async function wideMeasurement(measurement: Uint8Array): Promise<Uint8Array> {
  return (await sha512(concatBytes(wideTag, measurement))).subarray(0, 48);
}
