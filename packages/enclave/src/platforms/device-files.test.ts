/** The real file operations, over files, FIFOs and folders of this machine. */
import assert from "node:assert/strict";
import {execFileSync, spawn} from "node:child_process";
import {mkdtemp, readFile, rm, stat, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, test} from "node:test";
import {systemFiles} from "./device-files.ts";

const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
after(() => rm(folder, {recursive: true}));

test("all is read where the size says nothing: /proc has files of size 0", async () => {
  const path = "/proc/self/status";
  assert.equal((await stat(path)).size, 0);
  assert.match(Buffer.from(await systemFiles.read(path, 100_000)).toString(), /^Name:[\s\S]*\nThreads:/);
});

test("short reads are put together: a pipe that gives a few bytes at a time", async () => {
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  const writer = spawn("sh", ["-c", `exec > "${fifo}"; for i in 1 2 3 4 5; do printf "part$i"; sleep 0.02; done`]);
  assert.equal(Buffer.from(await systemFiles.read(fifo, 1000)).toString(), "part1part2part3part4part5");
  writer.kill();
});

test("no more than the limit: an endless file is refused", async () => {
  await assert.rejects(systemFiles.read("/dev/zero", 10_000), {code: "EFBIG"});
  const path = join(folder, "limit");
  await writeFile(path, new Uint8Array(10));
  assert.equal((await systemFiles.read(path, 10)).length, 10);
  await assert.rejects(systemFiles.read(path, 9), {code: "EFBIG"});
});

test("a write replaces all of a file that is there, and makes none", async () => {
  const path = join(folder, "value");
  await writeFile(path, "a long value");
  await systemFiles.write(path, Buffer.from("short"));
  assert.equal(await readFile(path, "utf8"), "short");
  await assert.rejects(systemFiles.write(join(folder, "none"), new Uint8Array(1)), {code: "ENOENT"});
  await assert.rejects(systemFiles.write("/dev/full", new Uint8Array(1)), {code: "ENOSPC"});
});

test("folders are made and removed, and a second one of the same name is refused", async () => {
  const path = join(folder, "report");
  await systemFiles.makeFolder(path);
  await assert.rejects(systemFiles.makeFolder(path), {code: "EEXIST"});
  await systemFiles.removeFolder(path);
  await assert.rejects(systemFiles.removeFolder(path), {code: "ENOENT"});
});
