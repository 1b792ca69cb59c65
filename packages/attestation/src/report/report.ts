/**
 * What verification found, as one structure of plain JSON values: the programs' answer, and the source of its text, JSON
 * and HTML forms. Every field is present in every report; what wasn't reached is `null`.
 */
import type {Step} from "../checks/check.ts";
import type {AttestationCode} from "../codes.ts";
import type {TcbStatus} from "../collateral/tcb-status.ts";
import type {TrustedRoot} from "../evidence/dcap/facts.ts";

export interface Report {
  readonly format: 1;
  readonly verdict: "trusted" | "refused";
  /** Of the step that decided; `null` where trusted. */
  readonly code: AttestationCode | null;
  /** The verdict in a sentence. */
  readonly summary: string;
  /** Kind of the evidence, as it claims. */
  readonly evidenceKind: string;
  /** SHA-256 of the evidence, lower-case hexadecimal: which one this report is about. `null` where it couldn't be taken in. */
  readonly evidenceSha256: string | null;
  /** The time for which all dates were checked, ISO 8601. */
  readonly verifiedAt: string;
  /** Whether every signature down to the enclave was right. What the policy wants is another question. */
  readonly genuine: boolean;
  /** Whether the root is a simulation's: then nothing protects the enclave from whoever runs it. */
  readonly simulated: boolean;
  readonly root: TrustedRoot | null;
  /** What the evidence says about the enclave. Believe it only if {@link genuine}. */
  readonly identity: ReportIdentity | null;
  /** The hardware, by its certificate; `null` before that was verified. */
  readonly platform: SgxPlatform | SnpPlatform | null;
  readonly tcbStatus: TcbStatus | null;
  readonly tcb: TcbReport | null;
  /** Advisories that apply to the platform, sorted. */
  readonly advisories: readonly string[];
  readonly dates: DatesReport | null;
  /** Whether the report data was compared with the expected one, and equal: what makes evidence be of this session. */
  readonly bound: boolean;
  readonly policy: PolicyReport;
  /** Every check in order, also those that weren't reached. */
  readonly steps: readonly Step[];
}

export type ReportIdentity = SgxIdentity | TdxIdentity | SnpIdentity | NitroIdentity;

/** Bytes are lower-case hexadecimal; a `null` field is one that this form of the report doesn't have. */
export interface TdxIdentity {
  readonly tee: "tdx";
  readonly teeTcbSvn: string;
  readonly mrSeam: string;
  readonly mrSignerSeam: string;
  readonly seamAttributes: string;
  readonly tdAttributes: string;
  readonly xfam: string;
  readonly mrTd: string;
  readonly mrConfigId: string;
  readonly mrOwner: string;
  readonly mrOwnerConfig: string;
  readonly rtmr0: string;
  readonly rtmr1: string;
  readonly rtmr2: string;
  readonly rtmr3: string;
  readonly reportData: string;
  readonly debug: boolean;
  readonly teeTcbSvn2: string | null;
  readonly mrServiceTd: string | null;
}

/** Bytes are lower-case hexadecimal. */
export interface SnpIdentity {
  readonly tee: "snp";
  readonly version: number;
  readonly guestSvn: number;
  /** The guest policy, `0x` and hexadecimal digits. */
  readonly policy: string;
  readonly vmpl: number;
  readonly debug: boolean;
  readonly reportData: string;
  readonly measurement: string;
  readonly hostData: string;
  readonly familyId: string;
  readonly imageId: string;
  readonly idKeyDigest: string;
  readonly authorKeyDigest: string;
  readonly reportId: string;
  readonly chipId: string;
  readonly reportedTcb: string;
  readonly currentTcb: string;
  readonly committedTcb: string;
  readonly launchTcb: string;
}

/** Bytes are lower-case hexadecimal. */
export interface NitroIdentity {
  readonly tee: "nitro";
  readonly moduleId: string;
  readonly timestampMs: number;
  /** By number; those that nothing was measured into, zeros, are left out. */
  readonly pcrs: Readonly<Record<string, string>>;
  readonly debug: boolean;
  readonly publicKey: string | null;
  readonly userData: string | null;
  readonly nonce: string | null;
}

export interface SnpPlatform {
  readonly product: string;
  readonly signingKey: "VCEK" | "VLEK";
  readonly productName: string;
}

/** Bytes are lower-case hexadecimal. */
export interface SgxIdentity {
  readonly tee: "sgx";
  readonly mrEnclave: string;
  readonly mrSigner: string;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly attributes: string;
  readonly debug: boolean;
  readonly reportData: string;
  readonly miscSelect: string;
  readonly cpuSvn: string;
  readonly isvExtProdId: string;
  readonly isvFamilyId: string;
  readonly configId: string;
  readonly configSvn: number;
}

export interface SgxPlatform {
  readonly fmspc: string;
  readonly pceId: string;
  readonly pceSvn: number;
  /** `null` on platforms of one package. */
  readonly platformInstanceId: string | null;
  readonly sgxType: string;
  readonly smtEnabled: boolean | null;
}

export interface TcbReport {
  readonly status: TcbStatus;
  readonly platformStatus: TcbStatus;
  /** Of the TDX module, where it is judged apart. */
  readonly moduleStatus: TcbStatus | null;
  readonly qeStatus: TcbStatus;
  /** Of the oldest level that applies, ISO 8601. */
  readonly date: string;
  readonly tcbInfoEvaluationDataNumber: number;
  readonly qeIdentityEvaluationDataNumber: number;
}

/** ISO 8601; `null` for what this kind of evidence doesn't have. */
export interface DatesReport {
  /** Of the oldest part of the collateral. */
  readonly collateralIssued: string | null;
  /** When the first of all parts and certificates expires: verify again by then, with fresh collateral. */
  readonly earliestExpiry: string;
  readonly tcbInfoNextUpdate: string | null;
  readonly qeIdentityNextUpdate: string | null;
  readonly rootCrlNextUpdate: string | null;
  readonly pckCrlNextUpdate: string | null;
}

export interface PolicyReport {
  /** Index in the policy of the identity that matched. */
  readonly matchedIdentity: number | null;
  /** Where none matched: the one that failed latest. */
  readonly nearestIdentity: number | null;
  /** All identities that were compared. */
  readonly considered: readonly ConsideredIdentity[];
}

export interface ConsideredIdentity {
  readonly index: number;
  readonly title: string;
  /** `null` for the match. */
  readonly code: AttestationCode | null;
  readonly failedStep: string | null;
  readonly expected: string | null;
  readonly found: string | null;
}
