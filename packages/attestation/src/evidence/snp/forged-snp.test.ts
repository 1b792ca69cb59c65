/** Checks of SNP reports that lie behind the signature: right evidence under keys of our own, with one fault each. */
import assert from "node:assert/strict";
import {before, test} from "node:test";
import fc from "fast-check";
import {
  type AttestationCode,
  type PolicyInput,
  parsePolicy,
  type SnpReportEvidence,
  verifyEvidence,
} from "../../index.ts";
import {
  forgeSnp,
  forgeSnpTime,
  littleEndian,
  makeSnpKeys,
  type SnpFault,
  type SnpKeys,
} from "../../testing/forge-snp.ts";

type Identity = Extract<PolicyInput["identities"][number], {tee: "snp"}>;

let keys: SnpKeys;
let otherKeys: SnpKeys;
before(async () => {
  keys = await makeSnpKeys();
  otherKeys = {
    ...keys,
    signer: (await crypto.subtle.generateKey({name: "ECDSA", namedCurve: "P-384"}, true, [
      "sign",
      "verify",
    ])) as CryptoKeyPair,
  };
});

async function verify(evidence: SnpReportEvidence, wanted: Partial<Identity> = {}) {
  const identity: Identity = {
    tee: "snp",
    root: {simulated: keys.rootPin},
    product: "Milan",
    measurement: ["c3".repeat(48)],
    ...wanted,
  };
  const policy = parsePolicy({version: 1, identities: [identity]});
  return verifyEvidence(evidence, {policy, now: forgeSnpTime, expectedReportData: new Uint8Array(64).fill(7)});
}

const zeros = (size: number) => new Uint8Array(size);
const policyBits = (third: number) => Uint8Array.of(0, 0, third, 0, 0, 0, 0, 0);
const yesterday = new Date(forgeSnpTime.getTime() - 86_400_000);
const tomorrow = new Date(forgeSnpTime.getTime() + 86_400_000);

const accepted: readonly (readonly [string, SnpFault, Partial<Identity>])[] = [
  ["VCEK", {}, {}],
  ["VLEK, which is of no chip", {signingKey: "VLEK"}, {}],
  ["Turin, with eight bytes of chip and its order of the TCB", {product: "Turin"}, {product: "Turin"}],
  ["version 2", {report: {version: 2, cpuid: zeros(3)}}, {}],
  ["version 5", {report: {version: 5, launchMitigations: zeros(8).fill(1)}}, {}],
  ["a CRL with nothing on it", {crl: {}}, {}],
  ["a debug guest that is allowed", {report: {policy: policyBits(0x0b)}}, {allowDebug: true}],
  ["a migration agent that is allowed", {report: {policy: policyBits(0x07)}}, {allowMigrationAgent: true}],
  ["exactly the minimum TCB", {}, {minimumReportedTcb: {bl: 4, tee: 0, snp: 0x18, ucode: 0xdb}}],
];

for (const [name, fault, wanted] of accepted) {
  test(`accepted: ${name}`, async () => {
    const report = await verify(await forgeSnp(keys, fault), wanted);
    assert.equal(report.verdict, "trusted", report.summary);
  });
}

/** Each is refused by the named step, and by no other: without that check it would be accepted. */
const refused: readonly (readonly [string, `${string}: ${AttestationCode}`, SnpFault, Partial<Identity>?])[] = [
  ["version 6", "report-format: SNP_REPORT_VERSION", {report: {version: 6}}],
  ["reserved bytes", "report-format: SNP_REPORT_FORMAT", {report: {reserved4: zeros(152).fill(1)}}],
  [
    "mitigations before version 5",
    "report-format: SNP_REPORT_FORMAT",
    {report: {currentMitigations: zeros(8).fill(1)}},
  ],
  ["a guest policy without bit 17", "report-format: SNP_REPORT_FORMAT", {report: {policy: policyBits(0x01)}}],
  ["another algorithm", "report-format: SNP_SIGNATURE_ALGORITHM", {report: {signatureAlgorithm: 2}}],
  ["a report of no key", "report-format: SNP_SIGNING_KEY", {report: {flags: 7 << 2}}],
  ["a VCEK's report that says VLEK", "signing-key-chain: SNP_SIGNING_KEY", {report: {flags: 4}}],
  ["a VLEK's report that says VCEK", "signing-key-chain: SNP_SIGNING_KEY", {signingKey: "VLEK", report: {flags: 0}}],
  ["a root of another name", "root-trusted: CERT_ROLE", {names: {root: "ARK-Rome"}}],
  ["a leaf of another name", "signing-key-chain: CERT_ROLE", {names: {signer: "SEV-CEK"}}],
  ["an authority of the other kind of key", "signing-key-chain: CERT_ROLE", {names: {authority: "SEV-VLEK-Milan"}}],
  ["an authority of another product", "signing-key-chain: CERT_ROLE", {names: {authority: "SEV-Genoa"}}],
  ["a leaf that is an authority", "signing-key-chain: CERT_ROLE", {leafIsAuthority: true}],
  ["an authority not signed by the root", "signing-key-chain: CERT_SIGNATURE", {authoritySigner: "authority"}],
  ["a leaf not signed by the authority", "signing-key-chain: CERT_SIGNATURE", {leafSigner: "root"}],
  ["a root not signed by itself", "root-trusted: CERT_SIGNATURE", {rootSigner: "authority"}],
  ["an old root", "root-trusted: CERT_EXPIRED", {rootNotAfter: yesterday}],
  ["a revoked authority", "crl: CERT_REVOKED", {crl: {revoked: true}}],
  ["a CRL of somebody else", "crl: CRL_ISSUER", {crl: {issuer: "ARK-Genoa"}}],
  ["a stale CRL", "crl: CRL_EXPIRED", {crl: {from: new Date(0), until: yesterday}}],
  ["a CRL of tomorrow", "crl: CRL_NOT_YET_VALID", {crl: {from: tomorrow, until: new Date("2040-01-01T00:00:00Z")}}],
  ["a key of another product", "product: SNP_PRODUCT_MISMATCH", {extensions: {"2": derIa5("Genoa-B0")}}],
  ["a processor of another product", "product: SNP_PRODUCT_MISMATCH", {report: {cpuid: Uint8Array.of(0x19, 0x11, 0)}}],
  ["an unknown processor", "product: SNP_PRODUCT_MISMATCH", {report: {cpuid: Uint8Array.of(0x17, 1, 0)}}],
  ["no version of the microcode", "product: SNP_VCEK_EXTENSION", {extensions: {"3.8": null}}],
  ["a chip id cut to eight bytes of Milan's", "chip-id: SNP_CHIP_ID", {extensions: {"4": zeros(8).fill(0xc1)}}],
  ["another chip", "chip-id: SNP_CHIP_ID", {report: {chipId: zeros(64).fill(0xc2)}}],
  ["a masked chip", "chip-id: SNP_CHIP_ID", {report: {chipId: zeros(64)}}],
  [
    "a masked chip and a key of chip zero",
    "chip-id: SNP_CHIP_ID",
    {report: {chipId: zeros(64)}, extensions: {"4": zeros(64)}},
  ],
  ["a VCEK without a chip", "chip-id: SNP_VCEK_EXTENSION", {extensions: {"4": null}}],
  [
    "firmware newer than the key's",
    "reported-tcb: SNP_TCB_MISMATCH",
    {report: {reportedTcb: Uint8Array.of(4, 0, 0, 0, 0, 0, 0x19, 0xdb)}},
  ],
  [
    "firmware older than the key's",
    "reported-tcb: SNP_TCB_MISMATCH",
    {report: {reportedTcb: Uint8Array.of(3, 0, 0, 0, 0, 0, 0x18, 0xdb)}},
  ],
  [
    "Turin's TCB in Milan's order",
    "reported-tcb: SNP_TCB_MISMATCH",
    {product: "Turin", report: {reportedTcb: Uint8Array.of(4, 2, 0, 0, 0, 0, 3, 0x51)}},
    {product: "Turin"},
  ],
  ["an old key", "signing-key-dates: CERT_EXPIRED", {notAfter: yesterday}],
  [
    "big-endian numbers in the signature",
    "report-signature: SNP_REPORT_SIGNATURE",
    {
      signature: (r, s) => ({signatureR: padded(r), signatureS: padded(s)}),
    },
  ],
  [
    "a signature with something above its 384 bits",
    "report-signature: SNP_REPORT_SIGNATURE",
    {
      signature: (r, s) => ({signatureR: littleEndian(r).fill(1, 71), signatureS: littleEndian(s)}),
    },
  ],
  [
    "a signature of zeros",
    "report-signature: SNP_REPORT_SIGNATURE",
    {
      signature: () => ({signatureR: zeros(72), signatureS: zeros(72)}),
    },
  ],
  ["other report data", "report-data: REPORT_DATA", {report: {reportData: zeros(64)}}],
  [
    "report data whose second half differs",
    "report-data: REPORT_DATA",
    {report: {reportData: zeros(64).fill(7, 0, 32)}},
  ],
  ["another product than the identity's", "policy-product: SNP_PRODUCT_MISMATCH", {}, {product: "Genoa"}],
  ["a debug guest", "policy-debug: DEBUG", {report: {policy: policyBits(0x0b)}}],
  ["a migration agent", "policy-guest: SNP_GUEST_POLICY", {report: {policy: policyBits(0x07)}}],
  ["SMT", "policy-guest: SNP_GUEST_POLICY", {}, {allowSmt: false}],
  ["a less privileged level", "policy-guest: SNP_GUEST_POLICY", {report: {vmpl: 1}}],
  [
    "a report that the host asked for",
    "policy-guest: SNP_GUEST_POLICY",
    {report: {vmpl: 0xffffffff}},
    {maximumVmpl: 3},
  ],
  ["another measurement", "policy-measurements: MEASUREMENT", {report: {measurement: zeros(48)}}],
  ["other host data", "policy-measurements: MEASUREMENT", {}, {hostData: ["00".repeat(32)]}],
  ["another signer of the identity block", "policy-measurements: MEASUREMENT", {}, {idKeyDigest: ["01".repeat(48)]}],
  ["another author", "policy-measurements: MEASUREMENT", {}, {authorKeyDigest: ["01".repeat(48)]}],
  ["a chip that isn't on the list", "policy-measurements: MEASUREMENT", {}, {chipId: ["01".repeat(64)]}],
  ["an old guest", "policy-measurements: GUEST_SVN", {}, {minimumGuestSvn: 2}],
  [
    "old microcode, whatever else is new",
    "policy-minimum-tcb: SNP_TCB_TOO_LOW",
    {},
    {minimumReportedTcb: {bl: 1, ucode: 0xdc}},
  ],
  ["an old boot loader", "policy-minimum-tcb: SNP_TCB_TOO_LOW", {}, {minimumReportedTcb: {bl: 5}}],
  [
    "old firmware of Turin's first part",
    "policy-minimum-tcb: SNP_TCB_TOO_LOW",
    {product: "Turin"},
    {product: "Turin", minimumReportedTcb: {fmc: 2}},
  ],
];

for (const [name, gives, fault, wanted] of refused) {
  test(`${name} gives ${gives}`, async () => {
    const report = await verify(await forgeSnp(keys, fault), wanted);
    const failed = report.steps.find(({status}) => status === "failed");
    assert.equal(`${failed?.id}: ${failed?.code}`, gives, report.summary);
  });
}

test("a report signed by another key", async () => {
  const {report} = await forgeSnp(otherKeys);
  assert.equal((await verify({...(await forgeSnp(keys)), report})).code, "SNP_REPORT_SIGNATURE");
});

test("whatever is changed in report, key, chain or CRL, nothing that is signed changes", async () => {
  const healthy = await forgeSnp(keys, {crl: {}});
  const baseline = await verify(healthy);
  assert.equal(baseline.verdict, "trusted");
  const parts = ["report", "vcek", "amdChain", "amdCrl"] as const;
  const edit = fc.record({at: fc.nat(), remove: fc.nat({max: 4}), insert: fc.uint8Array({maxLength: 4})});
  const change = fc.record({part: fc.constantFrom(...parts), edits: fc.array(edit, {minLength: 1, maxLength: 3})});
  await fc.assert(
    fc.asyncProperty(change, async ({part, edits}) => {
      let bytes = [...(part === "report" ? healthy.report : healthy.collateral[part]!)];
      for (const {at, remove, insert} of edits) {
        const start = at % (bytes.length + 1);
        bytes = [...bytes.slice(0, start), ...insert, ...bytes.slice(start + remove)];
      }
      const changed = Uint8Array.from(bytes);
      const evidence =
        part === "report"
          ? {...healthy, report: changed}
          : {...healthy, collateral: {...healthy.collateral, [part]: changed}};
      const found = await verify(evidence);
      assert.notEqual(found.code, "INTERNAL");
      if (found.verdict === "refused") {
        assert.ok(found.code);
        return;
      }
      // An empty CRL is none at all; everything else that was signed is as before.
      for (const key of ["identity", "platform", "root"] as const) assert.deepEqual(found[key], baseline[key]);
    }),
    {numRuns: 400},
  );
});

function padded(number: Uint8Array): Uint8Array {
  const out = zeros(72);
  out.set(number);
  return out;
}

function derIa5(text: string): Uint8Array {
  return Uint8Array.of(0x16, text.length, ...new TextEncoder().encode(text));
}
