/**
 * The stable codes of attestation: what a failed step of a report, or a parser, says. `family` is the coarse reason that
 * several finer codes share, so that programs may match on either. Documented in `docs/attestation-codes.md`, which is
 * made from this table ({@link attestationCodesMarkdown}).
 */
import type {ErrorEntry} from "@tf-trusted/core";

export interface AttestationCodeEntry extends ErrorEntry {
  /** The coarse reason; equal to the code itself where there is nothing finer. */
  readonly family: string;
}

export const attestationCodes = {
  EVIDENCE_KIND: {
    family: "FORMAT",
    when: "The evidence is of a kind that this version can't verify.",
    todo: "Ask the enclave for one of the kinds that the step lists, or update.",
  },
  EVIDENCE_TOO_LARGE: {
    family: "FORMAT",
    when: "A part of the evidence or collateral is longer than the limit.",
    todo: "No real evidence comes near the limits: treat the sender as broken or hostile.",
  },
  QUOTE_FORMAT: {
    family: "FORMAT",
    when: "The quote is truncated, has bytes after its end, or lengths that don't fit each other.",
    todo: "Check that the quote was transported whole, as raw bytes.",
  },
  QUOTE_VERSION: {
    family: "VERSION",
    when: "The quote has another version than the supported ones.",
    todo: "Ask the platform for an ECDSA quote of a version that the step lists.",
  },
  QUOTE_KEY_TYPE: {
    family: "KEY_TYPE",
    when: "The attestation key isn't ECDSA P-256.",
    todo: "Configure the quoting enclave for ECDSA P-256; EPID quotes can't be verified any more.",
  },
  QUOTE_TEE_TYPE: {
    family: "TEE_TYPE",
    when: "The quote is of another kind of TEE than its version allows.",
    todo: "Check which platform made the quote.",
  },
  QE_VENDOR: {
    family: "QE_VENDOR",
    when: "The quoting enclave isn't Intel's.",
    todo: "Use the quoting enclave that Intel signs; others can't be verified.",
  },
  CERT_DATA_TYPE: {
    family: "CERT_DATA_TYPE",
    when: "The quote's certification data gives no PCK chain, and none came beside it.",
    todo: "Configure the platform to put the PCK chain into quotes (type 5), or send the chain with the evidence.",
  },
  COLLATERAL_MISSING: {
    family: "COLLATERAL_MISSING",
    when: "TCB info, QE identity, a CRL or an issuer chain did not come with the evidence.",
    todo: "Fetch the missing part from the provisioning service; verification never goes on without.",
  },
  ROOT_UNTRUSTED: {
    family: "ROOT_UNTRUSTED",
    when: "A chain ends in a root whose public key no identity of the policy names.",
    todo: "If this is a simulation that you started, name its root in the policy; otherwise do not trust this enclave.",
  },
  CERT_FORMAT: {
    family: "FORMAT",
    when: "A certificate isn't strict DER, or has a critical extension or algorithm that isn't known.",
    todo: "Check that the chain was transported whole; a chain of the vendor is never like this.",
  },
  CERT_CHAIN: {
    family: "CERT_CHAIN",
    when: "Certificates don't form the expected chain: one is missing, superfluous, out of order, or may not issue others.",
    todo: "Send the chain as the vendor gives it: leaf, intermediate, root.",
  },
  CERT_SIGNATURE: {
    family: "CERT_CHAIN",
    when: "A certificate wasn't signed by the key of its issuer.",
    todo: "Do not trust this enclave: the chain is damaged or forged.",
  },
  CERT_ROLE: {
    family: "CERT_ROLE",
    when: "A genuine certificate is used for what it wasn't issued for.",
    todo: "Do not trust this enclave: no honest service mixes these up.",
  },
  CERT_EXPIRED: {
    family: "CERT_EXPIRED",
    when: "A certificate's time is over.",
    todo: "Check this machine's clock; else fetch newer certificates on the platform.",
  },
  CERT_NOT_YET_VALID: {
    family: "CERT_NOT_YET_VALID",
    when: "A certificate's time hasn't begun.",
    todo: "Check this machine's clock.",
  },
  CERT_REVOKED: {
    family: "CERT_REVOKED",
    when: "The vendor revoked a certificate of the chain.",
    todo: "Do not trust this platform any more; its keys may be known to others.",
  },
  PCK_EXTENSION: {
    family: "PCK_EXTENSION",
    when: "The PCK certificate lacks the SGX extension, or the extension is malformed.",
    todo: "Check which certificate the platform sends as its PCK.",
  },
  CRL_FORMAT: {
    family: "FORMAT",
    when: "A CRL isn't strict DER, lacks its number or authority key, or has an unknown critical extension.",
    todo: "Fetch the CRL again, in DER.",
  },
  CRL_ISSUER: {
    family: "CRL_ISSUER",
    when: "A CRL is of another authority than the certificate that it should speak about.",
    todo: "Fetch the CRL of the right authority (Processor or Platform CA).",
  },
  CRL_SIGNATURE: {
    family: "CRL_SIGNATURE",
    when: "A CRL wasn't signed by its issuer.",
    todo: "Fetch the CRL again; it is damaged or forged.",
  },
  CRL_EXPIRED: {
    family: "CRL_EXPIRED",
    when: "A CRL's next update is over: newer revocations could be hidden.",
    todo: "Fetch the CRL again; check this machine's clock.",
  },
  CRL_NOT_YET_VALID: {
    family: "CRL_NOT_YET_VALID",
    when: "A CRL's time hasn't begun.",
    todo: "Check this machine's clock.",
  },
  TCB_INFO_FORMAT: {
    family: "TCB_INFO_FORMAT",
    when: "The TCB info isn't strict JSON of a known version with all members in range.",
    todo: "Fetch the TCB info again and pass it on byte for byte.",
  },
  TCB_INFO_SIGNATURE: {
    family: "TCB_INFO_SIGNATURE",
    when: "The TCB info wasn't signed, exactly as received, by the TCB signing certificate.",
    todo: "Pass the TCB info on byte for byte, without parsing and writing it again; else it is forged.",
  },
  TCB_INFO_EXPIRED: {
    family: "TCB_INFO_EXPIRED",
    when: "The TCB info's next update is over.",
    todo: "Fetch the TCB info again; check this machine's clock.",
  },
  TCB_INFO_NOT_YET_VALID: {
    family: "TCB_INFO_NOT_YET_VALID",
    when: "The TCB info's issue date is in the future.",
    todo: "Check this machine's clock.",
  },
  TCB_INFO_ID: {
    family: "TCB_INFO_ID",
    when: "The TCB info is of another kind of TEE.",
    todo: "Fetch the TCB info of the right TEE (SGX or TDX).",
  },
  FMSPC_MISMATCH: {
    family: "FMSPC_MISMATCH",
    when: "The TCB info is about another processor family than the PCK certificate.",
    todo: "Fetch the TCB info for the FMSPC that the step shows.",
  },
  PCEID_MISMATCH: {
    family: "PCEID_MISMATCH",
    when: "The TCB info or certification data is about another provisioning enclave than the PCK certificate.",
    todo: "Fetch the TCB info for this platform.",
  },
  QE_IDENTITY_FORMAT: {
    family: "QE_IDENTITY_FORMAT",
    when: "The QE identity isn't strict JSON of a known version with all members in range.",
    todo: "Fetch the QE identity again and pass it on byte for byte.",
  },
  QE_IDENTITY_SIGNATURE: {
    family: "QE_IDENTITY_SIGNATURE",
    when: "The QE identity wasn't signed, exactly as received, by the TCB signing certificate.",
    todo: "Pass the QE identity on byte for byte; else it is forged.",
  },
  QE_IDENTITY_EXPIRED: {
    family: "QE_IDENTITY_EXPIRED",
    when: "The QE identity's next update is over.",
    todo: "Fetch the QE identity again; check this machine's clock.",
  },
  QE_IDENTITY_NOT_YET_VALID: {
    family: "QE_IDENTITY_NOT_YET_VALID",
    when: "The QE identity's issue date is in the future.",
    todo: "Check this machine's clock.",
  },
  QE_IDENTITY_ID: {
    family: "QE_IDENTITY_ID",
    when: "The QE identity is of another enclave than the one that quotes for this TEE.",
    todo: "Fetch the identity of the right quoting enclave (QE for SGX, TD_QE for TDX).",
  },
  QE_REPORT_SIGNATURE: {
    family: "QE_REPORT_SIGNATURE",
    when: "The quoting enclave's report wasn't signed by the platform's PCK key.",
    todo: "Do not trust this enclave: its quote doesn't come from the platform that it names.",
  },
  QE_REPORT_DATA: {
    family: "QE_REPORT_DATA",
    when: "The quoting enclave's report doesn't vouch for the attestation key.",
    todo: "Do not trust this enclave: the attestation key was exchanged.",
  },
  QE_MISCSELECT: {
    family: "QE_MISCSELECT",
    when: "The quoting enclave has other features (MISCSELECT) than Intel's.",
    todo: "Update the platform software; else the quoting enclave isn't Intel's.",
  },
  QE_ATTRIBUTES: {
    family: "QE_ATTRIBUTES",
    when: "The quoting enclave has other attributes than Intel's, for instance debug.",
    todo: "Do not trust this platform: its quoting enclave may be under a debugger.",
  },
  QE_MRSIGNER: {
    family: "QE_MRSIGNER",
    when: "The quoting enclave has another signer than Intel.",
    todo: "Do not trust this enclave: anybody can write a quoting enclave that says yes.",
  },
  QE_ISVPRODID: {
    family: "QE_ISVPRODID",
    when: "The report comes from another enclave of Intel, not from the quoting enclave.",
    todo: "Update the platform software.",
  },
  QE_TCB_LEVEL_NOT_FOUND: {
    family: "QE_TCB_LEVEL_NOT_FOUND",
    when: "The quoting enclave is older than every level that its identity lists.",
    todo: "Update the platform software.",
  },
  QUOTE_SIGNATURE: {
    family: "QUOTE_SIGNATURE",
    when: "The quote wasn't signed by the attestation key, or that key isn't a point of the curve.",
    todo: "Do not trust this enclave: the quote was altered.",
  },
  TCB_LEVEL_NOT_FOUND: {
    family: "TCB_LEVEL_NOT_FOUND",
    when: "The platform is older than every level that the TCB info lists.",
    todo: "Update BIOS, microcode and platform software.",
  },
  NITRO_FORMAT: {
    family: "FORMAT",
    when: "The Nitro document isn't strict CBOR with all members in range, or has something unknown in it.",
    todo: "Check that the document was transported whole, as raw bytes.",
  },
  NITRO_ALGORITHM: {
    family: "ALGORITHM",
    when: "The Nitro document's signed header doesn't name ES384, and nothing else.",
    todo: "Do not trust this enclave: no hypervisor of AWS signs in another way.",
  },
  NITRO_SIGNATURE: {
    family: "SIGNATURE",
    when: "The Nitro document wasn't signed by the key of its certificate.",
    todo: "Do not trust this enclave: the document was altered.",
  },
  NONCE: {
    family: "NONCE",
    when: "The evidence is genuine, but carries another nonce than the caller's, or none.",
    todo: "Do not go on: it may be a replay. Ask for a document with a fresh nonce.",
  },
  DOCUMENT_AGE: {
    family: "AGE",
    when: "The document is older than the policy allows, or from the future.",
    todo: "Ask for a fresh document; check this machine's clock.",
  },
  SNP_REPORT_FORMAT: {
    family: "FORMAT",
    when: "The SNP report isn't 1184 bytes long, or has something in bytes that are reserved.",
    todo: "Check that the report was transported whole, as raw bytes; of a longer blob only the report.",
  },
  SNP_REPORT_VERSION: {
    family: "VERSION",
    when: "The SNP report has another version than the supported ones.",
    todo: "Update the firmware, or this verifier.",
  },
  SNP_SIGNATURE_ALGORITHM: {
    family: "SIGNATURE_ALGORITHM",
    when: "The SNP report says that it isn't signed with ECDSA P-384 and SHA-384.",
    todo: "Do not trust this guest: no known firmware signs in another way.",
  },
  SNP_SIGNING_KEY: {
    family: "SIGNING_KEY",
    when: "The report names another kind of signing key (VCEK, VLEK) than the certificate is for, or none.",
    todo: "Send the certificate of the key that signs on this host.",
  },
  SNP_PRODUCT_MISMATCH: {
    family: "PRODUCT_MISMATCH",
    when: "Report, certificate and root are not all of one product line of processors.",
    todo: "Fetch the chain for the product that the step shows.",
  },
  SNP_VCEK_EXTENSION: {
    family: "FORMAT",
    when: "The certificate of the signing key lacks AMD's extensions, or one is malformed.",
    todo: "Check which certificate the host sends.",
  },
  SNP_REPORT_SIGNATURE: {
    family: "REPORT_SIGNATURE",
    when: "The SNP report wasn't signed by the key of the certificate.",
    todo: "Do not trust this guest: the report was altered, or is another machine's.",
  },
  SNP_CHIP_ID: {
    family: "CHIP_ID_MISMATCH",
    when: "The report is of another chip than the certificate, or hides which it is.",
    todo: "Fetch the VCEK of this chip; switch MASK_CHIP_ID off on the host.",
  },
  SNP_TCB_MISMATCH: {
    family: "TCB_MISMATCH",
    when: "The report claims another firmware than the one that the certificate's key belongs to.",
    todo: "Fetch the VCEK for the reported TCB.",
  },
  SNP_TCB_TOO_LOW: {
    family: "TCB_TOO_LOW",
    when: "A part of the platform's firmware is older than the policy asks for.",
    todo: "Update the host's firmware and microcode.",
  },
  SNP_GUEST_POLICY: {
    family: "POLICY",
    when: "The guest's policy or its privilege level allows what the policy here doesn't: a migration agent, SMT, a VMPL.",
    todo: "Launch the guest with a stricter policy, or ask for the report at a more privileged level.",
  },
  GUEST_SVN: {
    family: "MEASUREMENT",
    when: "The guest is an older version than the policy asks for.",
    todo: "Update the guest.",
  },
  TDX_MODULE: {
    family: "TDX_MODULE",
    when: "The TDX module has no identity in the TCB info, another signer, or attributes that aren't zero.",
    todo: "Update the TDX module and the TCB info; else do not trust this platform.",
  },
  TDX_MODULE_TCB_LEVEL_NOT_FOUND: {
    family: "TDX_MODULE_TCB_LEVEL_NOT_FOUND",
    when: "The TDX module is older than every level that its identity lists.",
    todo: "Update the TDX module.",
  },
  REPORT_DATA: {
    family: "REPORT_DATA",
    when: "The evidence is genuine, but was made for another session, key or nonce.",
    todo: "Do not go on: somebody relays or replays evidence, or a proxy terminates TLS in between.",
  },
  POLICY_EMPTY: {
    family: "POLICY",
    when: "The policy lists no identity, so it accepts nothing.",
    todo: "Add the enclave that you expect: tf-trusted policy init.",
  },
  POLICY_TEE: {
    family: "POLICY",
    when: "No identity of the policy is of this kind of TEE.",
    todo: "Add an identity of this kind if you want to accept it.",
  },
  POLICY_ROOT: {
    family: "ROOT_UNTRUSTED",
    when: "The identity names another root than the one that vouches for this evidence.",
    todo: "Name the root in that identity if you want to accept it.",
  },
  TCB_STATUS: {
    family: "TCB_STATUS",
    when: "The platform's TCB status isn't one that the policy accepts. Revoked is never accepted.",
    todo: "Update the platform; or, knowing what the advisories mean for you, accept the status in the policy.",
  },
  TCB_INFO_VERSION: {
    family: "TCB_INFO_VERSION",
    when: "The TCB info is of version 2, which has no identifier of the TEE.",
    todo: "Fetch version 3 (provisioning service v4), or set allowTcbInfoV2.",
  },
  DEBUG: {
    family: "DEBUG",
    when: "The enclave is a debug enclave: its memory can be read from outside.",
    todo: "Run a production build; allowDebug is for development only.",
  },
  TD_ATTRIBUTES: {
    family: "TD_ATTRIBUTES",
    when: "The trust domain has another attribute than DEBUG that makes it untrusted (bits 1 to 7).",
    todo: "Start the trust domain without it.",
  },
  MEASUREMENT: {
    family: "MEASUREMENT",
    when: "A measurement of the virtual machine isn't one of the accepted.",
    todo: "Check which image and configuration run there; the step names the register and what it holds.",
  },
  MRENCLAVE: {
    family: "MEASUREMENT",
    when: "The enclave's code isn't one of the accepted measurements.",
    todo: "Check which version runs there; add its MRENCLAVE to the policy if you built or reviewed it.",
  },
  MRSIGNER: {
    family: "MEASUREMENT",
    when: "The enclave was signed by another key.",
    todo: "Check who built the enclave.",
  },
  ISVPRODID: {
    family: "MEASUREMENT",
    when: "The enclave is another product of the same signer.",
    todo: "Check which enclave runs there.",
  },
  ISVSVN: {
    family: "MEASUREMENT",
    when: "The enclave is an older version than the policy asks for.",
    todo: "Update the enclave.",
  },
  TCB_EVALUATION_NUMBER: {
    family: "TCB_EVALUATION_NUMBER",
    when: "The collateral was evaluated before the round that the policy asks for.",
    todo: "Fetch newer collateral (update=early), or lower minimumTcbEvaluationDataNumber.",
  },
  ADVISORY: {
    family: "ADVISORY",
    when: "A security advisory applies to the platform that the policy doesn't accept, or denies.",
    todo: "Update the platform; or read the advisory and accept it in the policy.",
  },
  COLLATERAL_AGE: {
    family: "COLLATERAL_AGE",
    when: "The collateral is valid, but older than the policy allows.",
    todo: "Fetch newer collateral.",
  },
  CLAIM_UNBOUND: {
    family: "CLAIM",
    when: "The policy requires claims, but they aren't bound to the evidence, or none came.",
    todo: "Verify with the claims and the report data that binds them.",
  },
  CLAIM_MISSING: {
    family: "CLAIM",
    when: "A claim that the policy requires is absent or not a string.",
    todo: "Check the enclave's version, or the name of the claim in the policy.",
  },
  CLAIM_MISMATCH: {
    family: "CLAIM",
    when: "A claim has another value than the policy accepts.",
    todo: "Check the enclave's configuration.",
  },
  INTERNAL: {
    family: "INTERNAL",
    when: "The verifier failed by a bug of its own. The evidence is refused.",
    todo: "Please report it, with the evidence if you may share it.",
  },
} as const satisfies Readonly<Record<string, AttestationCodeEntry>>;

export type AttestationCode = keyof typeof attestationCodes;
