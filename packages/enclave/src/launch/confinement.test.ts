/** A program that tries to break out, started exactly as the enclave is: nothing of what it tries may work. */
import assert from "node:assert/strict";
import {copyFile, mkdir, mkdtemp, rm, writeFile} from "node:fs/promises";
import {createServer} from "node:net";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {createSimulatedPlatform} from "@tf-trusted/attestation";
import {EnclaveError} from "../enclave-error.ts";
import {encodeManifest, entryName, makeManifest, manifestName} from "./artefact.ts";
import {launchEnclave} from "./launch.ts";
import {enclaveTarget} from "./node-binary.ts";

/** Each attempt gives what it got, or throws. Runs in the main thread and in a worker that asks for its own flags. */
const attempts = `
import {closeSync, fstatSync, mkdtempSync, openSync, readdirSync, readFileSync, symlinkSync, writeFileSync} from "node:fs";
import {execFileSync, fork} from "node:child_process";
import {open as inspect, url} from "node:inspector";
export function tryAll(parent) {
  const attempts = {
    readPasswords: () => readFileSync("/etc/passwd").length,
    readParentFolder: () => readdirSync(parent).length,
    readThroughDotDot: () => readFileSync(parent + "/artefact/../secret").length,
    readMemory: () => openSync("/proc/self/mem"),
    readParentEnvironment: () => readFileSync("/proc/" + process.ppid + "/environ").length,
    writeTemporary: () => writeFileSync("/tmp/tf-trusted-escape", "x"),
    writeOwnFolder: () => writeFileSync(parent + "/artefact/x", "x"),
    makeFolder: () => mkdtempSync("/tmp/escape-"),
    makeLink: () => symlinkSync("/etc/passwd", parent + "/artefact/link"),
    runProgram: () => execFileSync("/bin/true"),
    forkItself: () => fork("/tmp/x.mjs"),
    loadAddon: () => process.dlopen({exports: {}}, "/tmp/x.node"),
    openInspector: () => { inspect(0); return url(); },
    internalBinding: () => process.binding("fs"),
    inheritedEnvironment: () => { if (Object.keys(process.env).length === 0) throw Error("none"); return Object.keys(process.env); },
  };
  const got = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    try { got[name] = String(attempt()); } catch { /* refused, as it should be */ }
  }
  return got;
}
export function openDescriptors() {
  const open = [];
  for (let fd = 0; fd < 256; fd++) {
    try { const s = fstatSync(fd); if (s.isFile() || s.isDirectory() || s.isBlockDevice()) open.push(fd); else if (s.isSocket()) open.push("socket " + fd); } catch {}
  }
  return open;
}
`;

const entry = `
import "./confine-workers.mjs";
import {Socket} from "node:net";
import {Worker} from "node:worker_threads";
import {tryAll, openDescriptors} from "./attempts.mjs";
const parent = new URL("..", import.meta.url).pathname.slice(0, -1);
const descriptors = openDescriptors();
const channel = new Socket({fd: 3, readable: true, writable: true});
const worker = new Worker(new URL("./worker.mjs", import.meta.url), {workerData: parent, env: {}, execArgv: []});
const inWorker = await new Promise((resolve) => { worker.once("message", resolve); worker.once("error", (e) => resolve({error: String(e)})); });
const message = JSON.stringify({inMain: tryAll(parent), inWorker, descriptors, own: process.permission.has("fs.read", parent + "/artefact/enclave.mjs")});
channel.write(JSON.stringify({kind: "failed", message}) + "\\n");
setInterval(() => {}, 1000);
`;

const workerEntry = `
import {parentPort, workerData} from "node:worker_threads";
import {tryAll} from "./attempts.mjs";
parentPort.postMessage(tryAll(workerData));
`;

test("no files, no children, no addons, no inspector, no environment, no descriptors; in workers neither", async () => {
  const parent = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  const folder = join(parent, "artefact");
  await mkdir(folder);
  await writeFile(join(parent, "secret"), "secret");
  await writeFile(join(folder, entryName), entry);
  await writeFile(join(folder, "attempts.mjs"), attempts);
  await writeFile(join(folder, "worker.mjs"), workerEntry);
  await copyFile(fileURLToPath(new URL("../confine-workers.js", import.meta.url)), join(folder, "confine-workers.mjs"));
  await writeFile(join(folder, manifestName), encodeManifest(makeManifest([], enclaveTarget())));
  // Something that a careless launcher would pass on.
  const inherited = createServer().listen(0, "127.0.0.1");
  process.env.TF_TRUSTED_TEST_SECRET = "secret";
  try {
    const platform = await createSimulatedPlatform({now: () => new Date()});
    const error = await launchEnclave({platform, artefact: folder}).then(
      () => assert.fail("the probe isn't an enclave"),
      (failure: unknown) => failure,
    );
    assert.ok(error instanceof EnclaveError && error.code === "LAUNCH_FAILED", String(error));
    const report = JSON.parse(/start: (\{.*\})/.exec(error.message)?.[1] ?? "null") as {
      readonly inMain: object;
      readonly inWorker: object;
      readonly descriptors: readonly unknown[];
      readonly own: boolean;
    };
    assert.equal(report.own, true, "it can read its own files: the probe ran, and restrictions were in force");
    assert.deepEqual(report.inMain, {});
    assert.deepEqual(report.inWorker, {});
    assert.deepEqual(
      report.descriptors.filter((descriptor) => descriptor !== "socket 2" && descriptor !== "socket 3"),
      [],
    );
  } finally {
    delete process.env.TF_TRUSTED_TEST_SECRET;
    inherited.close();
    await rm(parent, {recursive: true});
  }
});
