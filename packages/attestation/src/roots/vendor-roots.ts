/**
 * The vendors' roots of trust, pinned by public key: SHA-256 of the SubjectPublicKeyInfo. A root certificate in evidence
 * is trusted because its key is pinned here or in the policy, never because of its name.
 */
export interface VendorRoot {
  readonly title: string;
  /** SHA-256 of the root's SubjectPublicKeyInfo in DER, hexadecimal. */
  readonly spkiSha256: string;
  /** SHA-256 of the published certificate in DER, so that people can compare what they downloaded. */
  readonly certificateSha256: string;
  readonly source: string;
  readonly tees: readonly ("sgx" | "tdx" | "snp" | "nitro")[];
  /** The product line that it vouches for, where a vendor has a root for each. */
  readonly product?: string;
}

export const vendorRoots = {
  intel: {
    title: "Intel SGX Root CA",
    spkiSha256: "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e",
    certificateSha256: "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",
    source: "https://certificates.trustedservices.intel.com/Intel_SGX_Provisioning_Certification_RootCA.cer",
    tees: ["sgx", "tdx"],
  },
} as const satisfies Readonly<Record<string, VendorRoot>>;

export type VendorRootName = keyof typeof vendorRoots;
