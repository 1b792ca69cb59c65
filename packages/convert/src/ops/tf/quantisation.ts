/**
 * Quantisation that TensorFlow computes in float: the levels of a range, nudged or scaled, and what a value becomes. The
 * arithmetic is float32, step by step, because a rounding decides which level is taken. The lowerings use the same ranges.
 */
import {type DType, dtypes, type Tensor} from "@tf-trusted/tensor";
import type {TensorType} from "../../ir/graph.ts";
import {
  booleanAttribute,
  failAt,
  numberAttribute,
  type Operator,
  type Site,
  stringAttribute,
} from "../../ir/operators.ts";
import {makeTensor, numbersOf} from "../elements.ts";
import {integersOf} from "../shapes.ts";

const fr = Math.fround;
const largest = 3.4028234663852886e38;

/** A range of FakeQuantWithMinMax*: moved so that 0 is one of its levels. */
export interface NudgedRange {
  readonly min: number;
  readonly max: number;
  readonly scale: number;
  readonly inverse: number;
  /** How many levels 0 is above the lowest. */
  readonly zero: number;
}

/** `undefined` for the empty range from 0 to 0, which makes everything 0. */
export function nudge(low: number, high: number, bits: number, narrow: boolean): NudgedRange | undefined {
  if (low === 0 && high === 0) return undefined;
  const [first, last] = [narrow ? 1 : 0, 2 ** bits - 1];
  const scale = fr(fr(high - low) / fr(last - first));
  const fromLow = fr(first - fr(low / scale));
  const level = fromLow < first ? first : fromLow > last ? last : Math.round(fromLow);
  const inverse = fr(1 / scale);
  const min = fr((first - level) * scale);
  return {min, max: fr((last - level) * scale), scale, inverse, zero: Math.floor(fr(fr(-min * inverse) + 0.5))};
}

/** Attributes of FakeQuantWithMinMax*. Throws `CONVERT_ATTRIBUTE`. */
export function fakeQuantLevels(site: Site): {readonly bits: number; readonly narrow: boolean} {
  const bits = numberAttribute(site, "num_bits", 8);
  if (!Number.isInteger(bits) || bits < 2 || bits > 16)
    throw failAt(site, "CONVERT_ATTRIBUTE", `num_bits ${bits}, expected 2 to 16`);
  return {bits, narrow: booleanAttribute(site, "narrow_range")};
}

function fakeQuantised(site: Site, x: Tensor, low: ArrayLike<number>, high: ArrayLike<number>): Tensor[] {
  const {bits, narrow} = fakeQuantLevels(site);
  const ranges = Array.from(low, (each, i) => nudge(each, high[i]!, bits, narrow));
  const values = numbersOf(x);
  return [
    makeTensor("float32", x.shape, (i) => {
      const range = ranges[i % ranges.length];
      if (range === undefined) return 0;
      const shifted = fr(Math.max(Math.min(values[i]!, range.max), range.min) - range.min);
      return Math.floor(fr(fr(fr(shifted * range.inverse) - range.zero) + 0.5)) * range.scale;
    }),
  ];
}

const like = ({inputs: [x]}: Site): TensorType[] => [{dtype: x!.dtype, shape: x!.shape}];

/** Of a signed or unsigned number of bits. */
export interface Levels {
  readonly first: number;
  readonly last: number;
}

/** A range whose ends are stretched or cut to a multiple of the levels, symmetric about 0. */
export interface ScaledRange {
  readonly min: number;
  readonly max: number;
  readonly scale: number;
  readonly inverse: number;
}

export function scaleRange(low: number, high: number, {first, last}: Levels): ScaledRange {
  const fromLow = first * low > 0 ? fr(first / low) : largest;
  const fromHigh = last * high > 0 ? fr(last / high) : largest;
  if (fromLow < fromHigh) {
    const inverse = fr(low / first);
    return {min: low, max: fr(last * inverse), scale: fromLow, inverse};
  }
  const inverse = fr(high / last);
  return {min: fr(first * inverse), max: high, scale: fromHigh, inverse};
}

export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor === 0.5) return floor + (floor % 2 === 0 ? 0 : 1);
  return Math.round(x);
}

const roundHalfAway = (x: number) => Math.sign(x) * Math.floor(Math.abs(x) + 0.5);

/** What QuantizeAndDequantize* is asked for. Throws `CONVERT_ATTRIBUTE`. */
export function dequantizedOptions(site: Site) {
  const bits = site.op.endsWith("V3") ? (integersOf(site, 3)?.[0] ?? 0) : numberAttribute(site, "num_bits", 8);
  const signed = booleanAttribute(site, "signed_input", true);
  const narrow = booleanAttribute(site, "narrow_range");
  if (!Number.isInteger(bits) || bits < (signed ? 2 : 1) || bits > 30)
    throw failAt(site, "CONVERT_ATTRIBUTE", `num_bits ${bits}, expected 2 to 30`);
  const half = 2 ** (bits - 1);
  const levels: Levels = signed ? {first: narrow ? 1 - half : -half, last: half - 1} : {first: 0, last: 2 ** bits - 1};
  return {
    bits,
    levels,
    isGiven: booleanAttribute(site, "range_given", site.op.endsWith("V3")),
    axis: numberAttribute(site, "axis", -1),
    halfUp: stringAttribute(site, "round_mode", "HALF_TO_EVEN") === "HALF_UP",
  };
}

/** For each element, the index of its channel along `axis`; one channel for −1. */
function channelsAlong(shape: readonly number[], axis: number): (index: number) => number {
  if (axis < 0) return () => 0;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  return (index) => Math.floor(index / inner) % shape[axis]!;
}

/** The least and the largest number of each channel along `axis`; of all for −1. */
export function channelRanges(x: Tensor, axis: number): {readonly mins: number[]; readonly maxs: number[]} {
  const channelOf = channelsAlong(x.shape, axis);
  const channels = axis < 0 ? 1 : x.shape[axis]!;
  const mins = new Array<number>(channels).fill(Number.POSITIVE_INFINITY);
  const maxs = new Array<number>(channels).fill(Number.NEGATIVE_INFINITY);
  const values = numbersOf(x);
  for (let i = 0; i < x.size; i++) {
    const c = channelOf(i);
    mins[c] = Math.min(mins[c]!, values[i]!);
    maxs[c] = Math.max(maxs[c]!, values[i]!);
  }
  return {mins, maxs};
}

function quantisedAndBack(site: Site, x: Tensor, low: Tensor, high: Tensor): Tensor[] | undefined {
  const {levels, isGiven, axis, halfUp} = dequantizedOptions(site);
  if (x.dtype !== "float32" && x.dtype !== "float64") return undefined;
  const values = numbersOf(x);
  const channelOf = channelsAlong(x.shape, axis);
  const {mins, maxs} = isGiven
    ? {mins: Array.from(numbersOf(low)), maxs: Array.from(numbersOf(high))}
    : channelRanges(x, axis);
  const ranges = mins.map((min, c) => scaleRange(min, maxs[c]!, levels));
  return [
    makeTensor(x.dtype, x.shape, (i) => {
      const {min, max, scale, inverse} = ranges[channelOf(i)]!;
      const value = isGiven ? Math.max(Math.min(values[i]!, max), min) : values[i]!;
      const scaled = fr(value * scale);
      return fr((halfUp ? Math.floor(fr(scaled + 0.5)) : roundHalfEven(scaled)) * inverse);
    }),
  ];
}

/** The dtypes that quantised values have here: TensorFlow's names for them (quint8 …) are read as plain integers. */
const quantisedBits: Readonly<Record<string, Levels>> = {
  uint8: {first: 0, last: 255},
  int8: {first: -128, last: 127},
  uint16: {first: 0, last: 65535},
  int16: {first: -32768, last: 32767},
  int32: {first: -2147483648, last: 2147483647},
};

/** The levels of QuantizeV2's result or Dequantize's input. Throws `CONVERT_ATTRIBUTE`. */
export function levelsOf(site: Site, dtype: string): Levels {
  const levels = quantisedBits[dtype];
  if (levels === undefined) throw failAt(site, "CONVERT_ATTRIBUTE", `${dtype} isn't a quantised type`);
  return levels;
}

export type QuantizeMode = "MIN_COMBINED" | "MIN_FIRST" | "SCALED";

/** Throws `CONVERT_ATTRIBUTE`. */
export function quantizeMode(site: Site): QuantizeMode {
  const mode = stringAttribute(site, "mode", "MIN_COMBINED");
  if (mode === "MIN_COMBINED" || mode === "MIN_FIRST" || mode === "SCALED") return mode;
  throw failAt(site, "CONVERT_ATTRIBUTE", `mode ${mode} isn't known`);
}

/** The range that QuantizeV2 really uses: it holds 0 and isn't too small. */
export function ensuredRange(site: Site, low: number, high: number): readonly [number, number] {
  const ensure = fr(numberAttribute(site, "ensure_minimum_range", 0.01));
  const min = Math.min(0, low);
  const epsilon = fr(Math.max(1, Math.max(Math.abs(low), Math.abs(high))) * ensure);
  return [min, Math.max(0, Math.max(high, fr(min + epsilon)))];
}

/** SCALED: the range of a symmetric scale. */
export function scaledLevels(site: Site, dtype: string): Levels {
  const {first, last} = levelsOf(site, dtype);
  return {first: first + (booleanAttribute(site, "narrow_range") ? 1 : 0), last};
}

function quantised(site: Site, x: Tensor, low: Tensor, high: Tensor, dtype: DType): Tensor[] | undefined {
  const mode = quantizeMode(site);
  const axis = numberAttribute(site, "axis", -1);
  if (x.dtype !== "float32" || (mode !== "SCALED" && axis >= 0) || dtype === "int32") return undefined;
  const channelOf = channelsAlong(x.shape, axis);
  const ranges = Array.from(numbersOf(low), (each, c) => ensuredRange(site, each, numbersOf(high)[c]!));
  const {first, last} = levelsOf(site, dtype);
  const values = numbersOf(x);
  const isEven = stringAttribute(site, "round_mode", "HALF_AWAY_FROM_ZERO") === "HALF_TO_EVEN";
  const scaled = ranges.map(([min, max]) => scaleRange(min, max, scaledLevels(site, dtype)));
  const value = (i: number): number => {
    const c = channelOf(i);
    const [min, max] = ranges[c]!;
    if (mode === "SCALED") {
      const {min: from, max: to, scale} = scaled[c]!;
      const product = fr(Math.max(Math.min(values[i]!, to), from) * scale);
      return isEven ? roundHalfEven(product) : roundHalfAway(product);
    }
    const scale = fr((last - first) / fr(max - min));
    if (mode === "MIN_COMBINED") {
      const shifted = fr(fr(Math.max(Math.min(values[i]!, max), min) - min) * scale);
      return first < 0 ? roundHalfAway(fr(shifted - 128 * (last === 127 ? 1 : 256))) : Math.trunc(fr(shifted + 0.5));
    }
    const level = roundHalfAway(fr(values[i]! * scale)) - roundHalfAway(fr(min * scale)) + first;
    return Math.min(Math.max(level, first), last);
  };
  const ends = (k: 0 | 1) =>
    makeTensor("float32", low.shape, (c) =>
      mode === "SCALED" ? [scaled[c]!.min, scaled[c]!.max][k]! : ranges[c]![k]!,
    );
  return [makeTensor(dtype, x.shape, value), ends(0), ends(1)];
}

/** value·scale + offset of each channel: what Dequantize does to a level. */
export function dequantizedScale(
  site: Site,
  dtype: string,
  low: number,
  high: number,
): {readonly scale: number; readonly offset: number} {
  const {first, last} = levelsOf(site, dtype);
  const mode = quantizeMode(site);
  if (mode === "SCALED") {
    const {first: least} = scaledLevels(site, dtype);
    const scale = least < 0 ? Math.max(fr(low / least), fr(high / last)) : fr(high / last);
    return {scale, offset: 0};
  }
  const scale = fr(fr(high - low) / (last - first));
  if (mode === "MIN_COMBINED") return {scale, offset: fr(low - fr(first * scale))};
  // The range starts at a multiple of the scale.
  const start = low === high ? low : fr(roundHalfAway(fr(low / scale)) * scale);
  return {scale, offset: fr(start - fr(first * scale))};
}

function dequantised(site: Site, x: Tensor, low: Tensor, high: Tensor): Tensor[] {
  const axis = numberAttribute(site, "axis", -1);
  const channelOf = channelsAlong(x.shape, axis);
  const ranges = Array.from(numbersOf(low), (each, c) => dequantizedScale(site, x.dtype, each, numbersOf(high)[c]!));
  const values = numbersOf(x);
  return [
    makeTensor("float32", x.shape, (i) => {
      const {scale, offset} = ranges[channelOf(i)]!;
      return fr(values[i]! * scale) + offset;
    }),
  ];
}

export const quantisation: readonly Operator[] = [
  {
    name: "tf.FakeQuantWithMinMaxArgs",
    infer: like,
    evaluate: (site, [x]) =>
      fakeQuantised(site, x!, [fr(numberAttribute(site, "min", -6))], [fr(numberAttribute(site, "max", 6))]),
  },
  ...["FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: like,
      evaluate: (site, [x, low, high]) => fakeQuantised(site, x!, numbersOf(low!), numbersOf(high!)),
    }),
  ),
  ...["QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: like,
      evaluate: (site, [x, low, high]) => quantisedAndBack(site, x!, low!, high!),
    }),
  ),
  // Of the IR only: x rounded to levels of int8, which `keep` gives to kernels. Nothing folds it.
  {name: "tf.OnLevels", infer: like},
  {
    name: "tf.QuantizeV2",
    infer: (site) => {
      const [x, low] = site.inputs;
      const range: TensorType = {dtype: "float32", shape: low!.shape};
      return [{dtype: stringAttribute(site, "T") as DType, shape: x!.shape}, range, range];
    },
    evaluate: (site, [x, low, high], [type]) => quantised(site, x!, low!, high!, type!.dtype as DType),
  },
  {
    name: "tf.Dequantize",
    infer: (site) => [{dtype: stringAttribute(site, "dtype", "float32") as DType, shape: site.inputs[0]!.shape}],
    evaluate: (site, [x, low, high], [type]) =>
      type!.dtype === "float32" && dtypes[x!.dtype].kind !== "float" ? dequantised(site, x!, low!, high!) : undefined,
  },
];
