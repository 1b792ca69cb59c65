/** Configurations of layers: JSON of others, read with checks. What is wrong is told with the layer's name. */
import {ConvertError} from "../../convert-error.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** One layer's (or model's) configuration. Absent and null options read as their defaults. */
export class Config {
  /** Of the layer, for messages. */
  readonly owner: string;
  readonly values: JsonObject;

  constructor(owner: string, values: unknown) {
    this.owner = owner;
    if (!isObject(values)) throw new ConvertError("CONVERT_KERAS", `${owner}: its configuration is no object`);
    this.values = values;
  }

  get(key: string): unknown {
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
    const plain = text.replace(/("(?:[^"\\]|\\.)*")|-?\bInfinity\b|\bNaN\b/g, (found, quoted) =>
      quoted !== undefined ? found : found === "NaN" ? '"__nan__"' : found.startsWith("-") ? "-1e999" : "1e999",
    );
    try {
      value = JSON.parse(plain);
    } catch {
      throw new ConvertError("CONVERT_KERAS", `${what} isn't JSON`, {cause});
    }
  }
  checkDepth(value, what);
  return value;
}

/** Level by level, so that no depth exhausts the stack. */
function checkDepth(value: unknown, what: string): void {
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
