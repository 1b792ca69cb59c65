/** Configurations of layers: JSON of others, read with checks. What is wrong is told with the layer's name. */
import {ConvertError} from "../../convert-error.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Registered by the model's author, or from a module of their own. */
export function isCustom(entry: JsonObject): boolean {
  const {module, registered_name: registered, class_name: className} = entry;
  if (typeof className === "string" && className.includes(">")) return true;
  if (typeof registered === "string" && registered.includes(">")) return true;
  return typeof module === "string" && !/^(keras|tensorflow|tf_keras|builtins)(\.|$)/.test(module);
}

/** Options that mean nothing, or nothing at inference. */
const withoutEffect = new RegExp(
  `^(${[
    "name|trainable|dtype|autocast|activity_regularizer|.*_(initializer|regularizer|constraint)",
    "batch_input_shape|batch_shape|input_length|input_shape|input_dim|output_dim|input_dtype|build_config|shared_object_id",
    "rate|noise_shape|seed|stddev|l1|l2|dropout|recurrent_dropout|momentum|synchronized|virtual_batch_size|fused",
    "renorm_.*|implementation|unroll|use_cudnn|unit_forget_bias|flash_attention|power_iterations|lora_.*|weights",
    "key_shape|query_shape|value_shape|output_shape|num_heads|num_key_value_heads|num_query_heads|value_dim|shared_axes|fill_mode|fill_value",
    "bias_axes|epsilon|num_bins|input_tensor|vocabulary_dtype|oov_token|vocabulary_size|max_tokens|oov_method|encoding|alpha_.*",
  ].join("|")})$`,
);

/** One layer's (or model's) configuration. Absent and null options read as their defaults. */
export class Config {
  /** Of the layer, for messages. */
  readonly owner: string;
  readonly values: JsonObject;
  readonly #asked = new Set<string>();

  constructor(owner: string, values: unknown) {
    this.owner = owner;
    if (!isObject(values)) throw new ConvertError("CONVERT_KERAS", `${owner}: its configuration is no object`);
    this.values = values;
  }

  get(key: string): unknown {
    this.#asked.add(key);
    return Object.hasOwn(this.values, key) ? this.values[key] : undefined;
  }

  has(key: string): boolean {
    const value = this.get(key);
    return value !== undefined && value !== null;
  }

  number(key: string, fallback?: number): number {
    return this.#read(key, fallback, "a number", (value) => typeof value === "number" && !Number.isNaN(value));
  }

  /** A whole number from `least`. */
  integer(key: string, fallback?: number, least = 0): number {
    const fits = (value: unknown) =>
      Number.isSafeInteger(value) && (value as number) >= least && (value as number) < 2 ** 31;
    return this.#read(key, fallback, `a whole number from ${least}`, fits);
  }

  boolean(key: string, fallback?: boolean): boolean {
    return this.#read(key, fallback, "true or false", (value) => typeof value === "boolean");
  }

  string(key: string, fallback?: string): string {
    return this.#read(key, fallback, "a string", (value) => typeof value === "string");
  }

  /** One of `choices`; anything else is refused by name. */
  choice<T extends string>(key: string, choices: readonly T[], fallback: T): T {
    const value = this.string(key, fallback);
    if (choices.includes(value as T)) return value as T;
    throw this.unsupported(`${key}="${value}"; expected ${choices.map((each) => `"${each}"`).join(" or ")}`);
  }

  /** Whole numbers: a list of `count`, or one for all. */
  integers(key: string, count: number, fallback?: number, least = 0): readonly number[] {
    const value = this.get(key) ?? fallback;
    const list = Array.isArray(value) ? value : Array.from({length: count}, () => value);
    const fits =
      list.length === count && list.every((each) => Number.isSafeInteger(each) && each >= least && each < 2 ** 31);
    if (!fits) throw this.error(`${key} is ${short(value)}, expected ${count} whole numbers from ${least}`);
    return list as number[];
  }

  /** A list of numbers of any length. */
  numbers(key: string): readonly number[] {
    const value = this.get(key);
    if (Array.isArray(value) && value.every((each) => typeof each === "number")) return value as number[];
    throw this.error(`${key} is ${short(value)}, expected a list of numbers`);
  }

  /**
   * Refuses options that were set and that nobody asked for: one that is unknown here may change what the layer computes.
   * Throws `CONVERT_LAYER_UNSUPPORTED`.
   */
  refuseUnread(): void {
    const isSet = (value: unknown) => value !== undefined && value !== null && value !== false;
    const unread = Object.entries(this.values).filter(
      ([key, value]) => isSet(value) && !this.#asked.has(key) && !withoutEffect.test(key),
    );
    if (unread.length > 0) {
      throw this.unsupported(`the option ${unread.map(([key, value]) => `${key}=${short(value)}`).join(", ")}`);
    }
  }

  error(message: string): ConvertError {
    return new ConvertError("CONVERT_KERAS", `${this.owner}: ${message}`, {details: {layer: this.owner}});
  }

  /** A configuration that is right, but which isn't converted. */
  unsupported(what: string): ConvertError {
    return layerUnsupported(this.owner, what);
  }

  #read<T>(key: string, fallback: T | undefined, wanted: string, fits: (value: unknown) => boolean): T {
    const value = this.get(key) ?? fallback;
    if (fits(value)) return value as T;
    throw this.error(`${key} is ${short(value)}, expected ${wanted}`);
  }
}

export function layerUnsupported(owner: string, what: string): ConvertError {
  return new ConvertError(
    "CONVERT_LAYER_UNSUPPORTED",
    `${owner}: ${what} can't be converted; model.export(folder) in Keras writes a SavedModel that may be`,
    {details: {layer: owner}},
  );
}

/** A value of the file for a message. */
export function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "missing";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

const maxDepth = 128;

/** Parses a configuration. Keras writes NaN and Infinity as Python does. Throws `CONVERT_KERAS`. */
export function parseJson(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const plain = withoutPythonNumbers(text);
    try {
      value = JSON.parse(plain);
    } catch {
      throw new ConvertError("CONVERT_KERAS", `${what} isn't JSON`, {cause});
    }
  }
  checkDepth(value, what);
  return value;
}

/** Outside of strings, numbers that JSON lacks: infinite ones as too large, NaN as text, which no option takes. */
function withoutPythonNumbers(text: string): string {
  const parts: string[] = [];
  let start = 0;
  while (start < text.length) {
    const quote = text.indexOf('"', start);
    const outside = text.slice(start, quote < 0 ? text.length : quote);
    parts.push(outside.replaceAll("-Infinity", "-1e999").replaceAll("Infinity", "1e999").replaceAll("NaN", '"NaN"'));
    if (quote < 0) break;
    let end = quote + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
    parts.push(text.slice(quote, end + 1));
    start = end + 1;
  }
  return parts.join("");
}

/** Level by level, so that no depth exhausts the stack. Throws `CONVERT_LIMIT`. */
export function checkDepth(value: unknown, what: string): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth) throw new ConvertError("CONVERT_LIMIT", `${what} is nested more than ${maxDepth} deep`);
    const next: unknown[] = [];
    for (const each of level) {
      if (typeof each !== "object" || each === null) continue;
      for (const child of Object.values(each)) next.push(child);
    }
    level = next;
  }
}
