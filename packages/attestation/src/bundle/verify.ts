/** Verifies a bundle: from its files to evidence, from its policy to ours, and through the same door as everything else. */
import {unexpected} from "../attestation-error.ts";
import type {Evidence} from "../evidence/evidence.ts";
import type {Policy, Tee} from "../policy/schema.ts";
import type {Report} from "../report/report.ts";
import {verifyEvidence} from "../verify.ts";
import {type EvidenceBundle, loadBundleFiles} from "./bundle.ts";
import {bundleQuestion, contradiction} from "./policy.ts";

export interface BundleResult {
  readonly report: Report;
  readonly policy: Policy;
  /** What a reader of the report should know about the question. */
  readonly notes: readonly string[];
}

/**
 * Loads the files of `bundle` by `read`, which gets paths as they stand there, and verifies. Throws `BUNDLE_INVALID` and
 * `POLICY_INVALID` for a question that can't be put, the codes of certificates for a root that can't be read, and what
 * `read` throws; never for what evidence or collateral hold.
 */
export async function verifyBundle(
  bundle: EvidenceBundle,
  read: (path: string) => Uint8Array | Promise<Uint8Array>,
): Promise<BundleResult> {
  const files = await loadBundleFiles(bundle, read);
  const question = await bundleQuestion(bundle, files);
  const {policy, expectedReportData, expectedNonce, notes} = question;
  const options = {policy, now: bundle.time, expectedReportData, expectedNonce};
  const report = await verifyEvidence(evidenceOf(bundle.tee, files), options);
  const contradicted = contradiction(bundle, question);
  if (contradicted !== null && report.verdict === "trusted") {
    throw unexpected("POLICY_INVALID", contradicted, "a root that vouches for the product");
  }
  return {report, policy, notes};
}

/** Evidence of `tee` from parts by their names in bundles. */
export function evidenceOf(tee: Tee, files: Readonly<Record<string, Uint8Array>>): Evidence {
  const bytes = files.evidence ?? new Uint8Array(0);
  const some = (parts: Readonly<Record<string, Uint8Array | undefined>>) =>
    Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined));
  switch (tee) {
    case "nitro":
      return {kind: "nitro-document", document: bytes, collateral: {}};
    case "snp": {
      const {vcek, amdChain, amdCrl} = files;
      return {kind: "snp-report", report: bytes, collateral: some({vcek, amdChain, amdCrl})};
    }
    case "sgx":
    case "tdx": {
      const {tcbInfo, tcbInfoChain, qeIdentity, qeIdentityChain, pckCrl, pckCrlChain, rootCrl, pckChain} = files;
      const collateral = some({
        tcbInfo,
        tcbInfoIssuerChain: tcbInfoChain,
        qeIdentity,
        qeIdentityIssuerChain: qeIdentityChain,
        pckCrl,
        pckCrlIssuerChain: pckCrlChain,
        rootCrl,
        pckChain,
      });
      return {kind: tee === "sgx" ? "sgx-quote" : "tdx-quote", quote: bytes, collateral};
    }
  }
}
