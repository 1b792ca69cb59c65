/**
 * The protobuf text format (https://protobuf.dev/reference/protobuf/textformat-spec/), for the messages of schema.ts:
 * gives what the binary reader gives. Fields that the tables don't have are read and dropped, as old and new graphs have
 * more than a converter looks at; what they hold has to be well-formed all the same.
 */
import {type Field, type FieldValue, listOf, type Message, type MessageTable, mapOf} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";

const maxDepth = 64;

/** Parses a whole message. Throws `CONVERT_TEXT_SYNTAX` with the line. */
export function parseTextMessage(table: MessageTable, text: string): Message {
  const scanner = new Scanner(text);
  const message = parseFields(scanner, table, undefined, 0);
  return message;
}

interface Token {
  readonly kind: "word" | "string" | "punctuation" | "end";
  readonly text: string;
  readonly bytes?: Uint8Array;
  readonly line: number;
}

const fieldsByName = new WeakMap<MessageTable, ReadonlyMap<string, Field>>();

function fieldOf(table: MessageTable, name: string): Field | undefined {
  let fields = fieldsByName.get(table);
  if (fields === undefined) {
    fields = new Map(Object.values(table).map((field) => [field.name, field]));
    fieldsByName.set(table, fields);
  }
  return fields.get(name);
}

function parseFields(scanner: Scanner, table: MessageTable, close: string | undefined, depth: number): Message {
  if (depth > maxDepth) throw scanner.error(`messages are nested more than ${maxDepth} deep`);
  const message: Message = {};
  for (;;) {
    const token = scanner.next();
    if (token.kind === "end") {
      if (close === undefined) return message;
      throw scanner.error(`found the end of the file, expected "${close}"`);
    }
    if (close !== undefined && token.text === close && token.kind === "punctuation") return message;
    const name = fieldName(scanner, token);
    const field = fieldOf(table, name);
    const colon = scanner.accept(":");
    parseValues(scanner, message, field, name, colon, depth);
    if (!scanner.accept(",")) scanner.accept(";");
  }
}

/** A plain name, or an extension or Any in brackets (which no table has). */
function fieldName(scanner: Scanner, token: Token): string {
  if (token.kind === "word" && /^[A-Za-z_]/.test(token.text)) return token.text;
  if (token.kind !== "punctuation" || token.text !== "[") {
    throw scanner.error(`found ${describe(token)}, expected the name of a field`, token.line);
  }
  let name = "[";
  for (let part = scanner.next(); ; part = scanner.next()) {
    if (part.kind === "end" || part.kind === "string") throw scanner.error(`found ${describe(part)}, expected "]"`);
    name += part.text;
    if (part.text === "]") return name;
  }
}

function parseValues(
  scanner: Scanner,
  message: Message,
  field: Field | undefined,
  name: string,
  colon: boolean,
  depth: number,
): void {
  if (!scanner.accept("[")) {
    store(message, field, parseValue(scanner, field, name, colon, depth));
    return;
  }
  if (scanner.accept("]")) return;
  do store(message, field, parseValue(scanner, field, name, true, depth));
  while (scanner.accept(","));
  scanner.expect("]");
}

function parseValue(scanner: Scanner, field: Field | undefined, name: string, colon: boolean, depth: number) {
  const open = scanner.accept("{") ? "}" : scanner.accept("<") ? ">" : undefined;
  if (open !== undefined) {
    if (field !== undefined && field.kind !== "message" && field.kind !== "map") {
      throw scanner.error(`field "${name}" is no message; expected ${field.kind}`);
    }
    if (field?.kind !== "map") return parseFields(scanner, field?.message?.() ?? {}, open, depth + 1);
    const entry: MessageTable = {
      1: {name: "key", kind: "string"},
      2: {name: "value", kind: "message", message: field.message!},
    };
    return parseFields(scanner, entry, open, depth + 1);
  }
  if (!colon) throw scanner.error(`expected ":" or "{" after "${name}"`);
  return parseScalar(scanner, field, name);
}

function store(message: Message, field: Field | undefined, value: FieldValue): void {
  if (field === undefined) return;
  if (field.kind === "map") {
    const entry = value as Message;
    mapOf(message, field.name).set((entry.key as string | undefined) ?? "", (entry.value as Message | undefined) ?? {});
  } else if (field.repeated) {
    listOf(message, field.name).push(value);
  } else {
    message[field.name] = value;
  }
}

const integer = /^-?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/;
const decimal = /^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fF]?$/;

function parseScalar(scanner: Scanner, field: Field | undefined, name: string): FieldValue {
  const token = scanner.next();
  const wrong = () => scanner.error(`field "${name}": found ${describe(token)}, expected ${field?.kind}`, token.line);
  if (token.kind === "string") {
    const bytes = scanner.adjacentStrings(token);
    if (field === undefined || field.kind === "bytes") return bytes;
    if (field.kind !== "string") throw wrong();
    return new TextDecoder().decode(bytes);
  }
  const text = token.text === "-" ? `-${scanner.next().text}` : token.text;
  if (token.kind === "end" || (token.kind === "punctuation" && token.text !== "-")) throw wrong();
  if (field === undefined) return text;
  switch (field.kind) {
    case "bool":
      if (["true", "True", "t", "1"].includes(text)) return true;
      if (["false", "False", "f", "0"].includes(text)) return false;
      throw wrong();
    case "float":
      return Math.fround(parseFloatText(text) ?? fail(wrong()));
    case "double":
      return parseFloatText(text) ?? fail(wrong());
    case "enum": {
      const value = field.values?.[text.replace(/_REF$/, "")];
      if (value !== undefined) return value + (text.endsWith("_REF") ? 100 : 0);
      if (integer.test(text)) return Number(parseInteger(text));
      // A newer enum value must not stop a graph that never uses the node.
      return /^[A-Za-z_]\w*$/.test(text) ? 0 : fail(wrong());
    }
    case "int32":
    case "uint32": {
      const value = integer.test(text) ? parseInteger(text) : fail(wrong());
      if (value < -(2n ** 31n) || value >= 2n ** 32n) throw wrong();
      return field.kind === "int32" ? Number(value) | 0 : Number(value);
    }
    case "int64":
    case "uint64": {
      const value = integer.test(text) ? parseInteger(text) : fail(wrong());
      if (value < -(2n ** 63n) || value >= 2n ** 64n) throw wrong();
      return field.kind === "int64" ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
    }
    default:
      throw wrong();
  }
}

function fail(error: ConvertError): never {
  throw error;
}

function parseInteger(text: string): bigint {
  const negative = text.startsWith("-");
  const digits = negative ? text.slice(1) : text;
  const value = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  return negative ? -value : value;
}

function parseFloatText(text: string): number | undefined {
  const lower = text.toLowerCase();
  const magnitude = lower.startsWith("-") ? lower.slice(1) : lower;
  const sign = lower.startsWith("-") ? -1 : 1;
  if (magnitude === "inf" || magnitude === "infinity") return sign * Number.POSITIVE_INFINITY;
  if (magnitude === "nan") return Number.NaN;
  if (decimal.test(text)) return Number(text.replace(/[fF]$/, ""));
  return integer.test(text) ? Number(parseInteger(text)) : undefined;
}

const describe = (token: Token): string =>
  token.kind === "end" ? "the end of the file" : token.kind === "string" ? "a string" : `"${token.text.slice(0, 40)}"`;

/** Splits text into tokens. */
class Scanner {
  readonly #text: string;
  #at = 0;
  #line = 1;
  #peeked: Token | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  next(): Token {
    const token = this.#peeked ?? this.#scan();
    this.#peeked = undefined;
    return token;
  }

  accept(punctuation: string): boolean {
    this.#peeked ??= this.#scan();
    if (this.#peeked.kind !== "punctuation" || this.#peeked.text !== punctuation) return false;
    this.#peeked = undefined;
    return true;
  }

  expect(punctuation: string): void {
    if (this.accept(punctuation)) return;
    throw this.error(`found ${describe(this.next())}, expected "${punctuation}"`);
  }

  /** The bytes of a string and of those that follow it without anything between. */
  adjacentStrings(first: Token): Uint8Array {
    const parts = [first.bytes!];
    for (;;) {
      this.#peeked ??= this.#scan();
      if (this.#peeked.kind !== "string") break;
      parts.push(this.#peeked.bytes!);
      this.#peeked = undefined;
    }
    if (parts.length === 1) return parts[0]!;
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let offset = 0;
    for (const part of parts) {
      all.set(part, offset);
      offset += part.length;
    }
    return all;
  }

  error(message: string, line = this.#peeked?.line ?? this.#line): ConvertError {
    return new ConvertError("CONVERT_TEXT_SYNTAX", `text format, line ${line}: ${message}`, {details: {line}});
  }

  #scan(): Token {
    this.#skipSpace();
    const text = this.#text;
    const line = this.#line;
    if (this.#at >= text.length) return {kind: "end", text: "", line};
    const char = text[this.#at]!;
    if (char === '"' || char === "'") return {kind: "string", text: "", bytes: this.#string(char), line};
    wordPattern.lastIndex = this.#at;
    const word = wordPattern.exec(text)?.[0];
    this.#at += word?.length ?? 1;
    return word === undefined ? {kind: "punctuation", text: char, line} : {kind: "word", text: word, line};
  }

  #skipSpace(): void {
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 10) this.#line++;
      else if (code === 35) {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = (end < 0 ? this.#text.length : end) - 1;
      } else if (code !== 32 && code !== 9 && code !== 13 && code !== 11 && code !== 12 && code !== 0xfeff) return;
    }
  }

  #string(quote: string): Uint8Array {
    const text = this.#text;
    const start = ++this.#at;
    let escaped = false;
    for (; ; this.#at++) {
      const char = text[this.#at];
      if (char === undefined || char === "\n") throw this.error("a string isn't closed");
      if (char === quote) break;
      if (char !== "\\") continue;
      escaped = true;
      this.#at++;
    }
    const content = text.slice(start, this.#at++);
    return escaped ? this.#unescape(content) : new TextEncoder().encode(content);
  }

  #unescape(content: string): Uint8Array {
    // UTF-8 takes at most three bytes for a UTF-16 unit, and no escape gives more bytes than it has characters.
    const out = new Uint8Array(content.length * 3);
    let length = 0;
    let at = 0;
    while (at < content.length) {
      if (content[at] !== "\\") {
        const end = content.indexOf("\\", at);
        const plain = content.slice(at, end < 0 ? content.length : end);
        length += encoder.encodeInto(plain, out.subarray(length)).written;
        at += plain.length;
        continue;
      }
      escapePattern.lastIndex = at;
      const match = escapePattern.exec(content);
      if (!match) throw this.error(`unknown escape \\${content[at + 1] ?? ""} in a string`);
      at += match[0].length;
      const [, octal, hex, short, long, simple] = match;
      if (octal !== undefined) out[length++] = Number.parseInt(octal, 8);
      else if (hex !== undefined) out[length++] = Number.parseInt(hex, 16);
      else if (simple !== undefined) out[length++] = simpleEscapes[simple]!;
      else {
        const code = Number.parseInt((short ?? long)!, 16);
        if (code > 0x10ffff) throw this.error("an escape beyond the last Unicode character");
        length += encoder.encodeInto(String.fromCodePoint(code), out.subarray(length)).written;
      }
    }
    return out.slice(0, length);
  }
}

const encoder = new TextEncoder();
const wordPattern = /[A-Za-z0-9_.][A-Za-z0-9_.]*(?:(?<=[0-9.][eE])[+-][0-9]+[fF]?)?/y;
const escapePattern = /\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv\\'"?]))/y;
const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  "\\": 92,
  "'": 39,
  '"': 34,
  "?": 63,
};
