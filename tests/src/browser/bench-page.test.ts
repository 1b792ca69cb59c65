/** The page that `bench --html` writes, in a real browser. */
import assert from "node:assert/strict";
import {cp, mkdtemp, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {repository, runCli} from "../cli/cli-process.ts";
import {executable, openPageFile, skipReason} from "./browser.ts";

test("bench --html: plots without a network, whatever the models are called", {
  skip: executable ? false : skipReason,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  try {
    const hostile = "</script><script>window.hostile = true</script>.pb".replaceAll("/", "\u2215");
    await cp(join(repository, "fixtures/digits/digits.pb"), join(folder, hostile));
    const words = ["bench", hostile, "--callers", "1,3", "--iterations", "12", "--html", "bench.html"];
    const {code, stderr} = await runCli(words, folder);
    assert.equal(code, 0, stderr);
    const {result, complaints, requests} = await openPageFile(join(folder, "bench.html"), (page) =>
      page.evaluate(() => ({
        plots: document.querySelectorAll("figure canvas").length,
        rows: [...document.querySelectorAll(".wide tbody tr")].map((row) => row.children[2]!.textContent),
        model: document.querySelector(".wide td")!.textContent,
        hostile: "hostile" in globalThis,
      })),
    );
    assert.deepEqual(result, {plots: 3, rows: ["1", "3"], model: hostile, hostile: false});
    assert.deepEqual(complaints, []);
    assert.deepEqual(requests, []);
  } finally {
    await rm(folder, {recursive: true});
  }
});
