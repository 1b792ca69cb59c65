/**
 * A strict reader of DER (ITU-T X.690 §8, §10, §11): definite lengths in their shortest form, tags of one byte, every
 * primitive in its only encoding. It never recurses by itself, so depth is what the caller's structure says.
 */
import {ByteReader, encodeHex} from "@tf-trusted/core";
import {type AttestationError, unexpected} from "../attestation-error.ts";

/** Identifier octets that the structures of this package use. */
export const derTag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  ENUMERATED: 0x0a,
  UTF8_STRING: 0x0c,
  PRINTABLE_STRING: 0x13,
  IA5_STRING: 0x16,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const;

/** Context-specific tag `[n]`, constructed (explicit) or primitive (implicit). */
export function contextTag(number: number, form: "constructed" | "primitive"): number {
  return 0x80 | (form === "constructed" ? 0x20 : 0) | number;
}

export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content: what is signed or compared. */
  readonly encoding: Uint8Array;
}

/** Reads the values inside one DER container in order. Every failure is `DER_INVALID` or `BYTES_TRUNCATED`. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #reader: ByteReader;
  readonly #what: string;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#reader = new ByteReader(bytes, what);
    this.#what = what;
  }

  get done(): boolean {
    return this.#reader.remaining === 0;
  }

  /** The tag of the next value, without reading it; `undefined` at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#reader.offset];
  }

  /** The next value, whatever it is, or of `tag`. */
  value(tag?: number): DerValue {
    const start = this.#reader.offset;
    const found = this.#reader.u8();
    if ((found & 0x1f) === 0x1f) throw this.#invalid(`a tag of several bytes at ${start}`, "a tag number below 31");
    if (tag !== undefined && found !== tag) throw this.#invalid(`tag ${hex(found)} at ${start}`, `tag ${hex(tag)}`);
    const content = this.#reader.take(this.#length());
    return {tag: found, content, encoding: this.#bytes.subarray(start, this.#reader.offset)};
  }

  /** The next value if it has this tag. */
  optional(tag: number): DerValue | undefined {
    return this.nextTag === tag ? this.value(tag) : undefined;
  }

  /** A reader over the content of the next value. */
  inside(tag: number, what: string): DerReader {
    return new DerReader(this.value(tag).content, what);
  }

  sequence(what: string): DerReader {
    return this.inside(derTag.SEQUENCE, what);
  }

  oid(): string {
    return decodeOid(this.value(derTag.OID).content, this.#what);
  }

  boolean(): boolean {
    const {content} = this.value(derTag.BOOLEAN);
    // X.690 §11.1: true is all ones.
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
      throw this.#invalid(`a BOOLEAN of ${encodeHex(content)}`, "00 or ff");
    }
    return content[0] === 0xff;
  }

  /** A non-negative INTEGER as its bytes without a sign byte; at most `maxBytes` of them. */
  unsigned(maxBytes: number): Uint8Array {
    const {content} = this.value(derTag.INTEGER);
    checkInteger(content, this.#what);
    if (content[0]! & 0x80) throw this.#invalid("a negative INTEGER", "zero or more");
    const magnitude = content.length > 1 && content[0] === 0 ? content.subarray(1) : content;
    if (magnitude.length > maxBytes)
      throw this.#invalid(`an INTEGER of ${magnitude.length} bytes`, `${maxBytes} at most`);
    return magnitude;
  }

  /** An INTEGER from 0 to `max`, which is at most 2^32 - 1. */
  smallInteger(max: number): number {
    return this.#small(this.unsigned(4), max);
  }

  enumerated(max: number): number {
    const {content} = this.value(derTag.ENUMERATED);
    checkInteger(content, this.#what);
    if (content.length > 4 || content[0]! & 0x80)
      throw this.#invalid(`an ENUMERATED of ${encodeHex(content)}`, `0 to ${max}`);
    return this.#small(content, max);
  }

  octetString(length?: number): Uint8Array {
    const {content} = this.value(derTag.OCTET_STRING);
    if (length !== undefined && content.length !== length) {
      throw this.#invalid(`an OCTET STRING of ${content.length} bytes`, `${length} bytes`);
    }
    return content;
  }

  /** A BIT STRING of whole bytes (keys, signatures). */
  bitStringBytes(): Uint8Array {
    const {unused, bits} = this.bitString();
    if (unused !== 0) throw this.#invalid(`a BIT STRING with ${unused} unused bits`, "whole bytes");
    return bits;
  }

  bitString(): {readonly unused: number; readonly bits: Uint8Array} {
    const {content} = this.value(derTag.BIT_STRING);
    const unused = content[0];
    if (unused === undefined || unused > 7 || (content.length === 1 && unused !== 0)) {
      throw this.#invalid(`a BIT STRING that begins ${encodeHex(content.subarray(0, 1))}`, "0 to 7 unused bits");
    }
    // X.690 §11.2.1: unused bits are zero.
    if (content[content.length - 1]! & ((1 << unused) - 1)) throw this.#invalid("unused bits that are set", "zeros");
    return {unused, bits: content.subarray(1)};
  }

  /** A string of one of the types that names have: UTF8String, PrintableString, IA5String. */
  text(): string {
    const {tag, content} = this.value();
    const text = decodeText(content);
    const allowed = textForms.get(tag);
    if (allowed === undefined)
      throw this.#invalid(`a string of tag ${hex(tag)}`, "UTF8String, PrintableString or IA5String");
    if (text === undefined || !allowed.test(text))
      throw this.#invalid(`characters that tag ${hex(tag)} doesn't have`, "its own");
    return text;
  }

  /** UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5 as milliseconds since 1970. */
  time(): number {
    const {tag, content} = this.value();
    const text = String.fromCharCode(...content.subarray(0, 16));
    const match =
      tag === derTag.UTC_TIME && content.length === 13
        ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
        : tag === derTag.GENERALIZED_TIME && content.length === 15
          ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
          : null;
    const time = match && realTime(match.slice(1).map(Number), tag === derTag.UTC_TIME);
    if (time === null)
      throw this.#invalid(`tag ${hex(tag)} with ${JSON.stringify(text)}`, "a real UTC time with seconds");
    return time;
  }

  /** Throws `BYTES_TRAILING` unless everything was read. */
  end(): void {
    this.#reader.expectEnd();
  }

  #length(): number {
    const first = this.#reader.u8();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    // Four bytes address more than any input here; 0x80 is the indefinite form.
    if (count === 0 || count > 4)
      throw this.#invalid(`a length byte ${hex(first)}`, "a definite length of at most 4 bytes");
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#reader.u8();
    if (length < 0x80 || length < 256 ** (count - 1))
      throw this.#invalid(`length ${length} in ${count} bytes`, "its shortest form");
    return length;
  }

  #small(magnitude: Uint8Array, max: number): number {
    const value = magnitude.reduce((sum, byte) => sum * 256 + byte, 0);
    if (value > max) throw this.#invalid(`the INTEGER ${value}`, `0 to ${max}`);
    return value;
  }

  #invalid(found: string, expected: string): AttestationError {
    return unexpected("DER_INVALID", `${this.#what}: ${found}`, expected);
  }
}

/** Reads exactly one value that fills `bytes`. */
export function readSingle(bytes: Uint8Array, tag: number, what: string): DerValue {
  const reader = new DerReader(bytes, what);
  const value = reader.value(tag);
  reader.end();
  return value;
}

/** Dotted form of an OBJECT IDENTIFIER's content. Arcs above 2^53 are refused: nothing that we know has them. */
export function decodeOid(content: Uint8Array, what: string): string {
  const arcs: number[] = [];
  let arc = 0;
  let fresh = true;
  for (const byte of content) {
    if (fresh && byte === 0x80)
      throw unexpected("DER_INVALID", `${what}: an OID arc with leading zeros`, "its shortest form");
    arc = arc * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc)) throw unexpected("DER_INVALID", `${what}: an OID arc above 2^53`, "a smaller one");
    fresh = (byte & 0x80) === 0;
    if (!fresh) continue;
    if (arcs.length === 0) arcs.push(Math.min(Math.floor(arc / 40), 2), arc - 40 * Math.min(Math.floor(arc / 40), 2));
    else arcs.push(arc);
    arc = 0;
  }
  if (arcs.length === 0 || !fresh) throw unexpected("DER_INVALID", `${what}: an OID that is cut off`, "whole arcs");
  return arcs.join(".");
}

/** What each type of string may hold (X.680 §41). */
const textForms: ReadonlyMap<number, RegExp> = new Map([
  [derTag.UTF8_STRING, /^/],
  [derTag.PRINTABLE_STRING, /^[A-Za-z0-9 '()+,\-./:=?]*$/],
  [derTag.IA5_STRING, /^\p{ASCII}*$/u],
]);

function decodeText(content: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(content);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function checkInteger(content: Uint8Array, what: string): void {
  const [first, second] = content;
  // X.690 §8.3.2: the first nine bits are neither all zero nor all one.
  if (
    first === undefined ||
    (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
  ) {
    throw unexpected(
      "DER_INVALID",
      `${what}: an INTEGER of ${encodeHex(content.subarray(0, 20))}`,
      "its shortest form",
    );
  }
}

function realTime(parts: readonly number[], twoDigitYear: boolean): number | null {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  // RFC 5280 §4.1.2.5.1: 50..99 mean 19xx.
  const fullYear = twoDigitYear ? year + (year >= 50 ? 1900 : 2000) : year;
  const date = new Date(0);
  date.setUTCFullYear(fullYear, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const real =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  return real ? date.getTime() : null;
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
