/** Lowerings of operators on images that have no kernel: colours, resizing by weights, crops. */
import {isKnown} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import {numberAttribute, stringAttribute} from "../ir/operators.ts";
import {numbersOf} from "../ops/elements.ts";
import {product} from "../ops/shapes.ts";
import {modeOf, resizeMethods, scaleAndTranslateTaps, type Taps} from "../ops/tf/resize.ts";
import type {Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

/** The three channels of x, each with a last dimension of 1. */
function channelsOf(b: Lowerer, x: Ref): readonly [Ref, Ref, Ref] {
  const last = b.rank(x) - 1;
  const shape = b.shape(x);
  const channel = (i: number) =>
    b.slice(
      x,
      shape.map((_, axis) => (axis === last ? i : 0)),
      shape.map((_, axis) => (axis === last ? 1 : -1)),
    );
  return [channel(0), channel(1), channel(2)];
}

/** What hue, saturation and value are made of. */
function colourOf(b: Lowerer, x: Ref) {
  const last = b.rank(x) - 1;
  const [red, green, blue] = channelsOf(b, x);
  const value = b.reduce("REDUCE_MAX", x, [last], true);
  const least = b.reduce("REDUCE_MIN", x, [last], true);
  const range = b.sub(value, least);
  const [zero, one] = [b.scalar(0), b.scalar(1)];
  const isGray = b.raw("LESS_EQUAL", [range, zero])[0]!;
  const norm = b.div(b.scalar(1 / 6), b.select(isGray, one, range));
  const turn = (p: Ref, q: Ref, offset: number) => b.add(b.mul(norm, b.sub(p, q)), b.scalar(offset));
  const fromGreen = b.select(b.raw("EQUAL", [green, value])[0]!, turn(blue, red, 2 / 6), turn(red, green, 4 / 6));
  const angle = b.select(b.raw("EQUAL", [red, value])[0]!, b.mul(norm, b.sub(green, blue)), fromGreen);
  const positive = b.select(b.raw("LESS", [angle, zero])[0]!, b.add(angle, one), angle);
  return {hue: b.select(isGray, zero, positive), value, least, range};
}

/** 0 where the value is. */
function saturationOf(b: Lowerer, value: Ref, range: Ref): Ref {
  const [zero, one] = [b.scalar(0), b.scalar(1)];
  const isBlack = b.raw("LESS_EQUAL", [value, zero])[0]!;
  return b.select(isBlack, zero, b.div(range, b.select(isBlack, one, value)));
}

const toUnit = (b: Lowerer, x: Ref): Ref => b.binary("MINIMUM", b.binary("MAXIMUM", x, b.scalar(0)), b.scalar(1));

/** clamp(|6h − 3| − 1), clamp(2 − |6h − 2|), clamp(2 − |6h − 4|): three channels of a hue of one. */
function sharesOf(b: Lowerer, hue: Ref): Ref {
  const distance = b.op("ABS", [b.sub(b.mul(hue, b.scalar(6)), b.floats([3, 2, 4]))]);
  return toUnit(b, b.add(b.mul(distance, b.floats([1, -1, -1])), b.floats([-1, 2, 2])));
}

/** ((1 − s) + s·share)·v */
const fromHsv = (b: Lowerer, hue: Ref, saturation: Ref, value: Ref): Ref =>
  b.mul(b.add(b.sub(b.scalar(1), saturation), b.mul(sharesOf(b, hue), saturation)), value);

const rgbToHsv: Lowering = ({inputs: [x]}, b) => {
  const {hue, value, range} = colourOf(b, x!);
  return b.concat([hue, saturationOf(b, value, range), value], b.rank(x!) - 1);
};

const hsvToRgb: Lowering = ({inputs: [x]}, b) => fromHsv(b, ...channelsOf(b, x!));

/** The hue turns; the least and the greatest channel stay. */
const adjustHue: Lowering = ({inputs: [x, delta]}, b) => {
  const {hue, least, range} = colourOf(b, x!);
  const turned = b.add(hue, delta!);
  const whole = b.sub(turned, b.op("FLOOR", [turned]));
  return b.add(least, b.mul(range, sharesOf(b, whole)));
};

const adjustSaturation: Lowering = ({inputs: [x, scale]}, b) => {
  const {hue, value, range} = colourOf(b, x!);
  return fromHsv(b, hue, toUnit(b, b.mul(saturationOf(b, value, range), scale!)), value);
};

/** A constant matrix [count, size] of weights. */
function weightMatrix(b: Lowerer, taps: readonly Taps[], size: number): Ref {
  const matrix = new Float32Array(taps.length * size);
  const sums = new Float64Array(taps.length * size);
  taps.forEach(({at, weights}, i) => {
    at.forEach((source, k) => {
      sums[i * size + source]! += weights[k]!;
    });
  });
  matrix.set(sums);
  return b.floats(matrix, [1, taps.length, size]);
}

const isIdentity = (taps: readonly Taps[], size: number) =>
  taps.length === size &&
  taps.every(
    ({at, weights}, i) => at.every((each, k) => (each === i ? weights[k] === 1 : weights[k] === 0)) && at.includes(i),
  );

/** Products with a matrix of weights, over rows and over columns. */
function resampled(b: Lowerer, source: Ref, rows: readonly Taps[], columns: readonly Taps[]): Ref {
  const [batch, height, width, channels] = b.shape(source);
  if (!isKnown(height!) || !isKnown(width!) || !isKnown(channels!))
    return b.refuse("the size of its image isn't known");
  const weigh = (matrix: Ref, x: Ref): Ref =>
    b.op("BATCH_MATMUL", [matrix, x], {adjX: false, adjY: false, asymmetricQuantizeInputs: false});
  let image = b.cast(source, "float32");
  if (!isIdentity(rows, height)) {
    const lines = b.reshape(image, [batch!, height, width * channels]);
    const tall = weigh(weightMatrix(b, rows, height), lines);
    image = b.reshape(tall, [batch!, rows.length, width, channels]);
  }
  if (isIdentity(columns, width)) return image;
  // Columns of every row: the rows join the batch.
  const joined = b.reshape(image, [product([batch!, rows.length]), width, channels]);
  return b.reshape(weigh(weightMatrix(b, columns, width), joined), [batch!, rows.length, columns.length, channels]);
}

const byWeights =
  (name: string): Lowering =>
  ({inputs: [x, size], site}, b) => {
    const [tall, wide] = b.integers(size!, "size");
    const [, height, width] = b.shape(x!);
    if (!isKnown(height!) || !isKnown(width!)) return b.refuse("the size of its image isn't known");
    b.bounded(tall! * height);
    b.bounded(wide! * width);
    const method = resizeMethods[name]!;
    return resampled(b, x!, method(height, tall!, modeOf(site)), method(width, wide!, modeOf(site)));
  };

const scaleAndTranslate: Lowering = ({inputs: [x, size, scale, translation], site}, b) => {
  const counts = b.integers(size!, "size");
  const [scales, shifts] = [scale!, translation!].map((ref) => {
    const constant = b.constant(ref);
    return constant ? numbersOf(constant) : b.refuse("its scale or translation is computed");
  });
  const [rows, columns] = [0, 1].map((i) => {
    const dim = b.shape(x!)[i + 1]!;
    if (!isKnown(dim)) return b.refuse("the size of its image isn't known");
    b.bounded(counts[i]! * dim);
    return scaleAndTranslateTaps(site, dim, counts[i]!, scales![i]!, shifts![i]!);
  });
  return resampled(b, x!, rows!, columns!);
};

/** Where a crop reads along one dimension, for each box: places [n, count], and which of them are in the image. */
function cropPlaces(b: Lowerer, from: Ref, to: Ref, size: number, count: number) {
  const end = b.scalar(size - 1);
  const [zero] = [b.scalar(0)];
  const steps = b.floats(Array.from({length: b.bounded(count)}, (_, i) => i));
  const place =
    count === 1
      ? b.mul(b.mul(b.add(from, to), b.scalar(0.5)), end)
      : b.add(b.mul(from, end), b.mul(steps, b.div(b.mul(b.sub(to, from), end), b.scalar(count - 1))));
  const inside = b.raw("LOGICAL_AND", [
    b.raw("GREATER_EQUAL", [place, zero])[0]!,
    b.raw("LESS_EQUAL", [place, end])[0]!,
  ])[0]!;
  // What is outside reads any element, and is replaced afterwards.
  return {place: b.select(inside, place, zero), inside};
}

/** Each place of a crop gathers its four neighbours: only what is needed of the images is touched. */
const cropAndResize: Lowering = ({inputs: [image, boxes, owners, size], types: [type], site}, b) => {
  const [tall, wide] = b.integers(size!, "crop_size");
  const [batch, height, width, channels] = b.shape(image!);
  if (!isKnown(height!) || !isKnown(width!)) return b.refuse("the size of its image isn't known");
  const count = type!.shape![0]!;
  const isNearest = stringAttribute(site, "method", "bilinear") === "nearest";
  const end = (i: number) => b.slice(boxes!, [0, i], [-1, 1]);
  const ys = cropPlaces(b, end(0), end(2), height, tall!);
  const xs = cropPlaces(b, end(1), end(3), width, wide!);
  const pixelsOf = b.reshape(b.cast(image!, "float32"), [product([batch!, height, width]), channels!]);
  const row = (place: Ref) => {
    const first = b.mul(b.reshape(b.cast(owners!, "int32"), [count, 1]), b.ints([height], []));
    return b.reshape(b.mul(b.add(first, b.cast(place, "int32")), b.ints([width], [])), [count, tall!, 1]);
  };
  const column = (place: Ref) => b.reshape(b.cast(place, "int32"), [count, 1, wide!]);
  const at = (y: Ref, x: Ref) => b.gather(pixelsOf, b.add(y, x), 0);
  const values = isNearest ? nearestPixels() : mixedPixels();
  const inside = b.raw("LOGICAL_AND", [
    b.reshape(ys.inside, [count, tall!, 1, 1]),
    b.reshape(xs.inside, [count, 1, wide!, 1]),
  ])[0]!;
  return b.select(inside, values, b.scalar(numberAttribute(site, "extrapolation_value", 0)));

  /** Places are not negative: half of one rounds up. */
  function nearestPixels(): Ref {
    const rounded = (place: Ref) => b.op("FLOOR", [b.add(place, b.scalar(0.5))]);
    return at(row(rounded(ys.place)), column(rounded(xs.place)));
  }

  function mixedPixels(): Ref {
    const [top, left] = [b.op("FLOOR", [ys.place]), b.op("FLOOR", [xs.place])];
    const [bottom, right] = [b.op("CEIL", [ys.place]), b.op("CEIL", [xs.place])];
    const dy = b.reshape(b.sub(ys.place, top), [count, tall!, 1, 1]);
    const dx = b.reshape(b.sub(xs.place, left), [count, 1, wide!, 1]);
    const mix = (p: Ref, q: Ref, share: Ref) => b.add(p, b.mul(b.sub(q, p), share));
    const line = (y: Ref) => mix(at(y, column(left)), at(y, column(right)), dx);
    return mix(line(row(top)), line(row(bottom)), dy);
  }
};

export const imageLowerings: LoweringTable = {
  RGBToHSV: rgbToHsv,
  HSVToRGB: hsvToRgb,
  AdjustHue: adjustHue,
  AdjustSaturation: adjustSaturation,
  AdjustContrastv2: ({inputs: [x, factor]}, b) => {
    const rank = b.rank(x!);
    const mean = b.reduce("MEAN", x!, [rank - 3, rank - 2], true);
    return b.add(b.mul(b.sub(x!, mean), factor!), mean);
  },
  ResizeBicubic: byWeights("ResizeBicubic"),
  ResizeArea: byWeights("ResizeArea"),
  ScaleAndTranslate: scaleAndTranslate,
  CropAndResize: cropAndResize,
};
