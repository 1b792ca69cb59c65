/**
 * TOML 1.0 as far as Gramine's manifests need it: tables, arrays of tables, dotted and quoted keys, strings, integers,
 * booleans, arrays and inline tables. A checker that reads a manifest otherwise than Gramine does is worthless, so all else
 * (dates, floats, strings over several lines) is refused, and a key that comes twice is, too.
 */
import {EnclaveError} from "../enclave-error.ts";

export type TomlValue = string | number | boolean | readonly TomlValue[] | TomlTable;
export interface TomlTable {
  readonly [key: string]: TomlValue;
}

interface OpenTable {
  [key: string]: OpenValue;
}
type OpenValue = string | number | boolean | OpenValue[] | OpenTable;

const maxBytes = 4 * 2 ** 20;
const maxDepth = 32;

/** Throws `GRAMINE_MANIFEST`. Tables have no prototype. */
export function parseToml(text: string): TomlTable {
  if (text.length > maxBytes)
    throw new EnclaveError("GRAMINE_MANIFEST", `${text.length} characters, expected ${maxBytes} at most`);
  return new Parser(text).document();
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  /** Tables that a header named, and those that are closed to additions: inline ones and arrays. */
  readonly #named = new Set<object>();
  readonly #closed = new Set<object>();

  constructor(text: string) {
    this.#text = text;
  }

  document(): TomlTable {
    const root = table();
    let current = root;
    for (this.#blank(); this.#at < this.#text.length; this.#blank()) {
      if (this.#take("[[")) {
        current = this.#arrayHeader(root, this.#keyPath());
        this.#expect("]]");
      } else if (this.#take("[")) {
        current = this.#tableHeader(root, this.#keyPath());
        this.#expect("]");
      } else {
        this.#entry(current);
      }
      this.#endOfLine();
    }
    return root;
  }

  #tableHeader(root: OpenTable, path: readonly string[]): OpenTable {
    const parent = this.#walk(root, path.slice(0, -1));
    const name = path.at(-1)!;
    parent[name] ??= table();
    const result = parent[name];
    if (!isTable(result) || this.#named.has(result) || this.#closed.has(result))
      throw this.#wrong(`${name} is there already`);
    this.#named.add(result);
    return result;
  }

  #arrayHeader(root: OpenTable, path: readonly string[]): OpenTable {
    const parent = this.#walk(root, path.slice(0, -1));
    const name = path.at(-1)!;
    parent[name] ??= [];
    const array = parent[name];
    if (!Array.isArray(array) || this.#closed.has(array)) throw this.#wrong(`${name} is there already`);
    const item = table();
    array.push(item);
    return item;
  }

  /** Down through tables, and the last one of an array of tables. */
  #walk(from: OpenTable, path: readonly string[]): OpenTable {
    let current = from;
    for (const name of path) {
      current[name] ??= table();
      const next = current[name];
      const inner = Array.isArray(next) && !this.#closed.has(next) ? next.at(-1) : next;
      if (inner === undefined || !isTable(inner) || this.#closed.has(inner)) throw this.#wrong(`${name} is no table`);
      current = inner;
    }
    return current;
  }

  #entry(into: OpenTable): void {
    const path = this.#keyPath();
    this.#expect("=");
    const value = this.#value();
    const parent = this.#walk(into, path.slice(0, -1));
    const name = path.at(-1)!;
    if (parent[name] !== undefined) throw this.#wrong(`${name} is there already`);
    parent[name] = value;
  }

  #keyPath(): readonly string[] {
    const path: string[] = [];
    do {
      this.#space();
      const quote = this.#text[this.#at];
      if (quote === '"' || quote === "'") path.push(this.#string());
      else path.push(this.#match(/[A-Za-z0-9_-]+/y) ?? this.#fail("a key"));
      this.#space();
      if (path.length > maxDepth) throw this.#wrong("too many parts");
    } while (this.#take("."));
    return path;
  }

  #value(): OpenValue {
    this.#space();
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") return this.#string();
    if (++this.#depth > maxDepth) throw this.#wrong("values too deep");
    try {
      if (this.#take("[")) return this.#array();
      if (this.#take("{")) return this.#inlineTable();
    } finally {
      this.#depth--;
    }
    const word = this.#match(/[A-Za-z0-9_+.:-]+/y) ?? "";
    if (word === "true" || word === "false") return word === "true";
    if (/^[+-]?(0|[1-9](_?\d)*)$|^0x[\dA-Fa-f](_?[\dA-Fa-f])*$/.test(word)) {
      const number = Number(word.replaceAll("_", ""));
      if (Number.isSafeInteger(number)) return number;
    }
    throw this.#wrong(`the value ${JSON.stringify(word)}`);
  }

  #array(): OpenValue {
    const items: OpenValue[] = [];
    for (this.#blank(); !this.#take("]"); this.#blank()) {
      items.push(this.#value());
      this.#blank();
      if (this.#take(",")) continue;
      this.#expect("]");
      break;
    }
    this.#closed.add(items);
    return items;
  }

  #inlineTable(): OpenValue {
    const result = table();
    this.#space();
    if (!this.#take("}")) {
      do this.#entry(result);
      while (this.#take(","));
      this.#expect("}");
    }
    this.#close(result);
    return result;
  }

  #close(value: OpenValue): void {
    if (!isTable(value) || this.#closed.has(value)) return;
    this.#closed.add(value);
    for (const inner of Object.values(value)) this.#close(inner);
  }

  #string(): string {
    if (this.#text.startsWith('"""', this.#at) || this.#text.startsWith("'''", this.#at))
      throw this.#wrong("a string over several lines");
    const literal = this.#match(/'([^'\n\r]*)'/y);
    if (literal !== undefined) return literal.slice(1, -1);
    // One character a turn: with more, an open string would be tried in as many ways as it can be cut up.
    const basic = this.#match(/"(?:[^"\\\p{Cc}]|\t|\\(?:[btnfr"\\]|u[\dA-Fa-f]{4}))*"/uy);
    if (basic === undefined) throw this.#wrong("a string");
    // The escapes that are left are those of JSON, which a tab isn't.
    return JSON.parse(basic.replaceAll("\t", "\\t")) as string;
  }

  /** Spaces, comments and ends of lines. */
  #blank(): void {
    this.#match(/(?:[ \t\n]|\r\n|#[^\n]*)+/y);
  }

  #space(): void {
    this.#match(/[ \t]+/y);
  }

  #endOfLine(): void {
    this.#space();
    this.#match(/#[^\n]*/y);
    if (this.#at < this.#text.length && this.#match(/\r?\n/y) === undefined) this.#fail("the end of the line");
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    this.#space();
    return true;
  }

  #expect(token: string): void {
    this.#space();
    if (!this.#take(token)) this.#fail(token);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text)?.[0];
    this.#at += match?.length ?? 0;
    return match;
  }

  #fail(expected: string): never {
    const found = JSON.stringify(this.#text.slice(this.#at, this.#at + 20));
    throw this.#wrong(`${found}, expected ${expected}`);
  }

  #wrong(found: string): EnclaveError {
    const line = this.#text.slice(0, this.#at).split("\n").length;
    return new EnclaveError(
      "GRAMINE_MANIFEST",
      `line ${line}: found ${found}; expected TOML as Gramine's tools write it`,
    );
  }
}

function table(): OpenTable {
  return Object.create(null) as OpenTable;
}

function isTable(value: OpenValue): value is OpenTable {
  return typeof value === "object" && !Array.isArray(value);
}
