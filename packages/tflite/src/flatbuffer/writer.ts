/**
 * A deterministic, table-driven flatbuffer writer. Front to back: a table, then what it refers to, in field order, so
 * that every offset goes forward; equal field lists are stored once. Large runs of bytes (weights) come last, each a part
 * of its own, so that they need not be copied. The layout runs twice, first to measure, then into a buffer of exactly
 * that size.
 */
import {bytesOf, isLazyBytes, type LazyBytes} from "@tf-trusted/tensor";
import {type FieldSchema, type Kind, type ScalarName, scalars, type TableSchema, tables} from "../schema/schema.ts";
import {TfliteError} from "../tflite-error.ts";
import type {Decoded, DecodedTable, DecodedUnion} from "./reader.ts";

/** From this many bytes on a run of bytes becomes a part. */
const PART_BYTES = 4096;

/** Offsets are signed in some readers: the format ends here. */
export const MAX_FILE_BYTES = 0x7fff_ffff;

/**
 * Encodes `value` as the `root` table behind a file identifier. Scalars at their default are left out, as are absent
 * fields. Throws `TFLITE_UNWRITABLE` with the path of the value, and `TFLITE_TOO_LARGE`.
 */
export function encodeFlatbuffer(root: string, identifier: string, value: DecodedTable): Uint8Array {
  const parts = encodeFlatbufferParts(root, identifier, value);
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(bytesOf(part), at);
    at += part.length;
  }
  // Its caller may have to leave no weights behind, and this copy of the small ones only we know of.
  (parts[0] as Uint8Array).fill(0);
  return bytes;
}

/** The same as consecutive parts: large runs of bytes are those of `value`, not copies, and lazy ones stay lazy. */
export function encodeFlatbufferParts(
  root: string,
  identifier: string,
  value: DecodedTable,
): readonly (Uint8Array | LazyBytes)[] {
  const measure = new Layout(undefined);
  measure.file(root, identifier, value);
  if (measure.end > MAX_FILE_BYTES) {
    throw new TfliteError(
      "TFLITE_TOO_LARGE",
      `the file would have ${measure.end} bytes; the format ends at ${MAX_FILE_BYTES}`,
    );
  }
  const head = new Uint8Array(measure.headBytes);
  return [head, ...new Layout(head).file(root, identifier, value)];
}

/** Bytes whose place is known once everything else has one. */
interface Part {
  /** The offset that points to them. */
  readonly from: number;
  readonly bytes: Uint8Array | LazyBytes;
  readonly align: number;
}

/** A field of a table being written: its place and how many bytes. */
interface Slot {
  readonly id: number;
  readonly bytes: number;
  readonly write: (at: number) => void;
}

class Layout {
  /** First byte that is still free. */
  end = 0;
  /** Of all but the parts. */
  headBytes = 0;
  readonly #parts: Part[] = [];
  readonly #bytes: Uint8Array | undefined;
  readonly #view: DataView | undefined;
  readonly #lists = new Map<string, number>();
  readonly #encoder = new TextEncoder();

  constructor(bytes: Uint8Array | undefined) {
    this.#bytes = bytes;
    this.#view = bytes && new DataView(bytes.buffer);
  }

  /** Writes the head; gives what follows it. */
  file(root: string, identifier: string, value: DecodedTable): readonly (Uint8Array | LazyBytes)[] {
    this.end = 8;
    this.#bytes?.set(this.#encoder.encode(identifier), 4);
    this.#pointAt(0, this.#table(tables.get(root)!, value, root));
    this.end = alignUp(this.end, 4);
    this.headBytes = this.end;
    return this.#parts.flatMap((part) => this.#place(part));
  }

  /** Before the bytes, what aligns them and says how many they are; behind them, what makes the file's end even. */
  #place({from, bytes, align}: Part): readonly (Uint8Array | LazyBytes)[] {
    const at = lengthPlace(this.end, align);
    this.#pointAt(from, at);
    const before = new Uint8Array(at + 4 - this.end);
    new DataView(before.buffer).setUint32(before.length - 4, bytes.length, true);
    const end = at + 4 + bytes.length;
    this.end = alignUp(end, 4);
    return end === this.end ? [before, bytes] : [before, bytes, new Uint8Array(this.end - end)];
  }

  /** Writes a table and everything below it; returns its offset. */
  #table(schema: TableSchema, value: DecodedTable, path: string): number {
    for (const name of Object.keys(value)) {
      if (!schema.fields.some((field) => field.name === name)) {
        throw unwritable(`${path}.${name}`, `${schema.name} has no such field`);
      }
    }
    const later: (() => void)[] = [];
    const slots = schema.fields.flatMap((field) => this.#slots(schema, field, value[field.name], path, later));
    // Widest first: no padding inside, and equal sets of fields get equal lists.
    slots.sort((a, b) => b.bytes - a.bytes || a.id - b.id);
    const wide = slots[0]?.bytes === 8;
    const offsets: number[] = [];
    let size = 4;
    for (const slot of slots) {
      while (offsets.length <= slot.id) offsets.push(0);
      offsets[slot.id] = size;
      size += slot.bytes;
    }
    const list = this.#fieldList(offsets, size);
    const at = alignTo(this.end, wide ? 8 : 4, wide ? 4 : 0);
    this.end = at + size;
    this.#view?.setInt32(at, at - list, true);
    for (const slot of slots) slot.write(at + offsets[slot.id]!);
    for (const child of later) child();
    return at;
  }

  #fieldList(offsets: readonly number[], tableBytes: number): number {
    const key = `${tableBytes}:${offsets.join()}`;
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const at = alignUp(this.end, 2);
    this.end = at + 4 + 2 * offsets.length;
    this.#view?.setUint16(at, 4 + 2 * offsets.length, true);
    this.#view?.setUint16(at + 2, tableBytes, true);
    offsets.forEach((offset, id) => {
      this.#view?.setUint16(at + 4 + 2 * id, offset, true);
    });
    this.#lists.set(key, at);
    return at;
  }

  #slots(
    schema: TableSchema,
    field: FieldSchema,
    value: Decoded,
    tablePath: string,
    later: (() => void)[],
  ): readonly Slot[] {
    const {id, type} = field;
    const path = `${tablePath}.${field.name}`;
    if (value === undefined) return [];
    if (type.kind === "scalar" || type.kind === "enum") {
      if (value === field.fallback) return [];
      const scalar = type.kind === "enum" ? type.enum.scalar : type.scalar;
      const number = this.#checked(type, value, path);
      return [{id, bytes: scalars[scalar].bytes, write: (at) => this.#scalar(scalar, at, number)}];
    }
    const offsetSlot = (child: () => number): Slot => ({
      id,
      bytes: 4,
      write: (at) => void later.push(() => this.#pointAt(at, child())),
    });
    if (type.kind === "bytes" && (isLazyBytes(value) || (value instanceof Uint8Array && value.length >= PART_BYTES))) {
      const {align} = type;
      return [{id, bytes: 4, write: (from) => void this.#parts.push({from, bytes: value, align})}];
    }
    if (type.kind !== "union") return [offsetSlot(() => this.#reference(type, value, path))];
    const {type: member, value: table} = value as DecodedUnion;
    const code = type.members.values.get(member);
    if (code === undefined || code === 0) throw unwritable(path, `${schema.name} holds no ${member} here`);
    return [
      {id: type.typeId, bytes: 1, write: (at) => this.#scalar("ubyte", at, code)},
      offsetSlot(() => this.#table(tables.get(member)!, table, `${path}(${member})`)),
    ];
  }

  /** Writes what an offset points to; returns where it is. */
  #reference(type: Kind, value: Decoded, path: string): number {
    switch (type.kind) {
      case "table":
        if (typeof value !== "object" || Array.isArray(value) || value instanceof Uint8Array) {
          throw unwritable(path, `found ${describe(value)}, expected fields of ${type.table}`);
        }
        return this.#table(tables.get(type.table)!, value as DecodedTable, path);
      case "string": {
        if (typeof value !== "string" || !value.isWellFormed())
          throw unwritable(path, `found ${describe(value)}, expected well-formed text`);
        const at = this.#raw(this.#encoder.encode(value), 4);
        this.end += 1;
        return at;
      }
      case "bytes":
        if (!(value instanceof Uint8Array)) throw unwritable(path, `found ${describe(value)}, expected bytes`);
        return this.#raw(value, type.align);
      case "vector":
        if (!Array.isArray(value)) throw unwritable(path, `found ${describe(value)}, expected a list`);
        return this.#vector(type, value, path);
      default:
        throw new Error(`${path} is no reference`);
    }
  }

  #raw(bytes: Uint8Array, align: number): number {
    const at = lengthPlace(this.end, align);
    this.end = at + 4 + bytes.length;
    this.#view?.setUint32(at, bytes.length, true);
    this.#bytes?.set(bytes, at + 4);
    return at;
  }

  #vector(type: Kind & {readonly kind: "vector"}, values: readonly Decoded[], path: string): number {
    const {element} = type;
    const scalar = element.kind === "scalar" ? element.scalar : element.kind === "enum" ? element.enum.scalar : "uint";
    const each = scalars[scalar].bytes;
    const at = lengthPlace(this.end, Math.max(type.align, each));
    this.end = at + 4 + values.length * each;
    this.#view?.setUint32(at, values.length, true);
    values.forEach((value, index) => {
      const elementAt = at + 4 + index * each;
      const elementPath = `${path}[${index}]`;
      if (element.kind === "scalar" || element.kind === "enum") {
        this.#scalar(scalar, elementAt, this.#checked(element, value, elementPath));
      } else {
        this.#pointAt(elementAt, this.#reference(element, value, elementPath));
      }
    });
    return at;
  }

  /** The number to store for a scalar or enum value, in range. */
  #checked(type: Kind & {readonly kind: "scalar" | "enum"}, value: Decoded, path: string): number | bigint {
    if (type.kind === "enum") {
      const code = type.enum.values.get(String(value));
      if (code === undefined) throw unwritable(path, `${type.enum.name} has no value ${describe(value)}`);
      return code;
    }
    const {min, max} = scalars[type.scalar];
    if (type.scalar === "bool" ? typeof value !== "boolean" : typeof value !== typeof min) {
      throw unwritable(path, `found ${describe(value)}, expected ${type.scalar}`);
    }
    if (typeof value === "boolean") return value ? 1 : 0;
    if (type.scalar === "float") return value as number;
    const number = value as number | bigint;
    if (number < min || number > max || (typeof number === "number" && !Number.isInteger(number))) {
      throw unwritable(path, `found ${number}, expected ${type.scalar} from ${min} to ${max}`);
    }
    return number;
  }

  #scalar(name: ScalarName, at: number, value: number | bigint): void {
    if (this.#view !== undefined) scalars[name].set(this.#view, at, value);
  }

  #pointAt(from: number, to: number): void {
    this.#view?.setUint32(from, to - from, true);
  }
}

const alignUp = (offset: number, align: number): number => Math.ceil(offset / align) * align;

/** The first offset from `offset` on that leaves `rest` when divided by `align`. */
const alignTo = (offset: number, align: number, rest: number): number => alignUp(offset - rest, align) + rest;

/** Where the length of elements stands that have to be aligned: the 4 bytes before them. */
const lengthPlace = (offset: number, align: number): number =>
  alignTo(offset, Math.max(align, 4), Math.max(align, 4) - 4);

const describe = (value: unknown): string =>
  typeof value === "string" ? JSON.stringify(value) : typeof value === "object" ? "an object" : String(value);

function unwritable(path: string, message: string): TfliteError {
  return new TfliteError("TFLITE_UNWRITABLE", `${path}: ${message}`, {details: {at: path}});
}
