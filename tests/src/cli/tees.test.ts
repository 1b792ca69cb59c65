/** `serve --tee` and `--collateral`: other simulated TEEs, and collateral that comes from a service, a cache, a folder. */
import assert from "node:assert/strict";
import {mkdir, readdir, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {test} from "node:test";
import {runCli, startServer, workFolder} from "./cli-process.ts";

for (const [tee, kind] of [
  ["tdx", "pccs"],
  ["snp", "kds"],
] as const) {
  test(`serve --tee ${tee}: attested with what its vendor's service says, then from the cache; without it, refused`, async () => {
    const {folder, remove} = await workFolder();
    const server = await startServer(folder, "--tee", tee, "--collateral-port", "0");
    try {
      const source = /--collateral (\S+)/.exec(server.banner)![1]!;
      assert.match(source, new RegExp(`^${kind}:http://127\\.0\\.0\\.1:\\d+$`));
      const attest = async (...flags: readonly string[]) => {
        const words = ["attest", server.address, "--policy", "state/policy.json", "--json", ...flags];
        const {code, stdout} = await runCli(words, folder);
        return {code, report: stdout === "" ? null : JSON.parse(stdout), stdout};
      };
      const cache = ["--collateral-cache", "cache"];
      const alone = await attest();
      assert.deepEqual([alone.code, alone.report.code], [3, "COLLATERAL_MISSING"]);
      const early = await attest("--collateral", source, "--offline", ...cache);
      assert.equal(early.code, 1);
      assert.match(early.stdout, /COLLATERAL_OFFLINE/);
      const online = await attest("--collateral", source, ...cache);
      assert.deepEqual([online.code, online.report.identity.tee], [0, tee]);
      assert.ok((await readdir(join(folder, "cache"))).length >= 3);
      assert.equal((await attest("--collateral", source, "--offline", ...cache)).code, 0);

      await mkdir(join(folder, "empty"));
      const empty = await attest("--collateral", "folder:empty");
      assert.match(empty.stdout, /COLLATERAL_FOLDER/);
      await writeFile(join(folder, "empty", "rootCrl.der"), "x");
      assert.equal((await attest("--collateral", "folder:empty")).code, 3);
      for (const wrong of [
        ["--offline"],
        ["--collateral-cache", "c"],
        ["--collateral", "pccs:"],
        ["--collateral", "x"],
      ]) {
        assert.equal((await attest(...wrong)).code, 2, wrong.join(" "));
      }
    } finally {
      await server.stop();
    }
    const again = await runCli(["serve", "--state", "state", "--tee", "sgx"], folder);
    assert.equal(again.code, 2);
    assert.match(again.stderr, new RegExp(`keeps a ${tee} machine`));
    await remove();
  });
}
