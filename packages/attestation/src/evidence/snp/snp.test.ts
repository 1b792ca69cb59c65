/** SNP reports: a synthetic one that is accepted, and what each change to it gives. */
import assert from "node:assert/strict";
import {createHash, X509Certificate} from "node:crypto";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {
  type AttestationCode,
  type PolicyInput,
  parsePolicy,
  type SnpReportEvidence,
  verifyEvidence,
} from "../../index.ts";

const folder = fileURLToPath(new URL("../../../../../fixtures/snp/", import.meta.url));
const read = (name: string) => new Uint8Array(readFileSync(`${folder}${name}`));
const report = read("report.bin");
const collateral = {vcek: read("vcek.der"), amdChain: read("chain.pem")};
const blocks = Buffer.from(collateral.amdChain)
  .toString()
  .match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----\n/g)!;
const root = blocks.map((pem) => new X509Certificate(pem)).find((each) => each.subject === each.issuer)!;
const spki = createHash("sha256")
  .update(root.publicKey.export({type: "spki", format: "der"}))
  .digest("hex");
const now = new Date("2026-03-01T00:00:00Z");

type Identity = Extract<PolicyInput["identities"][number], {tee: "snp"}>;
const measurement = Buffer.from(report.subarray(0x90, 0xc0)).toString("hex");
const identity: Identity = {tee: "snp", root: {simulated: spki}, product: "Milan", measurement: [measurement]};

async function verify(change: Partial<SnpReportEvidence> = {}, wanted: Partial<Identity> = {}, at = now) {
  const policy = parsePolicy({version: 1, identities: [{...identity, ...wanted}]});
  const evidence: SnpReportEvidence = {kind: "snp-report", report, collateral, ...change};
  return verifyEvidence(evidence, {policy, now: at, expectedReportData: report.slice(0x50, 0x90)});
}

/** The report with bytes replaced. */
function edited(at: number, ...bytes: readonly number[]): Partial<SnpReportEvidence> {
  const copy = report.slice();
  copy.set(bytes, at);
  return {report: copy};
}

test("a genuine report, bound to its data", async () => {
  const found = await verify();
  assert.deepEqual([found.verdict, found.code, found.bound], ["trusted", null, true]);
  assert.deepEqual(found.platform, {product: "Milan", signingKey: "VCEK", productName: "Milan-B0"});
  assert.ok(found.identity?.tee === "snp" && found.identity.measurement === measurement);
});

const evidenceChanges: readonly (readonly [string, Partial<SnpReportEvidence>, AttestationCode])[] = [
  ["a byte less", {report: report.subarray(1)}, "SNP_REPORT_FORMAT"],
  ["a byte more", {report: Uint8Array.from([...report, 0])}, "SNP_REPORT_FORMAT"],
  ["version 1", edited(0, 1), "SNP_REPORT_VERSION"],
  ["version 6", edited(0, 6), "SNP_REPORT_VERSION"],
  ["a CPUID in version 2", edited(0, 2), "SNP_REPORT_FORMAT"],
  ["a reserved byte", edited(0x210, 1), "SNP_REPORT_FORMAT"],
  ["a byte behind the signature", edited(0x49f, 1), "SNP_REPORT_FORMAT"],
  ["a guest policy without bit 17", edited(0x0a, 1), "SNP_REPORT_FORMAT"],
  ["another signature algorithm", edited(0x34, 2), "SNP_SIGNATURE_ALGORITHM"],
  ["no signing key", edited(0x48, 7 << 2), "SNP_SIGNING_KEY"],
  ["a VLEK that the certificate isn't", edited(0x48, 1 << 2), "SNP_SIGNING_KEY"],
  ["another processor", edited(0x189, 0x11), "SNP_PRODUCT_MISMATCH"],
  ["other report data", edited(0x50, report[0x50]! ^ 1), "SNP_REPORT_SIGNATURE"],
  ["r with bits above its 384", edited(0x2a0 + 48, 1), "SNP_REPORT_SIGNATURE"],
  ["r and s of zero", edited(0x2a0, ...new Array<number>(144).fill(0)), "SNP_REPORT_SIGNATURE"],
  ["no certificate", {collateral: {amdChain: collateral.amdChain}}, "COLLATERAL_MISSING"],
  ["no chain", {collateral: {vcek: collateral.vcek}}, "COLLATERAL_MISSING"],
  ["a chain without its root", {collateral: {...collateral, amdChain: Buffer.from(blocks[0]!)}}, "CERT_CHAIN"],
  ["a certificate that is none", {collateral: {...collateral, vcek: Uint8Array.of(0x30, 0)}}, "CERT_FORMAT"],
  ["a CRL that is none", {collateral: {...collateral, amdCrl: Uint8Array.of(0x30, 0)}}, "CRL_FORMAT"],
];

for (const [name, change, code] of evidenceChanges) {
  test(`${name}: ${code}`, async () => assert.equal((await verify(change)).code, code));
}

const policyChanges: readonly (readonly [string, Partial<Identity>, AttestationCode])[] = [
  ["another root", {root: {simulated: "00".repeat(32)}}, "ROOT_UNTRUSTED"],
  ["another product", {product: "Genoa"}, "SNP_PRODUCT_MISMATCH"],
  ["another measurement", {measurement: ["00".repeat(48)]}, "MEASUREMENT"],
  ["another chip", {chipId: ["00".repeat(64)]}, "MEASUREMENT"],
  ["newer firmware", {minimumReportedTcb: {snp: 255}}, "SNP_TCB_TOO_LOW"],
  ["a newer guest", {minimumGuestSvn: 255}, "GUEST_SVN"],
  ["no SMT", {allowSmt: false}, "SNP_GUEST_POLICY"],
];

for (const [name, wanted, code] of policyChanges) {
  test(`a policy that wants ${name}: ${code}`, async () => assert.equal((await verify({}, wanted)).code, code));
}

test("certificates before and after their time", async () => {
  assert.equal((await verify({}, {}, new Date("2010-01-01T00:00:00Z"))).code, "CERT_NOT_YET_VALID");
  assert.equal((await verify({}, {}, new Date("2200-01-01T00:00:00Z"))).code, "CERT_EXPIRED");
});

test("no change of a signed byte is accepted", async () => {
  for (let at = 0; at < 0x2a0; at += 3) {
    const found = await verify(edited(at, report[at]! ^ 0x40));
    assert.equal(found.verdict, "refused", `byte ${at}`);
    assert.notEqual(found.code, "INTERNAL", `byte ${at}`);
  }
});
