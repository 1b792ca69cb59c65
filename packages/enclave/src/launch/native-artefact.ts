/**
 * Which engine an enclave gets. Each has an artefact of its own, so that the engine is part of the measurement. That of
 * the native engine is put together here: npm brought all but the library, the user installed that, and what the whole has
 * to be was written down at build time with the library's pinned digest.
 */
import {createHash} from "node:crypto";
import {copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile} from "node:fs/promises";
import {join} from "node:path";
import {enginesFolder, isNativeInstalled, nativeArtefactNames, nativeLibraryPath} from "@tf-trusted/litert";
import {EnclaveError} from "../enclave-error.ts";
import {type ArtefactManifest, defaultArtefact, manifestName, nativeParts, nodeName} from "./artefact.ts";

export type EngineChoice = "auto" | "wasm" | "native";

export interface ChosenEngine {
  readonly engine: "wasm" | "native";
  /** Why, where it was left to us and is not the faster one. */
  readonly reason?: string;
}

export interface EngineCircumstances {
  /** False where the platform forbids child processes (Gramine under SGX): the native engine can't be isolated there. */
  readonly mayStartProcesses: boolean;
  readonly isNativeInstalled: boolean;
}

/** Throws `ENGINE_MISSING` where the native engine was asked for and can't be had. */
export function chooseEngine(choice: EngineChoice, circumstances?: Partial<EngineCircumstances>): ChosenEngine {
  if (choice === "wasm") return {engine: "wasm"};
  const {mayStartProcesses = true, isNativeInstalled: isInstalled = isNativeInstalled()} = circumstances ?? {};
  const reason = !mayStartProcesses
    ? "this platform forbids child processes, in which the native engine has to run"
    : !isInstalled
      ? "the native engine is not installed (tf-trusted engine install native)"
      : undefined;
  if (reason === undefined) return {engine: "native"};
  if (choice === "auto") return {engine: "wasm", reason};
  throw new EnclaveError("ENGINE_MISSING", `${reason}; expected it to be there, or --engine wasm`);
}

/** The folder of the artefact with an engine. Throws `ENGINE_MISSING`, `ARTEFACT_INVALID`. */
export async function artefactWith(engine: ChosenEngine["engine"]): Promise<string> {
  if (engine === "wasm") return defaultArtefact;
  const manifest = await readFile(join(nativeParts, manifestName)).catch((cause: unknown) => {
    throw new EnclaveError("ENGINE_MISSING", "this installation has no native engine for this machine", {cause});
  });
  // Copies are named by what the build expects, so that those of other builds stay what they are.
  const digest = createHash("sha256").update(manifest).digest("hex");
  const folder = join(enginesFolder(), `enclave-${digest.slice(0, 16)}`);
  if (await isComplete(folder, manifest)) return folder;
  const building = `${folder}.${process.pid}`;
  await rm(building, {recursive: true, force: true});
  await mkdir(building, {recursive: true});
  try {
    for (const name of await readdir(nativeParts)) {
      if (name !== manifestName) await copyFile(join(nativeParts, name), join(building, name));
    }
    await copyFile(nativeLibraryPath(), join(building, nativeArtefactNames().library));
    await writeFile(join(building, manifestName), manifest);
    await rm(folder, {recursive: true, force: true});
    await rename(building, folder);
  } catch (cause) {
    await rm(building, {recursive: true, force: true});
    // Another launch may have put it there at the same time.
    if (await isComplete(folder, manifest)) return folder;
    throw new EnclaveError("ENGINE_MISSING", `the native engine can't be put together in ${folder}`, {cause});
  }
  return folder;
}

/** Whether everything is there. What it holds is measured at every launch. */
async function isComplete(folder: string, manifest: Uint8Array): Promise<boolean> {
  try {
    if (!(await readFile(join(folder, manifestName))).equals(manifest)) return false;
    const {files} = JSON.parse(new TextDecoder().decode(manifest)) as ArtefactManifest;
    const sizes = await Promise.all(
      files.map(async ({name, size}) => name === nodeName || (await stat(join(folder, name))).size === size),
    );
    return !sizes.includes(false);
  } catch {
    // Not there, or only a part of it.
    return false;
  }
}
