/**
 * The protobuf wire format (https://protobuf.dev/programming-guides/encoding/): bounded, driven by tables of fields.
 * Fields that a table doesn't have are skipped; repeated numbers may come packed or not.
 */
import {ByteReader, CoreError} from "@tf-trusted/core";
import {ConvertError} from "../convert-error.ts";

/** How a field is encoded. Integers up to 32 bits and enums become numbers, 64-bit ones bigints. */
export type FieldKind =
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "bool"
  | "enum"
  | "fixed32"
  | "float"
  | "double"
  | "string"
  | "bytes"
  | "message"
  | "map";

export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  readonly repeated?: boolean;
  /** Fields of a message, or of a map's values (its keys are strings). */
  readonly message?: () => MessageTable;
  /** Names of an enum's values, for the text format. */
  readonly values?: Readonly<Record<string, number>>;
}

/** By field number. */
export type MessageTable = Readonly<Record<number, Field>>;

export type FieldValue = number | bigint | boolean | string | Uint8Array | Message | readonly FieldValue[] | MessageMap;
export type Message = {[name: string]: FieldValue};
export type MessageMap = Map<string, Message>;

const maxDepth = 64;

/** Decodes a whole message. Throws `CONVERT_TRUNCATED`, `CONVERT_WIRE`. Byte fields are views. */
export function decodeMessage(table: MessageTable, bytes: Uint8Array): Message {
  try {
    return decode(table, new ByteReader(bytes, "GraphDef"), 0);
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    throw new ConvertError("CONVERT_TRUNCATED", `the GraphDef is truncated or damaged: ${error.message}`, {
      cause: error,
    });
  }
}

function decode(table: MessageTable, reader: ByteReader, depth: number): Message {
  if (depth > maxDepth) throw wireError(reader, `messages are nested more than ${maxDepth} deep`);
  const message: Message = {};
  while (reader.remaining > 0) {
    const tag = readVarint32(reader);
    const [number, wireType] = [tag >>> 3, tag & 7];
    if (number === 0) throw wireError(reader, "a field has the number 0");
    const field = table[number];
    if (field === undefined) skip(reader, wireType);
    else decodeField(message, field, wireType, reader, depth);
  }
  return message;
}

function decodeField(message: Message, field: Field, wireType: number, reader: ByteReader, depth: number): void {
  const wanted = wireTypes[field.kind];
  if (wireType === 2 && wanted !== 2 && field.repeated) {
    const packed = reader.sub(readLength(reader));
    const list = listOf(message, field.name);
    while (packed.remaining > 0) list.push(readScalar(field, packed));
  } else if (wireType !== wanted) {
    throw wireError(reader, `field "${field.name}" has wire type ${wireType}, expected ${wanted}`);
  } else if (wanted !== 2) {
    store(message, field, readScalar(field, reader));
  } else {
    storeContent(message, field, reader.sub(readLength(reader)), depth);
  }
}

function storeContent(message: Message, field: Field, content: ByteReader, depth: number): void {
  switch (field.kind) {
    case "message":
      store(message, field, decode(field.message!(), content, depth + 1));
      break;
    case "map": {
      const {key = "", value = {}} = decode(mapEntry(field), content, depth + 1);
      mapOf(message, field.name).set(key as string, value as Message);
      break;
    }
    case "string":
      store(message, field, decodeText(content.rest()));
      break;
    default:
      store(message, field, content.rest());
  }
}

function store(message: Message, field: Field, value: FieldValue): void {
  if (field.repeated) listOf(message, field.name).push(value);
  else message[field.name] = value;
}

/** The map of a field, made when it is first wanted. */
export function mapOf(message: Message, name: string): MessageMap {
  let map = message[name] as MessageMap | undefined;
  if (map === undefined) {
    map = new Map();
    message[name] = map;
  }
  return map;
}

/** The list of a repeated field, made when it is first wanted. */
export function listOf(message: Message, name: string): FieldValue[] {
  let list = message[name] as FieldValue[] | undefined;
  if (list === undefined) {
    list = [];
    message[name] = list;
  }
  return list;
}

const mapEntries = new WeakMap<Field, MessageTable>();

function mapEntry(field: Field): MessageTable {
  let table = mapEntries.get(field);
  if (table === undefined) {
    table = {1: {name: "key", kind: "string"}, 2: {name: "value", kind: "message", message: field.message!}};
    mapEntries.set(field, table);
  }
  return table;
}

/** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
const wireTypes: Readonly<Record<FieldKind, number>> = {
  int32: 0,
  uint32: 0,
  int64: 0,
  uint64: 0,
  bool: 0,
  enum: 0,
  fixed32: 5,
  float: 5,
  double: 1,
  string: 2,
  bytes: 2,
  message: 2,
  map: 2,
};

function readScalar(field: Field, reader: ByteReader): number | bigint | boolean {
  switch (field.kind) {
    case "fixed32":
      return reader.u32le();
    case "float":
      return floatOf(reader.u32le());
    case "double":
      return doubleOf(reader.u64le());
    case "int64":
      return BigInt.asIntN(64, readVarint64(reader));
    case "uint64":
      return readVarint64(reader);
    case "bool":
      return readVarint64(reader) !== 0n;
    case "uint32":
      return readVarint32(reader);
    default:
      // int32 and enum: negative numbers take ten bytes, of which the upper four are sign.
      return readVarint32(reader) | 0;
  }
}

/** The low 32 bits of a varint of up to ten bytes. */
function readVarint32(reader: ByteReader): number {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = reader.u8();
    if (shift < 32) value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value >>> 0;
  }
  throw wireError(reader, "a number takes more than ten bytes");
}

function readVarint64(reader: ByteReader): bigint {
  let low = 0;
  let value = 0n;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = reader.u8();
    // Numbers below 2^28, nearly all, need no big integers on the way.
    if (shift < 28) low |= (byte & 0x7f) << shift;
    else value |= BigInt(byte & 0x7f) << BigInt(shift);
    if (byte < 0x80) return BigInt.asUintN(64, value | BigInt(low));
  }
  throw wireError(reader, "a number takes more than ten bytes");
}

function readLength(reader: ByteReader): number {
  const length = readVarint64(reader);
  if (length > BigInt(Number.MAX_SAFE_INTEGER)) throw wireError(reader, `a length of ${length} bytes`);
  return Number(length);
}

function skip(reader: ByteReader, wireType: number): void {
  if (wireType === 0) readVarint64(reader);
  else if (wireType === 1) reader.take(8);
  else if (wireType === 2) reader.take(readLength(reader));
  else if (wireType === 5) reader.take(4);
  else throw wireError(reader, `unknown wire type ${wireType}`);
}

const scratch = new DataView(new ArrayBuffer(8));

function floatOf(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

function doubleOf(bits: bigint): number {
  scratch.setBigUint64(0, bits);
  return scratch.getFloat64(0);
}

/** Names and operators are text; what isn't becomes replacement characters, and so a name that nothing refers to. */
function decodeText(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

const utf8 = new TextDecoder("utf-8", {ignoreBOM: true});

function wireError(reader: ByteReader, message: string): ConvertError {
  return new ConvertError("CONVERT_WIRE", `not a GraphDef, or damaged near offset ${reader.offset}: ${message}`, {
    details: {offset: reader.offset},
  });
}
