/** One policy for enclaves of several kinds: each kind of evidence finds its own identity, and no other lets it in. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {before, test} from "node:test";
import {fileURLToPath} from "node:url";
import {
  type Evidence,
  evidenceOf,
  type IdentityInput,
  loadBundleFiles,
  parseBundle,
  parsePolicy,
  verifyBundle,
  verifyEvidence,
} from "../index.ts";
import {readVectorCases, vectorReader, vectorsFolder} from "../testing/corpus.ts";
import {forge, forgeTime, makeWorld} from "../testing/forge.ts";

const fixtures = fileURLToPath(new URL("../../../../fixtures/", import.meta.url));
const read = (path: string) => new Uint8Array(readFileSync(join(fixtures, path)));

interface Kind {
  readonly evidence: Evidence;
  readonly identity: IdentityInput;
}

/** By name; all are genuine at the same time. */
const kinds: Record<string, Kind> = {};

before(async () => {
  const {evidence, options} = await forge(await makeWorld());
  kinds.sgx = {evidence, identity: options.policy.identities[0] as unknown as IdentityInput};
  const document = read("nitro/document.bin");
  const [nitro] = (
    JSON.parse(readFileSync(join(fixtures, "nitro/policy.json"), "utf8")) as {identities: IdentityInput[]}
  ).identities;
  kinds.nitro = {evidence: {kind: "nitro-document", document, collateral: {}}, identity: nitro!};
  const collateral = {vcek: read("snp/vcek.der"), amdChain: read("snp/chain.pem")};
  const snp = await ofBundle({
    tee: "snp",
    time: forgeTime.toISOString(),
    files: {
      evidence: "snp/report.bin",
      vcek: "snp/vcek.der",
      amdChain: "snp/chain.pem",
      root: {text: rootOf(collateral.amdChain)},
    },
    policy: {product: "Milan"},
  });
  kinds.snp = snp;
  if ("path" in vectorsFolder) {
    const folder = vectorsFolder.path;
    const vector = readVectorCases(folder).find(({id}) => id === "s-tdx-ok-v4")!;
    kinds.tdx = await ofBundle(vector, vectorReader(folder));
  }
});

/** The last certificate: the fixture has the root there. */
function rootOf(chain: Uint8Array): string {
  return new TextDecoder()
    .decode(chain)
    .match(/-----BEGIN[\s\S]+?-----END CERTIFICATE-----/g)!
    .at(-1)!;
}

async function ofBundle(value: object, load: (path: string) => Uint8Array = read): Promise<Kind> {
  const bundle = parseBundle(value);
  const {report, policy} = await verifyBundle(bundle, load);
  assert.equal(report.verdict, "trusted", report.summary);
  const files = await loadBundleFiles(bundle, load);
  return {evidence: evidenceOf(bundle.tee, files), identity: policy.identities[0] as unknown as IdentityInput};
}

const verify = (evidence: Evidence, identities: readonly IdentityInput[]) =>
  verifyEvidence(evidence, {
    policy: parsePolicy({version: 1, identities: [...identities]}),
    now: forgeTime,
    expectedReportData: null,
  });

test("a policy of all kinds accepts each by its own identity", async () => {
  const names = Object.keys(kinds);
  const identities = names.map((name) => kinds[name]!.identity);
  for (const order of [identities, identities.toReversed()]) {
    for (const name of names) {
      const {evidence, identity} = kinds[name]!;
      const report = await verify(evidence, order);
      assert.equal(report.verdict, "trusted", `${name}: ${report.summary}`);
      assert.equal(report.policy.matchedIdentity, order.indexOf(identity), name);
      assert.deepEqual(
        report.policy.considered.map(({index}) => index),
        [order.indexOf(identity)],
        name,
      );
      assert.equal(report.identity?.tee, identity.tee);
    }
  }
});

test("the identities of other kinds let nothing in", async () => {
  for (const [name, {evidence}] of Object.entries(kinds)) {
    const others = Object.entries(kinds).filter(([other]) => other !== name);
    const report = await verify(
      evidence,
      others.map(([, {identity}]) => identity),
    );
    assert.deepEqual([report.verdict, report.code], ["refused", "POLICY_TEE"], name);
  }
});

test("a flaw in the evidence is told as it is, however many identities there are", async () => {
  const identities = Object.values(kinds).map(({identity}) => identity);
  const {document} = kinds.nitro!.evidence as Extract<Evidence, {kind: "nitro-document"}>;
  const changed = document.slice();
  changed[changed.length - 1]! ^= 1;
  const report = await verify({kind: "nitro-document", document: changed, collateral: {}}, identities);
  assert.deepEqual([report.verdict, report.code], ["refused", "NITRO_SIGNATURE"]);
});

test("two identities of a kind with different roots and measurements: each with its own, not crosswise", async () => {
  const [first, second] = [await forge(await makeWorld()), await forge(await makeWorld())];
  const [a, b] = [first, second].map(({options}) => options.policy.identities[0] as unknown as IdentityInput);
  const wrong = ["00".repeat(32)];
  const named = (identity: IdentityInput, change: object) => ({...identity, ...change}) as IdentityInput;
  const codeOf = async (identities: readonly IdentityInput[]) => (await verify(first.evidence, identities)).code;
  assert.equal(await codeOf([b!, a!]), null);
  // The right measurement under the other root, and the other measurement under the right root, make no acceptance.
  const crosswise = [named(a!, {mrEnclave: wrong}), b!];
  const report = await verify(first.evidence, crosswise);
  assert.deepEqual([report.code, report.policy.nearestIdentity], ["MRENCLAVE", 0]);
  assert.deepEqual(
    report.policy.considered.map(({code}) => code),
    ["MRENCLAVE", "POLICY_ROOT"],
  );
  assert.equal(await codeOf([b!]), "ROOT_UNTRUSTED");
});

test("what one identity allows, another of its kind doesn't get", async () => {
  const {evidence, options} = await forge(await makeWorld(), {plan: {platformStatus: "OutOfDate"}});
  const strict = options.policy.identities[0] as unknown as IdentityInput;
  const lenient = {...strict, acceptedTcbStatuses: ["OutOfDate"], mrEnclave: ["00".repeat(32)]} as IdentityInput;
  const report = await verify(evidence, [strict, lenient]);
  assert.deepEqual(
    report.policy.considered.map(({code}) => code),
    ["TCB_STATUS", "MRENCLAVE"],
  );
  assert.equal(report.verdict, "refused");
});

test("bytes after a quote that one identity allows don't get in by another", async () => {
  const {evidence, options} = await forge(await makeWorld());
  const strict = options.policy.identities[0] as unknown as IdentityInput;
  const lenient = {...strict, trailingBytes: "allow", mrEnclave: ["00".repeat(32)]} as IdentityInput;
  const padded = {...evidence, quote: Uint8Array.from([...evidence.quote, 0])};
  const report = await verify(padded, [strict, lenient]);
  assert.deepEqual(
    report.policy.considered.map(({code}) => code),
    ["QUOTE_FORMAT", "MRENCLAVE"],
  );
  assert.equal(report.verdict, "refused");
  assert.equal((await verify(padded, [{...strict, trailingBytes: "allow"} as IdentityInput])).verdict, "trusted");
});
