/**
 * Variables by key: TensorFlow's checkpoint format V2, "tensor bundle" (tensorflow/core/protobuf/tensor_bundle.proto;
 * specs/convert.md §2.7). The index is read at once, values when they are asked for, piece by piece, each CRC checked.
 */
import {maskedCrc32c} from "@tf-trusted/core";
import {type DType, dtypes, elementCount, encodeStrings, Tensor} from "@tf-trusted/tensor";
import {decodeMessage, type Message, type MessageTable} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import {dataTypes, tensorShape} from "../graphdef/schema.ts";
import {type ModelFiles, readWhole} from "../model-files.ts";
import {type Extent, pieceKey} from "./ordered-code.ts";
import {latin1, readTable, type TableEntries} from "./table.ts";

/** A variable as the index has it. */
export interface CheckpointEntry {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

interface StoredEntry extends CheckpointEntry {
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
  /** Where it is stored in pieces: which. */
  readonly pieces: readonly (readonly Extent[])[];
}

const extent: MessageTable = {1: {name: "start", kind: "int64"}, 2: {name: "length", kind: "int64"}};
const slice: MessageTable = {1: {name: "extent", kind: "message", repeated: true, message: () => extent}};
const bundleEntry: MessageTable = {
  1: {name: "dtype", kind: "enum"},
  2: {name: "shape", kind: "message", message: () => tensorShape},
  3: {name: "shard_id", kind: "int32"},
  4: {name: "offset", kind: "int64"},
  5: {name: "size", kind: "int64"},
  6: {name: "crc32c", kind: "fixed32"},
  7: {name: "slices", kind: "message", repeated: true, message: () => slice},
};
const bundleHeader: MessageTable = {
  1: {name: "num_shards", kind: "int32"},
  2: {name: "endianness", kind: "enum"},
};

const maxIndexBytes = 2 ** 28;
const maxEntries = 1_000_000;
/** Of one variable: what a typed array holds everywhere. */
const maxVariableBytes = 2 ** 31 - 1;

export class Checkpoint {
  readonly #files: ModelFiles;
  readonly #prefix: string;
  readonly #shards: number;
  readonly #entries: TableEntries;

  private constructor(files: ModelFiles, prefix: string, shards: number, entries: TableEntries) {
    this.#files = files;
    this.#prefix = prefix;
    this.#shards = shards;
    this.#entries = entries;
  }

  /**
   * Reads `prefix.index`. Throws `CONVERT_FILE_MISSING`, `CONVERT_CHECKPOINT`, `CONVERT_LIMIT`.
   *
   * @param prefix such as `variables/variables`
   */
  static async open(files: ModelFiles, prefix: string): Promise<Checkpoint> {
    const entries = readTable(await readWhole(files, `${prefix}.index`, maxIndexBytes), maxEntries);
    const stored = entries.get("");
    if (stored === undefined) throw damaged("its index has no header");
    const {num_shards: shards = 0, endianness = 0} = decodeMessage(bundleHeader, stored);
    if (endianness !== 0) throw damaged("its numbers are big-endian, expected little-endian");
    if (!(Number(shards) >= 1 && Number(shards) <= 100_000)) throw damaged(`it claims ${shards} data files`);
    return new Checkpoint(files, prefix, Number(shards), entries);
  }

  /** All variables, without the pieces that some consist of. */
  get keys(): readonly string[] {
    return [...this.#entries.keys()].filter((key) => key !== "" && !key.startsWith("\0")).map(utf8);
  }

  has(key: string): boolean {
    return key !== "" && this.#entries.has(bytesOf(key));
  }

  /** Throws `CONVERT_CHECKPOINT` for a key that isn't there or an entry that makes no sense. */
  entry(key: string): CheckpointEntry {
    const {dtype, shape} = this.#stored(bytesOf(key));
    return {dtype, shape};
  }

  /** The value of a variable. Throws `CONVERT_CHECKPOINT`, `CONVERT_FILE_MISSING`, `CONVERT_LIMIT`. */
  async read(key: string): Promise<Tensor> {
    const entry = this.#stored(bytesOf(key));
    if (entry.pieces.length === 0) return this.#readStored(key, entry);
    const each = dtypes[entry.dtype].bytes;
    if (each === null) throw damaged(`the strings "${key}" are stored in pieces`);
    const whole = new Uint8Array(checkedBytes(key, entry));
    let covered = 0;
    for (const piece of entry.pieces) {
      const extents = piece.map((each, axis) => resolveExtent(key, each, entry.shape[axis]!));
      if (extents.length !== entry.shape.length) throw damaged(`a piece of "${key}" has ${extents.length} dimensions`);
      const stored = this.#stored(pieceKey(bytesOf(key), piece));
      const shape = extents.map(({length}) => length);
      if (stored.dtype !== entry.dtype || `${stored.shape}` !== `${shape}`) {
        throw damaged(`a piece of "${key}" is ${stored.dtype} [${stored.shape}], expected ${entry.dtype} [${shape}]`);
      }
      const value = await this.#readStored(key, stored);
      copyPiece(whole, entry.shape, value.bytes, extents, each);
      covered += value.size;
    }
    if (covered !== elementCount(entry.shape)) {
      throw damaged(`the pieces of "${key}" have ${covered} elements, the whole has [${entry.shape}]`);
    }
    return new Tensor(entry.dtype, entry.shape, whole);
  }

  #stored(key: string): StoredEntry {
    const bytes = this.#entries.get(key);
    if (bytes === undefined) throw damaged(`it has no "${utf8(key)}"`);
    return readEntry(utf8(key), decodeMessage(bundleEntry, bytes));
  }

  async #readStored(key: string, entry: StoredEntry): Promise<Tensor> {
    if (entry.shard >= this.#shards) throw damaged(`"${key}" lies in file ${entry.shard} of ${this.#shards}`);
    const digits = (value: number) => String(value).padStart(5, "0");
    const path = `${this.#prefix}.data-${digits(entry.shard)}-of-${digits(this.#shards)}`;
    if (!this.#files.paths.includes(path)) {
      throw new ConvertError("CONVERT_FILE_MISSING", `the checkpoint has no file ${path}`, {details: {path}});
    }
    const expected = dtypes[entry.dtype].bytes === null ? entry.size : checkedBytes(key, entry);
    if (expected !== entry.size) throw damaged(`"${key}" has ${entry.size} bytes, expected ${expected}`);
    if (entry.offset + entry.size > (await this.#files.size(path))) {
      throw damaged(`"${key}" reaches past the end of ${path}`);
    }
    const bytes = await this.#files.read(path, entry.offset, entry.size);
    if (entry.dtype === "string") return readStrings(key, entry, bytes);
    if (maskedCrc32c(bytes) !== entry.crc) throw damaged(`"${key}" doesn't have the CRC-32C that it should`);
    return new Tensor(entry.dtype, entry.shape, bytes);
  }
}

function readEntry(key: string, message: Message): StoredEntry {
  const dtype = dataTypes[Number(message.dtype ?? 0)];
  if (dtype === undefined || dtype === "resource" || dtype === "variant") {
    throw damaged(`"${key}" has the data type ${message.dtype ?? 0}, which can't be read`);
  }
  const shape = (((message.shape as Message | undefined)?.dim ?? []) as Message[]).map((dim) =>
    wholeNumber(key, dim.size, "a dimension"),
  );
  if (shape.length > 254) throw damaged(`"${key}" has ${shape.length} dimensions`);
  return {
    dtype,
    shape,
    shard: wholeNumber(key, message.shard_id, "a file number"),
    offset: wholeNumber(key, message.offset, "an offset"),
    size: wholeNumber(key, message.size, "a size"),
    crc: Number(message.crc32c ?? 0),
    pieces: ((message.slices ?? []) as Message[]).map((each) =>
      ((each.extent ?? []) as Message[]).map(
        ({start = 0n, length = -1n}): Extent => ({start: Number(start), length: Number(length)}),
      ),
    ),
  };
}

function wholeNumber(key: string, value: unknown, what: string): number {
  const number = Number((value ?? 0) as bigint | number);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw damaged(`"${key}" has ${what} of ${number}`);
}

function checkedBytes(key: string, {dtype, shape}: CheckpointEntry): number {
  const count = shape.reduce((product, size) => product * size, dtypes[dtype].bytes ?? 1);
  if (count <= maxVariableBytes) return count;
  throw new ConvertError(
    "CONVERT_LIMIT",
    `"${key}" [${shape}] takes ${count} bytes, expected at most ${maxVariableBytes}`,
  );
}

function resolveExtent(key: string, {start, length}: Extent, size: number): Extent {
  const resolved = length === -1 ? size - start : length;
  if (start >= 0 && resolved >= 0 && start + resolved <= size) return {start, length: resolved};
  throw damaged(`a piece of "${key}" is ${start} to ${start + resolved} of ${size}`);
}

/** Rows of the piece into their places in the whole. */
function copyPiece(
  whole: Uint8Array,
  shape: readonly number[],
  piece: Uint8Array,
  extents: readonly Extent[],
  elementBytes: number,
): void {
  const rank = shape.length;
  const row = (extents[rank - 1]?.length ?? 1) * elementBytes;
  const rows = row === 0 ? 0 : piece.length / row;
  for (let index = 0; index < rows; index++) {
    let rest = index;
    let target = rank === 0 ? 0 : extents[rank - 1]!.start;
    let stride = shape[rank - 1] ?? 1;
    for (let axis = rank - 2; axis >= 0; axis--) {
      const {start, length} = extents[axis]!;
      target += (start + (rest % length)) * stride;
      rest = Math.floor(rest / length);
      stride *= shape[axis]!;
    }
    whole.set(piece.subarray(index * row, (index + 1) * row), target * elementBytes);
  }
}

/** Lengths as varints, the CRC of the lengths, the bytes. CRCs see each length as four bytes, eight where it needs them. */
function readStrings(key: string, entry: StoredEntry, bytes: Uint8Array): Tensor {
  const count = checkedBytes(key, entry);
  let at = 0;
  const lengths = Array.from({length: Math.min(count, bytes.length)}, () => {
    let length = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      if (byte === undefined || factor > 2 ** 35) throw damaged(`the lengths of the strings "${key}" are damaged`);
      length += (byte & 0x7f) * factor;
      if (byte < 0x80) return length;
    }
  });
  const encoded = new Uint8Array(Uint32Array.from(lengths).buffer);
  const stored = bytes.subarray(at, at + 4);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const sound = lengths.length === count && at + 4 + total === bytes.length;
  if (!sound || littleEndian(stored) !== maskedCrc32c(encoded)) {
    throw damaged(`the lengths of the strings "${key}" don't fit their ${bytes.length} bytes`);
  }
  const content = bytes.subarray(at + 4);
  const checked = new Uint8Array(encoded.length + 4 + content.length);
  checked.set(encoded);
  checked.set(stored, encoded.length);
  checked.set(content, encoded.length + 4);
  if (maskedCrc32c(checked) !== entry.crc) {
    throw damaged(`"${key}" doesn't have the CRC-32C that it should`);
  }
  let start = 0;
  const strings = lengths.map((length) => {
    start += length;
    return content.subarray(start - length, start);
  });
  return new Tensor("string", entry.shape, encodeStrings(strings));
}

const littleEndian = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);

/** Keys are bytes, of UTF-8 as a rule; the table has them as Latin-1 text. */
const bytesOf = (key: string): string => latin1(new TextEncoder().encode(key));
const utf8 = (key: string): string => new TextDecoder().decode(Uint8Array.from(key, (char) => char.charCodeAt(0)));

function damaged(message: string): ConvertError {
  return new ConvertError("CONVERT_CHECKPOINT", `the checkpoint is damaged: ${message}`);
}
