/** The engine of the artefact. Its worker's script is read once: what the host puts in its place is never run. */
import {readFile} from "node:fs/promises";
import {artefactFiles, createWasmEngine, type Engine, type EngineFiles} from "@tf-trusted/litert";

/** @param folder the artefact's. */
export async function openEngine(folder: URL): Promise<Engine> {
  const files = artefactFiles(folder);
  const script = await readFile(files.worker, "base64");
  const inMemory: EngineFiles = {...files, worker: new URL(`data:text/javascript;base64,${script}`)};
  return createWasmEngine({files: inMemory});
}
