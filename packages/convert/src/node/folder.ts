/** A folder on disk as the files of a model. Nothing outside of it is ever read: links aren't followed. */
import {open, readdir, stat} from "node:fs/promises";
import {join, relative, sep} from "node:path";
import {ConvertError} from "../convert-error.ts";
import type {ModelFiles} from "../readers/model-files.ts";

const maxFiles = 10_000;
const maxDepth = 16;

/**
 * `depth` is how many levels of folders are looked into. Throws `CONVERT_FILE_MISSING` where there is no such folder, or a part
 * of the model is a link, and `CONVERT_LIMIT` for more files than a model has.
 */
export async function openFolder(folder: string, depth = maxDepth): Promise<ModelFiles> {
  const paths = (await list(folder, depth)).sort();
  const known = new Set(paths);
  const locate = (path: string): string => {
    if (known.has(path)) return join(folder, path);
    throw new ConvertError("CONVERT_FILE_MISSING", `${folder} has no file ${path}`, {details: {path}});
  };
  return {
    paths,
    size: async (path) => (await stat(locate(path))).size,
    read: async (path, offset, length) => {
      const file = await open(locate(path));
      try {
        const bytes = new Uint8Array(length);
        for (let read = 0; read < length; ) {
          const {bytesRead} = await file.read(bytes, read, length - read, offset + read);
          if (bytesRead === 0) {
            throw new ConvertError(
              "CONVERT_FILE_MISSING",
              `${path} ends at ${offset + read}, ${length - read} bytes early`,
            );
          }
          read += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    },
  };
}

/** What a model consists of; links by other names are no concern of it. */
const partOfModel =
  /^((.*\/)?saved_model\.\w+|(.*\/)?(variables|assets)(\/.*)?|.*\.(json|bin|keras|h5|hdf5|pb|pbtxt|tflite))$/;

const nameIn = (folder: string, path: string): string => relative(folder, path).split(sep).join("/");

async function list(folder: string, depth: number): Promise<string[]> {
  const paths: string[] = [];
  const pending = [{path: folder, depth}];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const {path: parent, depth: left} = next;
    const entries = await readdir(parent, {withFileTypes: true}).catch((cause: unknown) => {
      throw new ConvertError("CONVERT_FILE_MISSING", `${parent} can't be read as a folder`, {cause});
    });
    for (const entry of entries) {
      const path = join(parent, entry.name);
      if (entry.isDirectory() && left > 1) pending.push({path, depth: left - 1});
      else if (entry.isFile()) paths.push(nameIn(folder, path));
      else if (entry.isSymbolicLink() && partOfModel.test(nameIn(folder, path))) {
        const name = nameIn(folder, path);
        throw new ConvertError(
          "CONVERT_FILE_MISSING",
          `${name} in ${folder} is a link, and links aren't followed; copy the model's files (cp -rL)`,
          {details: {path: name}},
        );
      }
      if (paths.length + pending.length > maxFiles) {
        throw new ConvertError("CONVERT_LIMIT", `${folder} has more than ${maxFiles} files`);
      }
    }
  }
  return paths;
}
