/**
 * Byte layouts as tables: one declarative list of fields per structure, from which reading, writing, the hex view and
 * the type of the value come. Fields tile the whole size, which is checked when the table is made.
 */
import {ByteReader, encodeHex} from "@tf-trusted/core";
import {unexpected} from "../attestation-error.ts";

/** How a field's bytes and value correspond. */
export interface FieldType<T> {
  readonly label: string;
  readonly size: number;
  readonly read: (reader: ByteReader) => T;
  readonly write: (view: DataView, offset: number, value: T, name: string) => void;
}

export interface Field<Name extends string, T> {
  readonly name: Name;
  readonly offset: number;
  readonly type: FieldType<T>;
}

/** Bytes without meaning: skipped on reading, zero on writing. */
export interface Reserved {
  readonly name: null;
  readonly offset: number;
  readonly size: number;
}

// biome-ignore lint/suspicious/noExplicitAny: the values of different fields have nothing in common
type AnyField = Field<string, any> | Reserved;

export type LayoutFields<F extends readonly AnyField[]> = {
  readonly [K in Extract<F[number], {name: string}> as K["name"]]: K extends Field<string, infer T> ? T : never;
};

export interface Layout<Value> {
  readonly name: string;
  readonly size: number;
  /** Reads exactly `size` bytes from `reader`. Throws `BYTES_TRUNCATED`. Byte fields are views. */
  readonly read: (reader: ByteReader) => Value;
  /** Writes `size` bytes; throws `LAYOUT_INVALID` for a value that doesn't fit. */
  readonly encode: (value: Value) => Uint8Array<ArrayBuffer>;
  /** The structure line by line, for people. */
  readonly view: (bytes: Uint8Array) => readonly LayoutLine[];
}

export interface LayoutLine {
  readonly name: string;
  readonly offset: number;
  readonly type: string;
  readonly hex: string;
}

export type LayoutValue<L> = L extends Layout<infer Value> ? Value : never;

export const u16le: FieldType<number> = integer(
  "u16le",
  2,
  0xffff,
  (r) => r.u16le(),
  (v, o, x) => v.setUint16(o, x, true),
);
export const u32le: FieldType<number> = integer(
  "u32le",
  4,
  0xffffffff,
  (r) => r.u32le(),
  (v, o, x) => v.setUint32(o, x, true),
);

/** `size` bytes as they are. */
export function bytes(size: number): FieldType<Uint8Array> {
  return {
    label: `bytes[${size}]`,
    size,
    read: (reader) => reader.take(size),
    write: (view, offset, value, name) => {
      if (value.length !== size) throw unexpected("LAYOUT_INVALID", `${value.length} bytes for ${name}`, `${size}`);
      new Uint8Array(view.buffer, offset, size).set(value);
    },
  };
}

export function field<const Name extends string, T>(name: Name, offset: number, type: FieldType<T>): Field<Name, T> {
  return {name, offset, type};
}

export function reserved(offset: number, size: number): Reserved {
  return {name: null, offset, size};
}

/** A structure of `size` bytes. Throws `LAYOUT_INVALID` where the fields leave a gap or overlap: a bug in the table. */
export function layout<const F extends readonly AnyField[]>(
  name: string,
  size: number,
  fields: F,
): Layout<LayoutFields<F>> {
  let next = 0;
  for (const item of fields) {
    if (item.offset !== next)
      throw unexpected("LAYOUT_INVALID", `${name}: a field at ${item.offset}`, `one at ${next}`);
    next += sizeOf(item);
  }
  if (next !== size) throw unexpected("LAYOUT_INVALID", `${name}: fields of ${next} bytes`, `${size} bytes`);
  type Value = LayoutFields<F>;
  return {
    name,
    size,
    read: (reader) => {
      const own = reader.sub(size, name);
      const value: Record<string, unknown> = {};
      for (const item of fields) {
        if (item.name === null) own.take(item.size);
        else value[item.name] = item.type.read(own);
      }
      return Object.freeze(value) as Value;
    },
    encode: (value) => {
      const out = new Uint8Array(size);
      const view = new DataView(out.buffer);
      for (const item of fields) {
        if (item.name === null) continue;
        item.type.write(view, item.offset, (value as Record<string, unknown>)[item.name], `${name}.${item.name}`);
      }
      return out;
    },
    view: (whole) => {
      const reader = new ByteReader(whole, name);
      return fields.map((item) => ({
        name: item.name ?? "(reserved)",
        offset: item.offset,
        type: item.name === null ? `bytes[${item.size}]` : item.type.label,
        hex: encodeHex(reader.take(sizeOf(item))),
      }));
    },
  };
}

function sizeOf(item: AnyField): number {
  return item.name === null ? item.size : item.type.size;
}

function integer(
  label: string,
  size: number,
  max: number,
  read: (reader: ByteReader) => number,
  write: (view: DataView, offset: number, value: number) => void,
): FieldType<number> {
  return {
    label,
    size,
    read,
    write: (view, offset, value, name) => {
      if (!Number.isInteger(value) || value < 0 || value > max) {
        throw unexpected("LAYOUT_INVALID", `${value} for ${name}`, `an integer from 0 to ${max}`);
      }
      write(view, offset, value);
    },
  };
}
