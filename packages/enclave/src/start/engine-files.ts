/** The engine of the artefact. */
import {existsSync} from "node:fs";
import {readFile} from "node:fs/promises";
import {fileURLToPath} from "node:url";
import {
  artefactFiles,
  artefactNativeFiles,
  createNativeEngine,
  createWasmEngine,
  type Engine,
  type EngineFiles,
} from "@tf-trusted/litert";
import type {EnclaveConfiguration} from "../configuration.ts";
import {EnclaveError} from "../enclave-error.ts";
import {mayStartProcesses, type PlatformKind} from "../platforms/platform.ts";

/**
 * The engine whose files this artefact has: which one that is was measured, nobody chooses it now. Throws `ENGINE_MISSING`
 * for the native one where the platform has no child processes.
 */
export async function openEngine(
  artefact: URL,
  {modelThreads}: EnclaveConfiguration,
  platform: PlatformKind,
): Promise<Engine> {
  const native = artefactNativeFiles(fileURLToPath(artefact));
  if (existsSync(native.entry)) {
    if (mayStartProcesses(platform)) return createNativeEngine({files: native, threads: modelThreads});
    throw new EnclaveError(
      "ENGINE_MISSING",
      `this artefact has the native engine, which needs child processes, and ${platform} forbids them; expected that of wasm`,
    );
  }
  return createWasmEngine({files: await filesInMemory(artefact)});
}

/** The worker's script is read once: what the host puts in its place after the measurement is never run. */
async function filesInMemory(artefact: URL): Promise<EngineFiles> {
  const files = artefactFiles(artefact);
  const script = await readFile(files.worker, "base64");
  return {...files, worker: new URL(`data:text/javascript;base64,${script}`)};
}
