/** Binary GraphDefs from text-format ones, so that tests can be read: the inverse of bytes/wire.ts, by the same tables. */
import {concatBytes} from "@tf-trusted/core";
import type {Field, FieldValue, Message, MessageMap, MessageTable} from "../bytes/wire.ts";
import {graphDef} from "../readers/graphdef/schema.ts";
import {parseTextMessage} from "../readers/graphdef/text-format.ts";

export function encodeGraphText(text: string): Uint8Array {
  return encodeMessage(graphDef, parseTextMessage(graphDef, text));
}

export function encodeMessage(table: MessageTable, message: Message): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [number, field] of Object.entries(table)) {
    const value = message[field.name];
    if (value === undefined) continue;
    const values =
      field.kind === "map" ? [...(value as MessageMap)] : field.repeated ? (value as readonly FieldValue[]) : [value];
    for (const each of values) parts.push(encodeField(Number(number), field, each as FieldValue));
  }
  return concatBytes(...parts);
}

function encodeField(number: number, field: Field, value: FieldValue | readonly [string, Message]): Uint8Array {
  switch (field.kind) {
    case "float": {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setFloat32(0, value as number, true);
      return concatBytes(varint(BigInt(number * 8 + 5)), bytes);
    }
    case "double": {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setFloat64(0, value as number, true);
      return concatBytes(varint(BigInt(number * 8 + 1)), bytes);
    }
    case "string":
      return delimited(number, new TextEncoder().encode(value as string));
    case "bytes":
      return delimited(number, value as Uint8Array);
    case "message":
      return delimited(number, encodeMessage(field.message!(), value as Message));
    case "map": {
      const [key, entry] = value as readonly [string, Message];
      const body = encodeMessage(field.message!(), entry);
      return delimited(number, concatBytes(delimited(1, new TextEncoder().encode(key)), delimited(2, body)));
    }
    default:
      return concatBytes(
        varint(BigInt(number * 8)),
        varint(BigInt.asUintN(64, BigInt(value as number | bigint | boolean))),
      );
  }
}

function delimited(number: number, bytes: Uint8Array): Uint8Array {
  return concatBytes(varint(BigInt(number * 8 + 2)), varint(BigInt(bytes.length)), bytes);
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    if (rest <= 127n) return Uint8Array.from(bytes);
  }
}
