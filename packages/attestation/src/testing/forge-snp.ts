/**
 * SNP evidence under keys of our own, right or with one fault: a chain as AMD's (RSA-4096 PSS down to a P-384 key) and a
 * report signed by its end.
 */
import {concatBytes, encodeHex, parseHex, sha256} from "@tf-trusted/core";
import {
  derBitString,
  derBoolean,
  derExplicit,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8String,
  derValue,
} from "../der/writer.ts";
import type {SnpReportEvidence} from "../evidence/evidence.ts";
import {type SnpReport, snpReportLayout} from "../evidence/snp/layout.ts";
import {extensionOids} from "../x509/certificate.ts";
import {encodePem} from "../x509/pem.ts";
import {keyAlgorithms} from "../x509/public-key.ts";

export const forgeSnpTime = new Date("2026-03-01T00:00:00Z");

export interface SnpKeys {
  readonly root: CryptoKeyPair;
  readonly authority: CryptoKeyPair;
  readonly signer: CryptoKeyPair;
  /** SHA-256 of the root's SubjectPublicKeyInfo, to be pinned. */
  readonly rootPin: string;
}

type Product = "Milan" | "Turin";

/** What differs from healthy evidence. */
export interface SnpFault {
  readonly report?: Partial<SnpReport>;
  readonly product?: Product;
  readonly signingKey?: "VCEK" | "VLEK";
  readonly names?: Partial<Record<"root" | "authority" | "signer", string>>;
  /** By OID suffix after AMD's arc; `null` leaves the extension out. */
  readonly extensions?: Readonly<Record<string, Uint8Array | null>>;
  readonly leafIsAuthority?: boolean;
  readonly authoritySigner?: keyof Omit<SnpKeys, "rootPin">;
  readonly leafSigner?: "authority" | "root";
  readonly rootSigner?: "authority" | "root";
  /** Of the leaf. */
  readonly notAfter?: Date;
  readonly rootNotAfter?: Date;
  readonly crl?: {readonly revoked?: boolean; readonly issuer?: string; readonly from?: Date; readonly until?: Date};
  /** The signature's numbers, big-endian as by WebCrypto, into what the report holds. */
  readonly signature?: (r: Uint8Array, s: Uint8Array) => Pick<SnpReport, "signatureR" | "signatureS">;
}

const ARC = "1.3.6.1.4.1.3704.1";
const DAY = 86_400_000;
const AUTHORITY_SERIAL = 0x0a5c;
const tcbs = {Milan: "04000000000018db", Turin: "0104020300000051"} as const;
const cpuids = {Milan: "190101", Turin: "1a0201"} as const;
const svns = {
  Milan: {"3.1": 4, "3.2": 0, "3.3": 0x18, "3.8": 0xdb},
  Turin: {"3.1": 4, "3.2": 2, "3.3": 3, "3.8": 0x51, "3.9": 1},
} as const;

export async function makeSnpKeys(): Promise<SnpKeys> {
  const rsa = {
    name: "RSA-PSS",
    modulusLength: 4096,
    publicExponent: Uint8Array.of(1, 0, 1),
    hash: "SHA-384",
  } as const;
  const [root, authority, signer] = await Promise.all([
    crypto.subtle.generateKey(rsa, true, ["sign", "verify"]),
    crypto.subtle.generateKey(rsa, true, ["sign", "verify"]),
    crypto.subtle.generateKey({name: "ECDSA", namedCurve: "P-384"}, true, ["sign", "verify"]),
  ]);
  return {root, authority, signer, rootPin: encodeHex(await sha256(await spkiOf(root)))};
}

export async function forgeSnp(keys: SnpKeys, fault: SnpFault = {}): Promise<SnpReportEvidence> {
  const {product = "Milan", signingKey = "VCEK", notAfter} = fault;
  const names = {
    root: `ARK-${product}`,
    authority: signingKey === "VCEK" ? `SEV-${product}` : `SEV-VLEK-${product}`,
    signer: `SEV-${signingKey}`,
    ...fault.names,
  };
  const chipId = new Uint8Array(64).fill(0xc1, 0, product === "Turin" ? 8 : 64);
  const extensions: Readonly<Record<string, Uint8Array | null>> = {
    "1": derInteger(1),
    "2": derValue(0x16, new TextEncoder().encode(product === "Milan" ? "Milan-B0" : "Turin")),
    ...Object.fromEntries(Object.entries(svns[product]).map(([suffix, svn]) => [suffix, derInteger(svn)])),
    ...(signingKey === "VCEK" ? {"4": chipId.subarray(0, product === "Turin" ? 8 : 64)} : {}),
    ...fault.extensions,
  };
  const root = await certificate(keys.root, names.root, names.root, keys[fault.rootSigner ?? "root"], {
    serial: 1,
    authority: true,
    ...(fault.rootNotAfter ? {notAfter: fault.rootNotAfter} : {}),
  });
  const authority = await certificate(
    keys.authority,
    names.authority,
    names.root,
    keys[fault.authoritySigner ?? "root"],
    {serial: AUTHORITY_SERIAL, authority: true},
  );
  const leaf = await certificate(keys.signer, names.signer, names.authority, keys[fault.leafSigner ?? "authority"], {
    serial: 0,
    authority: fault.leafIsAuthority ?? false,
    extensions: Object.entries(extensions).flatMap(([suffix, value]) =>
      value === null ? [] : [derSequence(derOid(`${ARC}.${suffix}`), derOctetString(value))],
    ),
    ...(notAfter ? {notAfter} : {}),
  });
  return {
    kind: "snp-report",
    report: await signedReport(keys.signer, product, signingKey, chipId, fault),
    collateral: {
      vcek: leaf,
      amdChain: encodePem([authority, root]),
      ...(fault.crl ? {amdCrl: await revocationList(keys.root, names.root, fault.crl)} : {}),
    },
  };
}

async function signedReport(
  signer: CryptoKeyPair,
  product: Product,
  signingKey: "VCEK" | "VLEK",
  chipId: Uint8Array,
  fault: SnpFault,
): Promise<Uint8Array> {
  const tcb = parseHex(tcbs[product]);
  const zeros = (size: number) => new Uint8Array(size);
  const report: SnpReport = {
    version: 3,
    guestSvn: 1,
    // SMT and the bit that is always set.
    policy: Uint8Array.of(0, 0, 3, 0, 0, 0, 0, 0),
    familyId: zeros(16),
    imageId: zeros(16),
    vmpl: 0,
    signatureAlgorithm: 1,
    currentTcb: tcb,
    platformInfo: zeros(8),
    flags: signingKey === "VCEK" ? 0 : 4,
    zero: zeros(4),
    reportData: zeros(64).fill(7),
    measurement: zeros(48).fill(0xc3),
    hostData: zeros(32).fill(0x44),
    idKeyDigest: zeros(48),
    authorKeyDigest: zeros(48),
    reportId: zeros(32),
    reportIdMa: zeros(32),
    reportedTcb: tcb,
    cpuid: parseHex(cpuids[product]),
    reserved1: zeros(21),
    chipId: signingKey === "VCEK" ? chipId : zeros(64),
    committedTcb: tcb,
    currentVersion: zeros(3),
    reserved2: zeros(1),
    committedVersion: zeros(3),
    reserved3: zeros(1),
    launchTcb: tcb,
    launchMitigations: zeros(8),
    currentMitigations: zeros(8),
    reserved4: zeros(152),
    signatureR: zeros(72),
    signatureS: zeros(72),
    reserved5: zeros(368),
    ...fault.report,
  };
  const signed = snpReportLayout.encode(report).subarray(0, 0x2a0);
  const raw = new Uint8Array(await crypto.subtle.sign({name: "ECDSA", hash: "SHA-384"}, signer.privateKey, signed));
  const place = fault.signature ?? ((r, s) => ({signatureR: littleEndian(r), signatureS: littleEndian(s)}));
  return snpReportLayout.encode({...report, ...place(raw.subarray(0, 48), raw.subarray(48))});
}

/** 48 bytes, the other way round, in the 72 of the report. */
export function littleEndian(number: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.from(number).reverse(), new Uint8Array(24));
}

const signatureAlgorithm = derSequence(parseHex(keyAlgorithms["RSA-4096 PSS"].signatureIdentifiers[0]!));

async function certificate(
  key: CryptoKeyPair,
  subject: string,
  issuer: string,
  issuerKey: CryptoKeyPair,
  {
    serial,
    authority,
    extensions = [],
    notAfter,
  }: {
    readonly serial: number;
    readonly authority: boolean;
    readonly extensions?: readonly Uint8Array[];
    readonly notAfter?: Date;
  },
): Promise<Uint8Array> {
  const extension = (oid: string, value: Uint8Array) =>
    derSequence(derOid(oid), derBoolean(true), derOctetString(value));
  const body = derSequence(
    derExplicit(0, derInteger(2)),
    derInteger(serial),
    signatureAlgorithm,
    nameOf(issuer),
    derSequence(derTime(new Date("2020-01-01T00:00:00Z")), derTime(notAfter ?? new Date("2045-01-01T00:00:00Z"))),
    nameOf(subject),
    await spkiOf(key),
    derExplicit(
      3,
      derSequence(
        ...(authority
          ? [
              extension(extensionOids.basicConstraints, derSequence(derBoolean(true))),
              extension(extensionOids.keyUsage, derBitString(Uint8Array.of(0x06), 1)),
            ]
          : []),
        ...extensions,
      ),
    ),
  );
  return derSequence(body, signatureAlgorithm, derBitString(await signPss(issuerKey, body)));
}

async function revocationList(
  rootKey: CryptoKeyPair,
  rootName: string,
  {revoked = false, issuer = rootName, from, until}: NonNullable<SnpFault["crl"]>,
): Promise<Uint8Array> {
  const start = from ?? new Date(forgeSnpTime.getTime() - DAY);
  const body = derSequence(
    derInteger(1),
    signatureAlgorithm,
    nameOf(issuer),
    derTime(start),
    derTime(until ?? new Date(forgeSnpTime.getTime() + DAY)),
    ...(revoked ? [derSequence(derSequence(derInteger(AUTHORITY_SERIAL), derTime(start)))] : []),
    derExplicit(
      0,
      derSequence(
        derSequence(derOid(extensionOids.crlNumber), derOctetString(derInteger(1))),
        derSequence(derOid(extensionOids.authorityKeyIdentifier), derOctetString(derSequence())),
      ),
    ),
  );
  return derSequence(body, signatureAlgorithm, derBitString(await signPss(rootKey, body)));
}

async function signPss({privateKey}: CryptoKeyPair, data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign({name: "RSA-PSS", saltLength: 48}, privateKey, data));
}

async function spkiOf({publicKey}: CryptoKeyPair): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
}

function nameOf(commonName: string): Uint8Array {
  return derSequence(derSet(derSequence(derOid("2.5.4.3"), derUtf8String(commonName))));
}
