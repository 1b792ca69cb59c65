/**
 * TDX and SEV-SNP guests as the enclave sees them: the whole virtual machine is the TEE, and reports come through
 * configfs-tsm (platforms.md §7). What differs is a row: how the report is read, what makes it unsafe, what travels.
 */
import {randomBytes} from "node:crypto";
import {
  readUnverified,
  type SnpReportEvidence,
  type TdxQuoteEvidence,
  type UnverifiedStatement,
} from "@tf-trusted/attestation";
import {encodeHex, equalBytes} from "@tf-trusted/core";
import {EnclaveError} from "../enclave-error.ts";
import {requestTsmReport, type TsmOptions, type TsmProvider, type TsmReport, tsmProviders} from "./configfs-tsm.ts";
import {inTurn} from "./in-turn.ts";
import type {Platform} from "./platform.ts";
import {snpCollateralOf} from "./snp-certificates.ts";

type GuestEvidence = TdxQuoteEvidence | SnpReportEvidence;

interface GuestRow {
  readonly provider: TsmProvider;
  readonly evidence: (report: TsmReport) => GuestEvidence;
}

const guests = {
  tdx: {
    provider: tsmProviders.tdx,
    evidence: ({outblob}) => ({kind: "tdx-quote", quote: outblob, collateral: {}}),
  },
  snp: {
    provider: tsmProviders.snp,
    evidence: ({outblob, auxblob}) => ({kind: "snp-report", report: outblob, collateral: snpCollateralOf(auxblob)}),
  },
} as const satisfies Readonly<Record<string, GuestRow>>;

export type GuestKind = keyof typeof guests;

/**
 * Opens it and makes one report, to know what the guest is. Throws `PLATFORM_MISSING` where the kernel has another
 * provider or none, `PLATFORM_UNSAFE` where the host may debug the guest, and `PLATFORM_FAILED`.
 */
export async function openGuestPlatform(kind: GuestKind, options: TsmOptions): Promise<Platform> {
  const row: GuestRow = guests[kind];
  const turn = inTurn();

  async function report(reportData: Uint8Array): Promise<UnverifiedStatement & {readonly evidence: GuestEvidence}> {
    const evidence = row.evidence(await turn(() => requestTsmReport(options, row.provider, reportData)));
    const statement = readStatement(row, evidence);
    if (!equalBytes(statement.reportData, reportData)) {
      throw new EnclaveError("PLATFORM_FAILED", "the report carries other report data than was written");
    }
    return {...statement, evidence};
  }

  const first = await report(randomBytes(64));
  if (first.debug) {
    throw new EnclaveError(
      "PLATFORM_UNSAFE",
      "this guest was started with debugging, which lets the host read it; expected a guest without it",
    );
  }
  const measurement = encodeHex(first.measurement);
  return {
    kind,
    capabilities: {sealing: false, monotonicCounter: false, trustedTime: false},
    measurement: () => measurement,
    evidence: async (reportData) => (await report(reportData)).evidence,
    sealingKey: async () => {
      throw new EnclaveError("SEALING_MISSING", `${kind} guests have no sealing key that this version can get`);
    },
  };
}

function readStatement(row: GuestRow, evidence: GuestEvidence): UnverifiedStatement {
  try {
    return readUnverified(evidence);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "";
    throw new EnclaveError("PLATFORM_FAILED", `the report of ${row.provider} can't be read: ${reason}`, {cause});
  }
}
