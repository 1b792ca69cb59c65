/**
 * The part of X.509 v3 (RFC 5280 §4) that attestation chains use, read strictly: anything unknown that is marked critical
 * refuses the certificate. Names are compared by their bytes; trust never comes from a name.
 */
import {encodeHex} from "@tf-trusted/core";
import {parsing, unexpected} from "../attestation-error.ts";
import {contextTag, DerReader, derTag, readSingle} from "../der/reader.ts";
import {Memory} from "./memory.ts";
import {MAX_CERTIFICATES, parsePem} from "./pem.ts";
import {keyAlgorithms, type PublicKey, parsePublicKey} from "./public-key.ts";

export interface DistinguishedName {
  readonly encoding: Uint8Array;
  /** The common name (2.5.4.3), for people and for the role of a certificate under a pinned root; "" without one. */
  readonly commonName: string;
}

export interface Certificate {
  readonly encoding: Uint8Array;
  /** What the issuer signed. */
  readonly toBeSigned: Uint8Array;
  readonly signature: Uint8Array;
  /** Big-endian hexadecimal without sign byte. AMD's VCEK have 00. */
  readonly serial: string;
  readonly issuer: DistinguishedName;
  readonly subject: DistinguishedName;
  /** Milliseconds since 1970; both ends belong to the certificate's life. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKey;
  readonly isAuthority: boolean;
  /** How many authorities may follow beneath this one; `null`: any number. */
  readonly pathLength: number | null;
  readonly keyUsage: ReadonlySet<KeyUsage>;
  /** The content of each extension's value by OID. */
  readonly extensions: ReadonlyMap<string, Uint8Array>;
}

/** RFC 5280 §4.2.1.3, in the order of the bits. */
export const keyUsages = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;
export type KeyUsage = (typeof keyUsages)[number];

export const extensionOids = {
  keyUsage: "2.5.29.15",
  basicConstraints: "2.5.29.19",
  crlNumber: "2.5.29.20",
  authorityKeyIdentifier: "2.5.29.35",
  subjectKeyIdentifier: "2.5.29.14",
} as const;

/** The extensions that are acted upon, and may therefore be critical. */
const understood: ReadonlySet<string> = new Set([extensionOids.keyUsage, extensionOids.basicConstraints]);

const COMMON_NAME = "2.5.4.3";
const MAX_SERIAL_BYTES = 20;
const MAX_EXTENSIONS = 32;

/** With its certificate a key is remembered as imported, which costs as much as a signature. */
const parsedCertificates = new Memory<Certificate>();

/** Parses one certificate. Throws `CERT_FORMAT`. The result holds views of a copy. */
export function parseCertificate(der: Uint8Array): Certificate {
  const known = parsedCertificates.recall(der);
  if (known) return known;
  const certificate = parsing("CERT_FORMAT", "certificate", () => readCertificate(der.slice()));
  parsedCertificates.keep(certificate, der);
  return certificate;
}

/**
 * The certificates of a PEM text, leaf first as vendors send them; or of DER structures one after the other, as Intel's
 * sample TDX quote has them. Throws `CERT_FORMAT`.
 */
export function parseCertificates(chain: Uint8Array): readonly Certificate[] {
  return (chain[0] === derTag.SEQUENCE ? splitDer(chain) : parsePem(chain)).map(parseCertificate);
}

function splitDer(chain: Uint8Array): readonly Uint8Array[] {
  return parsing("CERT_FORMAT", "certificates", () => {
    const reader = new DerReader(chain, "certificates");
    const found: Uint8Array[] = [];
    while (!reader.done) {
      if (found.length === MAX_CERTIFICATES)
        throw unexpected("CERT_FORMAT", "more certificates", `${MAX_CERTIFICATES}`);
      found.push(reader.value(derTag.SEQUENCE).encoding);
    }
    return found;
  });
}

function readCertificate(der: Uint8Array): Certificate {
  const outer = new DerReader(readSingle(der, derTag.SEQUENCE, "certificate").content, "certificate");
  const toBeSigned = outer.value(derTag.SEQUENCE);
  const outerAlgorithm = outer.value(derTag.SEQUENCE);
  const signature = outer.bitStringBytes();
  outer.end();

  const body = new DerReader(toBeSigned.content, "certificate body");
  const version = body.inside(contextTag(0, "constructed"), "version");
  if (version.smallInteger(255) !== 2) throw unexpected("CERT_FORMAT", "a certificate of another version", "version 3");
  version.end();
  const serial = encodeHex(body.unsigned(MAX_SERIAL_BYTES));
  const innerAlgorithm = body.value(derTag.SEQUENCE);
  if (encodeHex(innerAlgorithm.encoding) !== encodeHex(outerAlgorithm.encoding)) {
    throw unexpected("CERT_FORMAT", "two different signature algorithms in a certificate", "the same twice");
  }
  readSignatureAlgorithm(innerAlgorithm.content);
  const issuer = readName(body.value(derTag.SEQUENCE));
  const validity = body.sequence("validity");
  const notBefore = validity.time();
  const notAfter = validity.time();
  validity.end();
  const subject = readName(body.value(derTag.SEQUENCE));
  const publicKey = parsePublicKey(body.value(derTag.SEQUENCE).encoding);
  const extensions = readExtensions(body.inside(contextTag(3, "constructed"), "extensions"), understood);
  body.end();
  return Object.freeze({
    encoding: der,
    toBeSigned: toBeSigned.encoding,
    signature,
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKey,
    ...readBasicConstraints(extensions.get(extensionOids.basicConstraints)),
    keyUsage: readKeyUsage(extensions.get(extensionOids.keyUsage)),
    extensions,
  });
}

/** Checks that an AlgorithmIdentifier, with its parameters, is one that we verify. */
export function readSignatureAlgorithm(content: Uint8Array): void {
  const identifier = encodeHex(content);
  if (
    !Object.values(keyAlgorithms).some((row): boolean =>
      (row.signatureIdentifiers as readonly string[]).includes(identifier),
    )
  ) {
    throw unexpected("DER_INVALID", `the signature algorithm ${identifier}`, Object.keys(keyAlgorithms).join(" or "));
  }
}

/** RFC 5280 §4.1.2.4. */
export function readName(value: {readonly content: Uint8Array; readonly encoding: Uint8Array}): DistinguishedName {
  const names = new DerReader(value.content, "name");
  let commonName = "";
  while (!names.done) {
    const set = names.inside(derTag.SET, "relative name");
    do {
      const attribute = set.sequence("name attribute");
      const type = attribute.oid();
      const text = attribute.text();
      attribute.end();
      if (type === COMMON_NAME) commonName = text;
    } while (!set.done);
  }
  return Object.freeze({encoding: value.encoding, commonName});
}

/** RFC 5280 §4.2: a list of extensions, each at most once; unknown critical ones are refused. */
export function readExtensions(reader: DerReader, known: ReadonlySet<string>): ReadonlyMap<string, Uint8Array> {
  const list = reader.sequence("extensions");
  reader.end();
  const found = new Map<string, Uint8Array>();
  while (!list.done) {
    const item = list.sequence("extension");
    const oid = item.oid();
    const critical = readDefaultFalse(item);
    const value = item.octetString();
    item.end();
    if (critical && !known.has(oid))
      throw unexpected("DER_INVALID", `the unknown critical extension ${oid}`, "known ones");
    if (found.has(oid)) throw unexpected("DER_INVALID", `the extension ${oid} twice`, "each extension once");
    if (found.size === MAX_EXTENSIONS)
      throw unexpected("DER_INVALID", "too many extensions", `${MAX_EXTENSIONS} at most`);
    found.set(oid, value);
  }
  return found;
}

function readBasicConstraints(value: Uint8Array | undefined): Pick<Certificate, "isAuthority" | "pathLength"> {
  if (value === undefined) return {isAuthority: false, pathLength: null};
  const body = new DerReader(readSingle(value, derTag.SEQUENCE, "basic constraints").content, "basic constraints");
  const isAuthority = readDefaultFalse(body);
  const pathLength = body.nextTag === derTag.INTEGER ? body.smallInteger(255) : null;
  body.end();
  return {isAuthority, pathLength: isAuthority ? pathLength : null};
}

/** BOOLEAN DEFAULT FALSE: in DER false is left out (X.690 §11.5). */
function readDefaultFalse(reader: DerReader): boolean {
  if (reader.nextTag !== derTag.BOOLEAN) return false;
  if (!reader.boolean()) throw unexpected("DER_INVALID", "a default value that is written out", "nothing in its place");
  return true;
}

function readKeyUsage(value: Uint8Array | undefined): ReadonlySet<KeyUsage> {
  if (value === undefined) return new Set();
  const reader = new DerReader(value, "key usage");
  const {bits} = reader.bitString();
  reader.end();
  return new Set(keyUsages.filter((_, bit) => (bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))));
}
