/** The fixed-width strings of .npy files: "S", bytes, and "U", UTF-32; both padded with zeros, which are no content. */
import {TensorError} from "./errors.ts";
import {packStrings} from "./strings.ts";

export type FixedWidth = "S" | "U";

/** As much as one padded array may take: one long string among many short ones would fill any memory. */
const maxPaddedBytes = 2 ** 30;

/** Where fixed-width strings lie in a file. */
export interface FixedWidthLayout {
  readonly strings: FixedWidth;
  /** Bytes an element. */
  readonly each: number;
  readonly bigEndian: boolean;
}

/**
 * Packs the `count` strings in `data`. Throws `NPY_STRING` for what isn't Unicode, and `NPY_SHAPE` for strings of no
 * bytes, of which a file could claim any number.
 */
export function decodeFixedWidth(
  data: Uint8Array,
  count: number,
  {strings, each, bigEndian}: FixedWidthLayout,
  name: string,
): Uint8Array<ArrayBuffer> {
  if (each === 0 && count > 0) {
    throw new TensorError("NPY_SHAPE", `${name}: ${count} strings of 0 bytes; NumPy gives them at least 1`);
  }
  if (strings === "S") {
    const content = (index: number) => withoutPadding(data.subarray(index * each, (index + 1) * each));
    return packStrings(
      count,
      (index) => content(index).length,
      (index, target) => target.set(content(index)),
    );
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  /** Calls `visit` for each code point of a string, up to its padding. */
  const forEachCodePoint = (index: number, visit: (codePoint: number) => void) => {
    const start = index * each;
    const length = Math.ceil(withoutPadding(data.subarray(start, start + each)).length / 4) * 4;
    for (let offset = start; offset < start + length; offset += 4) {
      const codePoint = view.getUint32(offset, !bigEndian);
      if (!isScalarValue(codePoint)) {
        throw new TensorError("NPY_STRING", `${name}: string ${index} has a character that isn't Unicode`, {
          details: {index},
        });
      }
      visit(codePoint);
    }
  };
  const utf8Length = (index: number) => {
    let length = 0;
    forEachCodePoint(index, (codePoint) => {
      length += utf8LengthOf(codePoint);
    });
    return length;
  };
  return packStrings(count, utf8Length, (index, target) => {
    let offset = 0;
    forEachCodePoint(index, (codePoint) => {
      offset += encoder.encodeInto(String.fromCodePoint(codePoint), target.subarray(offset)).written;
    });
  });
}

/**
 * Pads strings to the longest; `width` is that of the type string. Throws `NPY_STRING` where reading would give other
 * strings (they end in a zero, or aren't UTF-8 though "U" was asked for), and where padding takes more than a GiB.
 */
export function encodeFixedWidth(
  items: readonly Uint8Array[],
  strings: FixedWidth,
): {readonly width: number; readonly data: Uint8Array<ArrayBuffer>} {
  for (const [index, item] of items.entries()) {
    if (item.at(-1) !== 0) continue;
    throw new TensorError("NPY_STRING", `string ${index} ends in a zero byte, which .npy can't tell from its padding`, {
      details: {index},
    });
  }
  const rows = strings === "S" ? items : items.map(decodeCodePoints);
  const width = rows.reduce((longest, row) => Math.max(longest, row.length), 1);
  const each = strings === "S" ? width : 4 * width;
  if (rows.length * each > maxPaddedBytes) {
    throw new TensorError(
      "NPY_STRING",
      `${rows.length} strings padded to ${each} bytes take more than the ${maxPaddedBytes} bytes that are allowed`,
    );
  }
  const data = new Uint8Array(rows.length * each);
  const view = new DataView(data.buffer);
  for (const [index, row] of rows.entries()) {
    if (strings === "S") data.set(row, index * each);
    else for (const [i, codePoint] of row.entries()) view.setUint32(index * each + 4 * i, codePoint, true);
  }
  return {width, data};
}

const encoder = new TextEncoder();

function withoutPadding(bytes: Uint8Array): Uint8Array {
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length--;
  return bytes.subarray(0, length);
}

/** Code points of UTF-8 text. Throws `NPY_STRING`. */
function decodeCodePoints(bytes: Uint8Array, index: number): Uint32Array {
  try {
    const text = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
    return Uint32Array.from(text, (character) => character.codePointAt(0)!);
  } catch (cause) {
    throw new TensorError("NPY_STRING", `string ${index} isn't UTF-8; write it as "S"`, {cause, details: {index}});
  }
}

/** Unicode 16 §3.9, D76: a code point that isn't half of a surrogate pair. */
function isScalarValue(codePoint: number): boolean {
  return codePoint < 0xd800 || (codePoint > 0xdfff && codePoint <= 0x10ffff);
}

/** Unicode 16 §3.9, table 3-6. */
function utf8LengthOf(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}
