/**
 * A strict reader of JSON text (RFC 8259) that keeps where each value stands, so that signatures are checked over the
 * exact bytes received, and that refuses what JSON.parse lets pass: a member given twice, above all.
 */
import {type AttestationError, unexpected} from "../attestation-error.ts";

interface Span {
  /** Offsets in UTF-16 units of the text: from the first character of the value to after its last. */
  readonly start: number;
  readonly end: number;
}

export type JsonNode = Span &
  (
    | {readonly type: "null"}
    | {readonly type: "boolean"; readonly value: boolean}
    | {readonly type: "number"; readonly text: string}
    | {readonly type: "string"; readonly value: string}
    | {readonly type: "array"; readonly items: readonly JsonNode[]}
    | {readonly type: "object"; readonly members: ReadonlyMap<string, JsonNode>}
  );

const MAX_DEPTH = 32;

/** Decodes UTF-8 without repair. Throws `JSON_INVALID`. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch (error) {
    throw unexpected("JSON_INVALID", "bytes that aren't UTF-8", "UTF-8 text", error);
  }
}

/** Reads the one value that `text` holds. Throws `JSON_INVALID`. */
export function parseStrictJson(text: string): JsonNode {
  const scanner = new Scanner(text);
  const node = scanner.value(0);
  scanner.space();
  if (scanner.position !== text.length) throw jsonError(`text after the value at ${scanner.position}`, "nothing");
  return node;
}

/** The plain value of a node: objects without prototype tricks, numbers as JavaScript reads them. */
export function plainValue(node: JsonNode): unknown {
  switch (node.type) {
    case "null":
      return null;
    case "boolean":
    case "string":
      return node.value;
    case "number":
      return Number(node.text);
    case "array":
      return node.items.map(plainValue);
    case "object":
      // fromEntries defines own members, so "__proto__" is a member like any other.
      return Object.fromEntries([...node.members].map(([key, member]) => [key, plainValue(member)]));
  }
}

class Scanner {
  position = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  space(): void {
    while (" \t\n\r".includes(this.#text[this.position] ?? "x")) this.position++;
  }

  value(depth: number): JsonNode {
    if (depth > MAX_DEPTH) throw jsonError(`nesting deeper than ${MAX_DEPTH} at ${this.position}`, "flat JSON");
    this.space();
    const start = this.position;
    const first = this.#text[start];
    if (first === "{") return this.#object(start, depth);
    if (first === "[") return this.#array(start, depth);
    if (first === '"') {
      const value = this.#string();
      return {type: "string", value, start, end: this.position};
    }
    const word = this.#match(/true|false|null/y);
    if (word === "null") return {type: "null", start, end: this.position};
    if (word !== undefined) return {type: "boolean", value: word === "true", start, end: this.position};
    const text = this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (text === undefined) throw this.#unexpected("a value");
    return {type: "number", text, start, end: this.position};
  }

  #object(start: number, depth: number): JsonNode {
    const members = new Map<string, JsonNode>();
    this.#list("}", () => {
      this.space();
      const at = this.position;
      const name = this.#string();
      if (members.has(name))
        throw jsonError(`the member ${JSON.stringify(name)} twice, again at ${at}`, "each member once");
      this.space();
      this.#expect(":");
      members.set(name, this.value(depth + 1));
    });
    return {type: "object", members, start, end: this.position};
  }

  #array(start: number, depth: number): JsonNode {
    const items: JsonNode[] = [];
    this.#list("]", () => items.push(this.value(depth + 1)));
    return {type: "array", items, start, end: this.position};
  }

  #list(close: string, item: () => void): void {
    this.position++;
    this.space();
    if (this.#text[this.position] === close) {
      this.position++;
      return;
    }
    for (;;) {
      item();
      this.space();
      if (this.#text[this.position] !== ",") break;
      this.position++;
    }
    this.#expect(close);
  }

  #string(): string {
    // RFC 8259 §7: everything from space on but the quote and the backslash stands for itself.
    const raw = this.#match(/"[ !#-[\]-\uffff]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[ !#-[\]-\uffff]*)*"/y);
    if (raw === undefined) throw this.#unexpected("a string");
    // The token is valid JSON by the pattern above; JSON.parse only resolves its escapes.
    return JSON.parse(raw) as string;
  }

  #expect(character: string): void {
    if (this.#text[this.position] !== character) throw this.#unexpected(JSON.stringify(character));
    this.position++;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.#text)?.[0];
    this.position += found?.length ?? 0;
    return found;
  }

  #unexpected(expected: string): AttestationError {
    const found = this.#text.slice(this.position, this.position + 12);
    return jsonError(`${found === "" ? "the end" : JSON.stringify(found)} at ${this.position}`, expected);
  }
}

function jsonError(found: string, expected: string): AttestationError {
  return unexpected("JSON_INVALID", found, expected);
}
