/**
 * ZIP archives as far as `.npz` needs them (APPNOTE.TXT 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT):
 * one disk, no encryption, no ZIP64, members stored or deflated. The central directory (§4.3.12) is what counts; local
 * headers have to agree with it. fflate inflates; sizes, checksums and the structure are checked here.
 */
import {ByteReader, CoreError, encodeHex, equalBytes} from "@tf-trusted/core";
import {Inflate, type ZipOptions, zipSync} from "fflate";
import {TensorError} from "./errors.ts";

/** A member, checked against the others but not yet decompressed. */
export interface ZipMember {
  readonly name: string;
  /** Bytes after decompression, as the archive claims. */
  readonly size: number;
  /** The decompressed bytes: a view where the member is stored. Throws `NPZ_CORRUPT` and `NPZ_CRC`. */
  read(): Uint8Array;
}

const utf8 = new TextEncoder();

/** One header of the central directory. */
interface DirectoryEntry {
  readonly name: string;
  readonly nameBytes: Uint8Array;
  readonly method: number;
  readonly crc: number;
  readonly compressedSize: number;
  readonly size: number;
  readonly localOffset: number;
}

const endSignature = 0x06054b50;
const endLength = 22;
/** Both headers of a member without its name, and what deflate may add to data that it can't compress, at most. */
const bytesPerMember = 1024;
const centralSignature = 0x02014b50;
const localSignature = 0x04034b50;
const encryptedFlag = 1 << 0;
const utf8Flag = 1 << 11;
const stored = 0;
const deflated = 8;
/** What ZIP64 puts where the real number is elsewhere (§4.4.1.4). */
const zip64u16 = 0xffff;
const zip64u32 = 0xffffffff;

/** Deflate can't do better than 258 bytes in two bits; 1032 is the known bound (zlib's "Maximum Expansion Factor"). */
const maxDeflateRatio = 1032;
/** Compressed bytes that are inflated in one step: bounds what a lying member can make us inflate beyond its size. */
const inflateStep = 16 * 1024;

/**
 * The members of an archive, in the order of its directory. Throws `NPZ_NOT_ZIP`, `NPZ_CORRUPT`, `NPZ_UNSUPPORTED`,
 * `NPZ_NAME` and `NPZ_TOO_LARGE` (more than `maxBytes` after decompression, or than deflate can have compressed).
 */
export function readZip(bytes: Uint8Array, maxBytes: number): ZipMember[] {
  try {
    const entries = readDirectory(bytes);
    checkSizes(entries, maxBytes);
    return locateMembers(bytes, entries);
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    throw new TensorError("NPZ_CORRUPT", error.message, {cause: error, details: error.details});
  }
}

/**
 * An archive of `members` in order, without dates, so that the same members give the same bytes. Throws `NPZ_TOO_LARGE`
 * for what needs ZIP64.
 */
export function writeZip(members: ReadonlyMap<string, Uint8Array>, compress: boolean): Uint8Array<ArrayBuffer> {
  let total = 0;
  for (const [name, bytes] of members) total += bytes.length + bytesPerMember + 2 * utf8.encode(name).length;
  if (members.size >= zip64u16 || total >= zip64u32) {
    throw new TensorError(
      "NPZ_TOO_LARGE",
      `${members.size} members of ${total} bytes; expected fewer than ${zip64u16} members and ${zip64u32} bytes`,
    );
  }
  // 1980 is where ZIP's dates begin; fflate takes it in local time, which is also what it writes.
  const options: ZipOptions = {level: compress ? 6 : 0, mtime: new Date(1980, 0, 1)};
  return zipSync(Object.fromEntries([...members].map(([name, bytes]) => [name, [bytes, options]])));
}

/** §4.3.12 and §4.3.16. */
function readDirectory(bytes: Uint8Array): DirectoryEntry[] {
  const endOffset = findEnd(bytes);
  const end = new ByteReader(bytes.subarray(endOffset), "end of central directory", endOffset);
  end.take(4);
  const [disk, directoryDisk, countHere, count] = [end.u16le(), end.u16le(), end.u16le(), end.u16le()];
  const [size, offset] = [end.u32le(), end.u32le()];
  if (count === zip64u16 || size === zip64u32 || offset === zip64u32)
    throw unsupported("ZIP64 (over 65,534 members or 4 GB)");
  if (disk !== 0 || directoryDisk !== 0 || countHere !== count) throw unsupported("several disks");
  if (offset + size !== endOffset) {
    throw corrupt(`the directory of ${size} bytes at offset ${offset} doesn't reach its end record at ${endOffset}`);
  }
  const reader = new ByteReader(bytes.subarray(offset, endOffset), "central directory", offset);
  const entries: DirectoryEntry[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const entry = readEntry(reader);
    if (names.has(entry.name)) throw new TensorError("NPZ_NAME", `two members are named ${quote(entry.name)}`);
    names.add(entry.name);
    entries.push(entry);
  }
  reader.expectEnd();
  return entries;
}

/** The last record that reaches, with its comment, just to the end of the file. */
function findEnd(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const least = Math.max(0, bytes.length - endLength - 0xffff);
  for (let offset = bytes.length - endLength; offset >= least; offset--) {
    if (view.getUint32(offset, true) !== endSignature) continue;
    if (offset + endLength + view.getUint16(offset + 20, true) === bytes.length) return offset;
  }
  throw new TensorError("NPZ_NOT_ZIP", `${bytes.length} bytes without the end record of a ZIP archive; is it a .npz?`);
}

function readEntry(reader: ByteReader): DirectoryEntry {
  const start = reader.offset;
  if (reader.u32le() !== centralSignature) throw corrupt(`entry ${start} bytes into the directory has no signature`);
  reader.take(4); // versions
  const [flags, method] = [reader.u16le(), reader.u16le()];
  reader.take(4); // time and date
  const [crc, compressedSize, size] = [reader.u32le(), reader.u32le(), reader.u32le()];
  const [nameLength, extraLength, commentLength] = [reader.u16le(), reader.u16le(), reader.u16le()];
  const disk = reader.u16le();
  reader.take(6); // attributes
  const localOffset = reader.u32le();
  const nameBytes = reader.take(nameLength);
  reader.take(extraLength + commentLength);
  const name = decodeName(nameBytes, (flags & utf8Flag) !== 0);
  if ((flags & encryptedFlag) !== 0) throw unsupported(`encryption (${quote(name)})`);
  if (disk !== 0) throw unsupported(`several disks (${quote(name)})`);
  if ([compressedSize, size, localOffset].includes(zip64u32)) throw unsupported(`ZIP64 (${quote(name)})`);
  if (method !== stored && method !== deflated) throw unsupported(`compression method ${method} (${quote(name)})`);
  return {name, nameBytes, method, crc, compressedSize, size, localOffset};
}

/** Names are UTF-8 where flagged (§4.4.4, bit 11), else of some old code page, of which only ASCII is certain. */
function decodeName(bytes: Uint8Array, isUtf8: boolean): string {
  const refuse = (cause?: unknown) =>
    new TensorError("NPZ_NAME", `the member name with bytes ${encodeHex(bytes.subarray(0, 40))} isn't Unicode`, {
      cause,
    });
  if (!isUtf8 && bytes.some((byte) => byte >= 0x80)) throw refuse();
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch (cause) {
    throw refuse(cause);
  }
}

function checkSizes(entries: readonly DirectoryEntry[], maxBytes: number): void {
  let total = 0;
  for (const {name, method, compressedSize, size} of entries) {
    total += size;
    if (method === stored && size !== compressedSize) {
      throw corrupt(`${quote(name)} is stored, but its sizes are ${compressedSize} and ${size}`);
    }
    if (size > compressedSize * maxDeflateRatio) {
      throw new TensorError(
        "NPZ_TOO_LARGE",
        `${quote(name)} claims ${size} bytes from ${compressedSize}, which deflate can't compress so far`,
        {details: {size, compressedSize}},
      );
    }
  }
  if (total > maxBytes) {
    throw new TensorError("NPZ_TOO_LARGE", `the members take ${total} bytes, expected at most ${maxBytes}`, {
      details: {total, maxBytes},
    });
  }
}

/** Finds the data behind the local headers (§4.3.7); members may not share bytes, as those of zip bombs do. */
function locateMembers(bytes: Uint8Array, entries: readonly DirectoryEntry[]): ZipMember[] {
  const located = entries.map((entry) => ({entry, ...locate(bytes, entry)}));
  let previousEnd = 0;
  for (const {entry, end} of located.toSorted((a, b) => a.entry.localOffset - b.entry.localOffset)) {
    if (entry.localOffset < previousEnd) throw corrupt(`${quote(entry.name)} overlaps the member before it`);
    previousEnd = end;
  }
  return located.map(({entry, data}) => ({
    name: entry.name,
    size: entry.size,
    read: () => readMember(entry, data),
  }));
}

function locate(bytes: Uint8Array, entry: DirectoryEntry): {readonly data: Uint8Array; readonly end: number} {
  const reader = new ByteReader(bytes, `local header of ${quote(entry.name)}`);
  reader.take(entry.localOffset);
  const signature = reader.u32le();
  reader.take(4); // version and flags
  const method = reader.u16le();
  // The directory has these as well; here they may be missing (a data descriptor follows) or ZIP64's, as NumPy's are.
  reader.take(16);
  const [nameLength, extraLength] = [reader.u16le(), reader.u16le()];
  if (
    signature !== localSignature ||
    method !== entry.method ||
    !equalBytes(reader.take(nameLength), entry.nameBytes)
  ) {
    throw corrupt(`the local header of ${quote(entry.name)} isn't that of the directory`);
  }
  reader.take(extraLength);
  const data = reader.take(entry.compressedSize);
  return {data, end: reader.offset};
}

function readMember({name, method, crc, size}: DirectoryEntry, data: Uint8Array): Uint8Array {
  const content = method === stored ? data : inflate(data, size, name);
  const found = crc32(content);
  if (found !== crc) {
    throw new TensorError("NPZ_CRC", `${quote(name)} has CRC ${found.toString(16)}, expected ${crc.toString(16)}`);
  }
  return content;
}

/** RFC 1951. In steps, so that a member is given up as soon as it exceeds its size. */
function inflate(data: Uint8Array, size: number, name: string): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(size);
  let length = 0;
  const stream = new Inflate((chunk) => {
    if (length + chunk.length > size) throw corrupt(`${quote(name)} is larger than the ${size} bytes it claims`);
    out.set(chunk, length);
    length += chunk.length;
  });
  try {
    for (let start = 0; start < data.length; start += inflateStep) {
      stream.push(data.subarray(start, start + inflateStep), start + inflateStep >= data.length);
    }
  } catch (cause) {
    if (cause instanceof TensorError) throw cause;
    throw corrupt(`${quote(name)} can't be decompressed`, cause);
  }
  if (length !== size) throw corrupt(`${quote(name)} gives ${length} bytes, not the ${size} it claims`);
  return out;
}

/** CRC-32 (ISO 3309) of each byte: the polynomial 0xedb88320, bits reversed. */
const crcTable = Uint32Array.from({length: 256}, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ crcTable[(crc ^ bytes[i]!) & 0xff]!;
  return ~crc >>> 0;
}

/** A name from a file, for a message. */
function quote(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}

function corrupt(message: string, cause?: unknown): TensorError {
  return new TensorError("NPZ_CORRUPT", message, {cause});
}

function unsupported(feature: string): TensorError {
  return new TensorError("NPZ_UNSUPPORTED", `found ${feature}, which numpy.savez doesn't use`);
}
