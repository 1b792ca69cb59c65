/**
 * The few operations on files that platforms need. `/dev/attestation` and configfs are programs behind file names: what a
 * read gives depends on the write before it, sizes are unknown, and a write counts as a whole. Tests put stand-ins here
 * that behave so (`testing/`); production has only {@link systemFiles}.
 */
import {constants} from "node:fs";
import {mkdir, open, rmdir} from "node:fs/promises";

export interface DeviceFiles {
  /** All that comes until the end of the file, however short the single reads are. Throws what the system says. */
  read(path: string, maxBytes: number): Promise<Uint8Array>;
  /** All bytes in one write to a file that is there. Throws what the system says, also when the file is closed. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
}

/** The files of this machine. */
export const systemFiles: DeviceFiles = {
  read: async (path, maxBytes) => {
    const file = await open(path, constants.O_RDONLY);
    try {
      const parts: Uint8Array[] = [];
      let total = 0;
      for (;;) {
        // One byte more than allowed, so that a file that is too long shows.
        const buffer = new Uint8Array(Math.min(maxBytes + 1 - total, chunkBytes));
        const {bytesRead} = await file.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) return join(parts, total);
        parts.push(buffer.subarray(0, bytesRead));
        total += bytesRead;
        if (total > maxBytes) throw systemError("EFBIG", `${path} has more than ${maxBytes} bytes`);
      }
    } finally {
      await file.close();
    }
  },
  write: async (path, bytes) => {
    const file = await open(path, constants.O_WRONLY | constants.O_TRUNC);
    try {
      const {bytesWritten} = await file.write(bytes);
      // The rest in a second write would be another value.
      if (bytesWritten !== bytes.length)
        throw systemError("EIO", `${path} took ${bytesWritten} of ${bytes.length} bytes`);
    } finally {
      await file.close();
    }
  },
  makeFolder: async (path) => {
    await mkdir(path);
  },
  removeFolder: rmdir,
};

/** The system's code of a failure: `EACCES`; empty where it isn't one of the system's. */
export function systemCode(error: unknown): string {
  const code = (error as {readonly code?: unknown} | null | undefined)?.code;
  return typeof code === "string" ? code : "";
}

export function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), {code});
}

const chunkBytes = 64 * 2 ** 10;

function join(parts: readonly Uint8Array[], total: number): Uint8Array {
  const whole = new Uint8Array(total);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
