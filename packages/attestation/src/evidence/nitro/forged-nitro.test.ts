/** Checks of Nitro documents that lie behind signatures: right evidence under keys of our own, with one fault each. */
import assert from "node:assert/strict";
import {before, test} from "node:test";
import {concatBytes, parseHex} from "@tf-trusted/core";
import {type AttestationCode, type PolicyInput, parsePolicy, type VerifyOptions, verifyEvidence} from "../../index.ts";
import {cborBytes, cborHead, cborMap, cborText} from "../../cbor/writer.ts";
import {
  forgeNitro,
  forgeNitroTime,
  makeNitroKeys,
  type NitroFault,
  type NitroKeys,
} from "../../testing/forge-nitro.ts";

type Identity = Extract<PolicyInput["identities"][number], {tee: "nitro"}>;

let keys: NitroKeys;
before(async () => {
  keys = await makeNitroKeys();
});

async function verify(fault: NitroFault = {}, wanted: Partial<Identity> = {}, options: Partial<VerifyOptions> = {}) {
  const identity: Identity = {tee: "nitro", root: {simulated: keys.rootPin}, pcrs: {4: ["14".repeat(48)]}, ...wanted};
  return verifyEvidence(
    {kind: "nitro-document", document: await forgeNitro(keys, fault), collateral: {}},
    {
      policy: parsePolicy({version: 1, identities: [identity]}),
      now: forgeNitroTime,
      expectedReportData: new Uint8Array(64).fill(7),
      expectedNonce: new Uint8Array(32).fill(8),
      ...options,
    },
  );
}

const pcrs = (...entries: readonly (readonly [number, Uint8Array])[]) =>
  cborMap(entries.map(([index, value]) => [cborHead(0, index), cborBytes(value)]));
const zeros = (size: number) => new Uint8Array(size);
const pcr4 = [4, zeros(48).fill(0x14)] as const;
const debugPcrs = pcrs([0, zeros(48)], [1, zeros(48)], [2, zeros(48)], pcr4);
const yesterday = new Date(forgeNitroTime.getTime() - 86_400_000);
const tomorrow = new Date(forgeNitroTime.getTime() + 86_400_000);

test("right documents are accepted, however long the chain and in both forms of the map", async () => {
  const faults: readonly NitroFault[] = [
    {},
    {bundle: ["root"], certificates: {leaf: {issuer: "root"}}},
    {bundle: ["root", "authority", "inner"], certificates: {inner: {authority: true}, leaf: {issuer: "inner"}}},
    {payload: {public_key: null}},
    {editPayload: (map) => concatBytes(Uint8Array.of(0xbf), map.subarray(1), Uint8Array.of(0xff))},
  ];
  for (const fault of faults) {
    const report = await verify(fault);
    assert.equal(report.verdict, "trusted", report.summary);
  }
  assert.equal((await verify({payload: {pcrs: debugPcrs}}, {allowDebug: true})).verdict, "trusted");
  assert.equal((await verify({}, {maximumAgeSeconds: 10})).verdict, "trusted");
});

/** Each is refused by the named step: without that check it would be accepted. */
const refused: readonly (readonly [string, `${string}: ${AttestationCode}`, NitroFault, Partial<Identity>?])[] = [
  ["ES256 in the header", "document-format: NITRO_ALGORITHM", {protectedHeader: parseHex("a10126")}],
  ["no header", "document-format: NITRO_ALGORITHM", {protectedHeader: zeros(0)}],
  ["another digest", "document-format: NITRO_FORMAT", {payload: {digest: cborText("SHA512")}}],
  ["no module", "document-format: NITRO_FORMAT", {payload: {module_id: cborText("")}}],
  ["the time 0", "document-format: NITRO_FORMAT", {payload: {timestamp: Uint8Array.of(0)}}],
  ["no PCR", "document-format: NITRO_FORMAT", {payload: {pcrs: pcrs()}}],
  ["PCR 32", "document-format: NITRO_FORMAT", {payload: {pcrs: pcrs(pcr4, [32, zeros(48)])}}],
  ["a PCR of 31 bytes", "document-format: NITRO_FORMAT", {payload: {pcrs: pcrs(pcr4, [0, zeros(31)])}}],
  ["a PCR of 33 bytes", "document-format: NITRO_FORMAT", {payload: {pcrs: pcrs(pcr4, [0, zeros(33).fill(1)])}}],
  ["a PCR twice", "document-format: NITRO_FORMAT", {payload: {pcrs: pcrs(pcr4, pcr4)}}],
  ["a nonce of 513 bytes", "document-format: NITRO_FORMAT", {payload: {nonce: cborBytes(zeros(513))}}],
  ["user data of 513 bytes", "document-format: NITRO_FORMAT", {payload: {user_data: cborBytes(zeros(513))}}],
  ["a key of 1025 bytes", "document-format: NITRO_FORMAT", {payload: {public_key: cborBytes(zeros(1025))}}],
  ["an empty bundle", "document-format: NITRO_FORMAT", {bundle: []}],
  ["an unknown member", "document-format: NITRO_FORMAT", {payload: {another: Uint8Array.of(0)}}],
  [
    "a member twice",
    "document-format: NITRO_FORMAT",
    {
      editPayload: (map) =>
        concatBytes(Uint8Array.of(map[0]! + 1), map.subarray(1), cborText("nonce"), cborBytes(zeros(32).fill(8))),
    },
  ],
  [
    "a byte behind the signed map",
    "document-format: NITRO_FORMAT",
    {editPayload: (map) => concatBytes(map, Uint8Array.of(0))},
  ],
  [
    "a bundle that begins with the leaf's authority",
    "certificates-readable: CERT_CHAIN",
    {bundle: ["authority", "root"]},
  ],
  ["a root of another key", "root-trusted: ROOT_UNTRUSTED", {}, {root: {simulated: "00".repeat(32)}}],
  ["a root not signed by itself", "root-trusted: CERT_SIGNATURE", {certificates: {root: {signedBy: "leaf"}}}],
  ["a root for fewer authorities", "root-trusted: CERT_CHAIN", {certificates: {root: {pathLength: 0}}}],
  ["an old root", "root-trusted: CERT_EXPIRED", {certificates: {root: {notAfter: yesterday}}}],
  [
    "an authority not signed by the root",
    "signing-key-chain: CERT_SIGNATURE",
    {certificates: {authority: {signedBy: "leaf"}}},
  ],
  [
    "a leaf not signed by the authority",
    "signing-key-chain: CERT_SIGNATURE",
    {certificates: {leaf: {signedBy: "inner"}}},
  ],
  ["a missing authority", "signing-key-chain: CERT_CHAIN", {bundle: ["root"]}],
  [
    "an enclave's key that issues",
    "signing-key-chain: CERT_CHAIN",
    {bundle: ["root", "authority", "leaf"], leaf: "inner", certificates: {inner: {issuer: "leaf"}}},
  ],
  ["an authority without keyCertSign", "signing-key-chain: CERT_CHAIN", {certificates: {authority: {usage: 0x80}}}],
  [
    "more authorities than one allows",
    "signing-key-chain: CERT_CHAIN",
    {
      bundle: ["root", "authority", "inner"],
      certificates: {authority: {pathLength: 0}, inner: {authority: true}, leaf: {issuer: "inner"}},
    },
  ],
  [
    "a leaf that is an authority",
    "signing-key-chain: CERT_ROLE",
    {certificates: {leaf: {authority: true, usage: 0x80}}},
  ],
  ["a leaf that isn't for signatures", "signing-key-chain: CERT_ROLE", {certificates: {leaf: {usage: 0x08}}}],
  ["an old leaf", "signing-key-chain: CERT_EXPIRED", {certificates: {leaf: {notAfter: yesterday}}}],
  ["a leaf of tomorrow", "signing-key-chain: CERT_NOT_YET_VALID", {certificates: {leaf: {notBefore: tomorrow}}}],
  ["an old authority", "signing-key-chain: CERT_EXPIRED", {certificates: {authority: {notAfter: yesterday}}}],
  ["another key's signature", "document-signature: NITRO_SIGNATURE", {signedBy: "inner"}],
  ["external data", "document-signature: NITRO_SIGNATURE", {externalData: Uint8Array.of(1)}],
  ["other user data", "report-data: REPORT_DATA", {payload: {user_data: cborBytes(zeros(64))}}],
  ["no user data", "report-data: REPORT_DATA", {payload: {user_data: null}}],
  ["a debug enclave", "policy-debug: DEBUG", {payload: {pcrs: debugPcrs}}],
  [
    "another image",
    "policy-measurements: MEASUREMENT",
    {payload: {pcrs: pcrs([0, zeros(48).fill(1)], [4, zeros(48)])}},
  ],
  ["no such PCR", "policy-measurements: MEASUREMENT", {payload: {pcrs: pcrs([0, zeros(48).fill(1)])}}],
  ["an old document", "policy-age: DOCUMENT_AGE", {}, {maximumAgeSeconds: 9}],
  [
    "a document of the future",
    "policy-age: DOCUMENT_AGE",
    {payload: {timestamp: cborHead(0, tomorrow.getTime())}},
    {maximumAgeSeconds: 60},
  ],
];

for (const [name, gives, fault, wanted] of refused) {
  test(`${name} gives ${gives}`, async () => {
    const report = await verify(fault, wanted);
    const failed = report.steps.find(({status}) => status === "failed");
    assert.equal(`${failed?.id}: ${failed?.code}`, gives, report.summary);
  });
}

test("another nonce, a nonce of null and none at all", async () => {
  const nonces = [cborBytes(zeros(32)), Uint8Array.of(0xf6), null];
  for (const nonce of nonces) assert.equal((await verify({payload: {nonce}})).code, "NONCE");
});
