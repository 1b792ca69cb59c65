/**
 * Everything about a simulated platform that a test may want otherwise: the plan from which certificates, collateral and
 * quotes are made, and the named faults that edit it.
 */
import {parseHex} from "@tf-trusted/core";
import type {EnclaveTcbStatus, TcbStatus} from "../collateral/tcb-status.ts";
import type {Validity} from "./certificates.ts";

export interface Period {
  readonly from: Date;
  readonly until: Date;
}

/** Kinds of TEE that can be simulated. */
export type SimulatedTee = "sgx" | "tdx" | "snp";

export interface SimulatedPlan {
  /** Used when the certificates are made, once. */
  readonly rootValidity: Validity;
  readonly authorityValidity: Validity;
  readonly pckValidity: Validity;
  readonly tcbSignerValidity: Validity;
  readonly fmspc: Uint8Array;
  readonly pceId: Uint8Array;
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** Used whenever collateral is made. */
  readonly tcbInfoPeriod: Period;
  readonly qeIdentityPeriod: Period;
  readonly pckCrlPeriod: Period;
  readonly rootCrlPeriod: Period;
  readonly revoked: readonly ("pck" | "authority" | "tcbSigner")[];
  readonly tcbInfoId: string;
  /** Of TDX: the module's SVN, its version, then the platform's other components. */
  readonly tdxComponents: readonly number[];
  /** Of TDX: who signed the module that runs, 48 bytes; the vendor's is zeros. */
  readonly moduleSigner: Uint8Array;
  /** Of TDX: the status of the module's own level, and the SVN from which it holds. */
  readonly moduleStatus: EnclaveTcbStatus;
  readonly moduleLevelSvn: number;
  readonly tcbInfoFmspc: Uint8Array;
  readonly tcbInfoPceId: Uint8Array;
  /** The status of the platform's own level. */
  readonly platformStatus: TcbStatus;
  readonly platformAdvisories: readonly string[];
  /** The components of the platform's own level: above the platform's, it reaches the next level only, or none. */
  readonly levelComponents: readonly number[];
  /** Whether an older level follows that every platform reaches. */
  readonly olderLevel: boolean;
  readonly tcbEvaluationDataNumber: number;
  readonly qeIdentityId: string;
  readonly qeStatus: EnclaveTcbStatus;
  readonly qeAdvisories: readonly string[];
  readonly qeIdentityEvaluationDataNumber: number;
  /** Used whenever a quote is made. */
  readonly qeIsvSvn: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Lives of certificates, seen from `now`. */
export function validities(now: Date) {
  const from = now.getTime() - DAY;
  const validity = (start: number, end: number): Validity => ({notBefore: new Date(start), notAfter: new Date(end)});
  return {
    years: (count: number) => validity(from, now.getTime() + count * 365 * DAY),
    past: validity(from - 31 * DAY, from - 1000),
    future: validity(from + 3 * DAY, from + 365 * DAY),
  };
}

/** Lives of statements and CRLs, seen from `now`. */
export function periods(now: Date) {
  // An hour back, for clients whose clock is behind.
  const from = now.getTime() - HOUR;
  const month = (start: number): Period => ({from: new Date(start), until: new Date(start + 30 * DAY)});
  return {current: month(from), past: month(from - 30 * DAY - 1000), future: month(from + 2 * DAY)};
}

/** A healthy platform at `now`: what a current machine and Intel's service would give. */
export function healthyPlan(now: Date, tee: "sgx" | "tdx" = "sgx"): SimulatedPlan {
  const {years} = validities(now);
  const {current: month} = periods(now);
  const components = [11, 11, 2, 2, 255, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const fmspc = parseHex("00906ed50000");
  const pceId = parseHex("0000");
  return {
    rootValidity: years(20),
    authorityValidity: years(10),
    pckValidity: years(7),
    tcbSignerValidity: years(7),
    fmspc,
    pceId,
    components,
    pceSvn: 13,
    tcbInfoPeriod: month,
    qeIdentityPeriod: month,
    pckCrlPeriod: month,
    rootCrlPeriod: month,
    revoked: [],
    tcbInfoId: tee === "sgx" ? "SGX" : "TDX",
    tdxComponents: [5, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    moduleSigner: new Uint8Array(48),
    moduleStatus: "UpToDate",
    moduleLevelSvn: 5,
    tcbInfoFmspc: fmspc,
    tcbInfoPceId: pceId,
    platformStatus: "UpToDate",
    platformAdvisories: [],
    levelComponents: components,
    olderLevel: true,
    tcbEvaluationDataNumber: 19,
    qeIdentityId: tee === "sgx" ? "QE" : "TD_QE",
    qeStatus: "UpToDate",
    qeAdvisories: [],
    qeIdentityEvaluationDataNumber: 19,
    qeIsvSvn: 8,
  };
}

/** Named faults, to see how a refusal looks; each is an edit of the plan. Those of modules matter to TDX alone. */
export const simulatedFaults = {
  "pck-revoked": () => ({revoked: ["pck"]}),
  "authority-revoked": () => ({revoked: ["authority"]}),
  "tcb-signer-revoked": () => ({revoked: ["tcbSigner"]}),
  "platform-out-of-date": () => ({platformStatus: "OutOfDate", platformAdvisories: ["SIMULATED-SA-00001"]}),
  "platform-revoked": () => ({platformStatus: "Revoked"}),
  "platform-needs-hardening": () => ({platformStatus: "SWHardeningNeeded", platformAdvisories: ["SIMULATED-SA-00002"]}),
  "platform-needs-configuration": () => ({platformStatus: "ConfigurationNeeded"}),
  "platform-needs-both": () => ({platformStatus: "ConfigurationAndSWHardeningNeeded"}),
  "platform-out-of-date-and-needs-configuration": () => ({platformStatus: "OutOfDateConfigurationNeeded"}),
  "platform-level-unknown": (plan) => ({levelComponents: plan.components.map(() => 255), olderLevel: false}),
  "qe-out-of-date": () => ({qeStatus: "OutOfDate", qeAdvisories: ["SIMULATED-SA-00003"]}),
  "qe-revoked": () => ({qeStatus: "Revoked"}),
  "qe-level-unknown": () => ({qeIsvSvn: 0}),
  "module-out-of-date": () => ({moduleStatus: "OutOfDate"}),
  "module-revoked": () => ({moduleStatus: "Revoked"}),
  "module-level-unknown": () => ({moduleLevelSvn: 6}),
  "module-foreign": () => ({moduleSigner: new Uint8Array(48).fill(1)}),
  "root-expired": (_plan, now) => ({rootValidity: validities(now).past}),
  "authority-expired": (_plan, now) => ({authorityValidity: validities(now).past}),
  "pck-expired": (_plan, now) => ({pckValidity: validities(now).past}),
  "pck-not-yet-valid": (_plan, now) => ({pckValidity: validities(now).future}),
  "tcb-signer-expired": (_plan, now) => ({tcbSignerValidity: validities(now).past}),
  "tcb-info-expired": (_plan, now) => ({tcbInfoPeriod: periods(now).past}),
  "tcb-info-not-yet-valid": (_plan, now) => ({tcbInfoPeriod: periods(now).future}),
  "qe-identity-expired": (_plan, now) => ({qeIdentityPeriod: periods(now).past}),
  "qe-identity-not-yet-valid": (_plan, now) => ({qeIdentityPeriod: periods(now).future}),
  "pck-crl-expired": (_plan, now) => ({pckCrlPeriod: periods(now).past}),
  "pck-crl-not-yet-valid": (_plan, now) => ({pckCrlPeriod: periods(now).future}),
  "root-crl-expired": (_plan, now) => ({rootCrlPeriod: periods(now).past}),
  "root-crl-not-yet-valid": (_plan, now) => ({rootCrlPeriod: periods(now).future}),
  "wrong-fmspc": () => ({tcbInfoFmspc: parseHex("00906ed60000")}),
  "wrong-pceid": () => ({tcbInfoPceId: parseHex("0001")}),
  "tcb-info-of-other-tee": (plan) => ({tcbInfoId: plan.tcbInfoId === "SGX" ? "TDX" : "SGX"}),
  "qe-identity-of-other-tee": (plan) => ({qeIdentityId: plan.qeIdentityId === "QE" ? "TD_QE" : "QE"}),
  "evaluation-rollback": () => ({tcbEvaluationDataNumber: 12}),
  "qe-evaluation-rollback": () => ({qeIdentityEvaluationDataNumber: 12}),
} as const satisfies Readonly<Record<string, (plan: SimulatedPlan, now: Date) => Partial<SimulatedPlan>>>;

export type SimulatedFault = keyof typeof simulatedFaults;
