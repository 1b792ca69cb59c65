/** Is an SNP report genuine? The checks in order, as one sequence (AMD 56860, AMD 57230). */
import {ByteReader, concatBytes, encodeHex, equalBytes} from "@tf-trusted/core";
import {parsing} from "../../attestation-error.ts";
import {type Check, checksFrom, fail, pass, passIf} from "../../checks/check.ts";
import {markVerified, type Verified} from "../../verified.ts";
import {type Certificate, parseCertificates} from "../../x509/certificate.ts";
import {checkDates, verifyIssuedBy} from "../../x509/chain.ts";
import {parseRevocationList, type RevocationList, verifyRevocationList} from "../../x509/crl.ts";
import {pinOf, verifyRawSignature} from "../../x509/public-key.ts";
import type {TrustedRoot} from "../dcap/facts.ts";
import type {SnpCollateral} from "../evidence.ts";
import {type KeyExtensions, readKeyExtensions} from "./key-extensions.ts";
import {
  formatTcb,
  guestPolicy,
  readTcb,
  SIGNED_BYTES,
  type SnpProduct,
  type SnpReport,
  type SnpTcb,
  signingKeyOf,
  signingKeys,
  snpProcessors,
  snpProducts,
  snpReportLayout,
  snpVersions,
} from "./layout.ts";

export interface SnpStart {
  readonly reportBytes: Uint8Array;
  readonly collateral: SnpCollateral;
  readonly trustedRoots: readonly TrustedRoot[];
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface ReportFacts {
  readonly report: SnpReport;
  readonly signingKey: "VCEK" | "VLEK";
}

export interface ChainFacts {
  readonly leaf: Certificate;
  readonly authority: Certificate;
  readonly rootCertificate: Certificate;
}

export interface RootFacts {
  readonly root: Verified<Certificate>;
  readonly trustedRoot: TrustedRoot;
  /** Of the root's key, which vouches for one line of processors. */
  readonly product: SnpProduct;
}

export interface KeyFacts {
  readonly signer: Verified<Certificate>;
  readonly signerAuthority: Verified<Certificate>;
}

export interface ExtensionFacts {
  readonly key: KeyExtensions;
}

export interface RevocationFacts {
  readonly amdCrl: Verified<RevocationList> | null;
}

export interface GenuineFacts {
  readonly guest: Verified<SnpReport>;
  readonly reportedTcb: SnpTcb;
}

const isZero = (part: Uint8Array): boolean => part.every((byte) => byte === 0);

const reportReadable: Check<SnpStart, ReportFacts> = {
  id: "report-format",
  title: "The report can be read",
  expects: "1184 bytes of version 2 to 5, reserved ones zero, ECDSA P-384, signed by a VCEK or VLEK",
  source: "AMD 56860, ATTESTATION_REPORT",
  codes: ["SNP_REPORT_FORMAT", "SNP_REPORT_VERSION", "SNP_SIGNATURE_ALGORITHM", "SNP_SIGNING_KEY"],
  run: ({reportBytes}) => {
    const {size} = snpReportLayout;
    if (reportBytes.length !== size) return fail("SNP_REPORT_FORMAT", `${reportBytes.length} bytes`, `${size}`);
    const report = parsing("SNP_REPORT_FORMAT", "SNP report", () =>
      snpReportLayout.read(new ByteReader(reportBytes, "SNP report")),
    );
    const version = Object.hasOwn(snpVersions, report.version) ? snpVersions[report.version] : undefined;
    if (version === undefined) {
      return fail("SNP_REPORT_VERSION", `version ${report.version}`, Object.keys(snpVersions).join(", "));
    }
    const reserved = [
      report.zero,
      report.reserved1,
      report.reserved2,
      report.reserved3,
      report.reserved4,
      report.reserved5,
      ...(version.cpuid ? [] : [report.cpuid]),
      ...(version.mitigations ? [] : [report.launchMitigations, report.currentMitigations]),
    ];
    if (!reserved.every(isZero)) return fail("SNP_REPORT_FORMAT", "something in reserved bytes", "zeros");
    if (!guestPolicy(report.policy, "reservedOne")) {
      return fail("SNP_REPORT_FORMAT", `the guest policy ${encodeHex(report.policy)}`, "bit 17 set");
    }
    if (report.signatureAlgorithm !== 1) {
      return fail("SNP_SIGNATURE_ALGORITHM", `algorithm ${report.signatureAlgorithm}`, "1, ECDSA P-384 with SHA-384");
    }
    const signingKey = signingKeys[signingKeyOf(report.flags)];
    if (signingKey === undefined) {
      return fail("SNP_SIGNING_KEY", `signing key ${signingKeyOf(report.flags)}`, "0 (VCEK) or 1 (VLEK)");
    }
    return pass(`version ${report.version}, signed by a ${signingKey}`, {report, signingKey});
  },
};

const certificatesReadable: Check<SnpStart, ChainFacts> = {
  id: "certificates-readable",
  title: "The certificates can be read",
  expects: "the signing key's certificate; intermediate and root in strict DER",
  source: "RFC 5280 §4; AMD 57230",
  codes: ["COLLATERAL_MISSING", "CERT_FORMAT", "CERT_CHAIN"],
  run: ({collateral: {vcek, amdChain}}) => {
    if (!vcek?.length || !amdChain?.length) {
      return fail("COLLATERAL_MISSING", `no ${vcek?.length ? "amdChain" : "vcek"}`, "vcek, amdChain");
    }
    const [leaf, ...others] = parseCertificates(vcek);
    const chain = parseCertificates(amdChain);
    const isRoot = ({issuer, subject}: Certificate) => equalBytes(issuer.encoding, subject.encoding);
    const [rootCertificate, ...roots] = chain.filter(isRoot);
    const [authority, ...authorities] = chain.filter((each) => !isRoot(each));
    if (!leaf || !authority || !rootCertificate || others.length + roots.length + authorities.length > 0) {
      const names = chain.map(({subject}) => `"${subject.commonName}"`).join(", ");
      return fail(
        "CERT_CHAIN",
        `${leaf ? 1 + others.length : 0} + ${names || "none"}`,
        "one leaf; one authority, root",
      );
    }
    return pass(`"${leaf.subject.commonName}", "${authority.subject.commonName}"`, {leaf, authority, rootCertificate});
  },
};

const rootTrusted: Check<SnpStart & ChainFacts, RootFacts> = {
  id: "root-trusted",
  title: "The root is one that the policy names",
  expects: "a root whose public key the policy pins",
  source: "RFC 5280 §6.1; AMD 57230",
  codes: ["ROOT_UNTRUSTED", "CERT_CHAIN", "CERT_SIGNATURE", "CERT_ROLE", "CERT_EXPIRED", "CERT_NOT_YET_VALID"],
  run: async ({rootCertificate, trustedRoots, at}) => {
    const {commonName} = rootCertificate.subject;
    const spkiSha256 = await pinOf(rootCertificate.publicKey);
    const trustedRoot = trustedRoots.find((item) => item.spkiSha256 === spkiSha256);
    if (trustedRoot === undefined) {
      const names = trustedRoots.map((item) => `${item.kind} ${item.spkiSha256}`).join(", ");
      return fail("ROOT_UNTRUSTED", `"${commonName}" with the key ${spkiSha256}`, `a key of ${names}`);
    }
    // Under a pinned key the name is AMD's statement.
    const product = snpProducts.find((name) => commonName === `ARK-${name}`);
    if (product === undefined) return fail("CERT_ROLE", `"${commonName}"`, `ARK-${snpProducts.join(", ARK-")}`);
    await verifyIssuedBy(rootCertificate, rootCertificate, 1);
    checkDates([rootCertificate], at);
    const root = markVerified(rootCertificate);
    return pass(`${trustedRoot.kind}: "${commonName}", key ${spkiSha256}`, {root, trustedRoot, product});
  },
};

const keyChainValid: Check<SnpStart & ReportFacts & ChainFacts & RootFacts, KeyFacts> = {
  id: "signing-key-chain",
  title: "The signing key's certificate comes from that root",
  expects: "VCEK by the ASK, or VLEK by the ASVK, of the root's product; the kind of key that the report names",
  source: "RFC 5280 §6.1; AMD 57230",
  codes: ["SNP_SIGNING_KEY", "CERT_ROLE", "CERT_CHAIN", "CERT_SIGNATURE"],
  run: async ({signingKey, leaf, authority, root, product}) => {
    const {commonName} = leaf.subject;
    if (commonName !== `SEV-${signingKey}`) {
      const isKey = commonName === "SEV-VCEK" || commonName === "SEV-VLEK";
      return fail(isKey ? "SNP_SIGNING_KEY" : "CERT_ROLE", `"${commonName}"`, `SEV-${signingKey}, as the report says`);
    }
    const wanted = signingKey === "VCEK" ? `SEV-${product}` : `SEV-VLEK-${product}`;
    if (authority.subject.commonName !== wanted || leaf.isAuthority) {
      return fail("CERT_ROLE", `"${authority.subject.commonName}" above "${commonName}"`, `${wanted} above a leaf`);
    }
    if (leaf.publicKey.algorithm !== "ECDSA P-384") {
      return fail("CERT_ROLE", `a key of ${leaf.publicKey.algorithm}`, "ECDSA P-384");
    }
    await verifyIssuedBy(authority, root, 0);
    await verifyIssuedBy(leaf, authority, 0);
    return pass(`"${commonName}" by "${wanted}"`, {
      signer: markVerified(leaf),
      signerAuthority: markVerified(authority),
    });
  },
};

const notRevoked: Check<SnpStart & RootFacts & KeyFacts, RevocationFacts> = {
  id: "crl",
  title: "The intermediate is not revoked",
  expects: "where the root's CRL came: signed by it, current, without this authority",
  source: "RFC 5280 §5; AMD 57230",
  codes: ["CRL_FORMAT", "CRL_ISSUER", "CRL_SIGNATURE", "CRL_EXPIRED", "CRL_NOT_YET_VALID", "CERT_REVOKED"],
  run: async ({collateral: {amdCrl}, root, signerAuthority, at}) => {
    if (!amdCrl?.length) return pass("no CRL came", {amdCrl: null});
    const list = parseRevocationList(amdCrl);
    await verifyRevocationList(list, root);
    if (at < list.thisUpdate) return fail("CRL_NOT_YET_VALID", isoTime(list.thisUpdate), `before ${isoTime(at)}`);
    if (at > list.nextUpdate) return fail("CRL_EXPIRED", isoTime(list.nextUpdate), `after ${isoTime(at)}`);
    if (list.revokedSerials.has(signerAuthority.serial)) {
      return fail("CERT_REVOKED", `"${signerAuthority.subject.commonName}"`, "a certificate that isn't on the list");
    }
    return pass(`until ${isoTime(list.nextUpdate)}`, {amdCrl: markVerified(list)});
  },
};

const keyOfProduct: Check<ReportFacts & RootFacts & KeyFacts, ExtensionFacts> = {
  id: "product",
  title: "Report, key and root are of one product",
  expects: "the product of the root in the certificate's extensions and, where the report has it, in its CPUID",
  source: "AMD 57230 §1.5; AMD 56860, CPUID fields",
  codes: ["SNP_VCEK_EXTENSION", "SNP_PRODUCT_MISMATCH"],
  run: ({report, signer, product}) => {
    const key = readKeyExtensions(signer);
    if (key.product !== product) return fail("SNP_PRODUCT_MISMATCH", `a key of ${key.productName}`, product);
    if (snpVersions[report.version]!.cpuid) {
      const [family, model] = report.cpuid as unknown as readonly [number, number];
      const row = snpProcessors.find(
        (each) => each.family === family && model >= each.models[0] && model <= each.models[1],
      );
      const found = `family ${family.toString(16)}, model ${model.toString(16)} (${row?.product ?? "unknown"})`;
      if (row?.product !== product) return fail("SNP_PRODUCT_MISMATCH", found, product);
    }
    return pass(key.productName, {key});
  },
};

const reportSigned: Check<SnpStart & ReportFacts & KeyFacts, {readonly guest: Verified<SnpReport>}> = {
  id: "report-signature",
  title: "The report was signed by that key",
  expects: "ECDSA P-384 over all bytes before the signature, r and s little-endian with zeros above",
  source: "AMD 56860, signature formats",
  codes: ["SNP_REPORT_SIGNATURE"],
  run: async ({reportBytes, report, signer}) => {
    const numbers = [report.signatureR, report.signatureS];
    const expected = `a signature by "${signer.subject.commonName}"`;
    if (!numbers.every((number) => isZero(number.subarray(48)))) {
      return fail("SNP_REPORT_SIGNATURE", "a number of more than 384 bits", expected);
    }
    const raw = concatBytes(...numbers.map((number) => Uint8Array.from(number.subarray(0, 48)).reverse()));
    const valid = await verifyRawSignature(signer.publicKey, raw, reportBytes.subarray(0, SIGNED_BYTES));
    if (!valid) return fail("SNP_REPORT_SIGNATURE", "another signature", expected);
    return pass("by the signing key", {guest: markVerified(report)});
  },
};

const sameChip: Check<ReportFacts & ExtensionFacts, object> = {
  id: "chip-id",
  title: "The report is of the chip that the key belongs to",
  expects: "the certificate's hardware id as chip id; of a VLEK, which has none, any",
  source: "AMD 56860, CHIP_ID; AMD 57230 §1.5",
  codes: ["SNP_CHIP_ID", "SNP_VCEK_EXTENSION"],
  run: ({report, signingKey, key}) => {
    if (signingKey === "VLEK") return {status: "skipped", found: "a VLEK is of no chip"};
    const id = key.hardwareId;
    if (id === null) return fail("SNP_VCEK_EXTENSION", "no hardware id", "one in the certificate of a VCEK");
    const own = report.chipId.subarray(0, id.length);
    const same = equalBytes(own, id) && isZero(report.chipId.subarray(id.length)) && !isZero(id);
    return passIf(same, "SNP_CHIP_ID", encodeHex(own), encodeHex(id));
  },
};

const sameFirmware: Check<ReportFacts & ExtensionFacts & RootFacts, {readonly reportedTcb: SnpTcb}> = {
  id: "reported-tcb",
  title: "The firmware that the report claims is the one that the key belongs to",
  expects: "each part of REPORTED_TCB as in the certificate",
  source: "AMD 56860, TCB_VERSION; AMD 57230 §1.5",
  codes: ["SNP_TCB_MISMATCH"],
  run: ({report, key, product}) => {
    const reportedTcb = readTcb(product, report.reportedTcb);
    const [found, expected] = [formatTcb(reportedTcb), formatTcb(key.tcb)];
    return found === expected ? pass(found, {reportedTcb}) : fail("SNP_TCB_MISMATCH", found, expected);
  },
};

/** After what the certificates say: another chip's certificate is that before it is too old or too new. */
const keyDates: Check<SnpStart & KeyFacts, {readonly datesChecked: true}> = {
  id: "signing-key-dates",
  title: "The signing key's certificates are valid now",
  expects: "notBefore and notAfter around the time of verification",
  source: "RFC 5280 §4.1.2.5",
  codes: ["CERT_EXPIRED", "CERT_NOT_YET_VALID"],
  run: ({signer, signerAuthority, at}) => {
    checkDates([signerAuthority, signer], at);
    return pass(`until ${isoTime(Math.min(signer.notAfter, signerAuthority.notAfter))}`, {datesChecked: true as const});
  },
};

export const snpChecks = checksFrom<SnpStart>()
  .followedBy(reportReadable)
  .followedBy(certificatesReadable)
  .followedBy(rootTrusted)
  .followedBy(keyChainValid)
  .followedBy(notRevoked)
  .followedBy(keyOfProduct)
  .followedBy(reportSigned)
  .followedBy(sameChip)
  .followedBy(sameFirmware)
  .followedBy(keyDates);

/** What verification established about a genuine report. */
export type GenuineSnp = SnpStart &
  ReportFacts &
  ChainFacts &
  RootFacts &
  KeyFacts &
  RevocationFacts &
  ExtensionFacts &
  GenuineFacts;

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
