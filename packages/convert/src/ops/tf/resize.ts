/**
 * How images are resized: for each place of the result along one axis, which elements of the source it takes and with what
 * weight. The sums are the same for every method, so the reference and the lowerings share this table. Places are computed
 * in float32, as TensorFlow computes them: a floor decides which element is taken.
 */
import {type DType, dtypes, type Tensor} from "@tf-trusted/tensor";
import {isKnown, unknownDim} from "../../ir/dims.ts";
import {booleanAttribute, failAt, type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {gatherElements, makeTensor, numbersOf} from "../elements.ts";
import {dimsOf} from "../shapes.ts";

const fr = Math.fround;

/** What one element of the result takes: source indices and their weights. */
export interface Taps {
  readonly at: readonly number[];
  readonly weights: readonly number[];
}

/** How the sampling places are laid out. */
export interface ResizeMode {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

function scaleOf(size: number, count: number, alignCorners: boolean): number {
  return alignCorners && count > 1 ? fr((size - 1) / (count - 1)) : fr(size / count);
}

const placeOf = (i: number, scale: number, half: boolean): number =>
  half ? fr(fr(fr(i + 0.5) * scale) - 0.5) : fr(i * scale);

type Method = (size: number, count: number, mode: ResizeMode) => Taps[];

const each = (count: number, taps: (i: number) => Taps): Taps[] => Array.from({length: count}, (_, i) => taps(i));

const nearest: Method = (size, count, {alignCorners, halfPixelCenters}) => {
  const scale = scaleOf(size, count, alignCorners);
  return each(count, (i) => {
    const place = halfPixelCenters ? fr(fr(i + 0.5) * scale) : fr(i * scale);
    const at = alignCorners ? Math.floor(fr(place + 0.5)) : Math.floor(place);
    return {at: [clamp(at, 0, size - 1)], weights: [1]};
  });
};

const bilinear: Method = (size, count, {alignCorners, halfPixelCenters}) => {
  const scale = scaleOf(size, count, alignCorners);
  return each(count, (i) => {
    const place = placeOf(i, scale, halfPixelCenters);
    const low = Math.floor(place);
    const lerp = fr(place - low);
    return {at: [Math.max(low, 0), Math.min(Math.ceil(place), size - 1)], weights: [fr(1 - lerp), lerp]};
  });
};

const tableSize = 1024;

/** The cubic kernel at i/1024 and at 1 + i/1024. */
function cubic(i: number, a: number): readonly [near: number, far: number] {
  const x = i / tableSize;
  const y = x + 1;
  return [((a + 2) * x - (a + 3)) * x * x + 1, ((a * y - 5 * a) * y + 8 * a) * y - 4 * a];
}

/** a = −0.75 with the edge repeated; with half pixel centers Keys' −0.5, where what is beyond the edge doesn't count. */
const bicubic: Method = (size, count, {alignCorners, halfPixelCenters}) => {
  const scale = scaleOf(size, count, alignCorners);
  const a = halfPixelCenters ? -0.5 : -0.75;
  return each(count, (i) => {
    const place = placeOf(i, scale, halfPixelCenters);
    const low = Math.floor(place);
    const offset = roundHalfEven(fr(fr(place - low) * tableSize));
    const [before, after] = [cubic(offset, a), cubic(tableSize - offset, a)];
    const wanted = [low - 1, low, low + 1, low + 2];
    const at = wanted.map((index) => clamp(index, 0, size - 1));
    const weights = [before[1], before[0], after[0], after[1]].map((weight, k) =>
      halfPixelCenters && at[k] !== wanted[k] ? 0 : weight,
    );
    return halfPixelCenters ? {at, weights: normalised(weights)} : {at, weights};
  });
};

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor === 0.5) return floor + (floor % 2);
  return Math.round(x);
}

function normalised(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return Math.abs(sum) < 1000 * 1.1754944e-38 ? [...weights] : weights.map((weight) => weight / sum);
}

/** Means over what a place covers. */
const area: Method = (size, count, {alignCorners}) => {
  const scale = scaleOf(size, count, alignCorners);
  return each(count, (i) => {
    const [from, to] = [fr(i * scale), fr((i + 1) * scale)];
    const at: number[] = [];
    const weights: number[] = [];
    for (let k = Math.floor(from); k < Math.ceil(to); k++) {
      at.push(clamp(k, 0, size - 1));
      weights.push(Math.min(k + 1, to) - Math.max(k, from));
    }
    return {at, weights: weights.map((weight) => weight / scale)};
  });
};

export const resizeMethods: Readonly<Record<string, Method>> = {
  ResizeNearestNeighbor: nearest,
  ResizeBilinear: bilinear,
  ResizeBicubic: bicubic,
  ResizeArea: area,
};

interface Kernel {
  readonly radius: number;
  readonly at: (x: number) => number;
}

const lanczos = (radius: number): Kernel => ({
  radius,
  at: (x) => {
    if (x > radius) return 0;
    if (x <= 1e-3) return 1;
    return (radius * Math.sin(Math.PI * x) * Math.sin((Math.PI * x) / radius)) / (Math.PI * Math.PI * x * x);
  },
});

/** Of ScaleAndTranslate, by `kernel_type`. */
const kernels: Readonly<Record<string, Kernel>> = {
  lanczos1: lanczos(1),
  lanczos3: lanczos(3),
  lanczos5: lanczos(5),
  gaussian: {radius: 1.5, at: (x) => (x >= 1.5 ? 0 : Math.exp((-x * x) / (2 * 0.5 * 0.5)))},
  box: {radius: 1, at: (x) => (x < 0.5 ? 1 : x === 0.5 ? 0.5 : 0)},
  triangle: {radius: 1, at: (x) => (x < 1 ? 1 - x : 0)},
  keyscubic: {
    radius: 2,
    at: (x) => (x >= 2 ? 0 : x >= 1 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : (1.5 * x - 2.5) * x * x + 1),
  },
  mitchellcubic: {
    radius: 2,
    at: (x) =>
      x >= 2 ? 0 : x >= 1 ? (((-7 / 18) * x + 2) * x - 10 / 3) * x + 16 / 9 : ((7 / 6) * x - 2) * x * x + 8 / 9,
  },
};

/** Throws `CONVERT_ATTRIBUTE` for other kernels. */
export function scaleAndTranslateTaps(
  site: Site,
  size: number,
  count: number,
  scale: number,
  translation: number,
): Taps[] {
  const type = stringAttribute(site, "kernel_type", "lanczos3");
  const kernel = kernels[type];
  if (kernel === undefined) throw failAt(site, "CONVERT_ATTRIBUTE", `kernel_type ${type} isn't known`);
  const inverse = fr(1 / scale);
  const shift = fr(-inverse * translation);
  const wide = booleanAttribute(site, "antialias", true) ? Math.max(inverse, 1) : 1;
  return each(count, (i) => {
    const place = fr(fr(fr(i + 0.5) * inverse) + shift);
    if (!(place >= 0 && place <= size)) return {at: [], weights: []};
    const from = clamp(Math.ceil(fr(fr(place - fr(kernel.radius * wide)) - 0.5)), 0, size - 1);
    const to = clamp(Math.floor(fr(fr(place + fr(kernel.radius * wide)) - 0.5)), 0, size - 1) + 1;
    const at = Array.from({length: to - from}, (_, k) => from + k);
    const weights = at.map((index) => kernel.at(Math.abs(fr(fr(fr(index + 0.5) - place) * fr(1 / wide)))));
    return {at, weights: normalised(weights)};
  });
}

/** Weighted sums along rows, then along columns, of an NHWC image. */
export function resample(x: Tensor, rows: readonly Taps[], columns: readonly Taps[], dtype: DType): Tensor {
  const [batch, height, width, channels] = x.shape as readonly [number, number, number, number];
  const values = numbersOf(x);
  const line = width * channels;
  const tall = new Float64Array(batch * rows.length * line);
  for (let n = 0; n < batch; n++) {
    rows.forEach(({at, weights}, i) => {
      const to = (n * rows.length + i) * line;
      at.forEach((source, k) => {
        const from = (n * height + source) * line;
        for (let c = 0; c < line; c++) tall[to + c]! += weights[k]! * values[from + c]!;
      });
    });
  }
  return makeTensor(dtype, [batch, rows.length, columns.length, channels], (index) => {
    const channel = index % channels;
    const column = Math.floor(index / channels) % columns.length;
    const from = Math.floor(index / (channels * columns.length)) * line + channel;
    const {at, weights} = columns[column]!;
    let sum = 0;
    for (let k = 0; k < at.length; k++) sum += weights[k]! * tall[from + at[k]! * channels]!;
    return sum;
  });
}

export const modeOf = (site: Site): ResizeMode => ({
  alignCorners: booleanAttribute(site, "align_corners"),
  halfPixelCenters: booleanAttribute(site, "half_pixel_centers"),
});

function inferResized(site: Site, dtype: Site["inputs"][number]["dtype"]) {
  const {shape} = site.inputs[0]!;
  if (shape && shape.length !== 4) throw failAt(site, "CONVERT_SHAPE", `a tensor of rank ${shape.length}, expected 4`);
  const [height, width] = dimsOf(site, 1) ?? [unknownDim, unknownDim];
  for (const size of [height, width]) {
    if (size !== undefined && isKnown(size) && size <= 0)
      throw failAt(site, "CONVERT_SHAPE", `a size of ${size}, expected a positive number`);
  }
  const dims = shape ?? [unknownDim, unknownDim, unknownDim, unknownDim];
  return [{dtype, shape: [dims[0]!, height ?? unknownDim, width ?? unknownDim, dims[3]!]}];
}

const resize = (name: string, keepsDtype: boolean): Operator => ({
  name: `tf.${name}`,
  infer: (site) => inferResized(site, keepsDtype ? site.inputs[0]!.dtype : "float32"),
  evaluate: (site, [x], [type]) => {
    const {kind} = dtypes[x!.dtype];
    if (kind === "complex" || kind === "string" || x!.shape.includes(0)) return undefined;
    const [, height, width] = x!.shape as readonly number[];
    const [, tall, wide] = type!.shape as readonly number[];
    const method = resizeMethods[name]!;
    const [rows, columns] = [method(height!, tall!, modeOf(site)), method(width!, wide!, modeOf(site))];
    if (!keepsDtype) return [resample(x!, rows, columns, "float32")];
    const channels = x!.shape[3]!;
    return [
      gatherElements(x!, type!.shape as number[], (index) => {
        const column = columns[Math.floor(index / channels) % wide!]!.at[0]!;
        const row = rows[Math.floor(index / (channels * wide!)) % tall!]!.at[0]!;
        const image = Math.floor(index / (channels * wide! * tall!));
        return ((image * height! + row) * width! + column) * channels + (index % channels);
      }),
    ];
  },
});

export const resizeOperators: readonly Operator[] = [
  resize("ResizeBilinear", false),
  resize("ResizeNearestNeighbor", true),
  resize("ResizeBicubic", false),
  resize("ResizeArea", false),
  {
    name: "tf.ScaleAndTranslate",
    infer: (site) => inferResized(site, "float32"),
    evaluate: (site, [x, , scale, translation], [type]) => {
      const [rows, columns] = [0, 1].map((i) =>
        scaleAndTranslateTaps(
          site,
          x!.shape[i + 1]!,
          type!.shape![i + 1] as number,
          numbersOf(scale!)[i]!,
          numbersOf(translation!)[i]!,
        ),
      );
      return [resample(x!, rows!, columns!, "float32")];
    },
  },
];
