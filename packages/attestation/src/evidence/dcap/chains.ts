/** Checks of certificates and CRLs of DCAP evidence: everything up to "these keys are Intel's". */
import {encodeHex, equalBytes} from "@tf-trusted/core";
import {unexpected} from "../../attestation-error.ts";
import {type Check, fail, pass} from "../../checks/check.ts";
import {derTag} from "../../der/reader.ts";
import {markVerified, type Verified} from "../../verified.ts";
import {type Certificate, type KeyUsage, parseCertificates} from "../../x509/certificate.ts";
import {checkDates, verifyIssuedBy} from "../../x509/chain.ts";
import {parseRevocationList, type RevocationList, verifyRevocationList} from "../../x509/crl.ts";
import {pinOf} from "../../x509/public-key.ts";
import {type CompleteSgxCollateral, neededCollateral} from "../evidence.ts";
import type {
  CertificateChain,
  ChainsFacts,
  CrlFacts,
  DcapQuoteFacts,
  DcapStart,
  PartsFacts,
  PckExtensionFacts,
  PckFacts,
  RootFacts,
  SignerFacts,
} from "./facts.ts";
import {certificationDataTypes} from "./layout.ts";
import {readPckExtension} from "./pck-extension.ts";

/**
 * What the subject's common name says about the role of a certificate (Intel's certificate profile §1.3). Under a pinned
 * root it is Intel's statement, as good as an extension; a role never makes a certificate trusted.
 */
const roles = {
  root: "SGX Root CA",
  processorAuthority: "SGX PCK Processor CA",
  platformAuthority: "SGX PCK Platform CA",
  pck: "SGX PCK Certificate",
  tcbSigner: "SGX TCB Signing",
} as const;

export const collateralPresent: Check<DcapStart, PartsFacts> = {
  id: "collateral-present",
  title: "All collateral came with the evidence",
  expects: neededCollateral.join(", "),
  source: "RFC 5280 §5; PCK Profile, CRLs",
  codes: ["COLLATERAL_MISSING"],
  run: ({collateral}) => {
    const missing = neededCollateral.filter((name) => !collateral[name]?.length);
    if (missing.length > 0)
      return fail("COLLATERAL_MISSING", `no ${missing.join(", no ")}`, neededCollateral.join(", "));
    return pass(`${neededCollateral.length} parts`, {parts: collateral as CompleteSgxCollateral});
  },
};

export const certificatesReadable: Check<DcapQuoteFacts & PartsFacts, ChainsFacts> = {
  id: "certificates-readable",
  title: "The certificates can be read",
  expects: "strict DER certificates, leaf first; no unknown critical extension",
  source: "RFC 5280 §4; PCK Profile",
  codes: ["CERT_DATA_TYPE", "CERT_FORMAT", "CERT_CHAIN"],
  run: ({certification, parts}) => {
    const pck = nonEmpty("PCK", pckChain(certification, parts.pckChain));
    const tcbInfo = nonEmpty("TCB info", leafFirst(parseCertificates(parts.tcbInfoIssuerChain)));
    const qeIdentity = sameIssuerChain(parts)
      ? tcbInfo
      : nonEmpty("QE identity", leafFirst(parseCertificates(parts.qeIdentityIssuerChain)));
    const chains = {pck, tcbInfo, qeIdentity};
    return pass(`${chains.pck.length} + ${chains.tcbInfo.length} + ${chains.qeIdentity.length} certificates`, {chains});
  },
};

export const rootTrusted: Check<DcapStart & ChainsFacts, RootFacts> = {
  id: "root-trusted",
  title: "The root is one that the policy names",
  expects: "a root whose public key the policy pins, the same at the end of every chain",
  source: "RFC 5280 §6.1; PCK Profile, hierarchy",
  codes: ["ROOT_UNTRUSTED", "CERT_CHAIN", "CERT_SIGNATURE", "CERT_ROLE", "CERT_EXPIRED", "CERT_NOT_YET_VALID"],
  run: async ({chains, trustedRoots, at}) => {
    const names = trustedRoots.map(({kind, spkiSha256}) => `${kind} ${spkiSha256}`).join(", ");
    const roots = Object.values(chains).flatMap((chain) => chain.filter(isSelfIssued));
    const [root] = roots;
    if (root === undefined) return fail("ROOT_UNTRUSTED", "no root certificate in any chain", `a key of ${names}`);
    const spkiSha256 = await pinOf(root.publicKey);
    const trustedRoot = trustedRoots.find((item) => item.spkiSha256 === spkiSha256);
    if (trustedRoot === undefined) {
      return fail("ROOT_UNTRUSTED", `"${root.subject.commonName}" with the key ${spkiSha256}`, `a key of ${names}`);
    }
    if (roots.some((other) => !equalBytes(other.publicKey.spki, root.publicKey.spki))) {
      return fail("ROOT_UNTRUSTED", "chains that end in different roots", "one root for quote and collateral");
    }
    // Copies of the root in the other chains aren't used; one that isn't as the root signed it shows tampering all the same.
    for (const copy of roots) {
      requireRole(copy, [roles.root], {authority: true});
      await verifyIssuedBy(copy, copy, 0);
      checkDates([copy], at);
    }
    return pass(`${trustedRoot.kind}: "${root.subject.commonName}", key ${spkiSha256}`, {
      root: markVerified(root),
      trustedRoot,
    });
  },
};

export const pckChainValid: Check<DcapStart & ChainsFacts & RootFacts, PckFacts> = {
  id: "pck-chain",
  title: "The platform's certificate (PCK) comes from that root",
  expects: "PCK certificate, Processor or Platform CA, root: names, flags and signatures in order",
  source: "RFC 5280 §6.1; PCK Profile, hierarchy",
  codes: ["CERT_ROLE", "CERT_CHAIN", "CERT_SIGNATURE"],
  run: async ({chains, root}) => {
    requireRole(chains.pck[0], [roles.pck], {authority: false, usage: "digitalSignature"});
    const [pck, pckAuthority] = belowRoot(chains.pck, 2);
    requireRole(pckAuthority, [roles.processorAuthority, roles.platformAuthority], {authority: true});
    await verifyIssuedBy(pckAuthority, root, 1);
    await verifyIssuedBy(pck, pckAuthority, 0);
    return pass(`"${pck.subject.commonName}" by "${pckAuthority.subject.commonName}"`, {
      pck: markVerified(pck),
      pckAuthority: markVerified(pckAuthority),
    });
  },
};

export const pckDates: Check<DcapStart & PckFacts, object> = {
  id: "pck-dates",
  title: "The platform's certificates are valid now",
  expects: "notBefore and notAfter around the time of verification",
  source: "RFC 5280 §4.1.2.5",
  codes: ["CERT_EXPIRED", "CERT_NOT_YET_VALID"],
  run: ({pck, pckAuthority, at}) => {
    checkDates([pckAuthority, pck], at);
    return pass(`until ${date(Math.min(pck.notAfter, pckAuthority.notAfter))}`, {});
  },
};

export const pckExtension: Check<PckFacts & DcapQuoteFacts, PckExtensionFacts> = {
  id: "pck-extension",
  title: "The platform's certificate says which platform it is",
  expects: "the SGX extension with FMSPC, PCEID and TCB",
  source: "PCK Profile, SGX extension",
  codes: ["PCK_EXTENSION", "PCEID_MISMATCH"],
  run: ({pck, certification}) => {
    const platform = readPckExtension(pck);
    const quoted = "pceId" in certification ? certification.pceId : null;
    if (quoted && !equalBytes(quoted, platform.pceId)) {
      return fail("PCEID_MISMATCH", `PCEID ${encodeHex(quoted)} in the quote`, encodeHex(platform.pceId));
    }
    return pass(`FMSPC ${encodeHex(platform.fmspc)}, PCEID ${encodeHex(platform.pceId)}, PCESVN ${platform.pceSvn}`, {
      platform,
      platformTcb: {components: platform.components, pceSvn: platform.pceSvn},
    });
  },
};

export const crlsValid: Check<DcapStart & PartsFacts & RootFacts & PckFacts, CrlFacts> = {
  id: "crls",
  title: "The revocation lists are genuine and current",
  expects: "CRLs of the root and of the PCK's authority, signed by them, between thisUpdate and nextUpdate",
  source: "RFC 5280 §5; PCK Profile, CRLs",
  codes: ["CRL_FORMAT", "CRL_ISSUER", "CRL_SIGNATURE", "CRL_EXPIRED", "CRL_NOT_YET_VALID"],
  run: async ({parts, root, pckAuthority, at}) => {
    const rootCrl = await currentCrl(parts.rootCrl, root, at);
    const pckCrl = await currentCrl(parts.pckCrl, pckAuthority, at);
    return pass(`until ${date(Math.min(rootCrl.nextUpdate, pckCrl.nextUpdate))}`, {rootCrl, pckCrl});
  },
};

export const pckNotRevoked: Check<PckFacts & CrlFacts, object> = {
  id: "pck-revocation",
  title: "The platform's certificates are not revoked",
  expects: "no serial of the chain on the lists",
  source: "RFC 5280 §5; PCK Profile, CRLs",
  codes: ["CERT_REVOKED"],
  run: ({pck, pckAuthority, rootCrl, pckCrl}) => {
    requireNotRevoked(pckAuthority, rootCrl);
    requireNotRevoked(pck, pckCrl);
    return pass(`${rootCrl.revokedSerials.size + pckCrl.revokedSerials.size} others are`, {});
  },
};

export const collateralSigners: Check<DcapStart & PartsFacts & ChainsFacts & RootFacts & CrlFacts, SignerFacts> = {
  id: "collateral-signers",
  title: "TCB info and QE identity have the vendor's signer",
  expects: "TCB signing certificate, root; valid now, not revoked",
  source: "PCS, validity of documents",
  codes: ["CERT_ROLE", "CERT_CHAIN", "CERT_SIGNATURE", "CERT_EXPIRED", "CERT_NOT_YET_VALID", "CERT_REVOKED"],
  run: async ({parts, chains, root, rootCrl, at}) => {
    const tcbInfoSigner = await collateralSigner(chains.tcbInfo, root, rootCrl, at);
    const qeIdentitySigner = sameIssuerChain(parts)
      ? tcbInfoSigner
      : await collateralSigner(chains.qeIdentity, root, rootCrl, at);
    return pass(`"${tcbInfoSigner.subject.commonName}"`, {tcbInfoSigner, qeIdentitySigner});
  },
};

/** The chain inside the quote, or the one from outside where the quote only names its PCK. */
function pckChain(
  certification: DcapQuoteFacts["certification"],
  outside: Uint8Array | undefined,
): readonly Certificate[] {
  if (certification.type === 5) {
    const chain = parseCertificates(certification.pem);
    // The DER form exists in Intel's sample only, where the root comes first.
    return certification.pem[0] === derTag.SEQUENCE ? leafFirst(chain) : chain;
  }
  if (!outside?.length) {
    const {title} = certificationDataTypes[certification.type];
    throw unexpected(
      "CERT_DATA_TYPE",
      `type ${certification.type} (${title}) and no PCK chain beside it`,
      "type 5, or a chain",
    );
  }
  const chain = leafFirst(parseCertificates(outside));
  if (certification.type !== 4) return chain;
  const [leaf] = parseCertificates(certification.pem);
  if (leaf === undefined || !chain[0] || !equalBytes(leaf.encoding, chain[0].encoding)) {
    throw unexpected("CERT_CHAIN", "a chain of another PCK certificate", "one that begins with the quote's");
  }
  return chain;
}

function nonEmpty(what: string, [leaf, ...issuers]: readonly Certificate[]): CertificateChain {
  if (leaf === undefined)
    throw unexpected("CERT_CHAIN", `no certificate in the ${what} chain`, "leaf, authority, root");
  return [leaf, ...issuers];
}

/** Services answer leaf and issuers apart, and people join them in either order; in quotes the order is fixed. */
function leafFirst(chain: readonly Certificate[]): readonly Certificate[] {
  const rank = (certificate: Certificate) => (isSelfIssued(certificate) ? 2 : certificate.isAuthority ? 1 : 0);
  return [...chain].sort((a, b) => rank(a) - rank(b));
}

/** As a rule TCB info and QE identity come with the very same chain. */
function sameIssuerChain({tcbInfoIssuerChain, qeIdentityIssuerChain}: CompleteSgxCollateral): boolean {
  return equalBytes(tcbInfoIssuerChain, qeIdentityIssuerChain);
}

async function collateralSigner(
  chain: CertificateChain,
  root: Certificate,
  rootCrl: Verified<RevocationList>,
  at: number,
): Promise<Verified<Certificate>> {
  requireRole(chain[0], [roles.tcbSigner], {authority: false, usage: "digitalSignature"});
  const [signer] = belowRoot(chain, 1);
  await verifyIssuedBy(signer, root, 0);
  checkDates([signer], at);
  requireNotRevoked(signer, rootCrl);
  return markVerified(signer);
}

interface BelowRoot {
  readonly 1: readonly [Certificate];
  readonly 2: readonly [Certificate, Certificate];
}

/** The certificates beneath the root: `count`, then the root or nothing, since vendors' chains have exactly one form. */
function belowRoot<Count extends 1 | 2>(chain: CertificateChain, count: Count): BelowRoot[Count] {
  const [below, above] = [chain.slice(0, count), chain.slice(count)];
  if (below.length === count && !below.some(isSelfIssued) && above.length <= 1 && above.every(isSelfIssued)) {
    return below as readonly Certificate[] as BelowRoot[Count];
  }
  const names = chain.map(({subject}) => `"${subject.commonName}"`).join(", ");
  throw unexpected("CERT_CHAIN", `${chain.length} certificates: ${names}`, `${count} and the root`);
}

function requireRole(
  certificate: Certificate,
  names: readonly string[],
  {authority, usage}: {readonly authority: boolean; readonly usage?: KeyUsage},
): void {
  const {commonName} = certificate.subject;
  if (!names.some((name) => commonName.includes(name))) {
    throw unexpected("CERT_ROLE", `"${commonName}"`, names.join(" or "));
  }
  if (certificate.isAuthority !== authority) {
    throw unexpected(
      "CERT_ROLE",
      `"${commonName}" ${authority ? "which is no authority" : "which is an authority"}`,
      `CA:${authority}`,
    );
  }
  if (usage && !certificate.keyUsage.has(usage)) {
    throw unexpected("CERT_ROLE", `"${commonName}" for ${[...certificate.keyUsage].join(", ") || "nothing"}`, usage);
  }
}

async function currentCrl(der: Uint8Array, issuer: Certificate, at: number): Promise<Verified<RevocationList>> {
  const list = parseRevocationList(der);
  await verifyRevocationList(list, issuer);
  const by = `the CRL of "${issuer.subject.commonName}"`;
  if (at < list.thisUpdate)
    throw unexpected("CRL_NOT_YET_VALID", `${by}, from ${date(list.thisUpdate)}`, `valid at ${date(at)}`);
  if (at > list.nextUpdate)
    throw unexpected("CRL_EXPIRED", `${by}, until ${date(list.nextUpdate)}`, `valid at ${date(at)}`);
  return markVerified(list);
}

function requireNotRevoked({serial, subject}: Certificate, list: RevocationList): void {
  if (list.revokedSerials.has(serial)) {
    throw unexpected(
      "CERT_REVOKED",
      `"${subject.commonName}", serial ${serial}, on the list`,
      "a certificate that isn't",
    );
  }
}

function isSelfIssued({issuer, subject}: Certificate): boolean {
  return equalBytes(issuer.encoding, subject.encoding);
}

function date(time: number): string {
  return new Date(time).toISOString();
}
