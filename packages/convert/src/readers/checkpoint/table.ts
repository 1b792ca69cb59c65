/**
 * The sorted table that a checkpoint's `.index` is (LevelDB's format, doc/table_format.md; specs/convert.md §2.7): data
 * blocks of prefix-compressed entries, an index block that leads to them, a footer. Every block carries a masked CRC-32C.
 */
import {ByteReader, CoreError, maskedCrc32c} from "@tf-trusted/core";
import {ConvertError} from "../../convert-error.ts";
import {decompressSnappy} from "./snappy.ts";
import {readVarint} from "./varint.ts";

const footerBytes = 48;
const magic = 0xdb4775248b80fb57n;
/** Type byte and CRC behind each block. */
const trailerBytes = 5;
const maxBlockBytes = 2 ** 26;

/** Where keys are compared and cut as bytes, they are kept as Latin-1 text: one character a byte. */
export type TableEntries = ReadonlyMap<string, Uint8Array>;

/** All entries. Throws `CONVERT_CHECKPOINT`, and `CONVERT_LIMIT` where there are more than `maxEntries`. */
export function readTable(bytes: Uint8Array, maxEntries: number): TableEntries {
  try {
    return read(bytes, maxEntries);
  } catch (error) {
    if (error instanceof CoreError) throw damaged(error.message);
    throw error;
  }
}

function read(bytes: Uint8Array, maxEntries: number): TableEntries {
  if (bytes.length < footerBytes) throw damaged(`it has ${bytes.length} bytes, expected at least ${footerBytes}`);
  const footer = new ByteReader(bytes.subarray(-footerBytes), "footer of the checkpoint's index");
  readHandle(footer);
  const index = readHandle(footer);
  footer.take(footerBytes - 8 - footer.offset);
  const found = footer.u64le();
  if (found !== magic) throw damaged(`its last bytes are ${found.toString(16)}, expected ${magic.toString(16)}`);
  const entries = new Map<string, Uint8Array>();
  for (const [, handle] of blockEntries(readBlock(bytes, index))) {
    for (const [key, value] of blockEntries(readBlock(bytes, readHandle(new ByteReader(handle, "block handle"))))) {
      if (entries.size >= maxEntries) {
        throw new ConvertError("CONVERT_LIMIT", `the checkpoint has more than ${maxEntries} entries`);
      }
      entries.set(key, value);
    }
  }
  return entries;
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

function readHandle(reader: ByteReader): Handle {
  const offset = readVarint(reader);
  return {offset, size: readVarint(reader)};
}

function readBlock(bytes: Uint8Array, {offset, size}: Handle): Uint8Array {
  if (!(offset + size + trailerBytes <= bytes.length)) {
    throw damaged(`a block at ${offset} of ${size} bytes reaches past its ${bytes.length} bytes`);
  }
  const checked = bytes.subarray(offset, offset + size + 1);
  const stored = new ByteReader(bytes.subarray(offset + size + 1, offset + size + trailerBytes), "CRC").u32le();
  if (maskedCrc32c(checked) !== stored) throw damaged(`the block at ${offset} doesn't have the CRC-32C that it should`);
  const contents = checked.subarray(0, size);
  const type = checked[size]!;
  if (type === 0) return contents;
  if (type === 1) return decompressSnappy(contents, maxBlockBytes);
  throw damaged(`the block at ${offset} is packed in the way ${type}, expected 0 (not) or 1 (Snappy)`);
}

/** Entries of a block, in order; what follows them (restart points) is for searching only. */
function* blockEntries(block: Uint8Array): Generator<readonly [key: string, value: Uint8Array]> {
  if (block.length < 4) throw damaged("a block without restart points");
  const restarts = new ByteReader(block.subarray(-4), "number of restart points").u32le();
  const end = block.length - 4 - 4 * restarts;
  if (end < 0) throw damaged(`a block of ${block.length} bytes with ${restarts} restart points`);
  const reader = new ByteReader(block.subarray(0, end), "block of the checkpoint's index");
  let key = "";
  while (reader.remaining > 0) {
    const shared = readVarint(reader);
    const unshared = readVarint(reader);
    const length = readVarint(reader);
    if (shared > key.length) throw damaged(`a key shares ${shared} bytes with one of ${key.length}`);
    key = key.slice(0, shared) + latin1(reader.take(unshared));
    yield [key, reader.take(length)];
  }
}

export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function damaged(message: string): ConvertError {
  return new ConvertError("CONVERT_CHECKPOINT", `the checkpoint's index is damaged: ${message}`);
}
