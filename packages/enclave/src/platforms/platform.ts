/** What the enclave needs of the hardware under it, whichever that is (DESIGN §4). */
import type {Evidence} from "@tf-trusted/attestation";

export interface PlatformCapabilities {
  readonly sealing: boolean;
  readonly monotonicCounter: boolean;
  readonly trustedTime: boolean;
}

export interface Platform {
  readonly kind: "simulated" | "gramine" | "tdx" | "snp";
  readonly capabilities: PlatformCapabilities;
  /**
   * Evidence of any kind that carries `reportData` (64 bytes; in a Nitro document as its user data) and the measurement of
   * this very program, with whatever collateral the platform has at hand. Throws `PLATFORM_FAILED`.
   */
  evidence(reportData: Uint8Array): Promise<Evidence>;
  /** What evidence will say, hexadecimal. */
  measurement(): string;
}
