import assert from "node:assert/strict";
import {chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {makeFolder, readInputFile, readTextFile, writeOutputFile} from "./files.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
});
after(() => rm(folder, {recursive: true}));

test("a file is replaced as a whole, also behind a link, and nothing is left beside it", async () => {
  const target = join(folder, "out.npy");
  await writeOutputFile(target, "one");
  await symlink("out.npy", join(folder, "link.npy"));
  await writeOutputFile(join(folder, "link.npy"), Uint8Array.of(0x74, 0x77, 0x6f));
  assert.equal(await readFile(target, "utf8"), "two");
  assert.deepEqual((await readdir(folder)).sort(), ["link.npy", "out.npy"]);
});

test("devices are written as they are, and a full one is told", async () => {
  await writeOutputFile("/dev/null", "x");
  assert.ok((await stat("/dev/null")).isCharacterDevice());
  await assert.rejects(writeOutputFile("/dev/full", "x"), {
    code: "CLI_FILE_WRITE",
    message: /no space left on the device/,
  });
});

test("what can't be read or written is named with the reason", async () => {
  const missing = join(folder, "no", "x");
  await assert.rejects(readInputFile(missing), {code: "CLI_FILE_READ", message: /no such file or folder/});
  await assert.rejects(readInputFile(folder), {code: "CLI_FILE_READ", message: /is a folder/});
  await assert.rejects(writeOutputFile(missing, ""), {code: "CLI_FILE_WRITE", message: /no such file or folder/});
  await assert.rejects(writeOutputFile(folder, ""), {code: "CLI_FILE_WRITE"});
  await writeFile(join(folder, "latin1"), Uint8Array.of(0xe9));
  await assert.rejects(readTextFile(join(folder, "latin1")), {code: "CLI_FILE_READ", message: /UTF-8/});
  await chmod(join(folder, "latin1"), 0o600);
  await assert.rejects(makeFolder(join(folder, "latin1", "x")), {code: "CLI_FILE_WRITE"});
});
