/** The files of a model that is a folder, wherever they lie: on disk, in a zip, in a browser. Paths are relative, with `/`. */
import {ConvertError} from "../convert-error.ts";

export interface ModelFiles {
  /** Paths of all files. */
  readonly paths: readonly string[];
  size(path: string): Promise<number>;
  /** Exactly `length` bytes from `offset`. */
  read(path: string, offset: number, length: number): Promise<Uint8Array>;
}

/** A whole file. Throws `CONVERT_FILE_MISSING`, and `CONVERT_LIMIT` where it is larger than `maxBytes`. */
export async function readWhole(files: ModelFiles, path: string, maxBytes: number): Promise<Uint8Array> {
  if (!files.paths.includes(path)) {
    throw new ConvertError("CONVERT_FILE_MISSING", `the model has no file ${path}`, {details: {path}});
  }
  const size = await files.size(path);
  if (size > maxBytes) {
    throw new ConvertError("CONVERT_LIMIT", `${path} has ${size} bytes, expected at most ${maxBytes}`, {
      details: {path},
    });
  }
  return files.read(path, 0, size);
}

/** Files in memory, by path. */
export function filesInMemory(contents: Readonly<Record<string, Uint8Array>>): ModelFiles {
  return {
    paths: Object.keys(contents),
    size: async (path) => contents[path]!.length,
    read: async (path, offset, length) => contents[path]!.subarray(offset, offset + length),
  };
}
