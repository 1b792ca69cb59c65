/**
 * The command line before commander sees it, in the spellings of the first version's scripts: underscores in flags, and
 * the dimensions of `--input_shape 1 8 8 1` as words of their own. And the values of flags.
 */

/** A shape for one input by name, or for the only one. Dimensions are -1 where any size is allowed. */
export interface ShapeRequest {
  readonly name?: string;
  readonly shape: readonly number[];
}

/** Flags whose whole numbers may stand apart. */
const severalWords: ReadonlySet<string> = new Set(["--input-shape"]);

/** `words` with hyphens in the flags that are `known` (`--model-file`), and with joined dimensions. */
export function normaliseArguments(words: readonly string[], known: ReadonlySet<string>): string[] {
  const out: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") return [...out, ...words.slice(i)];
    const equals = word.indexOf("=");
    const flag = equals < 0 ? word : word.slice(0, equals);
    const hyphenated = flag.replaceAll("_", "-");
    if (!flag.startsWith("--") || !known.has(hyphenated)) {
      out.push(word);
      continue;
    }
    let spelled = hyphenated + (equals < 0 ? "" : word.slice(equals));
    if (severalWords.has(hyphenated) && equals < 0) {
      const dimensions: string[] = [];
      while (i + 1 < words.length && /^-?\d+,?$/.test(words[i + 1]!)) dimensions.push(words[++i]!.replace(",", ""));
      // The form with "=", because a dimension of -1 looks like a flag.
      if (dimensions.length > 0) spelled += `=${dimensions.join(",")}`;
    }
    out.push(spelled);
  }
  return out;
}

/** `NAME=1,224,224,3`, or `1,224,224,3`; `?` and `-1` are any size. */
export function parseShapeRequest(text: string): ShapeRequest {
  const equals = text.lastIndexOf("=");
  const dimensions = text.slice(equals + 1).trim();
  const parts = dimensions === "" ? [] : dimensions.split(/\s*,\s*|\s+/);
  const shape = parts.map((part) => (part === "?" ? -1 : Number(part)));
  const bad = parts.find((part, i) => !/^(\?|-?\d+)$/.test(part) || shape[i]! < -1 || !Number.isSafeInteger(shape[i]));
  if (bad !== undefined || (equals < 0 && parts.length === 0)) {
    throw new Error(`dimensions, such as 1,224,224,3 or NAME=1,224,224,3; found "${text}"`);
  }
  return equals <= 0 ? {shape} : {name: text.slice(0, equals), shape};
}

/** A parser of whole numbers within bounds. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,15}$/.test(text) && value >= least && value <= most) return value;
    throw new Error(`a whole number from ${least} to ${most}; found "${text}"`);
  };
}

/** A parser of lists: `1,4,8`. */
export function listOf<Item>(parse: (text: string) => Item): (text: string) => readonly Item[] {
  return (text) => text.split(",").map((part) => parse(part.trim()));
}

/** Parses a number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (/^[\d.]+(e[+-]?\d+)?$/i.test(text) && value > 0 && Number.isFinite(value)) return value;
  throw new Error(`a number above 0; found "${text}"`);
}

/** A parser of one of several words. */
export function oneOf<const Word extends string>(...choices: readonly Word[]): (text: string) => Word {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    throw new Error(`one of ${choices.join(", ")}; found "${text}"`);
  };
}

/** `serve,gpu`; nothing is the empty set. */
export function parseTags(text: string): readonly string[] {
  return text.split(",").flatMap((tag) => (tag.trim() === "" ? [] : [tag.trim()]));
}

/** `HOST:PORT`; the port may be left out. Brackets around IPv6 addresses. */
export function parseAddress(text: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null || Number(match[2] ?? 1) > 65535) throw new Error(`HOST:PORT; found "${text}"`);
  return `${match[1]}:${match[2] ?? defaultPort}`;
}

export const defaultPort = 50051;
