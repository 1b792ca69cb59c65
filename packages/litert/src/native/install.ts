/** The library out of a wheel, checked, into its place. Nothing of the wheel is run; one member of it is read. */
import {mkdir, rename, rm, writeFile} from "node:fs/promises";
import {dirname} from "node:path";
import {readZip, TensorError} from "@tf-trusted/tensor";
import {LitertError} from "../litert-error.ts";
import {checkNativeLibrary, enginesFolder, nativeLibraryPath, nativePin} from "./library.ts";

/** All members of a wheel together; the real one has a tenth of it. */
const maxWheelBytes = 1 << 30;

/**
 * Takes a wheel of `ai-edge-litert` or the library itself, checks the library's SHA-256 and puts it where
 * `createNativeEngine` finds it; the path. Throws `ENGINE_ERROR` for anything but the pinned library.
 */
export async function installNativeLibrary(source: Uint8Array, folder: string = enginesFolder()): Promise<string> {
  const library = isZip(source) ? fromWheel(source) : source;
  checkNativeLibrary(library, isZip(source) ? `${nativePin().member} of the wheel` : "the file");
  const path = nativeLibraryPath(folder);
  await mkdir(dirname(path), {recursive: true});
  // Complete or not there.
  const writing = `${path}.${process.pid}`;
  try {
    await writeFile(writing, library, {mode: 0o644});
    await rename(writing, path);
  } finally {
    await rm(writing, {force: true});
  }
  return path;
}

function isZip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

function fromWheel(wheel: Uint8Array): Uint8Array {
  const {member, tag} = nativePin();
  try {
    const found = readZip(wheel, maxWheelBytes).find(({name}) => name === member);
    if (found !== undefined) return found.read();
  } catch (cause) {
    if (!(cause instanceof TensorError)) throw cause;
    throw new LitertError("ENGINE_ERROR", `the wheel can't be read: ${cause.message}`, {cause});
  }
  throw new LitertError("ENGINE_ERROR", `the wheel has no ${member}; expected one of ai-edge-litert for ${tag}`);
}
