/**
 * The policy of a bundle in this package's words. Bundles of test vectors have a flat policy with names of their own; a
 * bundle may as well hold a policy of ours. A member that isn't known is refused: a restriction must not get lost.
 */
import {encodeHex, parseHex, sha256} from "@tf-trusted/core";
import {unexpected} from "../attestation-error.ts";
import {parsePolicy} from "../policy/parse.ts";
import type {Policy, PolicyInput, PolicyRoot} from "../policy/schema.ts";
import {type VendorRoot, vendorRoots} from "../roots/vendor-roots.ts";
import {parseCertificates} from "../x509/certificate.ts";
import type {EvidenceBundle} from "./bundle.ts";
import {type IdentityInput, ownMeasurement} from "./own-identity.ts";

/** What a bundle asks: our policy, and what isn't policy but of the session. */
export interface BundleQuestion {
  readonly policy: Policy;
  readonly expectedReportData: Uint8Array | null;
  readonly expectedNonce: Uint8Array | null;
  /** What a reader of the report should know about the question. */
  readonly notes: readonly string[];
}

/** Members of a flat policy whose names differ from our identities'; others have the same name. */
const renamed: Readonly<Record<string, string>> = {
  acceptTcbStatuses: "acceptedTcbStatuses",
  minIsvSvn: "minimumIsvSvn",
  minTcbEvaluationDataNumber: "minimumTcbEvaluationDataNumber",
  minReportedTcb: "minimumReportedTcb",
  maxVmpl: "maximumVmpl",
};

/** Members that aren't of an identity. */
const ofQuestion: ReadonlySet<string> = new Set(["root", "reportData", "nonce", "mrSigner", "chainMayOmitRoot"]);

/** What says which program it is: without one of these, a policy leaves that open. */
const measurementMembers: ReadonlySet<string> = new Set(["mrEnclave", "mrSigner", "mrTd", "measurement", "pcrs"]);

/** Where a flat policy says nothing, it is as open as the format's authors mean it. */
const openDefaults: Readonly<Record<EvidenceBundle["tee"], object>> = {
  sgx: {},
  tdx: {},
  snp: {maximumVmpl: 3, allowMigrationAgent: true},
  nitro: {},
};

/** Throws `POLICY_INVALID`, also for a policy that contradicts itself. */
export async function bundleQuestion(
  {tee, policy}: EvidenceBundle,
  files: Readonly<Record<string, Uint8Array>>,
): Promise<BundleQuestion> {
  if ("identities" in policy) {
    // biome-ignore lint/suspicious/noExplicitAny: parsePolicy takes whatever is there, and says what is wrong with it
    const own = parsePolicy(policy as any);
    return {policy: own, expectedReportData: null, expectedNonce: null, notes: []};
  }
  const expected = {
    expectedReportData: hexMember(policy, "reportData"),
    expectedNonce: hexMember(policy, "nonce"),
  };
  if (policy.chainMayOmitRoot !== undefined && policy.chainMayOmitRoot !== true) {
    throw unexpected("POLICY_INVALID", "chainMayOmitRoot that isn't true", "true: a root is never needed in a chain");
  }
  const given = Object.fromEntries(
    Object.entries(policy)
      .filter(([name]) => !ofQuestion.has(name))
      .map(([name, value]) => [renamed[name] ?? name, value]),
  );
  const open = !Object.keys(policy).some((name) => measurementMembers.has(name));
  const identity = {
    tee,
    ...openDefaults[tee],
    // What the policy names takes its place.
    ...ownMeasurement(tee, files.evidence ?? new Uint8Array(0)),
    ...given,
    root: await rootOf(policy.root, files.root),
    ...("acceptedTcbStatuses" in given ? {acceptedTcbStatuses: acceptable(tee, given.acceptedTcbStatuses)} : {}),
  };
  const signers: readonly object[] = Array.isArray(policy.mrSigner)
    ? policy.mrSigner.map((mrSigner: unknown) => ({mrSigner}))
    : [policy.mrSigner === undefined ? {} : {mrSigner: policy.mrSigner}];
  const identities = signers.map((signer) => agreeing({...identity, ...signer} as IdentityInput));
  const notes = open
    ? ["The bundle's policy leaves the measurement open: it was compared with the evidence's own."]
    : [];
  return {policy: parsePolicy({version: 1, identities} satisfies PolicyInput), ...expected, notes};
}

/** Our policies can't name Revoked, or TDX's statuses for SGX; leaving them out is the same refusal. */
function acceptable(tee: EvidenceBundle["tee"], statuses: unknown): unknown {
  if (!Array.isArray(statuses)) return statuses;
  return statuses.filter((status) => status !== "Revoked" && (tee === "tdx" || !String(status).startsWith("TD")));
}

/** `files.root`: the key of the certificate in that file; else a root as our policies name it. */
async function rootOf(root: unknown, file: Uint8Array | undefined): Promise<PolicyRoot> {
  if (root !== undefined && root !== "files.root") return root as PolicyRoot;
  const [certificate] = file === undefined ? [] : parseCertificates(file);
  if (certificate === undefined) throw unexpected("POLICY_INVALID", "no certificate in files.root", "the root");
  const pin = encodeHex(await sha256(certificate.publicKey.spki));
  const vendor = Object.entries(vendorRoots).find(([, {spkiSha256}]) => spkiSha256 === pin);
  return vendor ? (vendor[0] as keyof typeof vendorRoots) : {simulated: pin};
}

/**
 * A vendor's root for another product line than the policy's: our policies don't even read that, so that the identity is
 * the root's. Evidence of the other line is refused for its root; evidence of the root's line is told by
 * {@link contradiction}.
 */
function agreeing(identity: IdentityInput): IdentityInput {
  const product = vendorProduct(identity.root);
  return identity.tee === "snp" && product !== undefined ? ({...identity, product} as IdentityInput) : identity;
}

/** Why the question contradicts itself, so that nothing may be accepted; else `null`. */
export function contradiction({policy}: EvidenceBundle, {policy: {identities}}: BundleQuestion): string | null {
  const {product} = policy;
  const other = identities.map(({root}) => vendorProduct(root)).find((name) => name !== undefined && name !== product);
  return product === undefined || other === undefined ? null : `product ${String(product)} under the root of ${other}`;
}

function vendorProduct(root: PolicyRoot): string | undefined {
  return typeof root === "string" && Object.hasOwn(vendorRoots, root)
    ? (vendorRoots[root] as VendorRoot).product
    : undefined;
}

function hexMember(policy: Readonly<Record<string, unknown>>, name: string): Uint8Array | null {
  const value = policy[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "string" || value.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(value)) {
    throw unexpected("POLICY_INVALID", `${name} that is no hexadecimal text`, "an even number of digits");
  }
  return parseHex(value);
}
