/** The measurement: reproducible, and different for every change of what runs. */
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {appendFile, cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {measureArtefact} from "./artefact.ts";
import {findEnclaveNode} from "./node-binary.ts";

const packageFolder = fileURLToPath(new URL("../../", import.meta.url));
const packages = join(packageFolder, "..");

async function temporary<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  try {
    return await run(await realpath(folder));
  } finally {
    await rm(folder, {recursive: true});
  }
}

function build(workspace: string, target: string): void {
  execFileSync(process.execPath, [join(workspace, "enclave/scripts/build-artefact.mjs"), target], {stdio: "pipe"});
}

test("built twice, from sources in different folders: the same bytes, the same measurement", async () => {
  await temporary(async (folder) => {
    // A second workspace: copies of our packages, links to the others.
    const copy = join(folder, "elsewhere", "packages");
    for (const name of ["core", "tensor", "tflite", "litert", "attestation", "protocol", "enclave"]) {
      await cp(join(packages, name, "dist"), join(copy, name, "dist"), {
        recursive: true,
        filter: (path) => !path.endsWith("dist/artefact"),
      });
      await cp(join(packages, name, "package.json"), join(copy, name, "package.json"));
    }
    await cp(join(packageFolder, "scripts"), join(copy, "enclave", "scripts"), {recursive: true});
    const modules = join(packages, "..", "node_modules");
    const modulesCopy = join(folder, "elsewhere", "node_modules");
    await mkdir(modulesCopy);
    for (const name of await readdir(modules)) {
      if (name !== "@tf-trusted") await symlink(join(modules, name), join(modulesCopy, name));
    }
    await symlink(copy, join(modulesCopy, "@tf-trusted"));

    const [here, there] = [join(folder, "here"), join(folder, "there")];
    build(packages, here);
    build(copy, there);
    const [a, b] = [await measureArtefact(here), await measureArtefact(there)];
    assert.deepEqual(b.manifest, a.manifest);
    assert.equal(b.measurement, a.measurement);
    assert.deepEqual([a.altered, a.measurement], [[], a.expected]);
    for (const {name} of a.manifest.files.filter((file) => file.name !== "node")) {
      assert.ok((await readFile(join(here, name))).equals(await readFile(join(there, name))), name);
      assert.ok(!(await readFile(join(here, name), "latin1")).includes(packages), `${name} holds a path`);
    }
  });
});

test("a changed byte, an added file, another Node, other flags: another measurement", async () => {
  await temporary(async (folder) => {
    const artefact = join(folder, "artefact");
    build(packages, artefact);
    const {measurement} = await measureArtefact(artefact);
    const seen = new Set([measurement]);
    const differs = async (altered: readonly string[], node = findEnclaveNode()) => {
      const now = await measureArtefact(artefact, {node});
      assert.ok(!seen.has(now.measurement));
      seen.add(now.measurement);
      assert.deepEqual(now.altered, altered);
    };
    await writeFile(join(artefact, "more.mjs"), "");
    await differs(["more.mjs"]);
    await rm(join(artefact, "more.mjs"));
    await differs(["node"], join(artefact, "litert.wasm"));
    await appendFile(join(artefact, "engine-worker.mjs"), " ");
    await differs(["engine-worker.mjs"]);
    const manifest = await readFile(join(artefact, "manifest.json"), "utf8");
    await writeFile(join(artefact, "manifest.json"), manifest.replace('"--permission",', ""));
    await differs(["engine-worker.mjs"]);
  });
});

test("no artefact, or a manifest that isn't one", async () => {
  await temporary(async (folder) => {
    await assert.rejects(measureArtefact(folder), {code: "ARTEFACT_INVALID"});
    for (const text of ["", "{}", "[]", '{"format":"tf-trusted/artefact/1"}']) {
      await writeFile(join(folder, "manifest.json"), text);
      await assert.rejects(measureArtefact(folder), {code: "ARTEFACT_INVALID"});
    }
  });
});
