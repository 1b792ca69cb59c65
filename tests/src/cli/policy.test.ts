import assert from "node:assert/strict";
import {readFile, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {runCli, type Server, startServer, workFolder} from "./cli-process.ts";

let folder: string;
let remove: () => Promise<void>;
let server: Server;
before(async () => {
  ({folder, remove} = await workFolder());
  server = await startServer(folder);
});
after(async () => {
  await server.stop();
  await remove();
});

test("enclave measure: the measurement that a served enclave proves", async () => {
  const {code, stdout} = await runCli(["enclave", "measure"], folder);
  assert.equal(code, 0);
  assert.match(stdout, /^[0-9a-f]{64}\n$/);
  const policy = JSON.parse(await readFile(join(folder, "state/policy.json"), "utf8"));
  assert.deepEqual(policy.identities[0].mrEnclave, [stdout.trim()]);
  const json = JSON.parse((await runCli(["enclave", "measure", "--json"], folder)).stdout);
  assert.equal(json.measurement, stdout.trim());
  assert.deepEqual(json.altered, []);
  assert.ok(json.files.some(({name}: {name: string}) => name === "node"));
});

test("policy init --simulated --state: what serve --state runs satisfies it", async () => {
  const init = await runCli(["policy", "init", "--simulated", "--state", "state", "--output-file", "p.json"], folder);
  assert.equal(init.code, 0, init.stderr);
  assert.match(init.stderr, /warning identities\[0\]\.root: accepts a simulation/);
  const attested = await runCli(["attest", server.address, "--policy", "p.json"], folder);
  assert.equal(attested.code, 0, attested.stderr);
});

test("policy init for hardware names Intel's root, and accepts no simulation", async () => {
  const digest = "ab".repeat(32);
  const {code, stdout} = await runCli(["policy", "init", "--measurement", digest], folder);
  assert.equal(code, 0);
  const policy = JSON.parse(stdout);
  assert.equal(policy.identities[0].root, "intel");
  assert.deepEqual(policy.identities[0].mrEnclave, [digest]);
  await writeFile(join(folder, "hardware.json"), stdout);
  const attested = await runCli(["attest", server.address, "--policy", "hardware.json"], folder);
  assert.equal(attested.code, 3);
});

test("policy check lists findings; only errors end with 1", async () => {
  const served = await runCli(["policy", "check", "state/policy.json"], folder);
  assert.equal(served.code, 0);
  assert.match(served.stdout, /^warning {2}identities\[0\]\.root: .*simulation/m);
  assert.match(served.stdout, /✓ state\/policy\.json can be used/);
  await writeFile(
    join(folder, "bad.json"),
    '{"version": 1, "identities": [{"tee": "sgx", "root": "intel", "mrEnclav": ["00"]}]}',
  );
  const bad = await runCli(["policy", "check", "bad.json", "--json"], folder);
  assert.equal(bad.code, 1);
  const {usable, findings} = JSON.parse(bad.stdout);
  assert.equal(usable, false);
  assert.ok(findings.some(({message}: {message: string}) => message.includes("mrEnclav")));
});

test("policy explain says what is accepted, in sentences", async () => {
  const {code, stdout} = await runCli(["policy", "explain", "state/policy.json"], folder);
  assert.equal(code, 0);
  assert.match(stdout, /^An enclave is accepted if all of this holds:\n/);
  assert.match(stdout, /SIMULATION/);
  const json = JSON.parse((await runCli(["policy", "explain", "state/policy.json", "--json"], folder)).stdout);
  assert.deepEqual(json.statements, stdout.trimEnd().split("\n"));
});
