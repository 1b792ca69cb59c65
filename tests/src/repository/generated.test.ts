/** What scripts write from the code, is what the code says. */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {test} from "node:test";
import {fileURLToPath} from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

for (const [script, what] of Object.entries({
  "docs.mjs": "docs/errors.md, docs/attestation-codes.md and the layers in docs/convert.md",
  "api.mjs": "the public signatures in packages/*/api.txt",
})) {
  test(`${what} are up to date`, () => {
    const {status, stdout, stderr} = spawnSync(process.execPath, [`scripts/${script}`, "--check"], {
      cwd: root,
      encoding: "utf8",
    });
    assert.equal(status, 0, stdout + stderr);
  });
}
