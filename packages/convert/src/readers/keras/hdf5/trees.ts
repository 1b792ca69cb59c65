/** B-trees: version 1 of groups and chunks (§III.A.1), version 2 of many links or attributes (§III.A.2). */
import type {ByteReader} from "@tf-trusted/core";
import {
  damaged,
  expectSignature,
  type FileBytes,
  readAddress,
  readLength,
  readUnsigned,
  undefinedAddress,
} from "./cursor.ts";
import {bytesFor} from "./heaps.ts";

const maxDepth = 32;

export interface Symbol {
  readonly nameOffset: number;
  readonly address: number;
  /** A link by name to somewhere else. */
  readonly isSoft: boolean;
}

/** The members of a group of the old kind. */
export function readSymbols(file: FileBytes, address: number): readonly Symbol[] {
  const symbols: Symbol[] = [];
  walkTree(file, address, 0, 8, (child) => {
    const reader = file.at(child, "symbol table");
    expectSignature(reader, "SNOD", "symbol table");
    reader.take(2);
    const count = reader.u16le();
    for (let i = 0; i < count; i++) {
      file.step();
      const [nameOffset, header] = [readLength(reader), readAddress(reader)];
      const isSoft = reader.u32le() === 2;
      reader.take(20);
      symbols.push({nameOffset, address: header, isSoft});
    }
  });
  return symbols;
}

export interface Chunk {
  readonly address: number;
  readonly size: number;
  /** Filters that weren't applied, by bit. */
  readonly skippedFilters: number;
  /** Of its first element, for each dimension. */
  readonly offset: readonly number[];
}

/** The chunks of a dataset of `rank` dimensions. */
export function readChunks(file: FileBytes, address: number, rank: number): readonly Chunk[] {
  const chunks: Chunk[] = [];
  walkTree(file, address, 1, 8 + 8 * (rank + 1), (child, key) => {
    const size = key.u32le();
    const skippedFilters = key.u32le();
    const offset = Array.from({length: rank}, () => readLength(key));
    chunks.push({address: child, size, skippedFilters, offset});
  });
  return chunks;
}

/** Calls `visit` for each child of the leaves, with the key before it. */
function walkTree(
  file: FileBytes,
  root: number,
  type: number,
  keyLength: number,
  visit: (child: number, key: ByteReader) => void,
): void {
  const seen = new Set<number>();
  const walk = (address: number, depth: number): void => {
    if (seen.has(address) || depth > maxDepth) throw damaged(`the B-tree at ${root} goes in a circle`);
    seen.add(address);
    const reader = file.at(address, "B-tree");
    expectSignature(reader, "TREE", "B-tree");
    const [found, level, count] = [reader.u8(), reader.u8(), reader.u16le()];
    if (found !== type) throw damaged(`a B-tree of type ${found}, expected ${type}`);
    reader.take(16);
    for (let i = 0; i < count; i++) {
      file.step();
      const key = reader.sub(keyLength, "B-tree key");
      const child = readAddress(reader);
      if (level > 0) walk(child, depth + 1);
      else visit(child, key);
    }
  };
  if (root !== undefinedAddress) walk(root, 0);
}

/** All records of a B-tree of version 2. */
export function readRecords(file: FileBytes, address: number): readonly Uint8Array[] {
  const header = file.at(address, "B-tree");
  expectSignature(header, "BTHD", "B-tree");
  if (header.u8() !== 0) throw damaged("a B-tree of unknown version");
  header.u8();
  const [nodeSize, recordSize, depth] = [header.u32le(), header.u16le(), header.u16le()];
  header.take(2);
  const root = readAddress(header);
  const rootCount = header.u16le();
  const overhead = 10;
  if (recordSize === 0 || nodeSize < overhead + recordSize || depth > maxDepth)
    throw damaged("a B-tree of impossible sizes");
  // How many records a node of each level, and all below it, can hold: what the widths of counts follow from.
  const most = [{own: Math.floor((nodeSize - overhead) / recordSize), all: 0}];
  most[0] = {own: most[0]!.own, all: most[0]!.own};
  const ownWidth = bytesFor(most[0].own);
  for (let level = 1; level <= depth; level++) {
    const below = most[level - 1]!;
    const pointer = 8 + ownWidth + (level > 1 ? bytesFor(below.all) : 0);
    const own = Math.floor((nodeSize - overhead - pointer) / (recordSize + pointer));
    most.push({own, all: (own + 1) * below.all + own});
  }
  const records: Uint8Array[] = [];
  const seen = new Set<number>();
  const walk = (node: number, count: number, level: number): void => {
    if (seen.has(node)) throw damaged("a B-tree goes in a circle");
    seen.add(node);
    const reader = file.at(node, "B-tree node");
    expectSignature(reader, level === 0 ? "BTLF" : "BTIN", "B-tree node");
    reader.take(2);
    for (let i = 0; i < count; i++) {
      file.step();
      records.push(reader.take(recordSize));
    }
    if (level === 0) return;
    for (let i = 0; i <= count; i++) {
      const child = readAddress(reader);
      const childCount = readUnsigned(reader, ownWidth);
      if (level > 1) reader.take(bytesFor(most[level - 1]!.all));
      walk(child, childCount, level - 1);
    }
  };
  if (root !== undefinedAddress) walk(root, rootCount, depth);
  return records;
}
