/**
 * Typed access to the members of an object in a strict JSON tree: each read says what it wants, and a failure names the
 * path, what was found and what was expected. Unknown members are left alone (vendors add some); missing or mistyped ones
 * never are.
 */
import {parseHex} from "@tf-trusted/core";
import {type AttestationError, unexpected} from "../attestation-error.ts";
import type {JsonNode} from "./strict-json.ts";

export class Members {
  readonly #members: ReadonlyMap<string, JsonNode>;
  readonly #path: string;

  constructor(node: JsonNode, path: string) {
    if (node.type !== "object") throw jsonTypeError(path, describe(node), "an object");
    this.#members = node.members;
    this.#path = path;
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  node(name: string): JsonNode {
    const node = this.#members.get(name);
    if (node === undefined) throw jsonTypeError(this.#at(name), "nothing", "a value");
    return node;
  }

  object(name: string): Members {
    return new Members(this.node(name), this.#at(name));
  }

  /** An array, each item read by `read`; `length` limits from and to. */
  list<T>(
    name: string,
    [min, max]: readonly [number, number],
    read: (item: JsonNode, path: string) => T,
  ): readonly T[] {
    const node = this.node(name);
    if (node.type !== "array") throw jsonTypeError(this.#at(name), describe(node), "an array");
    if (node.items.length < min || node.items.length > max) {
      throw jsonTypeError(this.#at(name), `${node.items.length} items`, min === max ? `${min}` : `${min} to ${max}`);
    }
    return node.items.map((item, i) => read(item, `${this.#at(name)}[${i}]`));
  }

  string(name: string): string {
    return readString(this.node(name), this.#at(name));
  }

  /** A string that is one of `allowed`, exactly. */
  oneOf<const T extends string>(name: string, allowed: readonly T[]): T {
    const found = this.string(name);
    const known = allowed.find((item) => item === found);
    if (known === undefined) throw jsonTypeError(this.#at(name), JSON.stringify(found), allowed.join(", "));
    return known;
  }

  /** An integer written without fraction, exponent or minus zero, in its range. */
  integer(name: string, min: number, max: number): number {
    const node = this.node(name);
    const value = node.type === "number" && /^-?(?:0|[1-9]\d*)$/.test(node.text) ? Number(node.text) : Number.NaN;
    if (!Number.isSafeInteger(value) || Object.is(value, -0) || value < min || value > max) {
      throw jsonTypeError(this.#at(name), describe(node), `an integer from ${min} to ${max}`);
    }
    return value;
  }

  /** `size` bytes written in hexadecimal of either case. */
  hex(name: string, size: number): Uint8Array<ArrayBuffer> {
    const text = this.string(name);
    if (text.length !== 2 * size || !/^[0-9a-fA-F]*$/.test(text)) {
      throw jsonTypeError(this.#at(name), JSON.stringify(text.slice(0, 40)), `${2 * size} hexadecimal digits`);
    }
    return parseHex(text);
  }

  /** A real UTC date in the form `2026-03-01T00:00:00Z`, as milliseconds since 1970. */
  date(name: string): number {
    const text = this.string(name);
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) ? Date.parse(text) : Number.NaN;
    // Date.parse takes 30 February for 2 March.
    if (Number.isNaN(time) || new Date(time).toISOString() !== text.replace("Z", ".000Z")) {
      throw jsonTypeError(this.#at(name), JSON.stringify(text.slice(0, 40)), "a real date like 2026-03-01T00:00:00Z");
    }
    return time;
  }

  #at(name: string): string {
    return `${this.#path}.${name}`;
  }
}

export function readString(node: JsonNode, path: string): string {
  if (node.type !== "string") throw jsonTypeError(path, describe(node), "a string");
  return node.value;
}

function describe(node: JsonNode): string {
  if (node.type === "number") return `the number ${node.text.slice(0, 40)}`;
  if (node.type === "string") return `the string ${JSON.stringify(node.value.slice(0, 40))}`;
  return node.type === "null" ? "null" : `a value of type ${node.type}`;
}

function jsonTypeError(path: string, found: string, expected: string): AttestationError {
  return unexpected("JSON_INVALID", `${path}: ${found}`, expected);
}
