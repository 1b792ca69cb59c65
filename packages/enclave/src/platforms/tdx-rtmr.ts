/**
 * RTMR3 of a TDX guest, which is zero at the start and belongs to the software: the launcher extends it once by the digest
 * of the artefact's manifest, so that quotes name what runs in the guest besides what booted it (platforms.md §8; kernel
 * ≥ 6.16: Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest).
 */
import {createHash} from "node:crypto";
import {encodeHex, equalBytes} from "@tf-trusted/core";
import {EnclaveError} from "../enclave-error.ts";
import {type DeviceFiles, systemCode} from "./device-files.ts";

const rtmr3File = "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384";
const registerBytes = 48;

/** What RTMR3 holds after one extension: SHA-384 of 48 zeros and SHA-384 of the manifest. */
export function expectedRtmr3(manifest: Uint8Array): Uint8Array {
  return sha384(new Uint8Array(registerBytes), sha384(manifest));
}

/**
 * Extends it, or finds it extended by the same manifest after a restart. Throws `PLATFORM_UNSAFE` where it holds something
 * else, and `PLATFORM_FAILED`. Returns false where the kernel gives no access: policies then have to do without.
 */
export async function extendRtmr3(files: DeviceFiles, manifest: Uint8Array): Promise<boolean> {
  const expected = expectedRtmr3(manifest);
  try {
    const before = await files.read(rtmr3File, registerBytes);
    if (equalBytes(before, expected)) return true;
    if (before.length !== registerBytes || before.some((byte) => byte !== 0)) {
      throw new EnclaveError(
        "PLATFORM_UNSAFE",
        `RTMR3 is ${encodeHex(before)}: something else was started in this guest; expected zeros or ${encodeHex(expected)}`,
      );
    }
    await files.write(rtmr3File, sha384(manifest));
    const after = await files.read(rtmr3File, registerBytes);
    if (equalBytes(after, expected)) return true;
    throw new EnclaveError("PLATFORM_FAILED", `RTMR3 became ${encodeHex(after)}, expected ${encodeHex(expected)}`);
  } catch (error) {
    if (error instanceof EnclaveError) throw error;
    // Kernels before 6.16 have no such file.
    if (systemCode(error) === "ENOENT") return false;
    throw new EnclaveError("PLATFORM_FAILED", `RTMR3 can't be extended (${systemCode(error) || "failed"})`, {
      cause: error,
    });
  }
}

function sha384(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha384");
  for (const part of parts) hash.update(part);
  return Uint8Array.from(hash.digest());
}
