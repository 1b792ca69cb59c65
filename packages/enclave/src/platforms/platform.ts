/** What the enclave needs of the hardware under it, whichever that is (DESIGN §4). */
import type {DcapEvidence} from "@tf-trusted/attestation";

export interface PlatformCapabilities {
  readonly sealing: boolean;
  readonly monotonicCounter: boolean;
  readonly trustedTime: boolean;
}

export interface Platform {
  readonly kind: "simulated" | "gramine" | "tdx" | "snp";
  readonly capabilities: PlatformCapabilities;
  /** Evidence that carries `reportData` (64 bytes) and the measurement of this very program. Throws `PLATFORM_FAILED`. */
  evidence(reportData: Uint8Array): Promise<DcapEvidence>;
  /** What evidence will say, hexadecimal. */
  measurement(): string;
}
