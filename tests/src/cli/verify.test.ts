import assert from "node:assert/strict";
import {mkdir, readFile, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {createSimulatedPlatform} from "@tf-trusted/attestation";
import {repository, runCli, workFolder} from "./cli-process.ts";

const document = join(repository, "fixtures/nitro/document.bin");
const bundle = join(repository, "fixtures/nitro/bundle.json");
const documentPolicy = join(repository, "fixtures/nitro/policy.json");
const archived = "2026-03-01T00:00:00Z";

let folder: string;
let remove: () => Promise<void>;
before(async () => {
  ({folder, remove} = await workFolder());
  const platform = await createSimulatedPlatform({now: () => new Date(archived)});
  const request = {mrEnclave: bytes(32, 1), mrSigner: bytes(32, 2), isvProdId: 1, isvSvn: 2, reportData: bytes(64, 3)};
  const {quote, collateral} = await platform.evidence(request);
  await writeFile(join(folder, "quote.hex"), Buffer.from(quote).toString("hex"));
  await mkdir(join(folder, "collateral"));
  const names = {tcbInfo: "tcb-info.json", qeIdentity: "qeIdentity.json", pckCrl: "pckCrl.der", rootCrl: "rootCrl.hex"};
  const chains = {tcbInfoIssuerChain: "tcbInfoChain.pem", qeIdentityIssuerChain: "qe_identity_issuer_chain.pem"};
  for (const [part, name] of Object.entries({...names, ...chains})) {
    const content = collateral[part as keyof typeof collateral]!;
    const hex = name.endsWith(".hex");
    await writeFile(join(folder, "collateral", name), hex ? Buffer.from(content).toString("hex") : content);
  }
  const root = {simulated: platform.rootSpkiSha256};
  const policy = {version: 1, identities: [{tee: "sgx", root, mrEnclave: ["01".repeat(32)]}]};
  await writeFile(join(folder, "sgx.json"), JSON.stringify(policy));
});
after(() => remove());

const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

test("a quote, a folder of collateral and a policy: text, JSON, page, and the exit code", async () => {
  const words = ["verify", "quote.hex", "--policy", "sgx.json", "--collateral", "collateral", "--time", archived];
  const {code, stdout, stderr} = await runCli([...words, "--html", "report.html"], folder);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^TRUSTED \(SIMULATION\)\n/);
  const page = await readFile(join(folder, "report.html"), "utf8");
  assert.match(page, /^<!doctype html>[\s\S]*The policy, in words[\s\S]*MRENCLAVE/);
  const bound = await runCli([...words, "--report-data", "03".repeat(64), "--json"], folder);
  assert.deepEqual([bound.code, JSON.parse(bound.stdout).bound], [0, true]);
  const other = await runCli([...words, "--report-data", "04".repeat(64), "--json"], folder);
  assert.deepEqual([other.code, JSON.parse(other.stdout).code], [3, "REPORT_DATA"]);
});

test("without collateral, or too late, it is refused with 3", async () => {
  const without = await runCli(["verify", "quote.hex", "--policy", "sgx.json", "--json"], folder);
  assert.deepEqual([without.code, JSON.parse(without.stdout).code], [3, "COLLATERAL_MISSING"]);
  const late = await runCli(["verify", document, "--policy", documentPolicy, "--json"], folder);
  assert.deepEqual([late.code, JSON.parse(late.stdout).code], [3, "CERT_EXPIRED"]);
});

test("a bundle needs no flags, and takes none that it answers itself", async () => {
  const {code, stdout} = await runCli(["verify", bundle, "--json"], folder);
  assert.equal(code, 0);
  const report = JSON.parse(stdout);
  assert.deepEqual(
    [report.verdict, report.identity.tee, report.verifiedAt],
    ["trusted", "nitro", "2026-03-01T00:00:00.000Z"],
  );
  assert.match(report.evidenceSha256, /^[0-9a-f]{64}$/);
  const both = await runCli(["verify", bundle, "--time", archived], folder);
  assert.equal(both.code, 2);
  const broken = JSON.parse(await readFile(bundle, "utf8"));
  broken.policy.pcr = broken.policy.pcrs;
  broken.files = {evidence: document, root: join(repository, "fixtures/nitro/root.pem")};
  await writeFile(join(folder, "broken.json"), JSON.stringify(broken));
  const misspelt = await runCli(["verify", "broken.json"], folder);
  assert.equal(misspelt.code, 2, misspelt.stdout);
  assert.match(misspelt.stderr, /POLICY_INVALID.*pcr/s);
});

test("evidence without a policy isn't judged; policy init --from begins one", async () => {
  const without = await runCli(["verify", document], folder);
  assert.equal(without.code, 2);
  assert.match(without.stderr, /policy init --from/);
  const init = await runCli(["policy", "init", "--from", document, "--output-file", "from.json"], folder);
  assert.equal(init.code, 0, init.stderr);
  // The vendor's root, which didn't make this one.
  const judged = await runCli(["verify", document, "--policy", "from.json", "--time", archived, "--json"], folder);
  assert.deepEqual([judged.code, JSON.parse(judged.stdout).code], [3, "ROOT_UNTRUSTED"]);
});

test("policy init writes a policy for each kind of TEE, which check and explain read", async () => {
  const measurement = (digits: number) => ["--measurement", "ab".repeat(digits / 2)];
  for (const words of [
    ["--tee", "tdx", ...measurement(96)],
    ["--tee", "snp", "--product", "Turin", ...measurement(96)],
    ["--tee", "nitro", ...measurement(96)],
    ["--tee", "sgx", ...measurement(64)],
  ]) {
    const init = await runCli(["policy", "init", ...words, "--output-file", "p.json"], folder);
    assert.equal(init.code, 0, init.stderr);
    assert.equal((await runCli(["policy", "check", "p.json"], folder)).code, 0);
    const {stdout} = await runCli(["policy", "explain", "p.json"], folder);
    assert.match(stdout, /(ab){32}/);
  }
  assert.equal((await runCli(["policy", "init", "--tee", "tdx", ...measurement(64)], folder)).code, 2);
  assert.equal((await runCli(["policy", "init", "--tee", "snp", ...measurement(96)], folder)).code, 2);
});

test("quote inspect shows every field, as a table and as JSON", async () => {
  const {code, stdout} = await runCli(["quote", "inspect", "quote.hex"], folder);
  assert.equal(code, 0);
  assert.match(stdout, /^SGX quote, version 3/);
  assert.match(stdout, /0x0070 {2}mrEnclave +(01){32}/);
  const json = JSON.parse((await runCli(["quote", "inspect", document, "--json"], folder)).stdout);
  assert.deepEqual([json.tee, json.problem], ["nitro", null]);
  await writeFile(join(folder, "short.bin"), (await readFile(document)).subarray(0, 100));
  const broken = await runCli(["quote", "inspect", "short.bin"], folder);
  assert.equal(broken.code, 1);
  assert.match(broken.stdout, /can't be read on: .*NITRO_FORMAT/);
  assert.equal((await runCli(["quote", "inspect", bundle], folder)).code, 3);
});
