/** A Nitro attestation document: COSE_Sign1 (RFC 9052 §4.2) around a map of AWS's (Nitro Enclaves, "attestation process"). */
import {concatBytes, equalBytes} from "@tf-trusted/core";
import {parsing, unexpected} from "../../attestation-error.ts";
import {type CborValue, readCbor} from "../../cbor/reader.ts";

export interface NitroEnvelope {
  readonly protectedHeader: Uint8Array;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

export interface NitroDocument {
  readonly moduleId: string;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
  readonly certificate: Uint8Array;
  /** The root first. */
  readonly cabundle: readonly Uint8Array[];
  readonly publicKey: Uint8Array | null;
  readonly userData: Uint8Array | null;
  readonly nonce: Uint8Array | null;
}

const COSE_SIGN1 = 18;
const ALGORITHM = 1;
const ES384 = -35;

/** Throws `NITRO_FORMAT`, and `NITRO_ALGORITHM` where the signed header doesn't say ES384. */
export function readEnvelope(bytes: Uint8Array): NitroEnvelope {
  const {protectedHeader, algorithm, payload, signature} = parsing("NITRO_FORMAT", "attestation document", () => {
    const outer = readCbor(bytes, "attestation document");
    const parts = isTag(outer) && outer.tag === COSE_SIGN1 ? outer.value : outer;
    if (!Array.isArray(parts) || parts.length !== 4) throw invalid("no array of four", "COSE_Sign1");
    const [header, unprotected, content, mac] = parts as readonly CborValue[];
    if (!(unprotected instanceof Map)) throw invalid("an unprotected header that is no map", "a map");
    const signed = bytesAt(header, "protected header", 0, 64);
    const claims = signed.length === 0 ? new Map() : readCbor(signed, "protected header");
    if (!(claims instanceof Map)) throw invalid("a protected header that is no map", "a map");
    const found = claims.get(ALGORITHM);
    // What isn't signed says nothing about how it is; other headers aren't known, and could be critical.
    const isOnly = claims.size <= 1 && unprotected.size === 0;
    return {
      protectedHeader: signed,
      algorithm: isOnly ? found : undefined,
      payload: bytesAt(content, "payload", 1, 65_535),
      signature: bytesAt(mac, "signature", 0, 1024),
    };
  });
  if (algorithm !== ES384) {
    throw unexpected(
      "NITRO_ALGORITHM",
      `the algorithm ${String(algorithm)} alone in the signed header`,
      `ES384 (${ES384})`,
    );
  }
  return {protectedHeader, payload, signature};
}

/** What the enclave's certificate signs (RFC 9052 §4.4), without external data. */
export function signedBytes({protectedHeader, payload}: NitroEnvelope): Uint8Array {
  const context = new TextEncoder().encode("Signature1");
  return concatBytes(
    Uint8Array.of(0x84, 0x60 + context.length),
    context,
    encodeBytes(protectedHeader),
    encodeBytes(new Uint8Array(0)),
    encodeBytes(payload),
  );
}

function encodeBytes(bytes: Uint8Array): Uint8Array {
  const {length} = bytes;
  const head = length < 24 ? [0x40 + length] : length < 256 ? [0x58, length] : [0x59, length >> 8, length & 255];
  return concatBytes(Uint8Array.from(head), bytes);
}

const required = ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"];
const optional = ["public_key", "user_data", "nonce"];

/** Throws `NITRO_FORMAT`. */
export function readDocument(payload: Uint8Array): NitroDocument {
  return parsing("NITRO_FORMAT", "attestation document", () => {
    const map = readCbor(payload, "payload");
    if (!(map instanceof Map)) throw invalid("a payload that is no map", "a map");
    const missing = required.filter((key) => !map.has(key));
    const unknown = [...map.keys()].filter((key) => ![...required, ...optional].includes(String(key)));
    if (missing.length + unknown.length > 0) {
      throw invalid(`no ${missing.join(", ") || "unknown"}; ${unknown.join(", ")} besides`, required.join(", "));
    }
    const [moduleId, digest, timestamp] = ["module_id", "digest", "timestamp"].map((key) => map.get(key));
    if (typeof moduleId !== "string" || moduleId.length === 0) throw invalid("no module_id", "text");
    if (digest !== "SHA384") throw invalid(`the digest ${String(digest)}`, "SHA384");
    if (typeof timestamp !== "number" || timestamp <= 0) throw invalid("no timestamp", "milliseconds");
    const cabundle = map.get("cabundle");
    if (!Array.isArray(cabundle) || cabundle.length === 0 || cabundle.length > 16)
      throw invalid("no cabundle", "1 to 16");
    const maybe = (key: string, most: number, least = 0) => {
      const value = map.get(key) ?? null;
      return value === null ? null : bytesAt(value, key, least, most);
    };
    return {
      moduleId,
      timestamp,
      pcrs: readPcrs(map.get("pcrs")!),
      certificate: bytesAt(map.get("certificate"), "certificate", 1, 1024),
      cabundle: cabundle.map((each: CborValue) => bytesAt(each, "cabundle", 1, 1024)),
      publicKey: maybe("public_key", 1024, 1),
      userData: maybe("user_data", 512),
      nonce: maybe("nonce", 512),
    };
  });
}

function readPcrs(value: CborValue): ReadonlyMap<number, Uint8Array> {
  if (!(value instanceof Map) || value.size === 0 || value.size > 32) throw invalid("no PCRs", "1 to 32 of them");
  const pcrs = new Map<number, Uint8Array>();
  for (const [index, content] of value) {
    if (typeof index !== "number" || index < 0 || index > 31) throw invalid(`PCR ${index}`, "0 to 31");
    const pcr = bytesAt(content, `PCR ${index}`, 32, 64);
    if (![32, 48, 64].includes(pcr.length)) throw invalid(`PCR ${index} of ${pcr.length} bytes`, "32, 48 or 64");
    pcrs.set(index, pcr);
  }
  return pcrs;
}

/** Whether the first three PCRs are zero, what a debug enclave has, or not told. */
export function isDebugEnclave({pcrs}: NitroDocument): boolean {
  const isZero = (pcr: Uint8Array | undefined) => pcr === undefined || equalBytes(pcr, new Uint8Array(pcr.length));
  return [0, 1, 2].every((index) => isZero(pcrs.get(index)));
}

function bytesAt(value: CborValue | undefined, what: string, least: number, most: number): Uint8Array {
  if (!(value instanceof Uint8Array)) throw invalid(`${what} that is no byte string`, "bytes");
  if (value.length >= least && value.length <= most) return value;
  throw invalid(`${what} of ${value.length} bytes`, `${least} to ${most}`);
}

const isTag = (value: CborValue): value is Extract<CborValue, {tag: number}> =>
  typeof value === "object" && value !== null && "tag" in value;

const invalid = (found: string, expected: string) => unexpected("CBOR_INVALID", found, expected);
