/** Heaps: local (names of a group), global (strings of variable length), fractal (many links or attributes) (§III.D–G). */
import {ByteReader} from "@tf-trusted/core";
import {
  damaged,
  decodeText,
  expectSignature,
  type FileBytes,
  readAddress,
  readLength,
  readUnsigned,
  undefinedAddress,
  unsupported,
  untilZero,
} from "./cursor.ts";

/** §III.D. Gives the name at an offset. */
export function openLocalHeap(file: FileBytes, address: number): (offset: number) => string {
  const reader = file.at(address, "local heap");
  expectSignature(reader, "HEAP", "local heap");
  if (reader.u8() !== 0) throw damaged("a local heap of unknown version");
  reader.take(3);
  const size = readLength(reader);
  readLength(reader);
  const data = file.at(readAddress(reader), "local heap data", size).rest();
  return (offset) => {
    if (offset >= data.length) throw damaged(`a name at ${offset} of a local heap of ${data.length} bytes`);
    return decodeText(untilZero(data.subarray(offset)), "a name in the HDF5 file");
  };
}

/** §III.E. Objects of global heaps by address and index; each collection is read once. */
export class GlobalHeaps {
  readonly #file: FileBytes;
  readonly #collections = new Map<number, ReadonlyMap<number, Uint8Array>>();

  constructor(file: FileBytes) {
    this.#file = file;
  }

  object(address: number, index: number): Uint8Array {
    let collection = this.#collections.get(address);
    if (collection === undefined) {
      collection = this.#read(address);
      this.#collections.set(address, collection);
    }
    const found = collection.get(index);
    if (found === undefined) throw damaged(`the global heap at ${address} has no object ${index}`);
    // One object may be meant by many strings, each of which becomes text of its own.
    this.#file.account(found.length, "text");
    return found;
  }

  #read(address: number): ReadonlyMap<number, Uint8Array> {
    const header = this.#file.at(address, "global heap");
    expectSignature(header, "GCOL", "global heap");
    if (header.u8() !== 1) throw damaged("a global heap of unknown version");
    header.take(3);
    const size = readLength(header);
    if (size < 16) throw damaged(`a global heap of ${size} bytes`);
    const reader = header.sub(size - 16);
    const objects = new Map<number, Uint8Array>();
    while (reader.remaining >= 16) {
      this.#file.step();
      const index = reader.u16le();
      reader.take(6);
      const length = readLength(reader);
      // Object 0 is the free space behind all others.
      if (index === 0) break;
      objects.set(index, reader.take(length));
      reader.take(Math.min(reader.remaining, (8 - (length % 8)) % 8));
    }
    return objects;
  }
}

/** §III.G. Gives the bytes of an object by its heap ID. */
export function openFractalHeap(file: FileBytes, address: number): (id: Uint8Array) => ByteReader {
  const reader = file.at(address, "fractal heap");
  expectSignature(reader, "FRHP", "fractal heap");
  if (reader.u8() !== 0) throw damaged("a fractal heap of unknown version");
  reader.u16le();
  if (reader.u16le() !== 0) throw unsupported("a compressed fractal heap");
  const hasChecksums = (reader.u8() & 2) !== 0;
  const maxManagedSize = reader.u32le();
  reader.take(12 * 8);
  const width = reader.u16le();
  const startSize = readLength(reader);
  const maxDirectSize = readLength(reader);
  const maxHeapBits = reader.u16le();
  reader.u16le();
  const root = readAddress(reader);
  const rootRows = reader.u16le();
  const isPower = (value: number) => value >= 1 && value <= 2 ** 40 && Number.isInteger(Math.log2(value));
  if (!isPower(startSize) || !isPower(maxDirectSize) || maxDirectSize < startSize || width === 0 || width > 1024) {
    throw damaged("a fractal heap of impossible sizes");
  }
  if (maxHeapBits > 64 || maxHeapBits === 0 || rootRows > 64) throw damaged("a fractal heap of impossible sizes");
  const offsetBytes = Math.ceil(maxHeapBits / 8);
  const lengthBytes = Math.min(bytesFor(maxDirectSize), bytesFor(maxManagedSize));
  const directRows = Math.log2(maxDirectSize) - Math.log2(startSize) + 2;
  const rowSize = (row: number) => startSize * 2 ** Math.max(0, row - 1);

  /** The direct block that holds `offset`: its address, and where in the heap it begins. */
  const locate = (block: number, rows: number, base: number, offset: number, depth: number): [number, number] => {
    if (rows === 0) return [block, base];
    if (depth > 16) throw damaged("a fractal heap nested without end");
    let start = base;
    for (let row = 0; row < rows; row++) {
      const size = rowSize(row);
      if (offset >= start + size * width) {
        start += size * width;
        continue;
      }
      const column = Math.floor((offset - start) / size);
      const entry = file.at(block, "fractal heap block");
      expectSignature(entry, "FHIB", "fractal heap block");
      entry.take(1 + 8 + offsetBytes + 8 * (row * width + column));
      const child = readAddress(entry);
      // An indirect block of a row has as many rows as fill a block of that row's size.
      const childRows = row < directRows ? 0 : Math.log2(size / (startSize * width)) + 1;
      if (child === undefinedAddress || childRows < 0) throw damaged("a fractal heap lacks a block");
      return locate(child, childRows, start + column * size, offset, depth + 1);
    }
    throw damaged(`offset ${offset} is outside of its fractal heap`);
  };

  return (id) => {
    const entry = new ByteReader(id, "heap ID");
    const flags = entry.u8();
    const type = (flags >> 4) & 3;
    if (type === 2) {
      const length = (flags & 0x0f) + 1;
      return new ByteReader(entry.take(length), "object of a fractal heap");
    }
    if (type !== 0) throw unsupported("an object of over 64 KB in a fractal heap");
    const offset = readUnsigned(entry, offsetBytes);
    const length = readUnsigned(entry, lengthBytes);
    const [block, start] = locate(root, rootRows, 0, offset, 0);
    const header = file.at(block, "fractal heap block");
    expectSignature(header, "FHDB", "fractal heap block");
    if (offset - start < 5 + 8 + offsetBytes + (hasChecksums ? 4 : 0))
      throw damaged("a heap ID that points to a header");
    return file.at(block + offset - start, "object of a fractal heap", length);
  };
}

/** Bytes that hold every number up to `limit`. */
export const bytesFor = (limit: number): number => Math.floor(Math.log2(Math.max(1, limit)) / 8) + 1;
