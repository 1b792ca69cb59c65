/** What the checks of Intel's DCAP evidence know of each other, whatever the TEE. */
import type {QeIdentity} from "../../collateral/qe-identity.ts";
import type {EnclaveLevel, PlatformTcb, TcbInfo, TcbLevel} from "../../collateral/tcb-info.ts";
import type {TcbStatus} from "../../collateral/tcb-status.ts";
import type {VendorRootName} from "../../roots/vendor-roots.ts";
import type {Verified} from "../../verified.ts";
import type {Certificate} from "../../x509/certificate.ts";
import type {RevocationList} from "../../x509/crl.ts";
import type {CompleteSgxCollateral, SgxCollateral} from "../evidence.ts";
import type {CertificationData} from "./certification-data.ts";
import type {EnclaveReport} from "./layout.ts";
import type {PckExtension} from "./pck-extension.ts";

/** A root that the policy names: a vendor's, or a simulation's by its key. */
export interface TrustedRoot {
  readonly kind: VendorRootName | "simulated";
  /** SHA-256 of the root's SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly spkiSha256: string;
}

export interface DcapStart {
  readonly collateral: SgxCollateral;
  readonly trustedRoots: readonly TrustedRoot[];
  /** The time of verification, milliseconds since 1970. */
  readonly at: number;
}

/** What a quote of any version and TEE gives to the common checks. */
export interface DcapQuoteFacts {
  readonly certification: CertificationData;
  readonly qeReport: EnclaveReport;
  readonly qeReportBytes: Uint8Array;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthenticationData: Uint8Array;
  readonly attestationKey: Uint8Array;
  readonly quoteSignature: Uint8Array;
  readonly quoteSignedBytes: Uint8Array;
  /** The identifiers that collateral for this TEE has. */
  readonly collateralIds: {readonly tcbInfo: TcbInfo["id"]; readonly qeIdentity: QeIdentity["id"]};
}

export interface PartsFacts {
  readonly parts: CompleteSgxCollateral;
}

/** Leaf first, as received; never empty. */
export type CertificateChain = readonly [Certificate, ...Certificate[]];

export interface ChainsFacts {
  readonly chains: {
    readonly pck: CertificateChain;
    readonly tcbInfo: CertificateChain;
    readonly qeIdentity: CertificateChain;
  };
}

export interface RootFacts {
  readonly root: Verified<Certificate>;
  readonly trustedRoot: TrustedRoot;
}

export interface PckFacts {
  readonly pck: Verified<Certificate>;
  readonly pckAuthority: Verified<Certificate>;
}

export interface PckExtensionFacts {
  readonly platform: PckExtension;
  readonly platformTcb: PlatformTcb;
}

export interface CrlFacts {
  readonly rootCrl: Verified<RevocationList>;
  readonly pckCrl: Verified<RevocationList>;
}

export interface SignerFacts {
  readonly tcbInfoSigner: Verified<Certificate>;
  readonly qeIdentitySigner: Verified<Certificate>;
}

export interface TcbInfoFacts {
  readonly tcbInfo: Verified<TcbInfo>;
}

export interface QeIdentityFacts {
  readonly qeIdentity: Verified<QeIdentity>;
}

export interface QeLevelFacts {
  readonly qeLevel: EnclaveLevel;
}

export interface QuoteSignedFacts {
  /** Header and body of the quote. */
  readonly signedQuote: Verified<Uint8Array>;
}

export interface TcbLevelFacts {
  readonly platformLevel: TcbLevel;
  /** Of the TDX module, where it is judged apart. */
  readonly moduleLevel: EnclaveLevel | null;
  /** Where the platform's present state is known besides the one at launch (TDX 1.5). */
  readonly currentLevels: {readonly platformLevel: TcbLevel; readonly moduleLevel: EnclaveLevel | null} | null;
}

/** The platform as a whole. */
export interface TcbStatusFacts {
  readonly tcb: {
    readonly status: TcbStatus;
    /** Union of the platform's and the parts' advisories, sorted. */
    readonly advisories: readonly string[];
    /** Earliest date of the levels, milliseconds since 1970. */
    readonly date: number;
    /** The lower of the numbers of TCB info and QE identity: the older statement counts. */
    readonly evaluationDataNumber: number;
  };
}
