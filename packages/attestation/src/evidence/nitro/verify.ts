/** Is a Nitro attestation document genuine? The checks in order, as one sequence. */
import {equalBytes} from "@tf-trusted/core";
import {type Check, checksFrom, fail, pass} from "../../checks/check.ts";
import {markVerified, type Verified} from "../../verified.ts";
import {type Certificate, parseCertificate} from "../../x509/certificate.ts";
import {checkDates, verifyIssuedBy} from "../../x509/chain.ts";
import {pinOf, verifyRawSignature} from "../../x509/public-key.ts";
import type {TrustedRoot} from "../dcap/facts.ts";
import {type NitroDocument, type NitroEnvelope, readDocument, readEnvelope, signedBytes} from "./document.ts";

export interface NitroStart {
  readonly documentBytes: Uint8Array;
  readonly trustedRoots: readonly TrustedRoot[];
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface DocumentFacts {
  readonly envelope: NitroEnvelope;
  readonly document: NitroDocument;
}

export interface ChainFacts {
  readonly rootCertificate: Certificate;
  /** Below the root, in order. */
  readonly authorities: readonly Certificate[];
  readonly leaf: Certificate;
}

export interface RootFacts {
  readonly root: Verified<Certificate>;
  readonly trustedRoot: TrustedRoot;
}

export interface SignerFacts {
  readonly signer: Verified<Certificate>;
}

export interface SignedFacts {
  readonly signedDocument: Verified<NitroDocument>;
}

const documentReadable: Check<NitroStart, DocumentFacts> = {
  id: "document-format",
  title: "The document can be read",
  expects: "COSE_Sign1 with ES384 in its signed header; strict CBOR with all members in range",
  source: "RFC 9052 §4; AWS Nitro Enclaves, attestation document specification",
  codes: ["NITRO_FORMAT", "NITRO_ALGORITHM"],
  run: ({documentBytes}) => {
    const envelope = readEnvelope(documentBytes);
    const document = readDocument(envelope.payload);
    return pass(`of ${document.moduleId}, ${document.pcrs.size} PCRs`, {envelope, document});
  },
};

const certificatesReadable: Check<DocumentFacts, ChainFacts> = {
  id: "certificates-readable",
  title: "The certificates can be read",
  expects: "strict DER; the bundle from the root down",
  source: "RFC 5280 §4; AWS Nitro Enclaves, attestation document specification",
  codes: ["CERT_FORMAT", "CERT_CHAIN"],
  run: ({document}) => {
    const [rootCertificate, ...authorities] = document.cabundle.map(parseCertificate) as [
      Certificate,
      ...Certificate[],
    ];
    const leaf = parseCertificate(document.certificate);
    const {commonName} = rootCertificate.subject;
    if (!equalBytes(rootCertificate.issuer.encoding, rootCertificate.subject.encoding)) {
      return fail("CERT_CHAIN", `"${commonName}" first in the bundle, which another issued`, "the root first");
    }
    return pass(`"${commonName}" + ${authorities.length} + "${leaf.subject.commonName}"`, {
      rootCertificate,
      authorities,
      leaf,
    });
  },
};

/** The bundle says which root it is; that it is trusted, only the policy does. */
const rootTrusted: Check<NitroStart & ChainFacts, RootFacts> = {
  id: "root-trusted",
  title: "The root is one that the policy names",
  expects: "a root whose public key the policy pins",
  source: "RFC 5280 §6.1; AWS Nitro Enclaves, root certificate",
  codes: ["ROOT_UNTRUSTED", "CERT_CHAIN", "CERT_SIGNATURE", "CERT_EXPIRED", "CERT_NOT_YET_VALID"],
  run: async ({rootCertificate, authorities, trustedRoots, at}) => {
    const spkiSha256 = await pinOf(rootCertificate.publicKey);
    const trustedRoot = trustedRoots.find((item) => item.spkiSha256 === spkiSha256);
    const {commonName} = rootCertificate.subject;
    if (trustedRoot === undefined) {
      const names = trustedRoots.map((item) => `${item.kind} ${item.spkiSha256}`).join(", ");
      return fail("ROOT_UNTRUSTED", `"${commonName}" with the key ${spkiSha256}`, `a key of ${names}`);
    }
    await verifyIssuedBy(rootCertificate, rootCertificate, authorities.length);
    checkDates([rootCertificate], at);
    const root = markVerified(rootCertificate);
    return pass(`${trustedRoot.kind}: "${commonName}", key ${spkiSha256}`, {root, trustedRoot});
  },
};

const chainValid: Check<NitroStart & ChainFacts & RootFacts, SignerFacts> = {
  id: "signing-key-chain",
  title: "The enclave's certificate comes from that root",
  expects: "each certificate of the bundle by the one before it, and the enclave's, which is no authority, by the last",
  source: "RFC 5280 §6.1; AWS Nitro Enclaves, attestation document specification",
  codes: ["CERT_ROLE", "CERT_CHAIN", "CERT_SIGNATURE", "CERT_EXPIRED", "CERT_NOT_YET_VALID"],
  run: async ({root, authorities, leaf, at}) => {
    let issuer: Certificate = root;
    for (const [i, authority] of authorities.entries()) {
      await verifyIssuedBy(authority, issuer, authorities.length - i);
      issuer = authority;
    }
    await verifyIssuedBy(leaf, issuer, 0);
    if (leaf.isAuthority || !leaf.keyUsage.has("digitalSignature") || leaf.publicKey.algorithm !== "ECDSA P-384") {
      const found = `"${leaf.subject.commonName}", ${leaf.isAuthority ? "an authority" : leaf.publicKey.algorithm}`;
      return fail("CERT_ROLE", found, "a P-384 key for signatures, of no authority");
    }
    checkDates([...authorities, leaf], at);
    return pass(`"${leaf.subject.commonName}"`, {signer: markVerified(leaf)});
  },
};

const documentSigned: Check<DocumentFacts & SignerFacts, SignedFacts> = {
  id: "document-signature",
  title: "The document was signed by that key",
  expects: "ECDSA P-384 with SHA-384 over header and payload, r and s in 48 bytes each",
  source: "RFC 9052 §4.4; RFC 9053 §2.1",
  codes: ["NITRO_SIGNATURE"],
  run: async ({envelope, document, signer}) => {
    const valid = await verifyRawSignature(signer.publicKey, envelope.signature, signedBytes(envelope));
    if (!valid) return fail("NITRO_SIGNATURE", "another signature", `one by "${signer.subject.commonName}"`);
    return pass("by the enclave's key", {signedDocument: markVerified(document)});
  },
};

export const nitroChecks = checksFrom<NitroStart>()
  .followedBy(documentReadable)
  .followedBy(certificatesReadable)
  .followedBy(rootTrusted)
  .followedBy(chainValid)
  .followedBy(documentSigned);

export type GenuineNitro = NitroStart & DocumentFacts & ChainFacts & RootFacts & SignerFacts & SignedFacts;
