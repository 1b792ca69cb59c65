/**
 * What an enclave says about itself (DESIGN §5.4): canonical JSON, so that one set of claims is one sequence of bytes. The
 * report data binds their digest; before that was compared, they are only somebody's words.
 */
import {canonicalJson, type JsonValue} from "@tf-trusted/core";
import {ProtocolError} from "./protocol-error.ts";

/** Version of the session and of the messages; another one is refused. */
export const protocolVersion = 1;

/** Digests and keys are lower-case hexadecimal. */
export interface EnclaveClaims {
  readonly protocol: typeof protocolVersion;
  /** Of the enclave's software, such as `0.1.0`. */
  readonly software: string;
  /** SHA-256 of the SubjectPublicKeyInfo of the TLS key. */
  readonly tlsKeySha256: string;
  /** SHA-256 of the configuration (who may do what), as canonical JSON. */
  readonly configurationSha256: string;
  readonly engine: {readonly id: string; readonly sha256: string};
  /** Ed25519 public key, made at start: signs receipts. */
  readonly receiptKey: string;
  /** Random, made at start: tells a restarted enclave from the one before. */
  readonly startup: string;
}

/** No enclave's claims come near it. */
export const maxClaimsBytes = 16 * 1024;

type Check = {readonly expects: string; readonly test: (value: unknown) => boolean};

const hex = (digits: number): Check => ({
  expects: `${digits} hexadecimal digits`,
  test: (value) => typeof value === "string" && value.length === digits && /^[0-9a-f]*$/.test(value),
});
const text = (maxLength: number): Check => ({
  expects: `1 to ${maxLength} printable characters`,
  test: (value) => typeof value === "string" && value.length <= maxLength && /^[\x20-\x7e]+$/.test(value),
});

const members: Readonly<Record<Exclude<keyof EnclaveClaims, "engine">, Check>> = {
  protocol: {expects: String(protocolVersion), test: (value) => value === protocolVersion},
  software: text(64),
  tlsKeySha256: hex(64),
  configurationSha256: hex(64),
  receiptKey: hex(64),
  startup: hex(32),
};
const engineMembers: Readonly<Record<keyof EnclaveClaims["engine"], Check>> = {id: text(64), sha256: hex(64)};

/** The bytes that travel and are hashed. */
export function encodeClaims(claims: EnclaveClaims): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonicalJson(claims as unknown as JsonValue));
}

/** Reads claims: exactly these members, in canonical form. Throws `CLAIMS_INVALID`. */
export function parseClaims(bytes: Uint8Array): EnclaveClaims {
  if (bytes.length > maxClaimsBytes) throw invalid(`${bytes.length} bytes`, `${maxClaimsBytes} at most`);
  let value: JsonValue;
  let source: string;
  try {
    source = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
    value = JSON.parse(source) as JsonValue;
  } catch (cause) {
    throw invalid("bytes that aren't JSON in UTF-8", "canonical JSON", cause);
  }
  const {engine, ...rest} = checkObject("claims", value, ["engine", ...Object.keys(members)]);
  checkMembers("", rest, members);
  checkMembers("engine.", checkObject("engine", engine, Object.keys(engineMembers)), engineMembers);
  // Last, because it walks the whole value. It also refuses members that occur twice, and other spellings of the same.
  if (canonicalJson(value) !== source) throw invalid("JSON in another form", "canonical JSON (RFC 8785)");
  return value as unknown as EnclaveClaims;
}

function checkObject(name: string, value: unknown, keys: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(name, `${name} as an object`);
  const found = Object.keys(value).sort().join(", ");
  const wanted = [...keys].sort().join(", ");
  if (found !== wanted) throw invalid(`${name} with the members ${found.slice(0, 200)}`, wanted);
  return value as Readonly<Record<string, unknown>>;
}

function checkMembers(
  prefix: string,
  value: Readonly<Record<string, unknown>>,
  checks: Readonly<Record<string, Check>>,
): void {
  for (const [name, {expects, test}] of Object.entries(checks)) {
    if (!test(value[name])) throw invalid(`${prefix}${name} ${JSON.stringify(value[name])?.slice(0, 80)}`, expects);
  }
}

function invalid(found: string, expected: string, cause?: unknown): ProtocolError {
  return new ProtocolError("CLAIMS_INVALID", `found ${found}, expected ${expected}`, {cause});
}
