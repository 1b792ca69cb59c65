/** Sessions that end: restarts, deaths during calls, expiry, renewal. Each new connection is attested before it is used. */
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {readFileSync} from "node:fs";
import {appendFile, cp, mkdtemp, readdir, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {AttestationError, connect, type EnclaveConnection, launchSimulated} from "@tf-trusted/client";
import {defaultArtefact} from "@tf-trusted/enclave";
import {digitsModel, images, rawAttest, rawCall, rawSession} from "./harness.ts";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test("restarted between calls: the client attests the new one, whose models are gone", async () => {
  const server = await launchSimulated();
  const enclave = await connect({address: server.address, policy: server.policy});
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  const {startup, tlsKeySha256} = enclave.claims;
  await server.process.restart();
  await assert.rejects(model.predict(images(1)), {code: "MODEL_UNKNOWN"});
  assert.notEqual(enclave.claims.startup, startup);
  assert.notEqual(enclave.claims.tlsKeySha256, tlsKeySha256);
  assert.equal(enclave.report.bound, true);
  await enclave.load(await digitsModel(), {name: "digits"});
  assert.deepEqual((await model.predict(images(1))).probabilities!.shape, [1, 10]);
  await enclave.close();
  await server.stop();
});

test("another program at the same address after a restart: refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  await cp(defaultArtefact, folder, {recursive: true});
  const server = await launchSimulated({artefact: folder});
  const enclave = await connect({address: server.address, policy: server.policy});
  await enclave.list();
  await appendFile(join(folder, "enclave.mjs"), "\n");
  await server.process.restart();
  assert.deepEqual(server.process.altered, ["enclave.mjs"]);
  const error = await enclave.list().catch((failure: unknown) => failure);
  assert.ok(error instanceof AttestationError, String(error));
  assert.equal(error.code, "MRENCLAVE");
  await enclave.close();
  await server.stop();
  await rm(folder, {recursive: true});
});

test("files swapped after the start are never run", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  await cp(defaultArtefact, folder, {recursive: true});
  const server = await launchSimulated({artefact: folder});
  const enclave = await connect({address: server.address, policy: server.policy});
  for (const name of await readdir(folder)) await writeFile(join(folder, name), "throw new Error('swapped')");
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  assert.deepEqual((await model.predict(images(1))).probabilities!.shape, [1, 10]);
  await enclave.close();
  await server.stop();
  await rm(folder, {recursive: true});
});

test("killed during a call: a clear error at once, and with restarts the next call finds a new enclave", async () => {
  const server = await launchSimulated({restart: true});
  const enclave = await connect({address: server.address, policy: server.policy});
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  await model.predict(images(20_000));
  const call = assert.rejects(model.predict(images(20_000)), {code: "CONNECTION_LOST"});
  await pause(10);
  const {pid} = server.process;
  process.kill(pid, "SIGKILL");
  await call;
  for (let i = 0; server.process.pid === pid && i < 200; i++) await pause(50);
  await enclave.load(await digitsModel(), {name: "digits"});
  assert.deepEqual((await model.predict(images(1))).probabilities!.shape, [1, 10]);
  await enclave.close();
  await server.stop();
});

test("closed or killed during an upload: an error at once, not a promise for ever", async () => {
  const server = await launchSimulated({restart: true});
  const file = new Uint8Array(400 * 2 ** 20);
  const ends = {
    CLOSED: (enclave: EnclaveConnection) => enclave.close(),
    CONNECTION_LOST: async () => void process.kill(server.process.pid, "SIGKILL"),
  };
  for (const [code, end] of Object.entries(ends)) {
    const enclave = await connect({address: server.address, policy: server.policy});
    const upload = assert.rejects(enclave.load(file, {name: "large"}), {code});
    await pause(100);
    const start = performance.now();
    await end(enclave);
    await upload;
    assert.ok(performance.now() - start < 2_000);
    await enclave.close();
  }
  await server.stop();
});

test("an enclave ends with its launcher, even where that is killed", async () => {
  const script = `
    const {launchSimulated} = await import(${JSON.stringify(import.meta.resolve("@tf-trusted/client"))});
    const server = await launchSimulated();
    process.stdout.write(String(server.process.pid));`;
  const launcher = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = Number(await new Promise<Buffer>((resolve) => launcher.stdout.once("data", resolve)));
  assert.ok(alive(pid));
  launcher.kill("SIGKILL");
  for (let i = 0; alive(pid) && i < 100; i++) await pause(50);
  assert.equal(alive(pid), false);
});

/** Whether the process runs (a zombie that waits for init has no command line). */
function alive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`).length > 0;
  } catch {
    return false;
  }
}

test("dead for good: calls fail with a code, close still works", async () => {
  const server = await launchSimulated();
  const enclave = await connect({address: server.address, policy: server.policy});
  await server.stop();
  await assert.rejects(enclave.list(), {code: "CONNECTION_FAILED"});
  await enclave.close();
  await assert.rejects(enclave.list(), {code: "CLOSED"});
});

test("an expired session ends on the server, and the client renews without the caller noticing", async () => {
  const server = await launchSimulated({configuration: {sessionMs: 300}});
  const session = await rawSession(server.process.port);
  const closed = new Promise((resolve) => session.once("close", resolve));
  const start = performance.now();
  await rawAttest(session);
  const list = "/tf_trusted.v1.ModelService/ListModels";
  assert.equal((await rawCall(session, list, new Uint8Array(0))).status, 0);
  await closed;
  assert.ok(performance.now() - start < 5000);

  const enclave = await connect({address: server.address, policy: server.policy});
  const first = enclave.report;
  for (let i = 0; i < 8; i++) {
    await enclave.list();
    await pause(100);
  }
  assert.notEqual(enclave.report, first, "a new session has a report of its own");
  await enclave.close();
  await server.stop();
});

test("the client renews before the server ends the session; calls under way finish", async () => {
  const server = await launchSimulated();
  const enclave = await connect({address: server.address, policy: server.policy, renewAfterMs: 100});
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  const first = enclave.report;
  const long = model.predict(images(20_000));
  await pause(150);
  await enclave.list();
  assert.notEqual(enclave.report, first);
  assert.deepEqual((await long).probabilities!.shape, [20_000, 10]);
  await enclave.close();
  await server.stop();
});

test("a connection that doesn't attest is closed", async () => {
  const server = await launchSimulated({configuration: {attestWithinMs: 200}});
  const session = await rawSession(server.process.port);
  await new Promise((resolve) => session.once("close", resolve));
  await server.stop();
});

test("evidence is made at a bounded rate; who comes too often is told to wait", async () => {
  const server = await launchSimulated({configuration: {quotesPerSecond: 1}});
  const statuses = [];
  const session = await rawSession(server.process.port);
  for (let i = 0; i < 4; i++) statuses.push((await rawAttest(session)).status);
  assert.deepEqual(statuses.slice(0, 2), [0, 0]);
  assert.ok(statuses.includes(8), String(statuses));
  session.close();
  await server.stop();
});
