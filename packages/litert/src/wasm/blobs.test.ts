/** Pinned files: refused when they differ, and enough for an artefact that holds nothing else. */
import assert from "node:assert/strict";
import {execFile} from "node:child_process";
import {createHash} from "node:crypto";
import {mkdtemp, readFile, realpath, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, test} from "node:test";
import {fileURLToPath, pathToFileURL} from "node:url";
import {promisify} from "node:util";
import {artefactNames, chooseVariant, engineFiles, installedFiles, loadBlobs, variants} from "./blobs.ts";
import {createWasmEngine} from "./engine.ts";

let folder: string;
before(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "litert-")));
});
after(() => rm(folder, {recursive: true}));

test("the installed files are the pinned ones, of both variants", async () => {
  for (const variant of ["relaxed", "compat"] as const) {
    const {files} = await engineFiles(variant);
    assert.deepEqual(
      files.map(({name, sha256}) => [name, sha256]),
      [
        [artefactNames.glue, variants[variant].glue],
        [artefactNames.wasm, variants[variant].wasm],
      ],
    );
    for (const {bytes, sha256} of files) assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256);
  }
});

test("the variant is the one that this Node.js compiles", async () => {
  const {wasm} = installedFiles();
  assert.equal(WebAssembly.validate(await readFile(wasm)), true);
  const relaxed = installedFiles("relaxed");
  assert.equal(WebAssembly.validate(await readFile(relaxed.wasm)), chooseVariant() === "relaxed");
  if (chooseVariant() === "compat")
    await assert.rejects(loadBlobs(relaxed), {code: "ENGINE_ERROR", message: /relaxed SIMD/});
});

test("a file with one bit changed, another version, or none is refused", async () => {
  const installed = installedFiles();
  for (const part of ["glue", "wasm"] as const) {
    const bytes = await readFile(installed[part]);
    bytes[bytes.length >> 1]! ^= 1;
    const altered = join(folder, `altered-${part}`);
    await writeFile(altered, bytes);
    await assert.rejects(createWasmEngine({files: {...installed, [part]: altered}}), {
      code: "ENGINE_ERROR",
      message: /SHA-256/,
    });
    await assert.rejects(createWasmEngine({files: {...installed, [part]: join(folder, "none")}}), {
      code: "ENGINE_ERROR",
      message: /can't be read/,
    });
  }
  const other = installedFiles(chooseVariant() === "relaxed" ? "compat" : "relaxed");
  await assert.rejects(loadBlobs({...installed, glue: other.glue}), {code: "ENGINE_ERROR"});
});

test("a missing worker entry is an ENGINE_CRASHED, not an uncaught error", async () => {
  await assert.rejects(createWasmEngine({files: {...installedFiles(), worker: join(folder, "none.mjs")}}), {
    code: "ENGINE_CRASHED",
  });
});

test("the engine runs from an artefact's files, with nothing else but code to read, and no code made from text", async () => {
  const {files, workerEntry} = await engineFiles(chooseVariant());
  for (const {name, bytes} of files) await writeFile(join(folder, name), bytes);
  await writeFile(join(folder, artefactNames.worker), `import ${JSON.stringify(pathToFileURL(workerEntry).href)};\n`);
  const index = new URL("../index.js", import.meta.url);
  await writeFile(join(folder, "main.mjs"), program(index));
  const packages = fileURLToPath(new URL("../../../", import.meta.url));
  const modules = fileURLToPath(new URL("../../../../node_modules/", import.meta.url));
  const permission = process.allowedNodeEnvironmentFlags.has("--permission")
    ? "--permission"
    : "--experimental-permission";
  const {stdout} = await promisify(execFile)(
    process.execPath,
    [
      permission,
      ...[folder, packages, modules].map((each) => `--allow-fs-read=${join(each, "*")}`),
      "--allow-worker",
      "--disallow-code-generation-from-strings",
      join(folder, "main.mjs"),
    ],
    {env: {}, cwd: folder},
  );
  assert.match(stdout, /^wasm\/2\.5\.3\/(relaxed|compat) ready\n$/);
});

const program = (index: URL) => `
import {artefactFiles, createWasmEngine} from ${JSON.stringify(index.href)};
const engine = await createWasmEngine({files: artefactFiles(new URL(".", import.meta.url))});
console.log(engine.id, "ready");
await engine.close();
`;
