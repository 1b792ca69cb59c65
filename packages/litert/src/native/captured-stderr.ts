/** Why compiling failed, LiteRT writes to standard error and nowhere else (specs/litert.md §2.6). */
import {readSync} from "node:fs";
import type {LibC} from "./binding.ts";

const stderr = 2;
/** `fcntl`: F_SETFL; O_NONBLOCK differs by system. */
const setFlags = 4;
const nonBlocking = process.platform === "darwin" ? 0x4 : 0o4000;
const maxBytes = 1 << 16;

interface Ends {
  readonly read: number;
  readonly write: number;
  readonly original: number;
}

let ends: Ends | undefined;

/** Opens what is needed, before the process may open nothing any more. */
export function prepareStderr(libc: LibC): void {
  const pair = new Int32Array(2);
  libc.pipe(pair);
  const [read, write] = [pair[0]!, pair[1]!];
  // What is said beyond the pipe's room is lost, instead of blocking.
  for (const end of [read, write]) libc.fcntl(end, setFlags, nonBlocking);
  ends = {read, write, original: libc.dup(stderr)};
}

/** What `work` wrote to standard error, as text. */
export function readingStderr(libc: LibC, work: () => void): string {
  const {read, write, original} = ends!;
  libc.dup2(write, stderr);
  try {
    work();
  } finally {
    libc.dup2(original, stderr);
  }
  const bytes = new Uint8Array(maxBytes);
  try {
    return new TextDecoder().decode(bytes.subarray(0, readSync(read, bytes)));
  } catch {
    // Nothing was written: the pipe is empty and doesn't wait.
    return "";
  }
}
