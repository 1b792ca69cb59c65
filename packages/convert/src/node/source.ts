/** A path on disk → the model that is there. */
import {readFile, stat} from "node:fs/promises";
import {basename, dirname} from "node:path";
import {ConvertError} from "../convert-error.ts";
import type {ModelSource} from "../convert-model.ts";
import type {ModelFiles} from "../readers/model-files.ts";
import {modelJson} from "../readers/tfjs/model-json.ts";
import {openFolder} from "./folder.ts";

/**
 * The bytes of a file, or the files of a folder. A file that is only the description of what lies beside it
 * (`saved_model.pb`, `model.json`, by their content) stands for its folder. Throws `CONVERT_FILE_MISSING`, `CONVERT_LIMIT`.
 */
export async function openModelSource(path: string): Promise<ModelSource> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new ConvertError("CONVERT_FILE_MISSING", `there is no file or folder ${path}`, {cause, details: {path}});
  });
  return found.isDirectory() ? openFolder(path) : sourceOfFile(path, await readFile(path));
}

/** {@link openModelSource} for a file that was read already. */
export async function sourceOfFile(path: string, bytes: Uint8Array): Promise<ModelSource> {
  if (bytes[0] === 0x08 && bytes[1] === 0x01 && bytes[2] === 0x12) return openFolder(dirname(path));
  const head = new TextDecoder("latin1").decode(bytes.subarray(0, 4096));
  if (/^(\s|#[^\n]*\n)*(saved_model_schema_version|meta_graphs)\s*[:{<]/.test(head)) return openFolder(dirname(path));
  if (!/^\s*\{/.test(head)) return bytes;
  // Weights lie beside it; nothing else of the folder is looked at.
  return withAlias(await openFolder(dirname(path), 1), basename(path));
}

/** `model.json`, whatever its name is. */
function withAlias(files: ModelFiles, name: string): ModelFiles {
  const real = (path: string) => (path === modelJson ? name : path);
  // A SavedModel beside it isn't what was named.
  const others = files.paths.filter((path) => !path.startsWith("saved_model."));
  return {
    paths: [...new Set([...others, modelJson])],
    size: (path) => files.size(real(path)),
    read: (path, offset, length) => files.read(real(path), offset, length),
  };
}
