/** A report in one line, for commands whose result is something else. */
import type {Report} from "@tf-trusted/attestation";
import type {Style} from "./style.ts";

/** `✓ verified: enclave 1a2b3c4d…9e0f, TCB UpToDate, bound to this session`; for a simulation, what that is worth. */
export function renderAttestationLine(report: Report, style: Style): string {
  const {verdict, simulated, identity, tcbStatus, bound, code, summary} = report;
  if (verdict !== "trusted") return `${style.red("✗ not trusted")}: ${code ?? ""} ${summary}`;
  const facts = [
    `${simulated ? "simulated enclave" : "SGX enclave"} ${identity === null ? "" : shortDigest(identity.mrEnclave)}`.trim(),
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

/** The same facts for `--json`. */
export function attestationSummary(report: Report) {
  const {verdict, simulated, root, identity, tcbStatus, advisories, bound, verifiedAt, policy} = report;
  return {
    verdict,
    simulated,
    root: root === null ? null : {kind: root.kind, spkiSha256: root.spkiSha256},
    mrEnclave: identity?.mrEnclave ?? null,
    tcbStatus,
    advisories,
    bound,
    matchedIdentity: policy.matchedIdentity,
    verifiedAt,
  };
}
