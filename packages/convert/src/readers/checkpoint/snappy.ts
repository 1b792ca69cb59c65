/**
 * Snappy's raw format (google/snappy, format_description.txt): what blocks of a checkpoint's index may be packed with.
 * Bounded: the length that the data claims is what is allocated, and it is claimed within `maxBytes`.
 */
import {ByteReader, CoreError} from "@tf-trusted/core";
import {ConvertError} from "../../convert-error.ts";
import {readVarint} from "./varint.ts";

/** Throws `CONVERT_CHECKPOINT`. */
export function decompressSnappy(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const reader = new ByteReader(bytes, "Snappy block");
  try {
    return decompress(reader, maxBytes);
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    throw damaged(error.message);
  }
}

function decompress(reader: ByteReader, maxBytes: number): Uint8Array {
  const length = readVarint(reader);
  if (length > maxBytes) throw damaged(`it claims ${length} bytes, expected at most ${maxBytes}`);
  const out = new Uint8Array(length);
  let at = 0;
  const room = (count: number) => {
    if (count > length - at) throw damaged(`it expands past the ${length} bytes that it claims`);
  };
  while (reader.remaining > 0) {
    const tag = reader.u8();
    const kind = tag & 3;
    if (kind === 0) {
      const count = literalLength(tag >>> 2, reader);
      room(count);
      out.set(reader.take(count), at);
      at += count;
      continue;
    }
    const [count, offset] = copyOf(kind, tag, reader);
    room(count);
    if (offset === 0 || offset > at) throw damaged(`a copy from ${offset} bytes before byte ${at}`);
    // Byte by byte: a copy may overlap what it writes.
    for (let i = 0; i < count; i++, at++) out[at] = out[at - offset]!;
  }
  if (at !== length) throw damaged(`it expands to ${at} bytes, it claims ${length}`);
  return out;
}

/** Up to 60 in the tag; above, that many bytes follow. */
function literalLength(code: number, reader: ByteReader): number {
  if (code < 60) return code + 1;
  let length = 0;
  for (let i = 0; i < code - 59; i++) length += reader.u8() * 2 ** (8 * i);
  return length + 1;
}

function copyOf(kind: number, tag: number, reader: ByteReader): readonly [count: number, offset: number] {
  if (kind === 1) return [((tag >>> 2) & 7) + 4, ((tag >>> 5) << 8) | reader.u8()];
  return [(tag >>> 2) + 1, kind === 2 ? reader.u16le() : reader.u32le()];
}

function damaged(message: string): ConvertError {
  return new ConvertError("CONVERT_CHECKPOINT", `a packed block of the checkpoint's index is damaged: ${message}`);
}
