/**
 * configfs-tsm as the kernel behaves (platforms.md §7): folders made by mkdir with files in them, a generation that counts
 * writes, values that take effect when the file is closed and whose errors are lost there, reports cached until the next
 * write, drivers that refuse, are busy or too slow, and other writers in between.
 */
import {type DeviceFiles, systemError} from "../platforms/device-files.ts";

export interface TsmFaults {
  /** With a newline, as the kernel writes it. */
  readonly provider?: string;
  /** configfs-tsm isn't there (ENOENT) or no driver is (ENXIO), or the caller isn't root (EACCES). */
  readonly makeFolderFails?: string;
  /** Errors of `outblob`, one a read, then it works. */
  readonly outblobFails?: readonly string[];
  /** How many requests somebody else writes to in between. */
  readonly racingWrites?: number;
  /** How many writes are lost when the file is closed. */
  readonly lostWrites?: number;
  /** A driver that answers with what was asked before. */
  readonly stale?: boolean;
  readonly auxblob?: Uint8Array;
  readonly noAuxblob?: boolean;
  readonly generation?: string;
  readonly removeFolderFails?: string;
}

export interface FakeConfigfs extends DeviceFiles {
  /** Folders that are there now: none, when everybody cleaned up. */
  readonly folders: () => readonly string[];
  readonly requests: () => number;
}

interface Folder {
  generation: number;
  inblob: Uint8Array | undefined;
  outblob: Uint8Array | undefined;
}

const root = "/sys/kernel/config/tsm/report/";

export function fakeConfigfs(
  makeReport: (reportData: Uint8Array) => Promise<Uint8Array> | Uint8Array,
  faults: TsmFaults = {},
): FakeConfigfs {
  const folders = new Map<string, Folder>();
  const fails = [...(faults.outblobFails ?? [])];
  let {racingWrites = 0, lostWrites = 0} = faults;
  let requests = 0;
  let lastReportData = new Uint8Array(64);

  function find(path: string): {readonly folder: Folder; readonly name: string} {
    const match = path.startsWith(root) ? /^([^/]+)\/([^/]+)$/.exec(path.slice(root.length)) : null;
    const folder = match === null ? undefined : folders.get(match[1]!);
    if (match === null || folder === undefined) throw systemError("ENOENT", path);
    return {folder, name: match[2]!};
  }

  function store(folder: Folder, bytes: Uint8Array): void {
    folder.inblob = bytes;
    folder.outblob = undefined;
    folder.generation++;
  }

  async function outblob(folder: Folder): Promise<Uint8Array> {
    if (folder.inblob === undefined) throw systemError("EINVAL", "outblob");
    if (folder.outblob === undefined) {
      const failure = fails.shift();
      if (failure !== undefined) throw systemError(failure, "outblob");
      requests++;
      const asked = faults.stale ? lastReportData : folder.inblob;
      lastReportData = Uint8Array.from(folder.inblob);
      folder.outblob = await makeReport(asked);
      if (racingWrites-- > 0) store(folder, new Uint8Array(64).fill(0xee));
      else return folder.outblob;
      return makeReport(new Uint8Array(64).fill(0xee));
    }
    return folder.outblob;
  }

  const text = (value: string) => new TextEncoder().encode(value);
  const readers: Readonly<Record<string, (folder: Folder) => Uint8Array | Promise<Uint8Array>>> = {
    provider: () => text(faults.provider ?? "tdx_guest\n"),
    generation: ({generation}) => text(faults.generation ?? `${generation}\n`),
    outblob,
    ...(!faults.noAuxblob && {auxblob: () => faults.auxblob ?? new Uint8Array(0)}),
  };

  return {
    folders: () => [...folders.keys()],
    requests: () => requests,
    read: async (path, maxBytes) => {
      const {folder, name} = find(path);
      // Write-only: EACCES even for root.
      if (name === "inblob" || name === "privlevel") throw systemError("EACCES", path);
      const read = readers[name];
      if (read === undefined) throw systemError("ENOENT", path);
      const bytes = await read(folder);
      if (bytes.length > maxBytes) throw systemError("EFBIG", path);
      return Uint8Array.from(bytes);
    },
    write: async (path, bytes) => {
      const {folder, name} = find(path);
      if (name !== "inblob") throw systemError("EACCES", path);
      if (bytes.length === 0 || bytes.length > 64) throw systemError("EINVAL", path);
      if (lostWrites-- > 0) return;
      store(folder, Uint8Array.from(bytes));
    },
    makeFolder: async (path) => {
      if (faults.makeFolderFails !== undefined) throw systemError(faults.makeFolderFails, path);
      if (!path.startsWith(root)) throw systemError("ENOENT", path);
      const name = path.slice(root.length);
      if (folders.has(name)) throw systemError("EEXIST", path);
      folders.set(name, {generation: 0, inblob: undefined, outblob: undefined});
    },
    removeFolder: async (path) => {
      if (faults.removeFolderFails !== undefined) throw systemError(faults.removeFolderFails, path);
      if (!folders.delete(path.slice(root.length))) throw systemError("ENOENT", path);
    },
  };
}
