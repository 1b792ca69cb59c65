/** JSON that people can read as well: indented, but lists of plain values on one line. */
import type {JsonValue} from "@tf-trusted/core";

export function formatJson(value: JsonValue, indent = ""): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    const items = value as readonly JsonValue[];
    if (items.every((item) => typeof item !== "object" || item === null)) {
      return `[${items.map((item) => JSON.stringify(item)).join(", ")}]`;
    }
    return `[\n${items.map((item) => inner + formatJson(item, inner)).join(",\n")}\n${indent}]`;
  }
  const members = Object.entries(value);
  if (members.length === 0) return "{}";
  const lines = members.map(([key, item]) => `${inner}${JSON.stringify(key)}: ${formatJson(item as JsonValue, inner)}`);
  return `{\n${lines.join(",\n")}\n${indent}}`;
}
