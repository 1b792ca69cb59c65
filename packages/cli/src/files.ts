/** Files, with coded errors that say what the system said. */
import {lstat, mkdir, open, readFile, realpath, rename, rm, stat} from "node:fs/promises";
import {dirname} from "node:path";
import {bytesOf, type LazyBytes} from "@tf-trusted/tensor";
import {CliError} from "./cli-error.ts";

/** A file's content, whole or as consecutive parts. */
type FileData = string | Uint8Array | readonly (Uint8Array | LazyBytes)[];

/** Throws `CLI_FILE_READ`. */
export async function readInputFile(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CliError("CLI_FILE_READ", `${path}: ${reasonOf(error)}`, {cause: error, details: {path}});
  }
}

/** Whether there is a folder at `path`; what isn't there is none. */
export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** Throws `CLI_FILE_READ`, also for what isn't UTF-8. */
export async function readTextFile(path: string): Promise<string> {
  const bytes = await readInputFile(path);
  try {
    return new TextDecoder("utf-8", {fatal: true}).decode(bytes);
  } catch (error) {
    throw new CliError("CLI_FILE_READ", `${path}: is not UTF-8 text`, {cause: error, details: {path}});
  }
}

/**
 * Writes a whole file or none: into a file beside it that then takes its place. Devices and pipes (`/dev/stdout`) are
 * written as they are. `mode` is for the file, less the process's umask. Throws `CLI_FILE_WRITE`.
 */
export async function writeOutputFile(path: string, data: FileData, mode = 0o666): Promise<void> {
  try {
    const target = await followLink(path);
    const regular = await isRegularOrAbsent(target);
    const temporary = `${target}.${process.pid}.partial`;
    try {
      await writeAndClose(regular ? temporary : target, data, regular ? "wx" : "w", mode);
      if (regular) await rename(temporary, target);
    } catch (error) {
      if (regular) await rm(temporary, {force: true});
      throw error;
    }
  } catch (error) {
    throw new CliError("CLI_FILE_WRITE", `${path}: ${reasonOf(error)}`, {cause: error, details: {path}});
  }
}

/** Makes a folder and those above it. Throws `CLI_FILE_WRITE`. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, {recursive: true});
  } catch (error) {
    throw new CliError("CLI_FILE_WRITE", `${path}: ${reasonOf(error)}`, {cause: error, details: {path}});
  }
}

/** `no space left on device`, `no such file or directory`: the words of the system where there are any. */
export function reasonOf(error: unknown): string {
  const {code, message} = error as NodeJS.ErrnoException;
  return reasons[code ?? ""] ?? message;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EISDIR: "is a folder, expected a file",
  ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "no space left on the device",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EMFILE: "too many open files",
  EFBIG: "the file would be too large",
  ERR_FS_FILE_TOO_LARGE: "the file is larger than 2 GiB",
};

async function writeAndClose(path: string, data: FileData, flags: string, mode: number): Promise<void> {
  const file = await open(path, flags, mode);
  try {
    for (const part of typeof data === "string" || data instanceof Uint8Array ? [data] : data) {
      await file.writeFile(typeof part === "string" ? part : bytesOf(part));
    }
  } finally {
    // A network file system may refuse only now, which must not be lost.
    await file.close();
  }
}

async function followLink(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // A file to be made; its folder has to be there, or opening says so.
    await lstat(dirname(path));
    return path;
  }
}

async function isRegularOrAbsent(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return true;
  }
}
