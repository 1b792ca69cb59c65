/**
 * Lowerings of quantisation that TensorFlow computes in float: the same steps in the same order, in float32. Ranges that
 * are constants become constants; computed ones are nudged or scaled by operators.
 */
import type {Quantisation, Ref, TensorType} from "../ir/graph.ts";
import {failAt, numberAttribute, numbersAttribute, type Site, stringAttribute} from "../ir/operators.ts";
import {numbersOf} from "../ops/elements.ts";
import {
  dequantizedOptions,
  dequantizedScale,
  ensuredRange,
  fakeQuantLevels,
  type Levels,
  levelsOf,
  nudge,
  quantizeMode,
  scaledLevels,
  scaleRange,
} from "../ops/tf/quantisation.ts";
import {onLevelsOf} from "../quantise/constants.ts";
import type {LoweredNode, Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

const clamped = (b: Lowerer, x: Ref, low: Ref, high: Ref): Ref =>
  b.binary("MAXIMUM", b.binary("MINIMUM", x, high), low);

/** ROUND is half to even; this is half up, for what is halved upwards or not negative. */
const roundHalfUp = (b: Lowerer, x: Ref): Ref => b.op("FLOOR", [b.add(x, b.scalar(0.5))]);

/** One value, or one for each element of the last dimensions. */
const valuesOf = (b: Lowerer, values: readonly number[], shape?: readonly number[]): Ref =>
  b.floats(values, shape ?? (values.length === 1 ? [] : [values.length]));

/** clamp, then round to the nearest level; each range is nudged so that 0 is one of its levels. */
function fakeQuant(n: LoweredNode, b: Lowerer, low: ArrayLike<number>, high: ArrayLike<number>): Ref {
  const {bits, narrow} = fakeQuantLevels(n.site);
  const nudged = Array.from(low, (min, i) => nudge(min, high[i]!, bits, narrow));
  // An empty range makes everything 0: its scale does.
  const ranges = nudged.map((range) => range ?? {min: 0, max: 0, scale: 0, inverse: 0, zero: 0});
  return fakeQuantSteps(b, n.inputs[0]!, (key) =>
    valuesOf(
      b,
      ranges.map((range) => range[key]),
    ),
  );
}

function fakeQuantSteps(b: Lowerer, x: Ref, of: (key: "min" | "max" | "scale" | "inverse" | "zero") => Ref): Ref {
  const [min, scale] = [of("min"), of("scale")];
  const levels = b.mul(b.sub(clamped(b, x, min, of("max")), min), of("inverse"));
  return b.mul(roundHalfUp(b, b.sub(levels, of("zero"))), scale);
}

const fakeQuantVars: Lowering = (n, b) => {
  const [x, low, high] = n.inputs;
  const [min, max] = [b.constant(low!), b.constant(high!)];
  if (min && max) return fakeQuant(n, b, numbersOf(min), numbersOf(max));
  const {bits, narrow} = fakeQuantLevels(n.site);
  const [first, last] = [b.scalar(narrow ? 1 : 0), b.scalar(2 ** bits - 1)];
  const scale = b.div(b.sub(high!, low!), b.sub(last, first));
  const level = clamped(b, roundHalfUp(b, b.sub(first, b.div(low!, scale))), first, last);
  const inverse = b.div(b.scalar(1), scale);
  const from = b.mul(b.sub(first, level), scale);
  const range = {
    min: from,
    max: b.mul(b.sub(last, level), scale),
    scale,
    inverse,
    zero: roundHalfUp(b, b.op("NEG", [b.mul(from, inverse)])),
  };
  return fakeQuantSteps(b, x!, (key) => range[key]);
};

/** The range of a symmetric scale, computed; ends that have no say get a scale that is larger than any other. */
function scaledRange(b: Lowerer, low: Ref, high: Ref, {first, last}: Levels) {
  const none = b.scalar(3.4028234663852886e38);
  const [zero, top] = [b.scalar(0), b.scalar(last)];
  const isPositive = b.raw("GREATER", [high, zero])[0]!;
  const fromHigh = b.select(isPositive, b.div(top, high), none);
  const byHigh = b.div(high, top);
  if (first === 0) return {scale: fromHigh, inverse: byHigh, min: zero, max: high};
  const bottom = b.scalar(first);
  const isNegative = b.raw("LESS", [low, zero])[0]!;
  const fromLow = b.select(isNegative, b.div(bottom, low), none);
  const byLow = b.div(low, bottom);
  const isLow = b.raw("LESS", [fromLow, fromHigh])[0]!;
  const inverse = b.select(isLow, byLow, byHigh);
  return {
    scale: b.select(isLow, fromLow, fromHigh),
    inverse,
    min: b.select(isLow, low, b.mul(bottom, byHigh)),
    max: b.select(isLow, b.mul(top, byLow), high),
  };
}

/** A vector of channels as it broadcasts along `axis`. */
function channelShape(b: Lowerer, x: Ref, axis: number, channels: number): readonly number[] {
  return axis < 0 ? [] : b.shape(x).map((_, i) => (i === axis ? channels : 1));
}

const quantizeAndDequantize: Lowering = (n, b) => {
  const [x, low, high] = n.inputs;
  const {levels, isGiven, axis, halfUp} = dequantizedOptions(n.site);
  const range = isGiven ? givenRange() : ownRange();
  const value = isGiven ? clamped(b, x!, range.min, range.max) : x!;
  const scaled = b.mul(value, range.scale);
  return b.mul(halfUp ? roundHalfUp(b, scaled) : b.op("ROUND", [scaled]), range.inverse);

  function givenRange() {
    const [min, max] = [b.constant(low!), b.constant(high!)];
    if (!min || !max) {
      const wide = (ref: Ref) =>
        axis < 0
          ? ref
          : b.reshape(
              ref,
              channelShape(b, x!, axis, -1).map((size, i) => (size < 0 ? b.shape(x!)[i]! : size)),
            );
      return scaledRange(b, wide(low!), wide(high!), levels);
    }
    const ranges = Array.from(numbersOf(min), (each, i) => scaleRange(each, numbersOf(max)[i]!, levels));
    const shape = channelShape(b, x!, axis, ranges.length);
    const of = (key: keyof (typeof ranges)[number]) =>
      b.floats(
        ranges.map((each) => each[key]),
        shape,
      );
    return {scale: of("scale"), inverse: of("inverse"), min: of("min"), max: of("max")};
  }

  function ownRange() {
    const axes = b.shape(x!).flatMap((_, i) => (i === axis ? [] : [i]));
    return scaledRange(
      b,
      b.reduce("REDUCE_MIN", x!, axes, axis >= 0),
      b.reduce("REDUCE_MAX", x!, axes, axis >= 0),
      levels,
    );
  }
};

function constants(b: Lowerer, low: Ref, high: Ref): readonly [ArrayLike<number>, ArrayLike<number>] {
  const [min, max] = [b.constant(low), b.constant(high)];
  return min && max ? [numbersOf(min), numbersOf(max)] : b.refuse("its range is computed, expected constants");
}

const quantize: Lowering = (n, b) => {
  const [x, low, high] = n.inputs;
  const {dtype} = n.types[0]!;
  const [mins, maxs] = constants(b, low!, high!);
  if (dtype === "int32") return b.refuse("32 bits: more levels than float32 tells apart");
  const mode = quantizeMode(n.site);
  const axis = numberAttribute(n.site, "axis", -1);
  if (axis >= 0 && mode !== "SCALED") return b.refuse(`mode ${mode} along an axis`);
  const {first, last} = levelsOf(n.site, dtype);
  const ranges = Array.from(mins, (each, c) => ensuredRange(n.site, each, maxs[c]!));
  const rangeShape = b.shape(low!) as readonly number[];
  const ends = (values: readonly (readonly [number, number])[]) =>
    ([0, 1] as const).map((k) =>
      b.floats(
        values.map((each) => each[k]),
        rangeShape,
      ),
    );
  if (mode === "SCALED") {
    const scaled = ranges.map(([min, max]) => scaleRange(min, max, scaledLevels(n.site, dtype)));
    const shape = channelShape(b, x!, axis, scaled.length);
    const of = (key: "min" | "max" | "scale") =>
      b.floats(
        scaled.map((each) => each[key]),
        shape,
      );
    const product = b.mul(clamped(b, x!, of("min"), of("max")), of("scale"));
    const isEven = stringAttribute(n.site, "round_mode", "HALF_AWAY_FROM_ZERO") === "HALF_TO_EVEN";
    const level = isEven ? b.op("ROUND", [product]) : roundHalfAway(b, product);
    return [toLevels(b, level, dtype), ...ends(scaled.map(({min, max}) => [min, max] as const))];
  }
  const [[min, max]] = ranges as [readonly [number, number]];
  const scale = Math.fround((last - first) / Math.fround(max - min));
  if (mode === "MIN_FIRST") {
    const start = Math.sign(min) * Math.floor(Math.abs(Math.fround(min * scale)) + 0.5);
    const level = b.sub(roundHalfAway(b, b.mul(x!, b.scalar(scale))), b.scalar(start - first));
    return [toLevels(b, clamped(b, level, b.scalar(first), b.scalar(last)), dtype), ...ends(ranges)];
  }
  const shifted = b.mul(b.sub(clamped(b, x!, b.scalar(min), b.scalar(max)), b.scalar(min)), b.scalar(scale));
  const level = first < 0 ? roundHalfAway(b, b.sub(shifted, b.scalar(-first))) : roundHalfUp(b, shifted);
  return [toLevels(b, level, dtype), ...ends(ranges)];
};

/** sign(x)·floor(|x| + ½) */
const roundHalfAway = (b: Lowerer, x: Ref): Ref => b.mul(b.op("SIGN", [x]), roundHalfUp(b, b.op("ABS", [x])));

/** Through int32, from which every kernel casts. */
const toLevels = (b: Lowerer, x: Ref, dtype: LoweredNode["types"][number]["dtype"]): Ref =>
  b.cast(b.cast(x, "int32"), dtype);

const dequantize: Lowering = (n, b) => {
  const [x, low, high] = n.inputs;
  if (n.types[0]!.dtype !== "float32") return b.refuse(`dequantising to ${n.types[0]!.dtype}`);
  const [mins, maxs] = constants(b, low!, high!);
  const axis = numberAttribute(n.site, "axis", -1);
  const ranges = Array.from(mins, (each, c) => dequantizedScale(n.site, b.dtype(x!), each, maxs[c]!));
  const shape = channelShape(b, x!, axis, ranges.length);
  const of = (key: "scale" | "offset") =>
    b.floats(
      ranges.map((each) => each[key]),
      shape,
    );
  const scaled = b.mul(b.cast(x!, "float32"), of("scale"));
  return ranges.every(({offset}) => offset === 0) ? scaled : b.add(scaled, of("offset"));
};

/** Throws `CONVERT_ATTRIBUTE`: a file may have an operator of this name, too. */
function levelsAttributes(site: Site): Quantisation {
  const [scale, zero] = [numbersAttribute(site, "scale"), numbersAttribute(site, "zero")];
  const axis = numberAttribute(site, "axis");
  const channels = scale.length === 1 ? 1 : site.inputs[0]?.shape?.[axis];
  const isSound =
    scale.length === channels &&
    zero.length === channels &&
    scale.every((each) => each > 0 && Number.isFinite(each)) &&
    zero.every((each) => Number.isInteger(each) && each >= -128 && each <= 127);
  if (!isSound) throw failAt(site, "CONVERT_ATTRIBUTE", "its levels aren't some of int8 for each channel");
  return {scale, zero, axis};
}

/**
 * A constant is stored on its levels; what is computed is brought onto them, and cut where they are fewer than those of
 * int8.
 */
const onLevels: Lowering = (n, b) => {
  const [x] = n.inputs;
  const quantisation = levelsAttributes(n.site);
  const constant = b.constant(x!);
  if (constant === undefined && quantisation.scale.length > 1)
    return b.refuse("levels for each channel of what is computed");
  if (constant) return b.levels(onLevelsOf(constant, quantisation));
  const type: TensorType = {dtype: "int8", shape: b.type(x!).shape, quantisation};
  const [first, last] = [numberAttribute(n.site, "first"), numberAttribute(n.site, "last")];
  const cut = (op: "MAXIMUM" | "MINIMUM", level: number, value: Ref): Ref =>
    b.raw(op, [value, b.level(level, quantisation)], {}, [type])[0]!;
  let levels = b.raw("QUANTIZE", [x!], {}, [type])[0]!;
  if (first > -128) levels = cut("MAXIMUM", first, levels);
  if (last < 127) levels = cut("MINIMUM", last, levels);
  return b.raw("DEQUANTIZE", [levels], {}, [{dtype: "float32", shape: type.shape}])[0]!;
};

export const quantisationLowerings: LoweringTable = {
  OnLevels: onLevels,
  FakeQuantWithMinMaxArgs: (n, b) =>
    fakeQuant(
      n,
      b,
      [Math.fround(numberAttribute(n.site, "min", -6))],
      [Math.fround(numberAttribute(n.site, "max", 6))],
    ),
  FakeQuantWithMinMaxVars: fakeQuantVars,
  FakeQuantWithMinMaxVarsPerChannel: fakeQuantVars,
  QuantizeAndDequantizeV2: quantizeAndDequantize,
  QuantizeAndDequantizeV3: quantizeAndDequantize,
  QuantizeAndDequantizeV4: quantizeAndDequantize,
  QuantizeV2: quantize,
  Dequantize: dequantize,
};
