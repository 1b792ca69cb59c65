import assert from "node:assert/strict";
import {createHash, X509Certificate} from "node:crypto";
import {test} from "node:test";
import {
  type AttestationCode,
  attestationCodes,
  type Evidence,
  type Policy,
  type PolicyInput,
  parsePolicy,
  type Report,
  type SgxCollateral,
  vendorRoots,
  verifyEvidence,
} from "./index.ts";
import {readVectorCases, readVectorFile, type VectorCase, vectorsFolder} from "./testing/corpus.ts";

const skip = "skip" in vectorsFolder ? vectorsFolder.skip : false;
const folder = "path" in vectorsFolder ? vectorsFolder.path : "";

test("attestation vectors: SGX", {skip}, async (context) => {
  const cases = readVectorCases(folder).filter(({tee}) => tee === "sgx");
  const counts = {v3: {passed: 0, all: 0}, other: {passed: 0, all: 0}};
  for (const vector of cases) {
    const quote = readVectorFile(folder, vector, "evidence") ?? new Uint8Array(0);
    const version = quote.length >= 2 ? quote[0]! + 256 * quote[1]! : 0;
    // Only 4 and 5 are versions of later quotes; the index's malformed ones are cases of version 3.
    const count = version === 4 || version === 5 ? counts.other : counts.v3;
    count.all++;
    await context.test(vector.id, async () => {
      const report = await verifyVector(vector, quote);
      if (count === counts.v3) assertExpected(report, vector);
      else assert.equal(report.code, "QUOTE_VERSION");
      count.passed++;
    });
  }
  console.log(`attestation vectors: ${counts.v3.passed} of ${counts.v3.all} SGX quote v3 cases`);
  console.log(
    `attestation vectors: ${counts.other.passed} of ${counts.other.all} SGX quote v4 and v5 cases refused by version`,
  );
  assert.ok(counts.v3.all > 50, "the corpus has its SGX cases");
});

test("the pinned root of Intel is the one of the real vectors", {skip}, async () => {
  const real = readVectorCases(folder).filter(({id}) => id === "r-sgx-plat-a" || id === "r-sgx-proc-a");
  assert.equal(real.length, 2);
  for (const vector of real) {
    const root = new X509Certificate(Buffer.from(readVectorFile(folder, vector, "root")!));
    assert.equal(createHash("sha256").update(root.raw).digest("hex"), vendorRoots.intel.certificateSha256);
    const spki = root.publicKey.export({type: "spki", format: "der"});
    assert.equal(createHash("sha256").update(spki).digest("hex"), vendorRoots.intel.spkiSha256);
  }
});

function verifyVector(vector: VectorCase, quote: Uint8Array): Promise<Report> {
  const read = (name: string) => readVectorFile(folder, vector, name);
  const parts = {
    tcbInfo: read("tcbInfo"),
    tcbInfoIssuerChain: read("tcbInfoChain"),
    qeIdentity: read("qeIdentity"),
    qeIdentityIssuerChain: read("qeIdentityChain"),
    pckCrl: read("pckCrl"),
    pckCrlIssuerChain: read("pckCrlChain"),
    rootCrl: read("rootCrl"),
    pckChain: read("pckChain"),
  };
  const collateral = Object.fromEntries(
    Object.entries(parts).filter(([, bytes]) => bytes !== undefined),
  ) as SgxCollateral;
  const evidence: Evidence = {kind: "sgx-quote-v3", quote, collateral};
  const reportData = vector.policy.reportData;
  return verifyEvidence(evidence, {
    policy: policyOf(vector, quote, read("root")!),
    now: new Date(vector.time),
    expectedReportData: typeof reportData === "string" ? Uint8Array.from(Buffer.from(reportData, "hex")) : null,
  });
}

/** The index's policy in ours. What it leaves open (any enclave) ours can't: the quote's own values are named instead. */
function policyOf(vector: VectorCase, quote: Uint8Array, rootPem: Uint8Array): Policy {
  const spki = new X509Certificate(Buffer.from(rootPem)).publicKey.export({type: "spki", format: "der"});
  const pin = createHash("sha256").update(spki).digest("hex");
  const hex = (from: number, to: number) =>
    Buffer.from(quote.subarray(48 + from, 48 + to))
      .toString("hex")
      .padEnd(2 * (to - from), "0");
  const u16 = (at: number) => (quote[48 + at] ?? 0) + 256 * (quote[49 + at] ?? 0);
  const wanted = vector.policy as {
    readonly acceptTcbStatuses: NonNullable<PolicyInput["identities"][number]["acceptedTcbStatuses"]>;
    readonly allowDebug: boolean;
    readonly allowTcbInfoV2?: boolean;
    readonly mrEnclave?: string[];
    readonly mrSigner?: readonly [string];
    readonly isvProdId?: number;
    readonly minIsvSvn?: number;
    readonly minTcbEvaluationDataNumber?: number;
  };
  const identity: PolicyInput["identities"][number] = {
    tee: "sgx",
    root: pin === vendorRoots.intel.spkiSha256 ? "intel" : {simulated: pin},
    mrSigner: wanted.mrSigner?.[0] ?? hex(128, 160),
    isvProdId: wanted.isvProdId ?? u16(256),
    minimumIsvSvn: wanted.minIsvSvn ?? 0,
    acceptedTcbStatuses: wanted.acceptTcbStatuses,
    allowDebug: wanted.allowDebug,
    allowTcbInfoV2: wanted.allowTcbInfoV2 ?? false,
    minimumTcbEvaluationDataNumber: wanted.minTcbEvaluationDataNumber ?? 0,
    ...(wanted.mrEnclave ? {mrEnclave: wanted.mrEnclave} : {}),
  };
  const policy = (statuses: typeof wanted.acceptTcbStatuses) =>
    parsePolicy({version: 1, identities: [{...identity, acceptedTcbStatuses: statuses}]});
  if (!(wanted.acceptTcbStatuses as readonly string[]).includes("Revoked")) return policy(wanted.acceptTcbStatuses);
  // A policy that lists Revoked isn't even read; without it, the case shows the same refusal.
  assert.throws(() => policy(wanted.acceptTcbStatuses), {
    code: "POLICY_INVALID",
    message: /Revoked is never acceptable/,
  });
  return policy(wanted.acceptTcbStatuses.filter((status) => (status as string) !== "Revoked"));
}

function assertExpected(report: Report, {expect}: VectorCase): void {
  const told = `${report.code}: ${report.summary}`;
  assert.equal(report.verdict, expect.verdict === "accept" ? "trusted" : "refused", told);
  assert.equal(report.tcbStatus, expect.tcbStatus, told);
  if (expect.tcbStatus !== null && expect.advisories !== null) assert.deepEqual(report.advisories, expect.advisories);
  if (expect.reason !== null) {
    const {family} = attestationCodes[report.code as AttestationCode];
    const accepted = expect.reason.split("|");
    assert.ok(
      accepted.some(
        (reason) => family === reason || (/^(EXPIRED|NOT_YET_VALID)$/.test(reason) && family.endsWith(`_${reason}`)),
      ),
      `${told}; expected ${expect.reason}`,
    );
  }
  for (const [name, value] of Object.entries(expect.claims)) {
    assert.deepEqual((report.identity as unknown as Readonly<Record<string, unknown>> | null)?.[name], value, name);
  }
}
