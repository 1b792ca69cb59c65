/**
 * Bounded access to the structures of an HDF5 file (File Format Specification 3.0,
 * https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html). Each structure that is read costs one step of a
 * budget, so that links in a circle or shared by millions end; addresses are checked against the file.
 */
import {ByteReader, CoreError} from "@tf-trusted/core";
import {ConvertError} from "../../../convert-error.ts";

/** Structures that are read from one file: a model of a thousand layers takes some ten thousand. */
const maxSteps = 2_000_000;
/** What stands for "none" (§I). */
export const undefinedAddress = -1;

export class FileBytes {
  readonly bytes: Uint8Array;
  #steps = 0;
  #madeBytes = 0;
  readonly #maxMadeBytes: number;

  /** @param maxMadeBytes that may be made of compressed or scattered data */
  constructor(bytes: Uint8Array, maxMadeBytes: number) {
    this.bytes = bytes;
    this.#maxMadeBytes = maxMadeBytes;
  }

  /** A reader from an address to the end of the file, or over `length` bytes. */
  at(address: number, what: string, length?: number): ByteReader {
    this.step();
    if (address < 0 || address > this.bytes.length) throw damaged(`${what}: address ${address} is outside of the file`);
    const end = length === undefined ? this.bytes.length : address + length;
    if (end > this.bytes.length) throw damaged(`${what}: ${length} bytes at ${address} reach past the end of the file`);
    return new ByteReader(this.bytes.subarray(address, end), what, address);
  }

  step(): void {
    if (++this.#steps > maxSteps) {
      throw new ConvertError(
        "CONVERT_LIMIT",
        `the HDF5 file has more than ${maxSteps} structures, or a circle of them`,
      );
    }
  }

  /** Memory of our own. Throws `CONVERT_LIMIT`. */
  allocate(length: number, what: string): Uint8Array<ArrayBuffer> {
    this.account(length, what);
    return new Uint8Array(length);
  }

  /** Counts memory of our own before it is taken. Throws `CONVERT_LIMIT`. */
  account(length: number, what: string): void {
    this.#madeBytes += length;
    if (!Number.isSafeInteger(length) || this.#madeBytes > this.#maxMadeBytes) {
      throw new ConvertError(
        "CONVERT_LIMIT",
        `${what} takes ${length} bytes; expected at most ${this.#maxMadeBytes} in all`,
      );
    }
  }
}

/** The next 8 bytes as an address, {@link undefinedAddress} where they say so. */
export function readAddress(reader: ByteReader): number {
  const value = reader.u64le();
  if (value === 0xffff_ffff_ffff_ffffn) return undefinedAddress;
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(`address ${value} is outside of the file`);
  return Number(value);
}

/** The next 8 bytes as a length. */
export function readLength(reader: ByteReader): number {
  const value = reader.u64le();
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(`length ${value} is larger than any file`);
  return Number(value);
}

/** An integer of `width` bytes, little-endian. */
export function readUnsigned(reader: ByteReader, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value += reader.u8() * 2 ** (8 * i);
  if (!Number.isSafeInteger(value)) throw damaged(`an integer of ${width} bytes is out of range`);
  return value;
}

export function expectSignature(reader: ByteReader, wanted: string, what: string): void {
  const found = String.fromCharCode(...reader.take(wanted.length));
  if (found !== wanted) throw damaged(`${what}: no signature ${wanted}`);
}

/** A name, UTF-8. */
export function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch (cause) {
    throw new ConvertError("CONVERT_HDF5", `${what} isn't UTF-8`, {cause});
  }
}

/** Up to the first zero. */
export function untilZero(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

export const damaged = (message: string): ConvertError =>
  new ConvertError("CONVERT_HDF5", `the HDF5 file is damaged: ${message}`);

export const unsupported = (feature: string): ConvertError =>
  new ConvertError("CONVERT_HDF5", `the HDF5 file uses ${feature}, which isn't read; save the model again with Keras`);

/** Runs `read`; what it finds truncated is a damaged file. */
export function guard<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    throw new ConvertError("CONVERT_HDF5", `the HDF5 file is truncated or damaged: ${error.message}`, {cause: error});
  }
}
