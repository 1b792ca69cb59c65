/** Certificate revocation lists, version 2 (RFC 5280 §5): the subset that vendors publish, read strictly. */
import {encodeHex, equalBytes} from "@tf-trusted/core";
import {parsing, unexpected} from "../attestation-error.ts";
import {contextTag, DerReader, derTag, readSingle} from "../der/reader.ts";
import {
  type Certificate,
  type DistinguishedName,
  extensionOids,
  readExtensions,
  readName,
  readSignatureAlgorithm,
} from "./certificate.ts";
import {Memory} from "./memory.ts";
import {verifyDerSignature} from "./public-key.ts";

export interface RevocationList {
  readonly toBeSigned: Uint8Array;
  readonly signature: Uint8Array;
  readonly issuer: DistinguishedName;
  /** Milliseconds since 1970; both ends belong to the list's life. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Serials as in {@link Certificate}. */
  readonly revokedSerials: ReadonlySet<string>;
}

const NO_CRITICAL_EXTENSIONS: ReadonlySet<string> = new Set();

const parsedLists = new Memory<RevocationList>();

/** Parses one CRL in DER. Throws `CRL_FORMAT`. */
export function parseRevocationList(der: Uint8Array): RevocationList {
  const known = parsedLists.recall(der);
  if (known) return known;
  const list = parsing("CRL_FORMAT", "CRL", () => readRevocationList(der.slice()));
  parsedLists.keep(list, der);
  return list;
}

/** Throws `CRL_ISSUER` or `CRL_SIGNATURE` unless `issuer` made the list. */
export async function verifyRevocationList(list: RevocationList, issuer: Certificate): Promise<void> {
  if (!equalBytes(list.issuer.encoding, issuer.subject.encoding)) {
    throw unexpected("CRL_ISSUER", `a CRL of "${list.issuer.commonName}"`, `one of "${issuer.subject.commonName}"`);
  }
  if (!issuer.keyUsage.has("cRLSign")) {
    throw unexpected(
      "CRL_ISSUER",
      `"${issuer.subject.commonName}" without the key usage cRLSign`,
      "an authority that may sign CRLs",
    );
  }
  if (!(await verifyDerSignature(issuer.publicKey, list.signature, list.toBeSigned))) {
    throw unexpected(
      "CRL_SIGNATURE",
      "a signature by another key or over other bytes",
      `one by "${issuer.subject.commonName}"`,
    );
  }
}

function readRevocationList(der: Uint8Array): RevocationList {
  const outer = new DerReader(readSingle(der, derTag.SEQUENCE, "CRL").content, "CRL");
  const toBeSigned = outer.value(derTag.SEQUENCE);
  const outerAlgorithm = outer.value(derTag.SEQUENCE);
  const signature = outer.bitStringBytes();
  outer.end();

  const body = new DerReader(toBeSigned.content, "CRL body");
  if (body.smallInteger(255) !== 1) throw unexpected("CRL_FORMAT", "a CRL of another version", "version 2");
  const innerAlgorithm = body.value(derTag.SEQUENCE);
  if (!equalBytes(innerAlgorithm.encoding, outerAlgorithm.encoding)) {
    throw unexpected("CRL_FORMAT", "two different signature algorithms in a CRL", "the same twice");
  }
  readSignatureAlgorithm(innerAlgorithm.content);
  const issuer = readName(body.value(derTag.SEQUENCE));
  const thisUpdate = body.time();
  const nextUpdate = body.time();
  const revokedSerials = new Set<string>();
  const revoked = body.optional(derTag.SEQUENCE);
  if (revoked) {
    const entries = new DerReader(revoked.content, "revoked certificates");
    while (!entries.done) {
      const entry = entries.sequence("revoked certificate");
      revokedSerials.add(encodeHex(entry.unsigned(20)));
      entry.time();
      if (!entry.done) readExtensionList(entry);
      entry.end();
    }
  }
  const extensions = readExtensions(
    body.inside(contextTag(0, "constructed"), "CRL extensions"),
    NO_CRITICAL_EXTENSIONS,
  );
  body.end();
  for (const name of ["crlNumber", "authorityKeyIdentifier"] as const) {
    if (!extensions.has(extensionOids[name])) throw unexpected("CRL_FORMAT", `a CRL without ${name}`, "RFC 5280 §5.2");
  }
  return Object.freeze({toBeSigned: toBeSigned.encoding, signature, issuer, thisUpdate, nextUpdate, revokedSerials});
}

function readExtensionList(entry: DerReader): void {
  const whole = entry.value(derTag.SEQUENCE);
  readExtensions(new DerReader(whole.encoding, "CRL entry extensions"), NO_CRITICAL_EXTENSIONS);
}
