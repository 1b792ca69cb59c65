/**
 * The JSON form of protobuf messages (https://protobuf.dev/programming-guides/json/), for the messages of schema.ts: gives
 * what the binary reader gives. Field names may be in either case, bytes are base64, 64-bit integers strings or numbers,
 * enums names or numbers. Fields that the tables don't have are skipped.
 */
import type {Field, FieldValue, Message, MessageTable} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";

const maxDepth = 64;

/** `where` begins the path of a field in messages of errors. Throws `CONVERT_JSON`. */
export function messageFromJson(table: MessageTable, value: unknown, where: string, depth = 0): Message {
  if (depth > maxDepth) throw jsonError(where, `messages nested more than ${maxDepth} deep`, "fewer");
  if (!isObject(value)) throw wrong(where, value, "an object");
  const fields = fieldsOf(table);
  const message: Message = {};
  for (const [key, content] of Object.entries(value)) {
    const field = fields.get(key);
    if (field === undefined || content === null) continue;
    const path = `${where}.${key}`;
    if (field.repeated) {
      if (!Array.isArray(content)) throw wrong(path, content, "a list");
      message[field.name] = content.map((each, i) => fieldFromJson(field, each, `${path}[${i}]`, depth));
    } else message[field.name] = fieldFromJson(field, content, path, depth);
  }
  return message;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const tables = new WeakMap<MessageTable, ReadonlyMap<string, Field>>();

function fieldsOf(table: MessageTable): ReadonlyMap<string, Field> {
  let fields = tables.get(table);
  if (fields === undefined) {
    const camel = (name: string) => name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    fields = new Map(
      Object.values(table).flatMap((field) => [[field.name, field] as const, [camel(field.name), field] as const]),
    );
    tables.set(table, fields);
  }
  return fields;
}

function fieldFromJson(field: Field, value: unknown, where: string, depth: number): FieldValue {
  switch (field.kind) {
    case "message":
      return messageFromJson(field.message!(), value, where, depth + 1);
    case "map": {
      if (!isObject(value)) throw wrong(where, value, "an object");
      const entries = Object.entries(value).map(
        ([key, content]) => [key, messageFromJson(field.message!(), content, `${where}.${key}`, depth + 1)] as const,
      );
      return new Map(entries);
    }
    case "string":
      if (typeof value === "string") return value;
      throw wrong(where, value, "text");
    case "bytes":
      return bytesFromJson(value, where);
    case "bool":
      if (typeof value === "boolean") return value;
      throw wrong(where, value, "true or false");
    case "enum": {
      const found = typeof value === "string" ? field.values?.[value.replace(/_REF$/, "")] : value;
      if (typeof found === "number" && Number.isInteger(found)) return found;
      throw wrong(where, value, "the name or number of a type");
    }
    case "float":
      return Math.fround(numberFromJson(value, where));
    case "double":
      return numberFromJson(value, where);
    case "int64":
    case "uint64":
      return bigFromJson(value, where);
    default: {
      const number = numberFromJson(value, where);
      if (Number.isInteger(number) && Math.abs(number) < 2 ** 32) return number;
      throw wrong(where, value, "a whole number of 32 bits");
    }
  }
}

function numberFromJson(value: unknown, where: string): number {
  if (typeof value === "number") return value;
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return Number(value);
  if (typeof value === "string" && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return Number(value);
  throw wrong(where, value, "a number");
}

function bigFromJson(value: unknown, where: string): bigint {
  const whole = typeof value === "number" ? Number.isSafeInteger(value) : /^-?\d{1,20}$/.test(String(value));
  if (whole && (typeof value === "number" || typeof value === "string")) {
    const big = BigInt(value);
    if (big >= -(2n ** 63n) && big < 2n ** 64n) return big;
  }
  throw wrong(where, value, "a whole number of 64 bits");
}

/** Base64 in either alphabet; some writers give text as it is, as a list of characters' numbers. */
function bytesFromJson(value: unknown, where: string): Uint8Array {
  if (Array.isArray(value) && value.every((each) => Number.isInteger(each) && each >= 0 && each < 256)) {
    return Uint8Array.from(value as readonly number[]);
  }
  if (typeof value !== "string") throw wrong(where, value, "base64");
  const plain = value.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
  if (!/^[A-Za-z0-9+/]*$/.test(plain) || plain.length % 4 === 1) throw wrong(where, value, "base64");
  return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
}

const wrong = (where: string, found: unknown, expected: string): ConvertError =>
  jsonError(
    where,
    typeof found === "string" ? `"${found.slice(0, 40)}"` : JSON.stringify(found)?.slice(0, 40),
    expected,
  );

/** An error at a place of a JSON file. */
export function jsonError(where: string, found: string | undefined, expected: string): ConvertError {
  return new ConvertError("CONVERT_JSON", `${where} is ${found ?? "missing"}, expected ${expected}`);
}
