/** The platform of this machine, by name or found: what `--platform` says, minus the simulated one, which a launcher is. */
import {EnclaveError} from "../enclave-error.ts";
import {detectPlatform} from "./detect.ts";
import {type DeviceFiles, systemFiles} from "./device-files.ts";
import {openGraminePlatform} from "./gramine.ts";
import {openGuestPlatform} from "./guest.ts";
import type {Platform, PlatformKind} from "./platform.ts";
import {checkSurroundings, type Surroundings} from "./surroundings.ts";

export type HardwarePlatform = Exclude<PlatformKind, "simulated">;

/**
 * Opens it after a look at how the process was started. Throws `PLATFORM_MISSING`, `PLATFORM_UNSAFE`, `PLATFORM_FAILED`.
 */
export async function openPlatform(
  wanted: HardwarePlatform | "auto",
  surroundings: Surroundings,
  files: DeviceFiles = systemFiles,
): Promise<Platform> {
  const kind = wanted === "auto" ? await detectPlatform({files}) : wanted;
  checkSurroundings(kind, surroundings);
  const platform = kind === "gramine" ? await openGraminePlatform({files}) : await openGuestPlatform(kind, {files});
  if (platform.kind !== kind) throw new EnclaveError("PLATFORM_FAILED", `${platform.kind} came up instead of ${kind}`);
  return platform;
}
