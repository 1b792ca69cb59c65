/** Whatever brings the library: only the pinned bytes get to where the engine finds them. */
import assert from "node:assert/strict";
import {existsSync} from "node:fs";
import {mkdtemp, readdir, readFile, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {Tensor, writeNpz} from "@tf-trusted/tensor";
import {nativeMissing} from "../testing/engines.ts";
import {createNativeEngine} from "./engine.ts";
import {installNativeLibrary} from "./install.ts";
import {checkNativeLibrary, installedNativeFiles, nativeLibraries, nativeLibraryPath, nativeTarget} from "./library.ts";

const noneHere = nativeLibraries[nativeTarget()] === undefined ? `no native library for ${nativeTarget()}` : false;

test("only the pinned library is installed, from a wheel or as it is", {skip: noneHere}, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  try {
    const forged: readonly (readonly [Uint8Array, RegExp])[] = [
      [new Uint8Array(0), /has SHA-256/],
      [new TextEncoder().encode("\u007fELF and so on"), /has SHA-256/],
      // Any zip without the member, and one that ends too early.
      [writeNpz([["x", Tensor.from([1])]]), /has no ai_edge_litert/],
      [Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0), /can't be read/],
    ];
    for (const [bytes, message] of forged) {
      await assert.rejects(installNativeLibrary(bytes, folder), {code: "ENGINE_ERROR", message});
      assert.equal(existsSync(nativeLibraryPath(folder)), false);
    }
    if (nativeMissing !== undefined) return context.diagnostic(`not tried with the library itself: ${nativeMissing}`);
    const library = new Uint8Array(await readFile(nativeLibraryPath()));
    const path = await installNativeLibrary(library, folder);
    assert.equal(path, nativeLibraryPath(folder));
    assert.deepEqual(new Uint8Array(await readFile(path)), library);
    assert.deepEqual(await readdir(join(path, "..")), [path.slice(path.lastIndexOf("/") + 1)]);
    library[1000]! ^= 1;
    assert.throws(() => checkNativeLibrary(library, "it"), {code: "ENGINE_ERROR", message: /has SHA-256/});
    await assert.rejects(installNativeLibrary(library, folder), {code: "ENGINE_ERROR"});
  } finally {
    await rm(folder, {recursive: true});
  }
});

test("a library that was changed after it was installed is not loaded", {skip: nativeMissing ?? false}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  try {
    const library = new Uint8Array(await readFile(nativeLibraryPath()));
    await installNativeLibrary(library, folder);
    library[5000]! ^= 1;
    await writeFile(nativeLibraryPath(folder), library);
    await assert.rejects(createNativeEngine({files: installedNativeFiles(folder)}), {
      code: "ENGINE_ERROR",
      message: /has SHA-256/,
    });
  } finally {
    await rm(folder, {recursive: true});
  }
});
