/**
 * Output shapes as formulas in the dimensions of the inputs, as our converter stores them in a file's metadata under
 * {@link shapesMetadata}: JSON, `{"converter": "…", "signatures": {key: {"inputs": {name: shape}, "outputs": {…}}}}`. A
 * dimension is a number, or an expression:
 *
 *     x.0   2*x.0*y.1   ceil(x.1/2)   floor(x.1/2)   (x.0+-3)   ?
 *
 * Symbols are bound by the shapes of the inputs, where they stand alone. A file may claim anything: whoever uses a formula
 * compares what comes out of a run with it.
 */
import {bytesOf} from "@tf-trusted/tensor";
import type {TfliteModel} from "../model.ts";
import type {Shapes} from "../specialise.ts";
import type {Shape} from "./rule.ts";

/** Name of the metadata entry. */
export const shapesMetadata = "TF_TRUSTED_SHAPES";

type Dim = number | string;

interface ShapeClaims {
  readonly inputs: ReadonlyMap<string, readonly Dim[]>;
  readonly outputs: ReadonlyMap<string, readonly Dim[]>;
}

/** What a hostile file may not exceed. */
const maxBytes = 1 << 20;
const maxExpression = 256;

/**
 * The shapes of a signature's outputs for inputs of the given shapes, by the file's metadata, in the signature's order;
 * `undefined` for an output whose formula is absent, says nothing or isn't one.
 */
export function claimedShapes(model: TfliteModel, signature: string, inputs: Shapes): readonly (Shape | undefined)[] {
  const found = model.signatures.find(({key}) => key === signature);
  const claims = found && readClaims(model, signature);
  if (found === undefined || claims === undefined) return found?.outputs.map(() => undefined) ?? [];
  const symbols = new Map<string, number>();
  found.inputs.forEach(({name}, at) => {
    claims.inputs.get(name)?.forEach((dim, axis) => {
      const size = inputs[at]?.[axis];
      if (typeof dim === "string" && size !== undefined) symbols.set(dim, size);
    });
  });
  return found.outputs.map(({name}) => {
    const shape = claims.outputs.get(name)?.map((dim) => evaluate(dim, symbols));
    return shape?.every((size) => size !== undefined && size >= 0 && size < 2 ** 31) ? (shape as Shape) : undefined;
  });
}

function readClaims({metadata, buffers}: TfliteModel, signature: string): ShapeClaims | undefined {
  const entry = metadata.find(({name}) => name === shapesMetadata);
  const bytes = entry && buffers[entry.buffer];
  if (bytes === undefined || bytes.length > maxBytes) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", {fatal: true}).decode(bytesOf(bytes)));
  } catch {
    // Metadata that isn't ours under our name claims nothing.
    return undefined;
  }
  const claims = field(field(parsed, "signatures"), signature);
  return {inputs: shapesOf(field(claims, "inputs")), outputs: shapesOf(field(claims, "outputs"))};
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as Readonly<Record<string, unknown>>)[key]
    : undefined;
}

function shapesOf(value: unknown): ReadonlyMap<string, readonly Dim[]> {
  if (typeof value !== "object" || value === null) return new Map();
  return new Map(Object.entries(value).filter((entry): entry is [string, Dim[]] => isDims(entry[1])));
}

const isDims = (value: unknown): value is Dim[] =>
  Array.isArray(value) &&
  value.length <= 8 &&
  value.every((dim) => (typeof dim === "string" ? dim.length <= maxExpression : Number.isSafeInteger(dim)));

function evaluate(dim: Dim, symbols: ReadonlyMap<string, number>): number | undefined {
  if (typeof dim === "number") return dim;
  if (/^-?\d{1,15}$/.test(dim)) return Number(dim);
  const factors = splitOutside(dim, "*");
  if (factors.length > 1) return combine(factors, symbols, (a, b) => a * b);
  const known = symbols.get(dim);
  if (known !== undefined) return known;
  const quotient = /^(ceil|floor)\((.*)\/(\d{1,9})\)$/s.exec(dim);
  if (quotient) {
    const value = evaluate(quotient[2]!, symbols);
    const by = Number(quotient[3]);
    if (value === undefined || by === 0) return undefined;
    return quotient[1] === "ceil" ? Math.ceil(value / by) : Math.floor(value / by);
  }
  if (!dim.startsWith("(") || !dim.endsWith(")")) return undefined;
  const terms = splitOutside(dim.slice(1, -1), "+");
  return terms.length > 1 ? combine(terms, symbols, (a, b) => a + b) : undefined;
}

function combine(
  parts: readonly string[],
  symbols: ReadonlyMap<string, number>,
  join: (a: number, b: number) => number,
): number | undefined {
  const values = parts.map((part) => evaluate(part, symbols));
  return values.every((value) => value !== undefined) ? values.reduce(join) : undefined;
}

/** Parts between separators that are in no parentheses. */
function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [];
  let [depth, start] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")") depth--;
    else if (text[i] === separator && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}
