/**
 * Tensors as text for people, like NumPy's `print` of an array: aligned columns, long axes and arrays cut down to their
 * ends with `…` between. Not a format to parse: `.npy` is.
 */
import {type DType, dtypes} from "./dtype.ts";
import {type Complex, type Element, isComplex, readElement} from "./element.ts";
import {bfloat16ToNumber, float16ToNumber, numberToBfloat16, numberToFloat16} from "./half.ts";
import {elementCount} from "./shape.ts";
import {stringAt} from "./strings.ts";
import type {Tensor} from "./tensor.ts";

export interface FormatOptions {
  /** Columns that a line may take. Default 75, as NumPy's. */
  readonly lineWidth?: number;
  /** Most digits after the point. Default 8. */
  readonly precision?: number;
}

/**
 * The elements of `tensor` in brackets, one pair an axis. The text stays short (some 10,000 elements at the very most,
 * strings of 60 characters) whatever the tensor is. Strings are in quotes; those that aren't UTF-8 are written b"…".
 */
export function formatTensor(tensor: Tensor, options: FormatOptions = {}): string {
  const {lineWidth = 75, precision = 8} = options;
  if (tensor.size === 0) return "[]";
  const ends = tensor.size > summaryThreshold ? endsThatFit(tensor.shape) : Number.POSITIVE_INFINITY;
  const indices = shownIndices(tensor.shape, ends);
  const elements = indices.map((index) => elementOrText(tensor, index));
  const cells = formatColumn(elements, tensor.dtype, precision);
  if (tensor.shape.length === 0) return cells[0]!.trim();
  return layOut(cells, tensor.shape, ends, lineWidth);
}

/** Tensors with more elements than this are cut down to the ends of their axes, as in NumPy. */
const summaryThreshold = 1000;

/** NumPy shows three elements of each end of an axis; fewer where there are so many axes that it would be too much. */
function endsThatFit(shape: readonly number[]): number {
  return [3, 2, 1].find((ends) => elementCount(shape.map((length) => Math.min(length, 2 * ends))) <= 10_000) ?? 0;
}

/** Row-major indices of the elements that are shown, in order. */
function shownIndices(shape: readonly number[], ends: number): number[] {
  let indices = [0];
  for (const length of shape) {
    const shown = shownOf(length, ends);
    indices = indices.flatMap((index) => shown.map((position) => index * length + position));
  }
  return indices;
}

/** Positions of one axis that are shown. */
function shownOf(length: number, ends: number): number[] {
  if (length <= 2 * ends) return Array.from({length}, (_, i) => i);
  return Array.from({length: 2 * ends}, (_, i) => (i < ends ? i : length - 2 * ends + i));
}

/** Rows of cells in brackets: cells separated by spaces, rows by lines, further axes by blank lines. */
function layOut(cells: readonly string[], shape: readonly number[], ends: number, lineWidth: number): string {
  let next = 0;
  return block(0);

  function block(axis: number): string {
    const inner = axis < shape.length - 1;
    const parts = shownOf(shape[axis]!, ends).map(() => (inner ? block(axis + 1) : cells[next++]!));
    if (shape[axis]! > parts.length) parts.splice(ends, 0, "…");
    const indent = " ".repeat(axis + 1);
    if (inner) return `[${parts.join("\n".repeat(shape.length - 1 - axis) + indent)}]`;
    return `[${wrap(parts, indent, lineWidth - shape.length)}]`;
  }
}

/** `parts` in lines, of which the first begins after a bracket and the others after `indent`. */
function wrap(parts: readonly string[], indent: string, lineWidth: number): string {
  const lines: string[] = [];
  let line = "";
  for (const part of parts) {
    if (line !== "" && indent.length + line.length + 1 + part.length > lineWidth) {
      lines.push(line.trimEnd());
      line = part;
    } else {
      line += line === "" ? part : ` ${part}`;
    }
  }
  return [...lines, line].join(`\n${indent}`);
}

/** Texts of all shown elements, of one width where that helps to compare them. */
function formatColumn(elements: readonly Element[], dtype: DType, precision: number): string[] {
  switch (dtypes[dtype].kind) {
    case "float":
      return formatFloats(elements as readonly number[], dtype, precision);
    case "complex":
      return formatComplex(elements.filter(isComplex), dtype, precision);
    case "string":
      return elements.map(String);
    case "bool":
      return elements.map((element) => (element ? " True" : "False"));
    default:
      return alignRight(elements.map(String));
  }
}

/** `1.5+2.j`, the real parts like floats, the imaginary parts like floats after their sign. */
function formatComplex(values: readonly Complex[], dtype: DType, precision: number): string[] {
  const part = dtype === "complex64" ? "float32" : "float64";
  const re = formatFloats(
    values.map((value) => value.re),
    part,
    precision,
  );
  const im = formatFloats(
    values.map((value) => Math.abs(value.im)),
    part,
    precision,
  );
  return values.map((value, i) => {
    // The sign goes before the digits, the j after them, inside the padding that aligns them.
    const digits = im[i]!.trim();
    return re[i]! + im[i]!.replace(digits, `${isNegative(value.im) ? "-" : "+"}${digits}j`);
  });
}

/**
 * Numbers in the fewest digits that tell them from their neighbours in `dtype`, with the point in one column; all in
 * scientific notation where they are very large, very small or very different, by NumPy's limits.
 */
function formatFloats(values: readonly number[], dtype: DType, precision: number): string[] {
  const sizes = values.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs);
  const largest = sizes.reduce((a, b) => Math.max(a, b), 0);
  const smallest = sizes.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const notation = largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000 ? inScientific : inFixed;
  const finite = notation(values.filter(Number.isFinite), dtype, precision);
  let next = 0;
  return alignRight(values.map((value) => (Number.isFinite(value) ? finite[next++]! : specialNames[String(value)]!)));
}

const specialNames: Readonly<Record<string, string>> = {NaN: "nan", Infinity: "inf", "-Infinity": "-inf"};

/** `12.5 `: fractions of different lengths, with spaces after the shorter. */
function inFixed(values: readonly number[], dtype: DType, precision: number): string[] {
  const parts = values.map((value) => {
    const {decimals, exponent} = shortest(value, dtype);
    const [whole, fraction = ""] = Math.abs(value)
      .toFixed(clamp(decimals - exponent, precision))
      .split(".");
    return {whole: signOf(value) + whole, fraction: fraction.replace(/0+$/, "")};
  });
  const width = Math.max(...parts.map(({fraction}) => fraction.length));
  return parts.map(({whole, fraction}) => `${whole}.${fraction.padEnd(width)}`);
}

/** `1.250e-07`: fractions of one length, with zeros after the shorter; exponents of one length as well. */
function inScientific(values: readonly number[], dtype: DType, precision: number): string[] {
  const parts = values.map((value) => {
    const [digits, exponent] = Math.abs(value)
      .toExponential(clamp(shortest(value, dtype).decimals, precision))
      .split("e");
    const [whole, fraction = ""] = digits!.split(".");
    return {whole: signOf(value) + whole, fraction, sign: exponent![0], exponent: exponent!.slice(1)};
  });
  const width = Math.max(...parts.map(({fraction}) => fraction.length));
  const exponentWidth = Math.max(2, ...parts.map(({exponent}) => exponent.length));
  return parts.map(
    ({whole, fraction, sign, exponent}) =>
      `${whole}.${fraction.padEnd(width, "0")}e${sign}${exponent.padStart(exponentWidth, "0")}`,
  );
}

/** The least digits after the point of `d.ddd · 10^exponent` that round back to `value`. */
function shortest(value: number, dtype: DType): {readonly decimals: number; readonly exponent: number} {
  const round = roundings[dtype] ?? Number;
  for (let decimals = 0; ; decimals++) {
    const text = value.toExponential(decimals);
    if (decimals === 17 || round(Number(text)) === value) return {decimals, exponent: Number(text.split("e")[1])};
  }
}

const roundings: Readonly<Partial<Record<DType, (value: number) => number>>> = {
  float16: (value) => float16ToNumber(numberToFloat16(value)),
  bfloat16: (value) => bfloat16ToNumber(numberToBfloat16(value)),
  float32: Math.fround,
};

function clamp(decimals: number, precision: number): number {
  return Math.max(0, Math.min(decimals, precision));
}

function isNegative(value: number): boolean {
  return value < 0 || Object.is(value, -0);
}

function signOf(value: number): string {
  return isNegative(value) ? "-" : "";
}

function alignRight(texts: readonly string[]): string[] {
  const width = Math.max(...texts.map((text) => text.length));
  return texts.map((text) => text.padStart(width));
}

const maxStringLength = 60;

/** Strings as their quoted text, cut to a bounded length; other elements as they are. */
function elementOrText(tensor: Tensor, index: number): Element {
  if (tensor.dtype !== "string") return readElement(tensor.dtype, tensor.data, index);
  const bytes = stringAt(tensor.bytes, index);
  const cut = bytes.length > maxStringLength;
  const shown = bytes.subarray(0, maxStringLength);
  const text = decodeText(shown, cut);
  return (text === undefined ? escapeBytes(shown) : escapeText(text)) + (cut ? "…" : "");
}

/** Bytes as text, of which the last character may be cut in two; undefined where they aren't UTF-8. */
function decodeText(bytes: Uint8Array, cut: boolean): string | undefined {
  try {
    return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes, {stream: cut});
  } catch {
    return undefined;
  }
}

/** In quotes. What could drive a terminal or change the direction of writing is escaped: a model's output isn't ours. */
function escapeText(text: string): string {
  return JSON.stringify(text).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** `b"\xff\xd8JFIF"`, as Python writes bytes. */
function escapeBytes(bytes: Uint8Array): string {
  const characters = Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, "0")}`,
  );
  return `b"${characters.join("")}"`;
}
