/**
 * String tensors in TensorFlow Lite's packing (tensorflow/lite/string_util.h), all integers little-endian:
 *
 *     i32 count · i32 offsets[count + 1], from the start of the buffer · the bytes of all strings
 *
 * String i is the bytes from offsets[i] to offsets[i + 1]; the last offset is the length of the buffer. Strings are
 * bytes, as in TensorFlow: UTF-8 by custom, an encoded image just as well.
 */
import {TensorError} from "./errors.ts";

const maxBytes = 2 ** 31 - 1;

/** Packs `strings` (copied). Throws `TENSOR_SIZE` where 32-bit offsets don't suffice. */
export function encodeStrings(strings: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return packStrings(
    strings.length,
    (i) => strings[i]!.length,
    (i, target) => target.set(strings[i]!),
  );
}

/** The strings of a packed buffer, as views of it. Throws `TENSOR_STRINGS` unless it is exactly `count` strings. */
export function decodeStrings(bytes: Uint8Array, count: number): Uint8Array[] {
  checkStrings(bytes, count);
  return Array.from({length: count}, (_, i) => stringAt(bytes, i));
}

/** Packs `count` strings without a list of them: `write` fills in the `lengthOf(index)` bytes of each. */
export function packStrings(
  count: number,
  lengthOf: (index: number) => number,
  write: (index: number, target: Uint8Array) => void,
): Uint8Array<ArrayBuffer> {
  let total = headBytes(count);
  for (let i = 0; i < count && total <= maxBytes; i++) total += lengthOf(i);
  if (total > maxBytes) {
    throw new TensorError(
      "TENSOR_SIZE",
      `${count} strings take more than the ${maxBytes} bytes that offsets can reach`,
    );
  }
  const packed = new Uint8Array(total);
  const view = new DataView(packed.buffer);
  view.setInt32(0, count, true);
  let end = headBytes(count);
  for (let i = 0; i < count; i++) {
    const start = end;
    end += lengthOf(i);
    view.setInt32(4 + 4 * i, start, true);
    write(i, packed.subarray(start, end));
  }
  view.setInt32(4 + 4 * count, end, true);
  return packed;
}

/** Throws `TENSOR_STRINGS` unless `bytes` packs exactly `count` strings. */
export function checkStrings(bytes: Uint8Array, count: number): void {
  const refuse = (found: string) =>
    new TensorError("TENSOR_STRINGS", `${found} in ${bytes.length} bytes; expected ${count} packed strings`);
  const head = headBytes(count);
  if (bytes.length < head) throw refuse(`no room for ${head} bytes of offsets`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getInt32(0, true) !== count) throw refuse(`a count of ${view.getInt32(0, true)}`);
  let previous = head;
  for (let i = 0; i <= count; i++) {
    const offset = view.getInt32(4 + 4 * i, true);
    if (i === 0 ? offset !== head : offset < previous) {
      throw refuse(`offset ${i} is ${offset}, not ${i === 0 ? "" : "at least "}${previous},`);
    }
    previous = offset;
  }
  if (previous !== bytes.length) throw refuse(`a last offset of ${previous}`);
}

/** String `index` of a buffer that passed {@link checkStrings}, as a view. */
export function stringAt(bytes: Uint8Array, index: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return bytes.subarray(view.getInt32(4 + 4 * index, true), view.getInt32(8 + 4 * index, true));
}

function headBytes(count: number): number {
  return 4 + 4 * (count + 1);
}
