/**
 * A strict, table-driven flatbuffer reader (https://flatbuffers.dev/internals/). Every offset, length and alignment is
 * checked before use, and nothing is allocated for a claim that the file doesn't back. Offsets to tables, vectors and
 * strings only go forward, so there are no cycles; the schema has no recursive tables, so depth is bounded by it.
 * Structures may be shared, which a hostile file can use to make a small file decode to a huge value: a budget of
 * decoded bytes, proportional to the file's size, ends that.
 */
import type {LazyBytes} from "@tf-trusted/tensor";
import {
  type EnumSchema,
  type FieldSchema,
  type Kind,
  type ScalarName,
  scalars,
  type TableSchema,
  tables,
} from "../schema/schema.ts";
import {TfliteError, type TfliteErrorCode} from "../tflite-error.ts";

/** A decoded table: scalars with defaults filled in, absent strings, vectors and tables left out. */
export interface DecodedTable {
  readonly [field: string]: Decoded;
}
export interface DecodedUnion {
  readonly type: string;
  readonly value: DecodedTable;
}
export type Decoded =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | LazyBytes
  | readonly Decoded[]
  | DecodedTable
  | DecodedUnion
  | undefined;

/** Times the file's size that may be decoded in all; real files, which share only field lists, take less than 3. */
const DECODE_FACTOR = 8;
/** For files so small that the factor says nothing. */
const DECODE_FLOOR = 1 << 16;

/** The offset in the file of a table's field by id, 0 where it is absent. */
type FieldPlaces = (id: number) => number;

export class FlatbufferReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #text = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true});
  #budget: number;

  /** @param maxDecodedBytes bounds what tables, lists and strings (not weights) may take, whatever the file's size. */
  constructor(bytes: Uint8Array, maxDecodedBytes: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#budget = Math.min(bytes.length * DECODE_FACTOR + DECODE_FLOOR, maxDecodedBytes);
  }

  /** Checks the identifier and decodes the root table. Throws every `TFLITE_*` code of reading. */
  decodeRoot(table: string, identifier: string): DecodedTable {
    return this.#decode(tables.get(table)!, this.#rootAt(identifier));
  }

  #rootAt(identifier: string): number {
    if (this.#bytes.length < 8) {
      throw fail(
        "TFLITE_TRUNCATED",
        0,
        `the file has ${this.#bytes.length} bytes; expected at least the 8 of a header`,
      );
    }
    const found = String.fromCharCode(...this.#bytes.subarray(4, 8));
    if (found !== identifier) {
      throw fail("TFLITE_IDENTIFIER", 4, `found identifier ${JSON.stringify(found)}; expected "${identifier}"`);
    }
    return this.#target(0, "root");
  }

  /** Decodes the table at file offset `at`. */
  #decode(schema: TableSchema, at: number): DecodedTable {
    const fieldAt = this.#place(schema, at);
    const out: {[field: string]: Decoded} = {};
    for (const field of schema.fields) {
      const value = this.#field(schema, field, fieldAt);
      if (value !== undefined) out[field.name] = value;
    }
    return out;
  }

  /** Checks the table's field list and gives its fields' offsets. */
  #place(schema: TableSchema, at: number): FieldPlaces {
    this.#need(at, 4, 4, schema.name);
    const list = at - this.#view.getInt32(at, true);
    if (list < 0 || list % 2 !== 0 || list + 4 > this.#bytes.length) {
      throw fail("TFLITE_OFFSET", at, `the field list of ${schema.name} is at ${list}, outside the file or misaligned`);
    }
    const listBytes = this.#view.getUint16(list, true);
    const tableBytes = this.#view.getUint16(list + 2, true);
    if (listBytes < 4 || listBytes % 2 !== 0 || list + listBytes > this.#bytes.length) {
      throw fail("TFLITE_LAYOUT", list, `the field list of ${schema.name} claims ${listBytes} bytes`);
    }
    if (tableBytes < 4)
      throw fail("TFLITE_LAYOUT", list, `${schema.name} claims ${tableBytes} bytes; expected 4 or more`);
    this.#need(at, tableBytes, 4, schema.name);
    this.#spend(listBytes + tableBytes, at);
    const count = (listBytes - 4) / 2;
    const offsets = new Uint16Array(count);
    for (let id = 0; id < count; id++) {
      const offset = this.#view.getUint16(list + 4 + 2 * id, true);
      if (offset === 0) continue;
      if (!schema.ids.has(id))
        throw fail("TFLITE_UNKNOWN_FIELD", at, `${schema.name} has a field ${id}, which the schema lacks`);
      if (offset < 4 || offset >= tableBytes) {
        throw fail(
          "TFLITE_LAYOUT",
          at,
          `field ${id} of ${schema.name} is at ${offset}, outside its table of ${tableBytes} bytes`,
        );
      }
      offsets[id] = offset;
    }
    return (id) => (id < count && offsets[id] !== 0 ? at + offsets[id]! : 0);
  }

  /** Where the elements of the vector at `at` begin, and how many there are. */
  #vectorAt(at: number, elementBytes: number, what: string): {readonly start: number; readonly count: number} {
    this.#need(at, 4, 4, what);
    const count = this.#view.getUint32(at, true);
    const start = at + 4;
    if (count * elementBytes > this.#bytes.length - start) {
      throw fail(
        "TFLITE_TRUNCATED",
        at,
        `${what} claims ${count} elements of ${elementBytes} bytes; ${this.#bytes.length - start} bytes follow`,
      );
    }
    if (start % Math.max(elementBytes, 1) !== 0)
      throw fail("TFLITE_OFFSET", start, `${what} is not aligned to ${elementBytes} bytes`);
    return {start, count};
  }

  #field(schema: TableSchema, field: FieldSchema, fieldAt: FieldPlaces): Decoded {
    const {type} = field;
    const what = `${schema.name}.${field.name}`;
    const at = fieldAt(field.id);
    if (type.kind === "union") {
      const typeAt = fieldAt(type.typeId);
      const member = typeAt === 0 ? "NONE" : this.#enum(type.members, typeAt, what);
      if (at === 0) return undefined;
      if (member === "NONE") throw fail("TFLITE_LAYOUT", at, `${what} is present, its type is NONE`);
      return {type: member, value: this.#decode(tables.get(member)!, this.#target(at, what))};
    }
    if (at === 0) return field.fallback;
    if (type.kind === "scalar" || type.kind === "enum") return this.#scalarField(type, at, what);
    return this.#reference(type, this.#target(at, what), what);
  }

  #scalarField(type: Kind & {readonly kind: "scalar" | "enum"}, at: number, what: string): Decoded {
    if (type.kind === "enum") return this.#enum(type.enum, at, what);
    const {bytes} = scalars[type.scalar];
    this.#need(at, bytes, bytes, what);
    return this.#scalar(type.scalar, at, what);
  }

  #reference(type: Kind, at: number, what: string): Decoded {
    switch (type.kind) {
      case "table":
        return this.#decode(tables.get(type.table)!, at);
      case "string":
        return this.#string(at, what);
      case "bytes": {
        const {start, count} = this.#vectorAt(at, 1, what);
        this.#spend(4, at);
        return this.#bytes.subarray(start, start + count);
      }
      case "vector":
        return this.#vector(type.element, at, what);
      default:
        throw new Error(`${what} is no reference`);
    }
  }

  #vector(element: Kind, at: number, what: string): readonly Decoded[] {
    const each = elementBytes(element);
    const {start, count} = this.#vectorAt(at, each, what);
    this.#spend(4 + count * each, at);
    const out = new Array<Decoded>(count);
    for (let index = 0; index < count; index++) {
      const elementAt = start + index * each;
      if (element.kind === "scalar") out[index] = this.#scalar(element.scalar, elementAt, what);
      else if (element.kind === "enum") out[index] = this.#enum(element.enum, elementAt, what);
      else out[index] = this.#reference(element, this.#target(elementAt, what), what);
    }
    return out;
  }

  #string(at: number, what: string): string {
    const {start, count} = this.#vectorAt(at, 1, what);
    this.#spend(4 + count, at);
    if (this.#bytes[start + count] !== 0) throw fail("TFLITE_STRING", at, `${what} has no terminating zero`);
    try {
      // A copy, because decoders refuse views of shared memory.
      return this.#text.decode(this.#bytes.slice(start, start + count));
    } catch (cause) {
      throw fail("TFLITE_STRING", at, `${what} is not UTF-8`, cause);
    }
  }

  #enum(schema: EnumSchema, at: number, what: string): string {
    const {bytes} = scalars[schema.scalar];
    this.#need(at, bytes, bytes, what);
    const value = Number(this.#scalar(schema.scalar, at, what));
    const name = schema.names.get(value);
    if (name === undefined) throw fail("TFLITE_UNKNOWN_VALUE", at, `${what}: ${schema.name} has no value ${value}`);
    return name;
  }

  #scalar(name: ScalarName, at: number, what: string): number | bigint | boolean {
    const value = scalars[name].get(this.#view, at);
    if (name !== "bool") return value;
    if (value !== 0 && value !== 1) throw fail("TFLITE_UNKNOWN_VALUE", at, `${what} is ${value}; expected 0 or 1`);
    return value === 1;
  }

  /** Follows the offset stored at `at`: forward, inside the file, aligned. */
  #target(at: number, what: string): number {
    this.#need(at, 4, 4, what);
    const offset = this.#view.getUint32(at, true);
    const target = at + offset;
    if (offset < 4 || target + 4 > this.#bytes.length || target % 4 !== 0) {
      throw fail(
        "TFLITE_OFFSET",
        at,
        `${what} points to ${target}, outside the file of ${this.#bytes.length} bytes, to itself, or misaligned`,
      );
    }
    return target;
  }

  #need(at: number, bytes: number, align: number, what: string): void {
    if (at % align !== 0) throw fail("TFLITE_OFFSET", at, `${what} is not aligned to ${align} bytes`);
    if (at + bytes > this.#bytes.length) {
      throw fail("TFLITE_TRUNCATED", at, `${what} takes ${bytes} bytes; the file has ${this.#bytes.length}`);
    }
  }

  #spend(bytes: number, at: number): void {
    this.#budget -= bytes;
    if (this.#budget < 0) {
      throw fail(
        "TFLITE_LIMIT",
        at,
        "the tables and lists up to here, shared ones counted as often as used, exceed the limit for a file of this size",
      );
    }
  }
}

function elementBytes(element: Kind): number {
  if (element.kind === "scalar") return scalars[element.scalar].bytes;
  if (element.kind === "enum") return scalars[element.enum.scalar].bytes;
  return 4;
}

function fail(code: TfliteErrorCode, offset: number, message: string, cause?: unknown): TfliteError {
  return new TfliteError(code, `${message} (offset ${offset})`, {details: {offset}, cause});
}
