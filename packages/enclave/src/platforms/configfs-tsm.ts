/**
 * Reports of TDX and SEV-SNP guests through Linux' configfs-tsm (platforms.md §7; kernel: Documentation/ABI/testing/
 * configfs-tsm-report). A report is a folder: 64 bytes go into `inblob`, the report comes out of `outblob`. Errors of a
 * write may only show when the file is closed, or not at all, and others may write to the same folder: the generation,
 * which counts writes, tells whether what was read answers what was written.
 */
import {randomBytes} from "node:crypto";
import {EnclaveError} from "../enclave-error.ts";
import {type DeviceFiles, systemCode} from "./device-files.ts";

export const tsmFolder = "/sys/kernel/config/tsm/report";

/** As the kernel spells them. */
export const tsmProviders = {tdx: "tdx_guest", snp: "sev_guest"} as const;
export type TsmProvider = (typeof tsmProviders)[keyof typeof tsmProviders];

export interface TsmOptions {
  readonly files: DeviceFiles;
  /** Default: {@link tsmFolder}. */
  readonly folder?: string;
  /** Waits between attempts; tests don't. */
  readonly pause?: (milliseconds: number) => Promise<void>;
}

export interface TsmReport {
  /** The quote, or the SNP report. */
  readonly outblob: Uint8Array;
  /** SNP: the certificates that the host has; empty where it gives none. */
  readonly auxblob: Uint8Array;
}

const reportDataBytes = 64;
/** The kernel's own bounds (drivers/virt/coco/tsm.c). */
const maxBlobBytes = 64 * 2 ** 10;
const attempts = 3;
const pauseMs = 250;
/** Somebody else is using the device, or the host's quoting service is slow: worth another try. */
const passing: ReadonlySet<string> = new Set(["EBUSY", "EAGAIN", "EINTR", "ETIMEDOUT", "EEXIST"]);

/** What the kernel's provider is called, or `undefined` where there is no configfs-tsm. Throws `PLATFORM_FAILED`. */
export async function readTsmProvider({files, folder = tsmFolder}: TsmOptions): Promise<string | undefined> {
  const path = `${folder}/${randomName()}`;
  try {
    await files.makeFolder(path);
  } catch (error) {
    // ENXIO: the file system is there, but no driver registered with it.
    if (["ENOENT", "ENXIO", "ENOTDIR"].includes(systemCode(error))) return undefined;
    throw failed(`${path} can't be made`, error);
  }
  return inFolder(files, path, () => readText(files, `${path}/provider`));
}

/**
 * A report with `reportData` (64 bytes) by the provider that is wanted. Throws `PLATFORM_MISSING` where another provider
 * is there, or none, and `PLATFORM_FAILED`.
 */
export async function requestTsmReport(
  options: TsmOptions,
  provider: TsmProvider,
  reportData: Uint8Array,
): Promise<TsmReport> {
  if (reportData.length !== reportDataBytes) {
    throw new EnclaveError("PLATFORM_FAILED", `${reportData.length} bytes of report data, expected ${reportDataBytes}`);
  }
  const {pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))} = options;
  const found: string[] = [];
  for (let attempt = 1; attempt <= attempts; attempt++) {
    if (attempt > 1) await pause(pauseMs * (attempt - 1));
    try {
      const report = await requestOnce(options, provider, reportData);
      if (report !== undefined) return report;
      found.push("another writer interfered");
    } catch (error) {
      if (error instanceof EnclaveError) throw error;
      const code = systemCode(error);
      if (!passing.has(code)) throw failed("no report", error);
      found.push(code);
    }
  }
  throw new EnclaveError("PLATFORM_FAILED", `no report in ${attempts} attempts: ${found.join(", ")}`);
}

/** `undefined` where the generation shows that the report may answer somebody else. */
async function requestOnce(
  {files, folder = tsmFolder}: TsmOptions,
  provider: TsmProvider,
  reportData: Uint8Array,
): Promise<TsmReport | undefined> {
  const path = `${folder}/${randomName()}`;
  try {
    await files.makeFolder(path);
  } catch (error) {
    if (!["ENOENT", "ENXIO", "ENOTDIR"].includes(systemCode(error))) throw error;
    throw new EnclaveError(
      "PLATFORM_MISSING",
      `${folder} isn't there (${systemCode(error)}); expected a guest with configfs and its ${provider} driver`,
      {cause: error},
    );
  }
  return inFolder(files, path, async () => {
    const actual = await readText(files, `${path}/provider`);
    if (actual !== provider) {
      throw new EnclaveError("PLATFORM_MISSING", `the provider is ${JSON.stringify(actual)}, expected ${provider}`);
    }
    const before = await readGeneration(files, path);
    await files.write(`${path}/inblob`, reportData);
    const outblob = await files.read(`${path}/outblob`, maxBlobBytes);
    const auxblob = await readIfThere(files, `${path}/auxblob`);
    const after = await readGeneration(files, path);
    return after === before + 1n ? {outblob, auxblob} : undefined;
  });
}

/** Runs with a folder that is there, and takes it away afterwards. What failed first is what is told. */
async function inFolder<T>(files: DeviceFiles, path: string, run: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await run();
  } catch (error) {
    await files.removeFolder(path).catch(() => {
      // The first failure says more than that its folder stays.
    });
    throw error;
  }
  try {
    await files.removeFolder(path);
  } catch (error) {
    throw failed(`${path} can't be removed`, error);
  }
  return result;
}

async function readText(files: DeviceFiles, path: string): Promise<string> {
  return new TextDecoder().decode(await files.read(path, 256)).replace(/\n$/, "");
}

async function readGeneration(files: DeviceFiles, path: string): Promise<bigint> {
  const text = await readText(files, `${path}/generation`);
  if (/^\d{1,20}$/.test(text)) return BigInt(text);
  throw new EnclaveError("PLATFORM_FAILED", `${path}/generation says ${JSON.stringify(text)}, expected a number`);
}

async function readIfThere(files: DeviceFiles, path: string): Promise<Uint8Array> {
  try {
    return await files.read(path, maxBlobBytes);
  } catch (error) {
    // TDX has no such file; a host without certificates makes an empty one.
    if (systemCode(error) === "ENOENT") return new Uint8Array(0);
    throw error;
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied: only root may ask for reports",
  EPERM: "not permitted: only root may ask for reports",
  EINVAL: "the driver refused the request",
  EFBIG: "the report is larger than the kernel takes",
  EIO: "the host's quoting service failed",
  EROFS: "configfs is read-only",
};

function failed(what: string, cause: unknown): EnclaveError {
  const code = systemCode(cause);
  return new EnclaveError("PLATFORM_FAILED", `${what} (${code || "failed"}): ${reasons[code] ?? "see the cause"}`, {
    cause,
  });
}

function randomName(): string {
  return `tf-trusted-${randomBytes(8).toString("hex")}`;
}
