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

/** A healthy platform at `now`: what a current machine and Intel's service would give. */
export function healthyPlan(now: Date): SimulatedPlan {
  const years = (count: number): Validity => ({
    notBefore: new Date(now.getTime() - DAY),
    notAfter: new Date(now.getTime() + count * 365 * DAY),
  });
  // An hour back, for clients whose clock is behind.
  const month: Period = {from: new Date(now.getTime() - HOUR), until: new Date(now.getTime() + 30 * DAY)};
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
    tcbInfoId: "SGX",
    tcbInfoFmspc: fmspc,
    tcbInfoPceId: pceId,
    platformStatus: "UpToDate",
    platformAdvisories: [],
    levelComponents: components,
    olderLevel: true,
    tcbEvaluationDataNumber: 19,
    qeIdentityId: "QE",
    qeStatus: "UpToDate",
    qeAdvisories: [],
    qeIdentityEvaluationDataNumber: 19,
    qeIsvSvn: 8,
  };
}

/** Named faults, to see how a refusal looks; each is an edit of the plan. */
export const simulatedFaults = {
  "pck-revoked": () => ({revoked: ["pck"]}),
  "authority-revoked": () => ({revoked: ["authority"]}),
  "tcb-signer-revoked": () => ({revoked: ["tcbSigner"]}),
  "platform-out-of-date": () => ({platformStatus: "OutOfDate", platformAdvisories: ["SIMULATED-SA-00001"]}),
  "platform-revoked": () => ({platformStatus: "Revoked"}),
  "platform-needs-hardening": () => ({platformStatus: "SWHardeningNeeded", platformAdvisories: ["SIMULATED-SA-00002"]}),
  "platform-level-unknown": (plan) => ({levelComponents: plan.components.map(() => 255), olderLevel: false}),
  "qe-out-of-date": () => ({qeStatus: "OutOfDate", qeAdvisories: ["SIMULATED-SA-00003"]}),
  "qe-revoked": () => ({qeStatus: "Revoked"}),
  "qe-level-unknown": () => ({qeIsvSvn: 0}),
  "pck-expired": (plan) => ({pckValidity: past(plan)}),
  "tcb-info-expired": (plan) => ({tcbInfoPeriod: pastPeriod(plan)}),
  "qe-identity-expired": (plan) => ({qeIdentityPeriod: pastPeriod(plan)}),
  "pck-crl-expired": (plan) => ({pckCrlPeriod: pastPeriod(plan)}),
  "root-crl-expired": (plan) => ({rootCrlPeriod: pastPeriod(plan)}),
  "tcb-info-not-yet-valid": (plan) => ({tcbInfoPeriod: futurePeriod(plan)}),
  "wrong-fmspc": () => ({tcbInfoFmspc: parseHex("00906ed60000")}),
  "wrong-pceid": () => ({tcbInfoPceId: parseHex("0001")}),
  "evaluation-rollback": () => ({tcbEvaluationDataNumber: 12}),
} as const satisfies Readonly<Record<string, (plan: SimulatedPlan) => Partial<SimulatedPlan>>>;

export type SimulatedFault = keyof typeof simulatedFaults;

function past({pckValidity}: SimulatedPlan): Validity {
  const end = pckValidity.notBefore.getTime() - 1000;
  return {notBefore: new Date(end - 30 * DAY), notAfter: new Date(end)};
}

function pastPeriod({tcbInfoPeriod}: SimulatedPlan): Period {
  const end = tcbInfoPeriod.from.getTime() - 1000;
  return {from: new Date(end - 30 * DAY), until: new Date(end)};
}

function futurePeriod({tcbInfoPeriod}: SimulatedPlan): Period {
  const start = tcbInfoPeriod.from.getTime() + 2 * DAY;
  return {from: new Date(start), until: new Date(start + 30 * DAY)};
}
