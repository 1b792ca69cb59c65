/**
 * RA-TLS: a certificate whose holder proves with a quote that its key was made inside an enclave. It binds the key alone,
 * so that it says nothing about one connection; our sessions never rely on it (DESIGN §5.3). It is here for other
 * verifiers, and to judge other servers.
 *
 * - TCG DICE tagged evidence (2.23.133.5.4.9; "Interoperable RA-TLS", Confidential Computing Consortium): CBOR tag 60000
 *   around quote and claims; the quote's report data is the SHA-256 of the claims, which hold a digest of the key.
 * - Gramine's older form: the quote as it is; its report data is the SHA-256 of the key. Gramine 1.8 and later write both.
 */
import {concatBytes, encodeHex, equalBytes, sha256, TfTrustedError} from "@tf-trusted/core";
import {AttestationError, unexpected} from "../attestation-error.ts";
import {type CborTag, type CborValue, readCbor} from "../cbor/reader.ts";
import {cborBytes, cborHead, cborMap, cborText} from "../cbor/writer.ts";
import type {DcapEvidence, SgxCollateral} from "../evidence/evidence.ts";
import {DerReader, contextTag, derTag, readSingle} from "../der/reader.ts";
import {extensionOids, readExtensions} from "../x509/certificate.ts";
import {parsePublicKey, type PublicKey, verifyDerSignatureWith} from "../x509/public-key.ts";

export const raTlsOids = {
  tagged: "2.23.133.5.4.9",
  /** Gramine wrote the OID's own tag and length into it. */
  gramine: "0.6.9.42.840.113741.1337.6",
} as const;

export interface RaTlsCertificate {
  readonly form: keyof typeof raTlsOids;
  /** SubjectPublicKeyInfo in DER: what the connection must be seen to use. */
  readonly spki: Uint8Array;
  readonly quote: Uint8Array;
  /** What the quote has to carry, made from the key that the certificate shows. 64 bytes. */
  readonly reportData: Uint8Array;
  /** Of tagged evidence, where its claims have one. */
  readonly nonce: Uint8Array | null;
}

const TAG_ECDSA_QUOTE = 60000;
const KEY_HASH = "pubkey-hash";
const NONCE = "nonce";
const maxCertificateBytes = 64 * 1024;

/** Named Information Hash Algorithm Registry, by number. */
const hashAlgorithms: Readonly<Record<number, AlgorithmIdentifier>> = {1: "SHA-256", 7: "SHA-384", 8: "SHA-512"};
const SHA256 = 1;

/** Signature algorithms of self-signed certificates, by OID; parameters don't matter (RFC 5758 has none, Gramine a NULL). */
const signatureHashes: Readonly<Record<string, AlgorithmIdentifier>> = {
  "1.2.840.10045.4.3.2": "SHA-256",
  "1.2.840.10045.4.3.3": "SHA-384",
};

const understood: ReadonlySet<string> = new Set([
  extensionOids.keyUsage,
  extensionOids.basicConstraints,
  ...Object.values(raTlsOids),
]);

/** The claims that bind a key, and the report data that binds them: for whoever makes a certificate. */
export async function raTlsClaims(
  spki: Uint8Array,
): Promise<{readonly claims: Uint8Array<ArrayBuffer>; readonly reportData: Uint8Array<ArrayBuffer>}> {
  const keyHash = concatBytes(cborHead(4, 2), cborHead(0, SHA256), cborBytes(await sha256(spki)));
  const claims = concatBytes(cborMap([[cborText(KEY_HASH), cborBytes(keyHash)]]));
  return {claims, reportData: padded(await sha256(claims))};
}

/** The value of the extension {@link raTlsOids.tagged}. */
export function encodeRaTlsEvidence(quote: Uint8Array, claims: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes(cborHead(6, TAG_ECDSA_QUOTE), cborHead(4, 2), cborBytes(quote), cborBytes(claims));
}

/**
 * Reads a certificate in DER: its self-signature, its key, and the evidence that has to bind that key. Tagged evidence is
 * taken where there is some, however bad. Names and dates are no evidence and are passed over; everything is strict DER
 * but the parameters of the signature algorithm. Throws `RATLS_INVALID`.
 */
export async function readRaTlsCertificate(der: Uint8Array): Promise<RaTlsCertificate> {
  try {
    return await read(Uint8Array.from(der.subarray(0, maxCertificateBytes + 1)));
  } catch (error) {
    if (!(error instanceof TfTrustedError) || error.code === "RATLS_INVALID") throw error;
    throw new AttestationError("RATLS_INVALID", error.message, {cause: error});
  }
}

/** The certificate's evidence, for `verifyEvidence` with `expectedReportData: certificate.reportData`. */
export function raTlsEvidence({quote}: RaTlsCertificate, collateral: SgxCollateral): DcapEvidence {
  // Quote header: the TEE type at offset 4, 0x81 for TDX; the verifier reads and refuses the rest.
  return {kind: quote[4] === 0x81 ? "tdx-quote" : "sgx-quote", quote, collateral};
}

async function read(der: Uint8Array): Promise<RaTlsCertificate> {
  if (der.length > maxCertificateBytes) throw invalid(`more than ${maxCertificateBytes} bytes`, "a certificate");
  const outer = new DerReader(readSingle(der, derTag.SEQUENCE, "certificate").content, "certificate");
  const toBeSigned = outer.value(derTag.SEQUENCE);
  const hash = readSignatureHash(outer.value(derTag.SEQUENCE).content);
  const signature = outer.bitStringBytes();
  outer.end();

  const body = new DerReader(toBeSigned.content, "certificate body");
  const version = body.inside(contextTag(0, "constructed"), "version");
  if (version.smallInteger(255) !== 2) throw invalid("a certificate of another version", "version 3");
  version.end();
  body.unsigned(20);
  if (readSignatureHash(body.value(derTag.SEQUENCE).content) !== hash) {
    throw invalid("two different signature algorithms", "the same twice");
  }
  for (const _part of ["issuer", "validity", "subject"]) body.value(derTag.SEQUENCE);
  const key = parsePublicKey(body.value(derTag.SEQUENCE).encoding);
  const extensions = readExtensions(body.inside(contextTag(3, "constructed"), "extensions"), understood);
  body.end();

  if (!(await verifyDerSignatureWith(hash, key, signature, toBeSigned.encoding))) {
    throw invalid("a signature by another key", "one by the certificate's own");
  }
  const tagged = extensions.get(raTlsOids.tagged);
  if (tagged !== undefined) return readTagged(tagged, key);
  const quote = extensions.get(raTlsOids.gramine);
  if (quote === undefined) throw invalid("no evidence", Object.values(raTlsOids).join(" or "));
  return Object.freeze({
    form: "gramine",
    spki: key.spki,
    quote,
    reportData: padded(await sha256(key.spki)),
    nonce: null,
  });
}

async function readTagged(value: Uint8Array, key: PublicKey): Promise<RaTlsCertificate> {
  const outer = readCbor(value, "tagged evidence");
  if (!isTag(outer) || outer.tag !== TAG_ECDSA_QUOTE) throw invalid("evidence of another kind", `tag ${TAG_ECDSA_QUOTE}`);
  const items = outer.value;
  const [quote, claims] = Array.isArray(items) ? (items as readonly CborValue[]) : [];
  if (!Array.isArray(items) || items.length !== 2 || !(quote instanceof Uint8Array) || !(claims instanceof Uint8Array)) {
    throw invalid("tagged evidence of other parts", "quote and claims, both byte strings");
  }
  const members = readCbor(claims, "claims");
  if (!(members instanceof Map)) throw invalid("claims that are no map", "a map");
  const nonce: unknown = members.get(NONCE);
  if (nonce !== undefined && !(nonce instanceof Uint8Array)) throw invalid("a nonce of another type", "a byte string");
  await requireKeyHash(members.get(KEY_HASH), key);
  return Object.freeze({
    form: "tagged",
    spki: key.spki,
    quote,
    // Of the claims as they came: written again they might differ.
    reportData: padded(await sha256(claims)),
    nonce: nonce ?? null,
  });
}

/** `pubkey-hash` is a byte string that holds [algorithm, digest of the SubjectPublicKeyInfo]. */
async function requireKeyHash(value: unknown, {spki}: PublicKey): Promise<void> {
  const items: unknown = value instanceof Uint8Array ? readCbor(value, KEY_HASH) : undefined;
  const [number, digest] = Array.isArray(items) && items.length === 2 ? (items as readonly unknown[]) : [];
  const algorithm =
    typeof number === "number" && Object.hasOwn(hashAlgorithms, number) ? hashAlgorithms[number] : undefined;
  if (algorithm === undefined || !(digest instanceof Uint8Array)) {
    throw invalid(`a ${KEY_HASH} of another form`, "[1, 7 or 8; digest]");
  }
  const found = new Uint8Array(await crypto.subtle.digest(algorithm, spki as Uint8Array<ArrayBuffer>));
  if (!equalBytes(found, digest)) throw invalid(`the digest ${encodeHex(digest)}`, `${encodeHex(found)}, of its own key`);
}

function readSignatureHash(content: Uint8Array): AlgorithmIdentifier {
  const reader = new DerReader(content, "signature algorithm");
  const oid = reader.oid();
  const hash = Object.hasOwn(signatureHashes, oid) ? signatureHashes[oid] : undefined;
  if (hash === undefined) throw invalid(`the signature algorithm ${oid}`, Object.keys(signatureHashes).join(" or "));
  return hash;
}

function isTag(value: CborValue): value is CborTag {
  return typeof value === "object" && value !== null && "tag" in value;
}

/** Report data has 64 bytes. */
function padded(digest: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes(digest, new Uint8Array(64 - digest.length));
}

function invalid(found: string, expected: string): AttestationError {
  return unexpected("RATLS_INVALID", found, expected);
}
