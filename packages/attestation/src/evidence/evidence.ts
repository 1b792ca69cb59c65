/**
 * Evidence as it travels: what a platform says about an enclave, and the vendor's statements (collateral) that are needed
 * to judge it. Everything is bytes as received; nothing here is trusted.
 */

export type Evidence = DcapEvidence | SnpReportEvidence | NitroDocumentEvidence;

/** An attestation document of AWS Nitro Enclaves, with or without the COSE tag. It carries its certificates. */
export interface NitroDocumentEvidence {
  readonly kind: "nitro-document";
  readonly document: Uint8Array;
  readonly collateral: Readonly<Record<string, never>>;
}

/** Quotes of Intel's data center attestation. */
export type DcapEvidence = SgxQuoteV3Evidence | SgxQuoteEvidence | TdxQuoteEvidence;

/** An attestation report of AMD SEV-SNP, version 2 to 5. */
export interface SnpReportEvidence {
  readonly kind: "snp-report";
  readonly report: Uint8Array;
  readonly collateral: SnpCollateral;
}

/** What AMD's key distribution service (KDS) or the host's certificate table gives. */
export interface SnpCollateral {
  /** DER or PEM: the key that signed the report, of a chip (VCEK) or of a cloud provider (VLEK). */
  readonly vcek?: Uint8Array;
  /** PEM: the intermediate (ASK or ASVK) and AMD's root (ARK), in any order. */
  readonly amdChain?: Uint8Array;
  /** DER, of the root. Where it is given, nothing on it is accepted. */
  readonly amdCrl?: Uint8Array;
}

/** An SGX quote of version 3, 4 or 5. */
export interface SgxQuoteEvidence {
  readonly kind: "sgx-quote";
  readonly quote: Uint8Array;
  readonly collateral: SgxCollateral;
}

/** A TDX quote of version 4 or 5. Its collateral comes from the service's paths for TDX, and has the same parts. */
export interface TdxQuoteEvidence {
  readonly kind: "tdx-quote";
  readonly quote: Uint8Array;
  readonly collateral: SgxCollateral;
}

export interface SgxQuoteV3Evidence {
  readonly kind: "sgx-quote-v3";
  readonly quote: Uint8Array;
  readonly collateral: SgxCollateral;
}

/** What Intel's provisioning service (PCS or PCCS, v4) answers. An absent or empty part counts as missing. */
export interface SgxCollateral {
  /** `GET /tcb`: `{"tcbInfo":…,"signature":…}`, byte for byte. */
  readonly tcbInfo?: Uint8Array;
  /** PEM: TCB signing certificate, root. */
  readonly tcbInfoIssuerChain?: Uint8Array;
  /** `GET /qe/identity`: `{"enclaveIdentity":…,"signature":…}`, byte for byte. */
  readonly qeIdentity?: Uint8Array;
  readonly qeIdentityIssuerChain?: Uint8Array;
  /** DER, of the authority (Processor or Platform CA) that issued the PCK certificate. */
  readonly pckCrl?: Uint8Array;
  /**
   * Comes with the CRL from the service, and is carried for other verifiers. Not needed here: the CRL must be signed by
   * the very authority that issued the PCK certificate.
   */
  readonly pckCrlIssuerChain?: Uint8Array;
  /** DER, of the root. */
  readonly rootCrl?: Uint8Array;
  /** PEM: PCK certificate, its authority, root, in any order. Only used where the quote doesn't hold the chain. */
  readonly pckChain?: Uint8Array;
}

/** What verification can't do without. */
export const neededCollateral = [
  "tcbInfo",
  "tcbInfoIssuerChain",
  "qeIdentity",
  "qeIdentityIssuerChain",
  "pckCrl",
  "rootCrl",
] as const satisfies readonly (keyof SgxCollateral)[];

export type CompleteSgxCollateral = SgxCollateral & Required<Pick<SgxCollateral, (typeof neededCollateral)[number]>>;
