/** The data of a dataset, however it is laid out (§IV.A.2.i, l): compact, contiguous, or in chunks with filters. */
import {ByteReader} from "@tf-trusted/core";
import {inflateZlib, TensorError} from "@tf-trusted/tensor";
import {
  damaged,
  type FileBytes,
  readAddress,
  readLength,
  readUnsigned,
  undefinedAddress,
  unsupported,
} from "./cursor.ts";
import {type HeaderMessage, messageTypes} from "./object-header.ts";
import {type Chunk, readChunks} from "./trees.ts";

interface Filter {
  readonly id: number;
  readonly values: readonly number[];
}

const deflate = 1;
const shuffle = 2;
const maxFilters = 32;

/** The bytes of all elements in row-major order: a view of the file where they lie there so. Throws `CONVERT_HDF5`. */
export function readData(
  file: FileBytes,
  messages: readonly HeaderMessage[],
  shape: readonly number[],
  elementSize: number,
  what: string,
): Uint8Array {
  const message = messages.find(({type}) => type === messageTypes.layout);
  if (message === undefined) throw damaged(`${what} has no layout`);
  if (messages.some(({type}) => type === messageTypes.externalFiles))
    throw unsupported(`data outside of the file (${what})`);
  const length = shape.reduce((product, dim) => product * dim, elementSize);
  const filters = readFilters(messages.find(({type}) => type === messageTypes.filters));
  const reader = new ByteReader(message.data, "data layout", message.offset);
  const version = reader.u8();
  if (version < 1 || version > 4) throw unsupported(`a data layout of version ${version}`);
  const rank = version < 3 ? reader.u8() : 0;
  const layoutClass = reader.u8();
  if (version < 3) reader.take(5);
  switch (layoutClass) {
    case 0: {
      if (version < 3) reader.take(4 * rank);
      const size = version < 3 ? reader.u32le() : reader.u16le();
      if (size < length) throw damaged(`${what} takes ${length} bytes, found ${size}`);
      return reader.take(length);
    }
    case 1: {
      const address = readAddress(reader);
      if (length === 0) return new Uint8Array(0);
      // Space that was never written reads as the fill value, which Keras leaves at zero.
      if (address === undefinedAddress) return file.allocate(length, what);
      return file.at(address, what, length).rest();
    }
    case 2:
      return version === 4
        ? readSingleChunk(file, reader, shape, elementSize, filters, what)
        : readTreeOfChunks(file, reader, version < 3 ? rank : reader.u8(), shape, elementSize, filters, what);
    default:
      throw unsupported(`data laid out in the way ${layoutClass} (${what})`);
  }
}

function readTreeOfChunks(
  file: FileBytes,
  reader: ByteReader,
  dimensions: number,
  shape: readonly number[],
  elementSize: number,
  filters: readonly Filter[],
  what: string,
): Uint8Array {
  const address = readAddress(reader);
  const sizes = Array.from({length: dimensions}, () => reader.u32le());
  const chunkShape = sizes.slice(0, shape.length);
  if (dimensions !== shape.length + 1 || sizes[shape.length] !== elementSize || chunkShape.some((size) => size === 0)) {
    throw damaged(`${what} has chunks of [${sizes}]`);
  }
  const chunks = address === undefinedAddress ? [] : readChunks(file, address, shape.length);
  return joinChunks(file, chunks, chunkShape, shape, elementSize, filters, what);
}

/** Version 4: only datasets of one chunk, which is what a weight written at once has. */
function readSingleChunk(
  file: FileBytes,
  reader: ByteReader,
  shape: readonly number[],
  elementSize: number,
  filters: readonly Filter[],
  what: string,
): Uint8Array {
  const flags = reader.u8();
  const dimensions = reader.u8();
  const width = reader.u8();
  if (width === 0 || width > 8 || dimensions !== shape.length + 1) throw damaged(`${what} has chunks of unknown shape`);
  const sizes = Array.from({length: dimensions}, () => readUnsigned(reader, width));
  if (reader.u8() !== 1) throw unsupported(`chunks that aren't indexed by a B-tree of version 1 (${what})`);
  const chunkShape = sizes.slice(0, shape.length);
  const length = chunkShape.reduce((product, size) => product * size, elementSize);
  const isFiltered = (flags & 2) !== 0;
  const size = isFiltered ? readLength(reader) : length;
  const skippedFilters = isFiltered ? reader.u32le() : 0;
  const address = readAddress(reader);
  const offset = shape.map(() => 0);
  const chunks = address === undefinedAddress ? [] : [{address, size, skippedFilters, offset}];
  return joinChunks(file, chunks, chunkShape, shape, elementSize, filters, what);
}

function joinChunks(
  file: FileBytes,
  chunks: readonly Chunk[],
  chunkShape: readonly number[],
  shape: readonly number[],
  elementSize: number,
  filters: readonly Filter[],
  what: string,
): Uint8Array {
  const length = shape.reduce((product, dim) => product * dim, elementSize);
  const chunkLength = chunkShape.reduce((product, size) => product * size, elementSize);
  // A chunk is at least what it holds of the dataset: one that is much larger only claims memory.
  const expected = shape.reduce((product, dim, axis) => product * Math.ceil(dim / chunkShape[axis]!), 1);
  if (length === 0) return new Uint8Array(0);
  if (!Number.isSafeInteger(chunkLength) || chunkLength > Math.max(4 * length, 1 << 20)) {
    throw damaged(`${what} has chunks of ${chunkLength} bytes for ${length}`);
  }
  if (chunks.length !== expected) {
    throw unsupported(`a dataset of which parts were never written: ${chunks.length} of ${expected} chunks (${what})`);
  }
  const out = file.allocate(length, what);
  const seen = new Set<string>();
  for (const chunk of chunks) {
    const key = chunk.offset.join();
    const isAligned = chunk.offset.every((at, axis) => at % chunkShape[axis]! === 0 && at < shape[axis]!);
    if (seen.has(key) || !isAligned) throw damaged(`${what} has a chunk at [${key}]`);
    seen.add(key);
    const raw = file.at(chunk.address, what, chunk.size).rest();
    const data = unfilter(raw, filters, chunk, chunkLength, elementSize, what);
    copyChunk(out, shape, data, chunkShape, chunk.offset, elementSize);
  }
  return out;
}

/** Filters are undone from the last to the first. */
function unfilter(
  raw: Uint8Array,
  filters: readonly Filter[],
  chunk: Chunk,
  length: number,
  elementSize: number,
  what: string,
): Uint8Array {
  let data = raw;
  for (let i = filters.length - 1; i >= 0; i--) {
    if ((chunk.skippedFilters & (1 << i)) !== 0) continue;
    const filter = filters[i]!;
    if (filter.id === deflate) data = inflate(data, length, what);
    else if (filter.id === shuffle) data = unshuffle(data, filter.values[0] ?? elementSize);
    else throw unsupported(`the filter ${filter.id} (${what})`);
  }
  if (data.length !== length) throw damaged(`${what} has a chunk of ${data.length} bytes, expected ${length}`);
  return data;
}

function inflate(data: Uint8Array, length: number, what: string): Uint8Array {
  try {
    return inflateZlib(data, length);
  } catch (error) {
    if (error instanceof TensorError) throw damaged(`${what}: ${error.message}`);
    throw error;
  }
}

/** The k-th bytes of all elements stand together. */
function unshuffle(data: Uint8Array, size: number): Uint8Array {
  if (size <= 1) return data;
  const count = Math.floor(data.length / size);
  const out = data.slice();
  for (let k = 0; k < size; k++) for (let i = 0; i < count; i++) out[i * size + k] = data[k * count + i]!;
  return out;
}

/** What of the chunk lies within the dataset, row by row. */
function copyChunk(
  out: Uint8Array,
  shape: readonly number[],
  chunk: Uint8Array,
  chunkShape: readonly number[],
  offset: readonly number[],
  elementSize: number,
): void {
  const rank = shape.length;
  const counts = shape.map((dim, axis) => Math.min(chunkShape[axis]!, dim - offset[axis]!));
  const row = (rank === 0 ? 1 : counts[rank - 1]!) * elementSize;
  const outer = counts.slice(0, -1);
  const index = outer.map(() => 0);
  for (;;) {
    let [to, from] = [0, 0];
    for (let axis = 0; axis < rank; axis++) {
      const at = axis < rank - 1 ? index[axis]! : 0;
      to = to * shape[axis]! + offset[axis]! + at;
      from = from * chunkShape[axis]! + at;
    }
    out.set(chunk.subarray(from * elementSize, from * elementSize + row), to * elementSize);
    let axis = outer.length - 1;
    while (axis >= 0 && ++index[axis]! === outer[axis]) index[axis--] = 0;
    if (axis < 0) return;
  }
}

function readFilters(message: HeaderMessage | undefined): readonly Filter[] {
  if (message === undefined) return [];
  const reader = new ByteReader(message.data, "filters", message.offset);
  const version = reader.u8();
  const count = reader.u8();
  if ((version !== 1 && version !== 2) || count > maxFilters) throw damaged(`${count} filters of version ${version}`);
  if (version === 1) reader.take(6);
  return Array.from({length: count}, () => {
    const id = reader.u16le();
    const nameLength = version === 1 || id >= 256 ? reader.u16le() : 0;
    reader.u16le();
    const valueCount = reader.u16le();
    reader.take(version === 1 ? Math.ceil(nameLength / 8) * 8 : nameLength);
    const values = Array.from({length: valueCount}, () => reader.u32le());
    if (version === 1 && valueCount % 2 === 1) reader.take(4);
    return {id, values};
  });
}
