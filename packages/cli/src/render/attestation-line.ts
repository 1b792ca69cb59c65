/** A report in one line, for commands whose result is something else. */
import type {Report, ReportIdentity} from "@tf-trusted/attestation";
import type {Style} from "./style.ts";

/** `✓ verified: enclave 1a2b3c4d…9e0f, TCB UpToDate, bound to this session`; for a simulation, what that is worth. */
export function renderAttestationLine(report: Report, style: Style): string {
  const {verdict, simulated, identity, tcbStatus, bound, code, summary} = report;
  if (verdict !== "trusted") return `${style.red("✗ not trusted")}: ${code ?? ""} ${summary}`;
  const facts = [
    `${simulated ? "simulated enclave" : `${identity?.tee.toUpperCase() ?? ""} enclave`} ${identity === null ? "" : shortDigest(measurementOf(identity))}`.trim(),
    `TCB ${tcbStatus ?? "unknown"}`,
    ...(bound ? ["bound to this session"] : []),
  ];
  const line = `${style.green("✓ verified")}: ${facts.join(", ")}`;
  return simulated ? `${line}\n${style.yellow("  a simulation protects nothing against the machine's owner")}` : line;
}

/** `1a2b3c4d…9e0f`. */
export function shortDigest(hex: string): string {
  return hex.length > 16 ? `${hex.slice(0, 8)}…${hex.slice(-4)}` : hex;
}

/** What names the code: MRENCLAVE, MRTD, the launch measurement, or PCR0. */
function measurementOf(identity: ReportIdentity): string {
  switch (identity.tee) {
    case "sgx":
      return identity.mrEnclave;
    case "tdx":
      return identity.mrTd;
    case "snp":
      return identity.measurement;
    case "nitro":
      return identity.pcrs["0"] ?? "";
  }
}

/** The same facts for `--json`. */
export function attestationSummary(report: Report) {
  const {verdict, simulated, root, identity, tcbStatus, advisories, bound, verifiedAt, policy} = report;
  return {
    verdict,
    simulated,
    root: root === null ? null : {kind: root.kind, spkiSha256: root.spkiSha256},
    mrEnclave: identity?.tee === "sgx" ? identity.mrEnclave : null,
    tcbStatus,
    advisories,
    bound,
    matchedIdentity: policy.matchedIdentity,
    verifiedAt,
  };
}
