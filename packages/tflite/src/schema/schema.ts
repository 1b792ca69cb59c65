/**
 * The schema as the flatbuffer engine uses it: `gen/schema-data.ts` (facts) compiled once into field kinds. Names are
 * camelCase here and in every decoded value; enum values keep their schema names.
 */
import {enumRows, operatorOptions, tableRows, unionRows} from "../gen/schema-data.ts";

interface ScalarRow {
  readonly bytes: number;
  readonly min: number | bigint;
  readonly max: number | bigint;
  readonly get: (view: DataView, at: number) => number | bigint;
  readonly set: (view: DataView, at: number, value: number | bigint) => void;
}

/** Fixed-size values, little-endian. A `bool` is read and written as 0 or 1 here. */
export const scalars = {
  bool: {bytes: 1, min: 0, max: 1, get: (v, at) => v.getUint8(at), set: (v, at, x) => v.setUint8(at, Number(x))},
  byte: {bytes: 1, min: -0x80, max: 0x7f, get: (v, at) => v.getInt8(at), set: (v, at, x) => v.setInt8(at, Number(x))},
  ubyte: {bytes: 1, min: 0, max: 0xff, get: (v, at) => v.getUint8(at), set: (v, at, x) => v.setUint8(at, Number(x))},
  ushort: {
    bytes: 2,
    min: 0,
    max: 0xffff,
    get: (v, at) => v.getUint16(at, true),
    set: (v, at, x) => v.setUint16(at, Number(x), true),
  },
  int: {
    bytes: 4,
    min: -0x8000_0000,
    max: 0x7fff_ffff,
    get: (v, at) => v.getInt32(at, true),
    set: (v, at, x) => v.setInt32(at, Number(x), true),
  },
  uint: {
    bytes: 4,
    min: 0,
    max: 0xffff_ffff,
    get: (v, at) => v.getUint32(at, true),
    set: (v, at, x) => v.setUint32(at, Number(x), true),
  },
  float: {
    bytes: 4,
    min: Number.NEGATIVE_INFINITY,
    max: Number.POSITIVE_INFINITY,
    get: (v, at) => v.getFloat32(at, true),
    set: (v, at, x) => v.setFloat32(at, Number(x), true),
  },
  long: {
    bytes: 8,
    min: -(2n ** 63n),
    max: 2n ** 63n - 1n,
    get: (v, at) => v.getBigInt64(at, true),
    set: (v, at, x) => v.setBigInt64(at, BigInt(x), true),
  },
  ulong: {
    bytes: 8,
    min: 0n,
    max: 2n ** 64n - 1n,
    get: (v, at) => v.getBigUint64(at, true),
    set: (v, at, x) => v.setBigUint64(at, BigInt(x), true),
  },
} as const satisfies Record<string, ScalarRow>;
export type ScalarName = keyof typeof scalars;

export interface EnumSchema {
  readonly name: string;
  readonly scalar: ScalarName;
  readonly values: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
}

/** What a field or vector element holds. A union's discriminator is the byte field with id `typeId`. */
export type Kind =
  | {readonly kind: "scalar"; readonly scalar: ScalarName}
  | {readonly kind: "enum"; readonly enum: EnumSchema}
  | {readonly kind: "string"}
  | {readonly kind: "bytes"; readonly align: number}
  | {readonly kind: "table"; readonly table: string}
  | {readonly kind: "union"; readonly members: EnumSchema; readonly typeId: number}
  | {readonly kind: "vector"; readonly element: Kind; readonly align: number};

export interface FieldSchema {
  readonly id: number;
  readonly name: string;
  readonly type: Kind;
  /** What an absent scalar means (enums: the name); `undefined` for everything that isn't scalar. */
  readonly fallback: number | bigint | boolean | string | undefined;
}

export interface TableSchema {
  readonly name: string;
  /** By ascending id. */
  readonly fields: readonly FieldSchema[];
  /** Ids that are in use, discriminators of unions included. */
  readonly ids: ReadonlySet<number>;
}

export const enums: ReadonlyMap<string, EnumSchema> = new Map(
  Object.entries(enumRows).map(([name, row]) => [name, enumSchema(name, row.type, row.values)]),
);

const unions: ReadonlyMap<string, EnumSchema> = new Map(
  Object.entries(unionRows).map(([name, values]) => [name, enumSchema(name, "ubyte", {NONE: 0, ...values})]),
);

export const tables: ReadonlyMap<string, TableSchema> = new Map(
  Object.entries(tableRows).map(([name, rows]) => {
    const fields = rows.map(([id, field, type, fallback, extra]): FieldSchema => {
      const kind = fieldKind(type, extra.typeId, extra.forceAlign);
      return {id, name: camelCase(field), type: kind, fallback: fallbackOf(kind, fallback)};
    });
    const discriminators = fields.flatMap(({type}) => (type.kind === "union" ? [type.typeId] : []));
    return [name, {name, fields, ids: new Set([...fields.map(({id}) => id), ...discriminators])}];
  }),
);

/** The options table that an operator takes (`CONV_2D` → `Conv2DOptions`), `undefined` where it takes none. */
export function optionsTableOf(builtin: string): string | undefined {
  return operatorOptions[builtin] ?? undefined;
}

/** What the fields of an options table are when a file leaves the table out: scalars at their defaults. */
export function defaultOptions(table: string): Readonly<Record<string, number | bigint | boolean | string>> {
  const fields = tables.get(table)?.fields ?? [];
  return Object.fromEntries(fields.flatMap(({name, fallback}) => (fallback === undefined ? [] : [[name, fallback]])));
}

/** The options unions, by the Operator field that holds them; StableHLO operators and newer ones use the second. */
export const optionsUnions = {
  builtinOptions: unions.get("BuiltinOptions")!,
  builtinOptions2: unions.get("BuiltinOptions2")!,
} as const;

/** `dilation_w_factor` → `dilationWFactor`. */
export function camelCase(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}

function enumSchema(name: string, type: string, values: Readonly<Record<string, number>>): EnumSchema {
  const entries = Object.entries(values);
  return {
    name,
    scalar: scalarName(type)!,
    values: new Map(entries),
    names: new Map(entries.map(([key, value]) => [value, key])),
  };
}

function scalarName(type: string): ScalarName | undefined {
  if (type === "int32") return "int";
  return Object.hasOwn(scalars, type) ? (type as ScalarName) : undefined;
}

function fieldKind(type: string, typeId: number | undefined, align: number | undefined): Kind {
  if (type === "[ubyte]") return {kind: "bytes", align: align ?? 4};
  if (type.startsWith("["))
    return {kind: "vector", element: fieldKind(type.slice(1, -1), undefined, undefined), align: align ?? 4};
  if (type === "string") return {kind: "string"};
  const scalar = scalarName(type);
  if (scalar !== undefined) return {kind: "scalar", scalar};
  const known = enums.get(type);
  if (known !== undefined) return {kind: "enum", enum: known};
  const members = unions.get(type);
  if (members !== undefined) return {kind: "union", members, typeId: typeId!};
  return {kind: "table", table: type};
}

function fallbackOf(kind: Kind, stated: number | string | boolean | null): FieldSchema["fallback"] {
  if (kind.kind === "enum") return stated === null ? (kind.enum.names.get(0) ?? 0) : String(stated);
  if (kind.kind !== "scalar") return undefined;
  if (kind.scalar === "bool") return stated === true;
  const value = typeof stated === "number" ? stated : 0;
  return kind.scalar === "long" || kind.scalar === "ulong" ? BigInt(value) : value;
}
