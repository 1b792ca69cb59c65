/**
 * SIGSTRUCT: what an SGX enclave's signer vouches for, in a file of 1808 bytes (Intel SDM vol. 3D, "SIGSTRUCT"; platforms.md
 * §4). Read and verified as the CPU would at EINIT: fixed headers, RSA-3072 with exponent 3, and the two quotients with
 * which the CPU multiplies instead of dividing. All numbers are little-endian.
 */
import {createHash, createPublicKey, verify} from "node:crypto";
import {ByteReader, encodeHex, parseHex} from "@tf-trusted/core";
import {EnclaveError, type EnclaveErrorCode} from "../enclave-error.ts";

export interface Sigstruct {
  /** Hexadecimal, as all digests here. */
  readonly mrEnclave: string;
  /** SHA-256 of the signer's modulus. */
  readonly mrSigner: string;
  readonly isvProdId: number;
  readonly isvSvn: number;
  /** `yyyy-mm-dd`, as the signer wrote it. */
  readonly date: string;
  /** 16 bytes: flags, XFRM. */
  readonly attributes: string;
  readonly attributeMask: string;
  readonly miscSelect: number;
}

export const sigstructBytes = 1808;

const headers = ["06000000e10000000000010000000000", "01010000600000006000000001000000"] as const;
const keyBytes = 384;
const exponent = 3;
const flagDebug = 0x02;

/** Throws `SIGSTRUCT_FORMAT`, `SIGSTRUCT_SIGNATURE`, and `SIGSTRUCT_DEBUG` for an enclave that may be debugged. */
export function readSigstruct(bytes: Uint8Array): Sigstruct {
  if (bytes.length !== sigstructBytes) throw found("SIGSTRUCT_FORMAT", `${bytes.length} bytes`, `${sigstructBytes}`);
  const reader = new ByteReader(bytes, "SIGSTRUCT");
  expectBytes(reader, 16, headers[0], "header");
  const vendor = reader.u32le();
  if (vendor !== 0 && vendor !== 0x8086) throw found("SIGSTRUCT_FORMAT", `vendor ${vendor}`, "0 or 0x8086");
  const date = readDate(reader.take(4));
  expectBytes(reader, 16, headers[1], "second header");
  reader.take(4); // SWDEFINED: the signer's own.
  expectZeros(reader, 84);
  const modulus = reader.take(keyBytes);
  const given = reader.u32le();
  if (given !== exponent) throw found("SIGSTRUCT_FORMAT", `exponent ${given}`, `${exponent}`);
  const signature = reader.take(keyBytes);
  const miscSelect = reader.u32le();
  reader.take(4 + 2); // Mask of MISCSELECT, CET attributes.
  expectZeros(reader, 2);
  reader.take(16); // ISVFAMILYID
  const attributes = reader.take(16);
  const attributeMask = reader.take(16);
  const mrEnclave = encodeHex(reader.take(32));
  expectZeros(reader, 16);
  reader.take(16); // ISVEXTPRODID
  const [isvProdId, isvSvn] = [reader.u16le(), reader.u16le()];
  expectZeros(reader, 12);
  const [q1, q2] = [reader.take(keyBytes), reader.take(keyBytes)];
  reader.expectEnd();
  // Without the two parts that the signature and the key themselves take.
  const signed = Buffer.concat([bytes.subarray(0, 128), bytes.subarray(900, 1028)]);
  checkSignature(signed, modulus, signature, q1, q2);
  if ((attributes[0]! & flagDebug) !== 0) {
    throw found("SIGSTRUCT_DEBUG", "an enclave that may be debugged", "one signed without DEBUG (sgx.debug = false)");
  }
  return {
    mrEnclave,
    mrSigner: createHash("sha256").update(modulus).digest("hex"),
    isvProdId,
    isvSvn,
    date,
    attributes: encodeHex(attributes),
    attributeMask: encodeHex(attributeMask),
    miscSelect,
  };
}

function checkSignature(
  signed: Uint8Array,
  modulus: Uint8Array,
  signature: Uint8Array,
  q1: Uint8Array,
  q2: Uint8Array,
): void {
  const [n, s] = [number(modulus), number(signature)];
  if (n >> BigInt(8 * keyBytes - 1) !== 1n) throw found("SIGSTRUCT_SIGNATURE", "a short modulus", "one of 3072 bits");
  if (s >= n) throw found("SIGSTRUCT_SIGNATURE", "a signature beyond the modulus", "a smaller one");
  const key = createPublicKey({
    format: "jwk",
    key: {kty: "RSA", n: bigEndian(modulus).toString("base64url"), e: Buffer.of(exponent).toString("base64url")},
  });
  if (!verify("sha256", signed, key, bigEndian(signature))) {
    throw found("SIGSTRUCT_SIGNATURE", "a signature that doesn't fit", "one by the key in the file over its fields");
  }
  // SDM: Q1 = ⌊s²/n⌋, Q2 = ⌊(s³ − Q1·s·n)/n⌋; the CPU refuses others.
  const square = s * s;
  if (number(q1) !== square / n || number(q2) !== ((square % n) * s) / n) {
    throw found("SIGSTRUCT_SIGNATURE", "quotients q1 and q2 that don't fit", "those of the signature and the modulus");
  }
}

/** Binary-coded decimal: day, month, then the year's two bytes. */
function readDate(bytes: Uint8Array): string {
  const text = encodeHex(Uint8Array.from(bytes).reverse());
  const match = /^(\d{4})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/.exec(text);
  if (match === null) throw found("SIGSTRUCT_FORMAT", `the date ${text}`, "yyyymmdd in decimal digits");
  return match.slice(1).join("-");
}

function expectBytes(reader: ByteReader, length: number, wanted: string, what: string): void {
  const bytes = encodeHex(reader.take(length));
  if (bytes !== encodeHex(parseHex(wanted))) throw found("SIGSTRUCT_FORMAT", `the ${what} ${bytes}`, wanted);
}

function expectZeros(reader: ByteReader, length: number): void {
  const {offset} = reader;
  if (reader.take(length).some((byte) => byte !== 0)) {
    throw found("SIGSTRUCT_FORMAT", `something in the reserved bytes at ${offset}`, "zeros");
  }
}

function bigEndian(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes).reverse();
}

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${bigEndian(bytes).toString("hex")}`);
}

function found(code: EnclaveErrorCode, what: string, expected: string): EnclaveError {
  return new EnclaveError(code, `SIGSTRUCT: found ${what}, expected ${expected}`);
}
