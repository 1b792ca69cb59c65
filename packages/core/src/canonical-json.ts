/**
 * RFC 8785 (JSON Canonicalization Scheme): one value, one byte sequence, so that claims and receipts can be hashed.
 */
import {CoreError} from "./core-error.ts";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | {readonly [key: string]: JsonValue};

/**
 * The canonical text of `value` (RFC 8785 §3.2). Throws `JSON_NOT_CANONICAL` for what JSON can't carry: non-finite
 * numbers, lone surrogates, `undefined` and other types.
 */
export function canonicalJson(value: JsonValue): string {
  switch (typeof value) {
    case "boolean":
      return String(value);
    case "number":
      // §3.2.2.3: ECMAScript's own serialisation of numbers is the canonical one.
      if (!Number.isFinite(value)) throw notCanonical(`the number ${value}`);
      return JSON.stringify(value);
    case "string":
      if (!value.isWellFormed()) throw notCanonical("a string with a lone surrogate");
      return JSON.stringify(value);
    case "object": {
      if (value === null) return "null";
      if (Array.isArray(value)) return `[${value.map((item: JsonValue) => canonicalJson(item)).join(",")}]`;
      // §3.2.3: keys sort by UTF-16 code units, which is what Array.sort does.
      const members = Object.entries(value as {readonly [key: string]: JsonValue}).sort(([a], [b]) => (a < b ? -1 : 1));
      return `{${members.map(([key, item]) => `${canonicalJson(key)}:${canonicalJson(item)}`).join(",")}}`;
    }
    default:
      throw notCanonical(`a value of type ${typeof value}`);
  }
}

function notCanonical(found: string): CoreError {
  return new CoreError("JSON_NOT_CANONICAL", `found ${found}, expected a JSON value`);
}
