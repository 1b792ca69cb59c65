/** Which TEE this is, for `--platform auto` (platforms.md §7.4). Nothing found is a refusal, never a simulation. */
import {EnclaveError} from "../enclave-error.ts";
import {readTsmProvider, tsmFolder, tsmProviders} from "./configfs-tsm.ts";
import {type DeviceFiles, systemCode} from "./device-files.ts";
import {attestationFolder} from "./gramine.ts";
import type {PlatformKind} from "./platform.ts";

export interface DetectOptions {
  readonly files: DeviceFiles;
  readonly attestationFolder?: string;
  readonly tsmFolder?: string;
  /** DMI: how Azure marks its machines. */
  readonly chassisTag?: string;
}

/** Microsoft: the chassis asset tag of every Azure VM. */
const azureChassis = "7783-7084-3265-9085-8269-3286-77";

/** Throws `PLATFORM_MISSING` where there is none that this version knows, and `PLATFORM_FAILED`. */
export async function detectPlatform(options: DetectOptions): Promise<Exclude<PlatformKind, "simulated">> {
  const {files} = options;
  if (await isThere(files, `${options.attestationFolder ?? attestationFolder}/attestation_type`)) return "gramine";
  const provider = await readTsmProvider({files, folder: options.tsmFolder ?? tsmFolder});
  for (const kind of ["tdx", "snp"] as const) if (provider === tsmProviders[kind]) return kind;
  if (provider !== undefined) {
    const found = `configfs-tsm has the provider ${JSON.stringify(provider)}`;
    const expected = Object.values(tsmProviders).join(" or ");
    throw new EnclaveError("PLATFORM_MISSING", `${found}, expected ${expected}`, {details: {found}});
  }
  const found = (await isAzure(options))
    ? "this is an Azure VM, whose TDX and SNP reports come through its vTPM, which this version can't use"
    : "no TEE is here: neither /dev/attestation (Gramine) nor configfs-tsm (TDX, SEV-SNP)";
  throw new EnclaveError(
    "PLATFORM_MISSING",
    `${found}; --platform simulated runs without one and protects nothing against the owner of this machine`,
    {details: {found}},
  );
}

async function isAzure({files, chassisTag = "/sys/class/dmi/id/chassis_asset_tag"}: DetectOptions): Promise<boolean> {
  try {
    return new TextDecoder().decode(await files.read(chassisTag, 256)).trim() === azureChassis;
  } catch {
    // It only makes the refusal clearer.
    return false;
  }
}

async function isThere(files: DeviceFiles, path: string): Promise<boolean> {
  try {
    await files.read(path, 64);
    return true;
  } catch (error) {
    // Anything but absence is Gramine's to explain.
    return !["ENOENT", "ENOTDIR", "ERR_ACCESS_DENIED"].includes(systemCode(error));
  }
}
