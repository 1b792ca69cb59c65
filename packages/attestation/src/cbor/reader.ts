/**
 * A strict reader of CBOR (RFC 8949): numbers and lengths in their shortest form, text that is UTF-8, no key twice, nothing
 * after the end. Maps and arrays of indefinite length are read, because AWS writes them; strings in pieces, floats and
 * unknown simple values are not. Depth and number of items are bounded.
 */
import {ByteReader} from "@tf-trusted/core";
import {unexpected} from "../attestation-error.ts";

/** Integers are numbers within 2^53; a tag is told by itself. */
export type CborValue =
  | number
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<string | number, CborValue>
  | CborTag;

export interface CborTag {
  readonly tag: number;
  readonly value: CborValue;
}

const maxDepth = 8;
const maxItems = 1_000;
const INDEFINITE = 31;
const BREAK = 0xff;

const major = {unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7} as const;

/** The one value that the bytes are; byte strings are views. Throws `CBOR_INVALID` and `BYTES_TRUNCATED`. */
export function readCbor(bytes: Uint8Array, what: string): CborValue {
  const reader = new CborReader(bytes, what);
  const value = reader.value(0);
  reader.end();
  return value;
}

class CborReader {
  readonly #reader: ByteReader;
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #items = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#reader = new ByteReader(bytes, what);
    this.#what = what;
  }

  end(): void {
    if (this.#reader.remaining > 0) throw this.#invalid(`${this.#reader.remaining} bytes after its end`, "none");
  }

  value(depth: number): CborValue {
    if (depth > maxDepth) throw this.#invalid("values nested too deep", `${maxDepth} levels at most`);
    if (++this.#items > maxItems) throw this.#invalid("too many values", `${maxItems} at most`);
    const head = this.#reader.u8();
    const [kind, additional] = [head >> 5, head & 31];
    switch (kind) {
      case major.unsigned:
        return this.#number(additional);
      case major.negative:
        return -1 - this.#number(additional);
      case major.bytes:
        return this.#reader.take(this.#length(additional));
      case major.text:
        return this.#text(this.#reader.take(this.#length(additional)));
      case major.array: {
        const items: CborValue[] = [];
        this.#each(additional, () => items.push(this.value(depth + 1)));
        return items;
      }
      case major.map:
        return this.#map(additional, depth);
      case major.tag:
        return {tag: this.#number(additional), value: this.value(depth + 1)};
      default:
        if (additional === 20 || additional === 21) return additional === 21;
        if (additional === 22) return null;
        throw this.#invalid(`the simple value or float ${additional}`, "false, true or null");
    }
  }

  #map(additional: number, depth: number): ReadonlyMap<string | number, CborValue> {
    const map = new Map<string | number, CborValue>();
    this.#each(additional, () => {
      const key = this.value(depth + 1);
      if (typeof key !== "string" && typeof key !== "number") throw this.#invalid("another key", "text or a number");
      if (map.has(key)) throw this.#invalid(`the key ${JSON.stringify(key)} twice`, "each key once");
      map.set(key, this.value(depth + 1));
    });
    return map;
  }

  /** Runs `read` for each item of a container, whose number is told before or whose end is marked. */
  #each(additional: number, read: () => void): void {
    if (additional !== INDEFINITE) {
      for (let count = this.#length(additional); count > 0; count--) read();
      return;
    }
    while (this.#bytes[this.#reader.offset] !== BREAK) read();
    this.#reader.u8();
  }

  #length(additional: number): number {
    const length = this.#number(additional);
    if (length <= this.#reader.remaining) return length;
    throw this.#invalid(`a length of ${length}`, `${this.#reader.remaining} at most`);
  }

  /** In its shortest form (RFC 8949 §4.2.1). */
  #number(additional: number): number {
    if (additional < 24) return additional;
    const sizes: Readonly<Record<number, number>> = {24: 1, 25: 2, 26: 4, 27: 8};
    const size = sizes[additional];
    if (size === undefined) throw this.#invalid(`the additional information ${additional}`, "a number or length");
    const value = this.#reader.take(size).reduce((total, byte) => total * 256 + byte, 0);
    const least = size === 1 ? 24 : 256 ** (size / 2);
    if (value < least || !Number.isSafeInteger(value))
      throw this.#invalid(`${value} in ${size} bytes`, "the shortest form");
    return value;
  }

  #text(bytes: Uint8Array): string {
    try {
      return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
    } catch {
      // The decoder says only that it isn't UTF-8.
      throw this.#invalid("text that isn't UTF-8", "UTF-8");
    }
  }

  #invalid(found: string, expected: string) {
    return unexpected("CBOR_INVALID", `${this.#what} with ${found}`, expected);
  }
}
