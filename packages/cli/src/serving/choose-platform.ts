/** Which platform `serve` runs on: the one that was named, or that of this machine. */
import type {PlatformKind} from "@tf-trusted/enclave";

export const platformChoices = ["auto", "simulated", "gramine", "tdx", "snp"] as const;

export interface ChosenPlatform {
  readonly platform: PlatformKind;
  /** Why it is simulated, where nobody asked for that. */
  readonly reason?: string;
}

/** Throws `PLATFORM_FAILED` where a TEE is here and can't be told. */
export async function choosePlatform(choice: (typeof platformChoices)[number]): Promise<ChosenPlatform> {
  if (choice !== "auto") return {platform: choice};
  const {detectPlatform, EnclaveError, systemFiles} = await import("@tf-trusted/enclave");
  try {
    return {platform: await detectPlatform({files: systemFiles})};
  } catch (error) {
    if (!(error instanceof EnclaveError) || error.code !== "PLATFORM_MISSING") throw error;
    // Not silently, and nobody is misled: no policy accepts a simulated enclave unless it names its root.
    return {platform: "simulated", reason: String(error.details.found ?? error.message)};
  }
}
