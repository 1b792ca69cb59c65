import assert from "node:assert/strict";
import {readFile, stat, writeFile} from "node:fs/promises";
import {createServer} from "node:net";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {connect} from "@tf-trusted/client";
import {convert} from "@tf-trusted/convert";
import {readNpy} from "@tf-trusted/tensor";
import {repository, runCli, type Server, startCli, startServer, workFolder} from "./cli-process.ts";

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

test("attest: the report, as text, JSON and HTML, and exit code 0", async () => {
  const words = ["attest", server.address, "--policy", "state/policy.json"];
  const text = await runCli([...words, "--html", "report.html"], folder);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /^TRUSTED \(SIMULATION\)\n/);
  assert.ok(!text.stdout.includes("\x1b"), "no colours into a pipe");
  assert.match(await readFile(join(folder, "report.html"), "utf8"), /^<!doctype html>/i);
  const json = await runCli([...words, "--json"], folder);
  const report = JSON.parse(json.stdout);
  assert.equal(report.verdict, "trusted");
  assert.equal(report.bound, true);
  assert.ok(report.steps.length > 20);
  const colored = await runCli(words, folder, {FORCE_COLOR: "1"});
  assert.ok(colored.stdout.includes("\x1b["));
});

interface ServedIdentity {
  mrEnclave: string[];
  root: unknown;
}
const alterations: readonly (readonly [string, string, Partial<ServedIdentity>])[] = [
  ["another measurement", "MRENCLAVE", {mrEnclave: ["00".repeat(32)]}],
  ["another simulated root", "ROOT_UNTRUSTED", {root: {simulated: "00".repeat(32)}}],
  ["Intel's root", "ROOT_UNTRUSTED", {root: "intel"}],
];
for (const [name, code, members] of alterations) {
  test(`attest, a policy with ${name}: the report and exit code 3`, async () => {
    const policy = JSON.parse(await readFile(join(folder, "state/policy.json"), "utf8"));
    Object.assign(policy.identities[0], members);
    await writeFile(join(folder, "altered.json"), JSON.stringify(policy));
    const words = ["attest", server.address, "--policy", "altered.json"];
    const text = await runCli(words, folder);
    assert.equal(text.code, 3, text.stderr);
    assert.match(text.stdout, /^REFUSED/);
    const json = await runCli([...words, "--json"], folder);
    assert.equal(json.code, 3);
    assert.equal(JSON.parse(json.stdout).code, code);
  });
}

test("a server that is no enclave is not trusted, or can't be reached; an empty policy accepts nothing", async () => {
  const impostor = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
  const {port} = impostor.address() as {port: number};
  const plain = await runCli(["attest", `127.0.0.1:${port}`, "--policy", "state/policy.json"], folder);
  impostor.close();
  assert.equal(plain.code, 1, plain.stderr);
  assert.match(plain.stderr, /^error CONNECTION_FAILED: /m);
  await writeFile(join(folder, "empty.json"), '{"version": 1, "identities": []}');
  const empty = await runCli(["attest", server.address, "--policy", "empty.json"], folder);
  assert.equal(empty.code, 3, empty.stderr);
});

test("wrong use of attest: exit code 2", async () => {
  const cases = [
    [["attest"], /CLI_USAGE: missing required argument 'HOST:PORT'/],
    [["attest", "host:port", "--policy", "state/policy.json"], /CLI_USAGE: attest takes HOST:PORT/],
    [["attest", server.address], /CLI_POLICY_NEEDED/],
  ] as const;
  for (const [words, message] of cases) {
    const {code, stderr} = await runCli(words, folder);
    assert.equal(code, 2);
    assert.match(stderr, message);
  }
  await writeFile(join(folder, "broken.json"), '{"version": 1, "identitys": []}');
  const broken = await runCli(["attest", server.address, "--policy", "broken.json"], folder);
  assert.equal(broken.code, 2);
  assert.match(broken.stderr, /^error POLICY_INVALID: /m);
});

test("serve --max-batch --max-delay-ms: calls at the same time are joined, and each gets its own answer", async () => {
  const alone = await runCli(["serve", "--max-delay-ms", "5"], folder);
  assert.match(alone.stderr, /^error CLI_USAGE: --max-delay-ms .* needs --max-batch/m);
  const own = await workFolder();
  const joining = await startServer(own.folder, "--max-batch", "8", "--max-delay-ms", "20");
  try {
    const policy = await readFile(join(own.folder, "state/policy.json"), "utf8");
    const enclave = await connect({address: joining.address, policy});
    const file = convert(await readFile(join(repository, "fixtures/digits/digits.pb"))).model;
    const model = await enclave.load(file, {name: "digits"});
    assert.equal(model.signatures[0]!.maxBatch, 8);
    const best = await Promise.all(
      Array.from({length: 10}, async (_, digit) => {
        const image = readNpy(await readFile(join(repository, `fixtures/digits/digits/${digit}.npy`)));
        const values = (await model.predict({image})).probabilities!.data as Float32Array;
        return values.indexOf(Math.max(...values));
      }),
    );
    assert.deepEqual(best, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await enclave.close();
  } finally {
    await joining.stop();
    await own.remove();
  }
});

test("serve says that it is a simulation, and refuses platforms that nobody knows", async () => {
  const unknown = await runCli(["serve", "--platform", "sgx"], folder);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /^error CLI_USAGE: .*--platform/m);
  const other = startCli(["serve", "--port", "0", "--platform", "simulated"], folder);
  await other.saw(/protects nothing against the owner of this machine[\s\S]*Ctrl-C/);
  other.process.kill("SIGINT");
  const {code, stdout} = await other.finished;
  assert.equal(code, 0);
  // Without a file to put it in, the policy is the output.
  const policy = JSON.parse(stdout);
  assert.notDeepEqual(
    policy.identities[0].root,
    JSON.parse(await readFile(join(folder, "state/policy.json"), "utf8")).identities[0].root,
  );
});

test("serve --json gives address and policy as a document", async () => {
  const other = startCli(["serve", "--port", "0", "--json", "--policy-file", "served.json"], folder);
  const document = await new Promise<{address: string; policy: unknown; policyFile: string}>((resolve) => {
    let text = "";
    other.process.stdout!.on("data", (chunk: string) => {
      text += chunk;
      if (text.endsWith("\n}\n")) resolve(JSON.parse(text));
    });
  });
  assert.deepEqual(document.policy, JSON.parse(await readFile(join(folder, "served.json"), "utf8")));
  const attested = await runCli(["attest", document.address, "--policy", document.policyFile], folder);
  assert.equal(attested.code, 0, attested.stderr);
  other.process.kill("SIGTERM");
  assert.equal((await other.finished).code, 0);
});

test("a port that is taken is told", async () => {
  const port = server.address.split(":").at(-1)!;
  const {code, stderr} = await runCli(["serve", "--port", port], folder);
  assert.equal(code, 1);
  assert.match(stderr, /^error LAUNCH_FAILED: /m);
});

test("with --state a restarted server satisfies the policy of before; its keys are private", async () => {
  const before = await readFile(join(folder, "state/policy.json"), "utf8");
  const {stderr, code} = await server.stop();
  assert.equal(code, 0, stderr);
  server = await startServer(folder);
  assert.equal(await readFile(join(folder, "state/policy.json"), "utf8"), before);
  const attested = await runCli(["attest", server.address, "--policy", "state/policy.json"], folder);
  assert.equal(attested.code, 0, attested.stderr);
  assert.equal((await stat(join(folder, "state/simulated-platform.json"))).mode & 0o077, 0);
});
