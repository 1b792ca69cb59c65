/** Writes CBOR (RFC 8949) in its one deterministic form: the opposite of the strict reader, for what we say ourselves. */
import {concatBytes, parseHex} from "@tf-trusted/core";

export function cborBytes(bytes: Uint8Array): Uint8Array {
  return concatBytes(cborHead(2, bytes.length), bytes);
}

export function cborText(text: string): Uint8Array {
  return concatBytes(cborHead(3, text.length), new TextEncoder().encode(text));
}

export function cborMap(entries: readonly (readonly [Uint8Array, Uint8Array])[]): Uint8Array {
  return concatBytes(cborHead(5, entries.length), ...entries.flat());
}

/** In the shortest form (RFC 8949 §4.2.1). */
export function cborHead(major: number, value: number): Uint8Array {
  const first = major << 5;
  if (value < 24) return Uint8Array.of(first | value);
  const size = [1, 2, 4, 8].find((bytes) => value < 256 ** bytes)!;
  const digits = value.toString(16).padStart(2 * size, "0");
  return concatBytes(Uint8Array.of(first | (24 + Math.log2(size))), parseHex(digits));
}
