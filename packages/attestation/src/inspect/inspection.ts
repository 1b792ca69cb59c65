/** What `quote inspect` shows: evidence as sections of fields, each with where it stands, its bytes and what they mean. */
import type {ByteReader} from "@tf-trusted/core";
import {encodeHex} from "@tf-trusted/core";
import type {Layout} from "../bytes/layout.ts";
import type {Tee} from "../policy/schema.ts";

export interface Inspection {
  readonly tee: Tee;
  /** "SGX quote, version 3" */
  readonly title: string;
  /** Bytes of the evidence, decoded from text where it came as such. */
  readonly size: number;
  readonly sections: readonly InspectedSection[];
  /** Why reading ended early; what came before it is in {@link sections}. `null` for whole evidence. */
  readonly problem: {readonly code: string; readonly message: string} | null;
}

export interface InspectedSection {
  readonly title: string;
  readonly fields: readonly InspectedField[];
}

export interface InspectedField {
  readonly name: string;
  /** From the beginning of the evidence; `null` for what is decoded from a certificate or a map. */
  readonly offset: number | null;
  readonly size: number | null;
  /** Lower-case; `null` where the meaning is all there is. */
  readonly hex: string | null;
  /** For people: numbers, names of bits, times. */
  readonly meaning: string | null;
}

/** What the bytes of a field mean, by the field's name. */
export type Meanings = Readonly<Record<string, (bytes: Uint8Array) => string>>;

/** The next structure of `reader`, field by field. Throws `BYTES_TRUNCATED`. */
export function readSection(
  title: string,
  structure: Pick<Layout<unknown>, "size" | "view">,
  reader: ByteReader,
  meanings: Meanings,
): InspectedSection {
  const start = reader.offset;
  const bytes = reader.take(structure.size);
  const fields = structure.view(bytes).map(({name, offset, hex, type}) => {
    const own = bytes.subarray(offset, offset + hex.length / 2);
    const meaning =
      meanings[name]?.(own) ?? (/^u\d+le$/.test(type) ? String(littleEndian(own)) : reservedMeaning(name, own));
    return {name, offset: start + offset, size: own.length, hex, meaning};
  });
  return {title, fields};
}

/** A field of bytes at a known place. */
export function fieldAt(
  name: string,
  offset: number,
  bytes: Uint8Array,
  meaning: string | null = null,
): InspectedField {
  return {name, offset, size: bytes.length, hex: encodeHex(bytes), meaning};
}

/** A field that has only a meaning. */
export function decoded(name: string, meaning: string): InspectedField {
  return {name, offset: null, size: null, hex: null, meaning};
}

/** An unsigned number of up to 4 bytes. */
export function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}

/** The names of the bits that are set; unnamed ones by number. Bits count from the lowest of the first byte. */
export function bitNames(bytes: Uint8Array, names: Readonly<Record<number, string>>): string {
  const found: string[] = [];
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    if ((bytes[bit >> 3]! >> (bit & 7)) & 1) found.push(names[bit] ?? `bit ${bit}`);
  }
  return found.join(", ") || "none";
}

export const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

function reservedMeaning(name: string, bytes: Uint8Array): string | null {
  if (!/^(\(reserved\)|reserved\d*|zero)$/.test(name)) return null;
  return isZero(bytes) ? "zero" : "NOT zero";
}
