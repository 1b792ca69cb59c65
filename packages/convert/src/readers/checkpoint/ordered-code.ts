/**
 * The keys of a partitioned variable's pieces (tensorflow/core/lib/strings/ordered_code; specs/convert.md §2.7): bytes that
 * sort as what they stand for. Only written here: the pieces to look for are known from the variable's own entry.
 */

/** One dimension of a piece; `length` −1 for all of it. */
export interface Extent {
  readonly start: number;
  readonly length: number;
}

/** As Latin-1 text, like all keys of the table. */
export function pieceKey(name: string, extents: readonly Extent[]): string {
  const dims = extents.map(({start, length}) => signedNumber(start) + signedNumber(length));
  return unsignedNumber(0) + text(name) + unsignedNumber(extents.length) + dims.join("");
}

/** How many bytes follow, and these, most significant first. */
function unsignedNumber(value: number): string {
  const bytes = bigEndian(value);
  return String.fromCharCode(bytes.length, ...bytes);
}

/** 0x00 and 0xff are escaped, and 0x00 0x01 ends it. */
function text(latin1: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the format escapes exactly these bytes.
  return `${latin1.replace(/[\x00\xff]/g, (byte) => (byte === "\x00" ? "\x00\xff" : "\xff\x00"))}\x00\x01`;
}

/** The number of leading ones says how many bytes there are; all bits are inverted below zero. */
function signedNumber(value: number): string {
  const magnitude = value < 0 ? -value - 1 : value;
  let length = 1;
  while (magnitude >= 2 ** (7 * length - 1)) length++;
  const bytes = new Uint8Array(length);
  bytes.set(bigEndian(magnitude), length - bigEndian(magnitude).length);
  if (value < 0) for (let i = 0; i < length; i++) bytes[i]! ^= 0xff;
  for (let bit = 0; bit < length; bit++) bytes[bit >> 3]! ^= 0x80 >> (bit & 7);
  return String.fromCharCode(...bytes);
}

function bigEndian(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return bytes;
}
