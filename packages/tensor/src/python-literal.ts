/**
 * The part of Python's literals that .npy headers are made of (https://docs.python.org/3/reference/expressions.html,
 * "Displays for lists, sets and dictionaries"): strings, integers, True, False, None, tuples, lists and dictionaries.
 * A tokeniser and a parser of one function a bracket; nothing is ever evaluated.
 */
import {TensorError} from "./errors.ts";

export type Literal = string | number | boolean | null | LiteralTuple | LiteralList | LiteralDict;

export interface LiteralTuple {
  readonly kind: "tuple";
  readonly items: readonly Literal[];
}

export interface LiteralList {
  readonly kind: "list";
  readonly items: readonly Literal[];
}

export interface LiteralDict {
  readonly kind: "dict";
  /** In order; Python allows any key that can be hashed, and the same one twice. */
  readonly entries: readonly (readonly [Literal, Literal])[];
}

/**
 * The value of `text`, which may have white space around. `what` names it in messages. Throws `NPY_HEADER` with the
 * offset, for everything that isn't such a literal, and for brackets nested deeper than 16.
 */
export function parsePythonLiteral(text: string, what: string): Literal {
  return new LiteralParser(text, what).parse();
}

const maxDepth = 16;
const closing = {"(": ")", "[": "]", "{": "}"} as const;
const names: ReadonlyMap<string, boolean | null> = new Map([
  ["True", true],
  ["False", false],
  ["None", null],
]);
/** Escapes that Python's repr writes, before hexadecimal ones; others are refused. */
const escapes: ReadonlyMap<string, string> = new Map([
  ["\\", "\\"],
  ["'", "'"],
  ['"', '"'],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);
const hexEscapeLengths: ReadonlyMap<string, number> = new Map([
  ["x", 2],
  ["u", 4],
  ["U", 8],
]);

class LiteralParser {
  readonly #text: string;
  readonly #what: string;
  #offset = 0;
  #depth = 0;

  constructor(text: string, what: string) {
    this.#text = text;
    this.#what = what;
  }

  parse(): Literal {
    const value = this.#value();
    if (this.#peek() !== "") throw this.#unexpected("nothing after the value");
    return value;
  }

  #value(): Literal {
    const next = this.#peek();
    if (next === "(" || next === "[" || next === "{") return this.#bracket(next);
    if (next === "'" || next === '"') return this.#string(next);
    const word = /[A-Za-z0-9_+-]*/y;
    word.lastIndex = this.#offset;
    const found = word.exec(this.#text)![0];
    const named = names.get(found);
    // Python 2 on Windows wrote long integers as 3L.
    if (named === undefined && !/^(0|-?[1-9][0-9]*)L?$/.test(found)) throw this.#unexpected("a value");
    this.#offset += found.length;
    return named === undefined ? Number(found.replace("L", "")) : named;
  }

  #bracket(open: "(" | "[" | "{"): Literal {
    if (++this.#depth > maxDepth) throw this.#unexpected(`at most ${maxDepth} nested brackets`);
    this.#offset++;
    const items: Literal[] = [];
    const entries: (readonly [Literal, Literal])[] = [];
    let commas = 0;
    while (this.#peek() !== closing[open]) {
      const value = this.#value();
      if (open === "{") {
        this.#expect(":");
        entries.push([value, this.#value()]);
      } else {
        items.push(value);
      }
      if (this.#peek() !== ",") break;
      this.#offset++;
      commas++;
    }
    this.#expect(closing[open]);
    this.#depth--;
    if (open === "{") return {kind: "dict", entries};
    // (3) is the number 3 in Python; the tuple is (3,).
    if (open === "(" && items.length === 1 && commas === 0) return items[0]!;
    return {kind: open === "(" ? "tuple" : "list", items};
  }

  #string(quote: "'" | '"'): string {
    this.#offset++;
    let value = "";
    for (;;) {
      const character = this.#text[this.#offset];
      if (character === undefined || character === "\n") throw this.#unexpected(`the ${quote} that ends a string`);
      this.#offset++;
      if (character === quote) return value;
      value += character === "\\" ? this.#escape() : character;
    }
  }

  #escape(): string {
    const letter = this.#text[this.#offset] ?? "";
    const simple = escapes.get(letter);
    const length = hexEscapeLengths.get(letter) ?? 0;
    const hex = this.#text.slice(this.#offset + 1, this.#offset + 1 + length);
    const codePoint = Number.parseInt(hex, 16);
    if (simple === undefined && (!/^[0-9a-fA-F]{2,}$/.test(hex) || hex.length !== length || codePoint > 0x10ffff)) {
      throw this.#unexpected("a character after \\ that Python's repr writes");
    }
    this.#offset += 1 + length;
    return simple ?? String.fromCodePoint(codePoint);
  }

  #expect(character: string): void {
    if (this.#peek() !== character) throw this.#unexpected(character);
    this.#offset++;
  }

  /** The next character that isn't white space; "" at the end. */
  #peek(): string {
    while (" \t\r\n\f".includes(this.#text[this.#offset] ?? "end")) this.#offset++;
    return this.#text[this.#offset] ?? "";
  }

  #unexpected(wanted: string): TensorError {
    const rest = this.#text.slice(this.#offset, this.#offset + 20);
    return new TensorError(
      "NPY_HEADER",
      `${this.#what}: found ${rest === "" ? "the end" : JSON.stringify(rest)} at character ${this.#offset} of the header, expected ${wanted}`,
      {details: {offset: this.#offset}},
    );
  }
}
