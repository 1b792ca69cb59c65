/** What the enclave needs of the hardware under it, whichever that is (DESIGN §4). */
import type {Evidence} from "@tf-trusted/attestation";

export const platformKinds = ["simulated", "gramine", "tdx", "snp"] as const;
export type PlatformKind = (typeof platformKinds)[number];

/** Whether the native engine can be isolated in processes of its own: under Gramine each would be another enclave. */
export function mayStartProcesses(kind: PlatformKind): boolean {
  return kind !== "gramine";
}

export interface PlatformCapabilities {
  readonly sealing: boolean;
  readonly monotonicCounter: boolean;
  readonly trustedTime: boolean;
}

export interface Platform {
  readonly kind: PlatformKind;
  readonly capabilities: PlatformCapabilities;
  /**
   * Evidence of any kind that carries `reportData` (64 bytes; in a Nitro document as its user data) and the measurement of
   * this very program, with whatever collateral the platform has at hand. Throws `PLATFORM_FAILED`.
   */
  evidence(reportData: Uint8Array): Promise<Evidence>;
  /** What evidence will say, hexadecimal. */
  measurement(): string;
  /**
   * 32 bytes that only this program on this CPU gets, another for each label. Throws `SEALING_MISSING` where
   * `capabilities.sealing` is false, and `PLATFORM_FAILED`.
   */
  sealingKey(label: string): Promise<Uint8Array>;
}
