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
  "aws-nitro": {
    title: "AWS Nitro Enclaves Root G1",
    spkiSha256: "f2caf5ecc6190b4a8399b78bc58a2bbcd0382375db8a1bfd78a82743874fd225",
    certificateSha256: "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b",
    source: "https://aws-nitro-enclaves.amazonaws.com/AWS_NitroEnclaves_Root-G1.zip",
    tees: ["nitro"],
  },
  "amd-milan": {
    title: "AMD ARK-Milan",
    spkiSha256: "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9",
    certificateSha256: "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    source: "https://kdsintf.amd.com/vcek/v1/Milan/cert_chain",
    tees: ["snp"],
    product: "Milan",
  },
  "amd-genoa": {
    title: "AMD ARK-Genoa",
    spkiSha256: "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831",
    certificateSha256: "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    source: "https://kdsintf.amd.com/vcek/v1/Genoa/cert_chain",
    tees: ["snp"],
    product: "Genoa",
  },
  "amd-turin": {
    title: "AMD ARK-Turin",
    spkiSha256: "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08",
    certificateSha256: "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
    source: "https://kdsintf.amd.com/vcek/v1/Turin/cert_chain",
    tees: ["snp"],
    product: "Turin",
  },
} as const satisfies Readonly<Record<string, VendorRoot>>;

export type VendorRootName = keyof typeof vendorRoots;
