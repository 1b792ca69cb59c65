import assert from "node:assert/strict";
import {before, test} from "node:test";
import {bundleFiles, parseBundle, type SgxCollateral, verifyBundle} from "../index.ts";
import {forge, makeWorld} from "../testing/forge.ts";

interface Case {
  readonly tee: string;
  readonly time: string;
  readonly files: Readonly<Record<string, object>>;
  readonly policy: Readonly<Record<string, unknown>>;
}

let good: Case;
let mrEnclave: string;
let reportData: string;
before(async () => {
  const world = await makeWorld();
  const {evidence, options} = await forge(world, {});
  const collateral = evidence.collateral as Required<SgxCollateral>;
  const base64 = (bytes: Uint8Array) => ({base64: Buffer.from(bytes).toString("base64")});
  const pem = `-----BEGIN CERTIFICATE-----\n${Buffer.from(world.certificates.root).toString("base64")}\n-----END CERTIFICATE-----\n`;
  good = {
    tee: "sgx",
    time: options.now.toISOString(),
    files: {
      evidence: {hex: Buffer.from(evidence.quote).toString("hex")},
      root: {text: pem},
      tcbInfo: base64(collateral.tcbInfo),
      tcbInfoChain: base64(collateral.tcbInfoIssuerChain),
      qeIdentity: base64(collateral.qeIdentity),
      qeIdentityChain: base64(collateral.qeIdentityIssuerChain),
      pckCrl: base64(collateral.pckCrl),
      rootCrl: base64(collateral.rootCrl),
    },
    policy: {root: "files.root", acceptTcbStatuses: ["UpToDate", "Revoked", "TDRelaunchAdvised"]},
  };
  mrEnclave = Buffer.from(evidence.quote.subarray(112, 144)).toString("hex");
  reportData = Buffer.from(evidence.quote.subarray(368, 432)).toString("hex");
});

const noPaths = (path: string): never => assert.fail(`nothing is read, but ${path} was`);
const verify = (policy: object, change: object = {}) =>
  verifyBundle(parseBundle({...good, ...change, policy: {...good.policy, ...policy}}), noPaths);

test("a bundle holds all that verification needs", async () => {
  const text = JSON.stringify({id: "archived", ...good, expect: {}});
  const {report, notes} = await verifyBundle(parseBundle(text), noPaths);
  assert.deepEqual([report.verdict, report.simulated, report.verifiedAt], ["trusted", true, good.time]);
  assert.match(notes[0]!, /leaves the measurement open/);
});

test("files are read by their paths, and patched", async () => {
  const {evidence, ...files} = good.files;
  const bytes = Buffer.from((evidence as {hex: string}).hex, "hex");
  const asked: string[] = [];
  const read = async (path: string) => {
    asked.push(path);
    return bytes;
  };
  const patched = {
    ...good,
    files: {...files, evidence: "a/quote.bin"},
    patch: [{file: "evidence", at: 0, del: 1, ins: "03"}],
  };
  assert.equal((await verifyBundle(parseBundle(patched), read)).report.verdict, "trusted");
  const wrong = {...patched, patch: [{file: "evidence", at: 368, del: 1, ins: "ff"}]};
  assert.equal((await verifyBundle(parseBundle(wrong), read)).report.code, "QUOTE_SIGNATURE");
  const longer = {...patched, patch: [{file: "evidence", at: bytes.length, del: 0, ins: "00"}]};
  assert.equal((await verifyBundle(parseBundle(longer), read)).report.code, "QUOTE_FORMAT");
  assert.deepEqual(asked, ["a/quote.bin", "a/quote.bin", "a/quote.bin"]);
});

test("each member of the policy restricts", async () => {
  const codeOf = async (policy: object) => (await verify(policy)).report.code;
  assert.equal(await codeOf({mrEnclave: [mrEnclave], reportData}), null);
  assert.equal(await codeOf({mrEnclave: ["00".repeat(32)]}), "MRENCLAVE");
  assert.equal(await codeOf({mrSigner: ["00".repeat(32)]}), "MRSIGNER");
  assert.equal(await codeOf({minIsvSvn: 0xffff}), "ISVSVN");
  assert.equal(await codeOf({isvProdId: 0xffff}), "ISVPRODID");
  assert.equal(await codeOf({reportData: "00".repeat(64)}), "REPORT_DATA");
  assert.equal(await codeOf({minTcbEvaluationDataNumber: 4_000_000_000}), "TCB_EVALUATION_NUMBER");
  assert.equal(await codeOf({acceptTcbStatuses: ["Revoked"]}), "TCB_STATUS");
  assert.equal(await codeOf({nonce: "00"}), "NONCE");
});

test("several signers are several identities", async () => {
  const own = ["c1", "c2"].map((byte) => byte.repeat(32));
  const signer = Buffer.from((good.files.evidence as {hex: string}).hex, "hex")
    .subarray(176, 208)
    .toString("hex");
  const {report} = await verify({mrSigner: [...own, signer]});
  assert.deepEqual([report.verdict, report.policy.matchedIdentity], ["trusted", 2]);
});

test("a policy of ours is taken as it is", async () => {
  const {policy: ours} = await verify({});
  const own = {...good, policy: JSON.parse(JSON.stringify(ours))};
  const {report, notes} = await verifyBundle(parseBundle(own), noPaths);
  assert.deepEqual([report.verdict, notes], ["trusted", []]);
});

test("what isn't known or contradicts itself is refused, not left out", async () => {
  const rejects = (policy: object, message: RegExp) =>
    assert.rejects(verify(policy), {code: "POLICY_INVALID", message}, JSON.stringify(policy));
  await rejects({mrEnclav: [mrEnclave]}, /mrEnclav/);
  await rejects({mrTd: [mrEnclave]}, /mrTd/);
  await rejects({acceptTcbStatuses: "UpToDate"}, /acceptedTcbStatuses/);
  await rejects({reportData: "0"}, /reportData/);
  await rejects({chainMayOmitRoot: false}, /chainMayOmitRoot/);
  await rejects({root: "other"}, /root/);
  await assert.rejects(verify({}, {files: {evidence: good.files.evidence}}), {
    code: "POLICY_INVALID",
    message: /files.root/,
  });
});

test("a bundle without its parts, or with others, is refused", () => {
  const flawed: readonly (readonly [object, RegExp])[] = [
    [[], /the bundle/],
    [{...good, tee: "sev"}, /"sev" at tee/],
    [{...good, tee: "constructor"}, /at tee/],
    [{...good, time: "yesterday"}, /at time/],
    [{...good, time: undefined}, /nothing at time/],
    [{...good, policy: null}, /null at policy/],
    [{...good, files: {...good.files, other: {hex: ""}}}, /files\.other/],
    [{...good, files: {evidence: {hex: "0"}}}, /files\.evidence/],
    [{...good, files: {evidence: {base64: "="}}}, /no base64/],
    [{...good, files: {evidence: {url: "https://example.org"}}}, /files\.evidence/],
    [{...good, files: {evidence: {hex: "", text: ""}}}, /files\.evidence/],
    [{...good, patch: [{file: "evidence", at: -1, del: 0, ins: ""}]}, /patch\[0\]/],
    [{...good, patch: {}}, /at patch/],
  ];
  for (const [bundle, message] of flawed) {
    assert.throws(() => parseBundle(bundle), {code: "BUNDLE_INVALID", message}, JSON.stringify(bundle).slice(0, 80));
  }
  assert.throws(() => parseBundle('{"tee": "sgx", "tee": "tdx"}'), {code: "JSON_INVALID"});
});

test("patches outside of their file are refused", async () => {
  for (const patch of [
    {file: "pckChain", at: 0, del: 0, ins: ""},
    {file: "evidence", at: 1_000_000, del: 0, ins: ""},
    {file: "evidence", at: 0, del: 1_000_000, ins: ""},
  ]) {
    await assert.rejects(verify({}, {patch: [patch]}), {code: "BUNDLE_INVALID"});
  }
});

test("each kind of TEE has evidence and a root", () => {
  for (const names of Object.values(bundleFiles)) assert.deepEqual(names.slice(0, 2), ["evidence", "root"]);
});
