/**
 * Reference values of what slides a window over the spatial dimensions: convolutions, their transposes, pools, patches,
 * morphological dilation. Everything is computed with three spatial dimensions (those that are missing have size 1), in
 * double precision, and rounded once. Layouts other than channels-last are transposed there and back.
 */
import {type DType, dtypes, type Tensor} from "@tf-trusted/tensor";
import type {TensorType} from "../../ir/graph.ts";
import {numbersAttribute, type Site, stringAttribute} from "../../ir/operators.ts";
import {gatherElements, isInt64, makeTensor, numbersOf, transposeTensor} from "../elements.ts";

/** How a window moves along one dimension. */
export interface Window {
  readonly size: number;
  readonly window: number;
  readonly stride: number;
  readonly dilation: number;
  /** Elements that are missing before the first. */
  readonly before: number;
  /** Number of places. */
  readonly count: number;
}

/** The places of a window along a dimension; TensorFlow puts the odd element of SAME behind. */
export function windowOver(
  size: number,
  window: number,
  stride: number,
  dilation: number,
  padding: string,
  pads: readonly [number, number] = [0, 0],
): Window {
  const span = (window - 1) * dilation + 1;
  if (padding === "SAME") {
    const count = Math.ceil(size / stride);
    const total = Math.max((count - 1) * stride + span - size, 0);
    return {size, window, stride, dilation, before: Math.floor(total / 2), count};
  }
  const [before, after] = padding === "EXPLICIT" ? pads : [0, 0];
  const count = Math.max(0, Math.floor((size + before + after - span) / stride) + 1);
  return {size, window, stride, dilation, before, count};
}

/** Where tap `k` of place `i` reads; outside 0…size−1 is padding. */
export const tapOf = (w: Window, i: number, k: number): number => i * w.stride - w.before + k * w.dilation;

const isFirst = (site: Site) => stringAttribute(site, "data_format", "NHWC").startsWith("NC");

/** The order of dimensions that brings the channels of NCHW to the end, and the one that brings them back. */
function ordersOf(rank: number): readonly [toLast: number[], toFirst: number[]] {
  const spatial = Array.from({length: rank - 2}, (_, i) => i);
  return [
    [0, ...spatial.map((i) => i + 2), 1],
    [0, rank - 1, ...spatial.map((i) => i + 1)],
  ];
}

const toChannelsLast = (site: Site, x: Tensor): Tensor =>
  isFirst(site) ? transposeTensor(x, ordersOf(x.shape.length)[0]) : x;
const fromChannelsLast = (site: Site, y: Tensor): Tensor =>
  isFirst(site) ? transposeTensor(y, ordersOf(y.shape.length)[1]) : y;

/** One value for each spatial dimension of a list that has one for each dimension. */
function spatialOf(site: Site, values: readonly number[]): number[] {
  const at = isFirst(site) ? 2 : 1;
  return values.slice(at, at + values.length - 2);
}

function spatialPads(site: Site, rank: number): (readonly [number, number])[] {
  const pads = numbersAttribute(site, "explicit_paddings", []);
  const at = isFirst(site) ? 2 : 1;
  return Array.from({length: rank - 2}, (_, i) => [pads[2 * (at + i)] ?? 0, pads[2 * (at + i) + 1] ?? 0] as const);
}

/** One for each of three dimensions, those that are missing first. */
function windowsOf(
  sizes: readonly number[],
  windows: readonly number[],
  strides: readonly number[],
  dilations: readonly number[],
  padding: string,
  pads: readonly (readonly [number, number])[],
): readonly [Window, Window, Window] {
  const own = sizes.map((size, i) => windowOver(size, windows[i]!, strides[i]!, dilations[i]!, padding, pads[i]));
  const one = windowOver(1, 1, 1, 1, "VALID");
  return [...Array.from({length: 3 - own.length}, () => one), ...own] as unknown as [Window, Window, Window];
}

const isFloat = (tensor: Tensor) => dtypes[tensor.dtype].kind === "float";
const volume = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);
const ones = (count: number): number[] => Array.from({length: count}, () => 1);

/**
 * Calls `visit` for each pair of an output element and an input element that a window joins: flat indices over the
 * spatial dimensions (without batch and channels), and the flat index of the tap.
 */
function eachTap(windows: readonly [Window, Window, Window], visit: (out: number, at: number, tap: number) => void) {
  const [a, b, c] = windows;
  let out = 0;
  for (let i = 0; i < a.count; i++) {
    for (let j = 0; j < b.count; j++) {
      for (let k = 0; k < c.count; k++, out++) {
        for (let p = 0; p < a.window; p++) {
          const ia = tapOf(a, i, p);
          if (ia < 0 || ia >= a.size) continue;
          for (let q = 0; q < b.window; q++) {
            const ib = tapOf(b, j, q);
            if (ib < 0 || ib >= b.size) continue;
            for (let r = 0; r < c.window; r++) {
              const ic = tapOf(c, k, r);
              if (ic < 0 || ic >= c.size) continue;
              visit(out, (ia * b.size + ib) * c.size + ic, (p * b.window + q) * c.window + r);
            }
          }
        }
      }
    }
  }
}

/** Conv2D, Conv3D (also with groups) and DepthwiseConv2dNative. */
export function evaluateConvolution(
  site: Site,
  [source, filter]: readonly Tensor[],
  depthwise: boolean,
): Tensor[] | undefined {
  if (!isFloat(source!)) return undefined;
  const x = toChannelsLast(site, source!);
  const rank = x.shape.length;
  const sizes = x.shape.slice(1, -1);
  const kernel = filter!.shape.slice(0, rank - 2);
  const strides = spatialOf(site, numbersAttribute(site, "strides"));
  const dilations = spatialOf(site, numbersAttribute(site, "dilations", ones(rank)));
  const padding = stringAttribute(site, "padding");
  const windows = windowsOf(sizes, kernel, strides, dilations, padding, spatialPads(site, rank));
  const [batch, channels] = [x.shape[0]!, x.shape.at(-1)!];
  const [inner, last] = filter!.shape.slice(-2) as [number, number];
  const outputs = depthwise ? inner * last : last;
  const outSizes = windows.slice(3 - sizes.length).map((each) => each.count);
  const places = volume(outSizes);
  const [values, weights] = [numbersOf(x), numbersOf(filter!)];
  const sums = new Float64Array(batch * places * outputs);
  const perGroup = depthwise ? 0 : outputs / (channels / inner);
  const area = volume(sizes);
  eachTap(windows, (out, at, tap) => {
    for (let n = 0; n < batch; n++) {
      const to = (n * places + out) * outputs;
      const from = (n * area + at) * channels;
      if (depthwise) {
        const w = tap * outputs;
        for (let o = 0; o < outputs; o++) sums[to + o]! += values[from + Math.floor(o / last)]! * weights[w + o]!;
        continue;
      }
      for (let c = 0; c < channels; c++) {
        const value = values[from + c]!;
        const w = (tap * inner + (c % inner)) * outputs;
        const first = Math.floor(c / inner) * perGroup;
        for (let o = first; o < first + perGroup; o++) sums[to + o]! += value * weights[w + o]!;
      }
    }
  });
  const result = makeTensor(x.dtype, [batch, ...outSizes, outputs], (i) => sums[i]!);
  return [fromChannelsLast(site, result)];
}

/** The gradient of a convolution by its input: what each input element would have gone to comes back to it. */
export function evaluateTransposedConvolution(
  site: Site,
  [, filter, source]: readonly Tensor[],
  type: TensorType,
): Tensor[] | undefined {
  if (!isFloat(source!)) return undefined;
  const y = toChannelsLast(site, source!);
  const rank = y.shape.length;
  const target = type.shape as readonly number[];
  const sizes = spatialOf(site, target);
  const kernel = filter!.shape.slice(0, rank - 2);
  const strides = spatialOf(site, numbersAttribute(site, "strides"));
  const dilations = spatialOf(site, numbersAttribute(site, "dilations", ones(rank)));
  const padding = stringAttribute(site, "padding");
  const windows = windowsOf(sizes, kernel, strides, dilations, padding, spatialPads(site, rank));
  const places = volume(y.shape.slice(1, -1));
  if (places !== volume(windows.map((each) => each.count))) return undefined;
  const [outputs, inner] = filter!.shape.slice(-2) as [number, number];
  const [batch, area] = [y.shape[0]!, volume(sizes)];
  const [values, weights] = [numbersOf(y), numbersOf(filter!)];
  const sums = new Float64Array(batch * area * outputs);
  eachTap(windows, (place, at, tap) => {
    for (let n = 0; n < batch; n++) {
      const from = (n * places + place) * inner;
      for (let o = 0; o < outputs; o++) {
        const w = (tap * outputs + o) * inner;
        let sum = 0;
        for (let c = 0; c < inner; c++) sum += values[from + c]! * weights[w + c]!;
        sums[(n * area + at) * outputs + o]! += sum;
      }
    }
  });
  return [
    fromChannelsLast(
      site,
      makeTensor(y.dtype, [batch, ...sizes, outputs], (i) => sums[i]!),
    ),
  ];
}

/** Pools, axis by axis: the greatest of the greatest, and the mean of means (a window's size is a product). */
export function evaluatePool(
  site: Site,
  x: Tensor,
  ksize: readonly number[],
  strides: readonly number[],
  isMax: boolean,
): Tensor[] | undefined {
  if (isInt64(x.dtype) || dtypes[x.dtype].kind === "string" || dtypes[x.dtype].kind === "complex") return undefined;
  const padding = stringAttribute(site, "padding");
  const pads = numbersAttribute(site, "explicit_paddings", []);
  let values: ArrayLike<number> = numbersOf(x);
  let shape = [...x.shape];
  ksize.forEach((size, axis) => {
    if (size === 1 && strides[axis] === 1) return;
    const w = windowOver(shape[axis]!, size, strides[axis]!, 1, padding, [
      pads[2 * axis] ?? 0,
      pads[2 * axis + 1] ?? 0,
    ]);
    values = poolAxis(values, shape, axis, w, isMax);
    shape = shape.map((dim, i) => (i === axis ? w.count : dim));
  });
  const pooled = values;
  return [makeTensor(x.dtype, shape, (i) => pooled[i]!)];
}

function poolAxis(
  values: ArrayLike<number>,
  shape: readonly number[],
  axis: number,
  w: Window,
  isMax: boolean,
): Float64Array {
  const [outer, inner] = [volume(shape.slice(0, axis)), volume(shape.slice(axis + 1))];
  const result = new Float64Array(outer * w.count * inner);
  for (let i = 0; i < w.count; i++) {
    const taps = Array.from({length: w.window}, (_, k) => tapOf(w, i, k)).filter((at) => at >= 0 && at < w.size);
    for (let o = 0; o < outer; o++) {
      for (let n = 0; n < inner; n++) {
        let found = isMax ? Number.NEGATIVE_INFINITY : 0;
        for (const at of taps) {
          const value = values[(o * w.size + at) * inner + n]!;
          if (isMax) found = value > found || Number.isNaN(value) ? value : found;
          else found += value;
        }
        result[(o * w.count + i) * inner + n] = isMax ? found : found / taps.length;
      }
    }
  }
  return result;
}

/** The windows of a 4-D operator that has its own lists: `ksizes`, `strides`, `rates`. NHWC. */
function imageWindows(
  site: Site,
  sizes: readonly number[],
  kernel: readonly number[],
  rates: readonly number[],
): readonly [Window, Window, Window] {
  const strides = numbersAttribute(site, "strides").slice(1, -1);
  return windowsOf(sizes, kernel, strides, rates, stringAttribute(site, "padding"), []);
}

/** ExtractImagePatches and ExtractVolumePatches: zeros where a window hangs over the edge. Any dtype. */
export function evaluatePatches(site: Site, x: Tensor): Tensor[] {
  const kernel = numbersAttribute(site, "ksizes").slice(1, -1);
  const rates = numbersAttribute(site, "rates", ones(x.shape.length)).slice(1, -1);
  const sizes = x.shape.slice(1, -1);
  const windows = imageWindows(site, sizes, kernel, rates);
  const [batch, channels] = [x.shape[0]!, x.shape.at(-1)!];
  const counts = windows.slice(3 - sizes.length).map((each) => each.count);
  const [places, taps, area] = [volume(counts), volume(kernel), volume(sizes)];
  const sources = new Int32Array(places * taps).fill(-1);
  eachTap(windows, (out, at, tap) => {
    sources[out * taps + tap] = at;
  });
  return [
    gatherElements(x, [batch, ...counts, taps * channels], (i) => {
      const at = sources[Math.floor(i / channels) % (places * taps)]!;
      const n = Math.floor(i / (channels * places * taps));
      return at < 0 ? -1 : (n * area + at) * channels + (i % channels);
    }),
  ];
}

/** Grayscale dilation: the greatest of x + w over the window, which leaves out what is beyond the edge. */
export function evaluateDilation(site: Site, x: Tensor, filter: Tensor): Tensor[] | undefined {
  if (isInt64(x.dtype)) return undefined;
  const sizes = x.shape.slice(1, -1);
  const windows = imageWindows(site, sizes, filter.shape.slice(0, 2), numbersAttribute(site, "rates").slice(1, -1));
  const [batch, channels] = [x.shape[0]!, x.shape[3]!];
  const counts = windows.slice(1).map((each) => each.count);
  const [places, area] = [volume(counts), volume(sizes)];
  const [values, weights] = [numbersOf(x), numbersOf(filter)];
  const best = new Float64Array(batch * places * channels).fill(Number.NEGATIVE_INFINITY);
  eachTap(windows, (out, at, tap) => {
    for (let n = 0; n < batch; n++) {
      for (let c = 0; c < channels; c++) {
        const value = values[(n * area + at) * channels + c]! + weights[tap * channels + c]!;
        const to = (n * places + out) * channels + c;
        if (value > best[to]!) best[to] = value;
      }
    }
  });
  return [makeTensor(x.dtype, [batch, ...counts, channels], (i) => best[i]!)];
}

/** The greatest of each window and where it is: the first in reading order, counted over the image or the whole batch. */
export function evaluateMaxPoolWithArgmax(site: Site, x: Tensor): Tensor[] | undefined {
  if (isInt64(x.dtype)) return undefined;
  const sizes = x.shape.slice(1, -1);
  const windows = imageWindows(site, sizes, numbersAttribute(site, "ksize").slice(1, -1), [1, 1]);
  const [batch, channels] = [x.shape[0]!, x.shape[3]!];
  const counts = windows.slice(1).map((each) => each.count);
  const [places, area] = [volume(counts), volume(sizes)];
  const values = numbersOf(x);
  const total = batch * places * channels;
  const places_ = new Float64Array(total).fill(-1);
  eachTap(windows, (out, at) => {
    for (let n = 0; n < batch; n++) {
      for (let c = 0; c < channels; c++) {
        const to = (n * places + out) * channels + c;
        const from = (n * area + at) * channels + c;
        if (places_[to]! < 0 || values[from]! > values[places_[to]!]!) places_[to] = from;
      }
    }
  });
  const wholeBatch = site.attributes.include_batch_in_index === true;
  const shape = [batch, ...counts, channels];
  const dtype = stringAttribute(site, "Targmax", "int64") as DType;
  return [
    makeTensor(x.dtype, shape, (i) => values[places_[i]!]!),
    makeTensor(dtype, shape, (i) => (wholeBatch ? places_[i]! : places_[i]! % (area * channels))),
  ];
}

/** Multiplications that a convolution takes: what folding one would cost. */
export function convolutionCost(filter: Tensor, outputElements: number): number {
  return outputElements * volume(filter.shape.slice(0, -1));
}
