/** The README's lines of TypeScript run as they stand, against a real enclave. */
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {copyFile, mkdtemp, readFile, rm, symlink, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {text} from "node:stream/consumers";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {launchSimulated} from "@tf-trusted/client";

const root = fileURLToPath(new URL("../../../", import.meta.url));

test("the ten lines classify a digit", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const block = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  assert.ok(block.includes("host:50051"), "the README has no such block");
  const server = await launchSimulated();
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  try {
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    await writeFile(join(folder, "main.mjs"), block.replace("host:50051", server.address));
    await writeFile(join(folder, "policy.json"), JSON.stringify(server.policy));
    await copyFile(join(root, "fixtures/digits/digits.pb"), join(folder, "digits.pb"));
    await copyFile(join(root, "fixtures/digits/digits/7.npy"), join(folder, "x.npy"));
    const child = spawn(process.execPath, ["main.mjs"], {cwd: folder, stdio: ["ignore", "pipe", "inherit"]});
    const rows = JSON.parse((await text(child.stdout)).trim()) as readonly (readonly number[])[];
    assert.equal(rows[0]!.indexOf(Math.max(...rows[0]!)), 7);
  } finally {
    await server.stop();
    await rm(folder, {recursive: true});
  }
});
