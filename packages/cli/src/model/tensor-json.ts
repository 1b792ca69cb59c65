/** A tensor as a JSON value, for `--json`. */
import type {JsonValue} from "@tf-trusted/core";
import type {Nested, Tensor} from "@tf-trusted/tensor";

/**
 * `{dtype, shape, values}`, values nested by the shape. What JSON has no number for is a string: "NaN", "Infinity", and
 * integers beyond 2^53. Strings that aren't UTF-8 are {base64}.
 */
export function tensorToJson(tensor: Tensor): JsonValue {
  const values = tensor.dtype === "string" ? stringsToJson(tensor) : nestedToJson(tensor.toNested());
  return {dtype: tensor.dtype, shape: [...tensor.shape], values};
}

function nestedToJson(value: Nested): JsonValue {
  if (Array.isArray(value)) return value.map((item: Nested) => nestedToJson(item));
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case "object":
      return "re" in value ? {re: nestedToJson(value.re), im: nestedToJson(value.im)} : null;
    default:
      return value;
  }
}

/** Flat, because a list of strings with their shape is all that is asked of them. */
function stringsToJson(tensor: Tensor): JsonValue {
  return tensor.stringBytes().map((bytes) => {
    try {
      return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);
    } catch {
      return {base64: Buffer.from(bytes).toString("base64")};
    }
  });
}
