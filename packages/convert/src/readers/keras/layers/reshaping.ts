/** Layers that move elements: padding, cropping, upsampling, reshaping. */
import {isKnown} from "../../../ir/dims.ts";
import type {Ref} from "../../../ir/graph.ts";
import type {Config} from "../config.ts";
import type {KerasBuilder} from "../keras-builder.ts";
import type {LayerRow, LayerSite, LayerTable} from "../layer.ts";
import {channelsLast, isChannelsFirst} from "./convolution.ts";
import {firstOf} from "./core.ts";

/** Amounts before and after each spatial axis: a number, one for each axis, or pairs. */
function pairsOf(
  config: Config,
  key: string,
  dimensions: number,
  fallback: number,
): readonly (readonly [number, number])[] {
  const value = config.get(key) ?? fallback;
  const isAmount = (each: unknown): each is number =>
    Number.isSafeInteger(each) && (each as number) >= 0 && (each as number) < 2 ** 31;
  const isPair = (each: unknown): each is [number, number] =>
    Array.isArray(each) && each.length === 2 && each.every(isAmount);
  if (isAmount(value)) return Array.from({length: dimensions}, () => [value, value] as const);
  if (dimensions === 1 && isPair(value)) return [value];
  if (Array.isArray(value) && value.length === dimensions) {
    if (value.every(isAmount)) return value.map((each) => [each, each] as const);
    if (value.every(isPair)) return value;
  }
  throw config.error(`${key} is ${JSON.stringify(value)}, expected amounts for ${dimensions} axes`);
}

const padding = (dimensions: number): LayerRow => ({
  build: (site) => {
    const pairs = pairsOf(site.config, "padding", dimensions, 1);
    return channelsLast(site, (x) => site.b.pad(x, [[0, 0], ...pairs, [0, 0]]));
  },
});

const cropping = (dimensions: number): LayerRow => ({
  build: (site) => {
    const {b, config} = site;
    const pairs = pairsOf(config, "cropping", dimensions, dimensions === 2 ? 0 : 1);
    return channelsLast(site, (x) => {
      const sizes = b.shape(x).slice(1, -1);
      pairs.forEach(([before, after], i) => {
        const size = sizes[i]!;
        if (isKnown(size) && before + after >= size)
          throw config.error(`cropping ${before} and ${after} of ${size} leaves nothing`);
      });
      const begin = [0, ...pairs.map(([before]) => before), 0];
      const end = [0, ...pairs.map(([, after]) => -after), 0];
      // Masks: where nothing is cut off behind, to the end.
      const mask = end.reduce((bits, each, i) => (each === 0 ? bits | (1 << i) : bits), 0);
      return b.tf("StridedSlice", [x, b.ints(begin), b.ints(end), b.ints(begin.map(() => 1))], {end_mask: mask});
    });
  },
});

/** Each element of an axis, `times` times one after the other. */
function repeat(b: KerasBuilder, x: Ref, axis: number, times: number): Ref {
  if (times === 1) return x;
  const sizes = b.sizes(x);
  const size = b.shape(x)[axis]!;
  const expanded = b.expand(x, axis + 1);
  const tiled = b.tf("Tile", [
    expanded,
    b.ints(Array.from({length: sizes.length + 1}, (_, i) => (i === axis + 1 ? times : 1))),
  ]);
  if (isKnown(size)) return b.reshape(tiled, [...sizes.slice(0, axis), size * times, ...sizes.slice(axis + 1)]);
  const indices = b.tf("FloorDiv", [
    b.tf("Range", [
      b.scalar(0, "int32"),
      b.tf("Mul", [b.sizeAt({ref: x, axis}), b.scalar(times, "int32")]),
      b.scalar(1, "int32"),
    ]),
    b.scalar(times, "int32"),
  ]);
  return b.tf("GatherV2", [x, indices, b.scalar(axis, "int32")]);
}

/** Methods of resizing by their names in Keras. */
export const resizeOps: Readonly<Record<string, string>> = {
  nearest: "ResizeNearestNeighbor",
  bilinear: "ResizeBilinear",
  bicubic: "ResizeBicubic",
};

function upSampling2d(site: LayerSite): Ref {
  const {b, config} = site;
  const [high, wide] = config.integers("size", 2, 2, 1) as [number, number];
  const interpolation = config.choice("interpolation", ["nearest", "bilinear", "bicubic"], "nearest");
  return channelsLast(site, (x) => {
    if (interpolation === "nearest") return repeat(b, repeat(b, x, 1, high), 2, wide);
    const [, height, width] = b.shape(x);
    const scaled = (axis: number, by: number) => b.mul(b.sizeAt({ref: x, axis}), b.scalar(by, "int32"));
    const size =
      isKnown(height!) && isKnown(width!)
        ? b.ints([height * high, width * wide])
        : b.tf("Pack", [scaled(1, high), scaled(2, wide)], {axis: 0});
    return b.tf(resizeOps[interpolation]!, [x, size], {half_pixel_centers: true});
  });
}

function upSampling3d(site: LayerSite): Ref {
  const factors = site.config.integers("size", 3, 2, 1);
  return channelsLast(site, (x) => factors.reduce((y, times, i) => repeat(site.b, y, i + 1, times), x));
}

/** Keras 2 and 3: channels-first inputs are flattened as if they were channels-last. */
function flatten(site: LayerSite): Ref {
  const {b, config} = site;
  const x = firstOf(site);
  const rank = b.rank(x);
  if (rank === 1) return b.expand(x, 1);
  const y =
    isChannelsFirst(config) && rank > 2
      ? b.transpose(x, [0, ...Array.from({length: rank - 2}, (_, i) => i + 2), 1])
      : x;
  const sizes = b.sizes(y);
  const rest = b.shape(y).slice(1);
  if (rest.every(isKnown)) return b.reshape(y, [sizes[0]!, rest.reduce((p, q) => p * q, 1)]);
  const batch = b.tf("Pack", [b.sizeAt({ref: y, axis: 0}), b.scalar(-1, "int32")], {axis: 0});
  return b.tf("Reshape", [y, batch]);
}

function reshape(site: LayerSite): Ref {
  const {b, config} = site;
  const x = firstOf(site);
  const target = config.get("target_shape");
  const isShape =
    Array.isArray(target) &&
    target.length <= 8 &&
    target.every((size) => size === null || (Number.isSafeInteger(size) && size >= -1));
  if (!isShape) throw config.error(`target_shape is ${JSON.stringify(target)}`);
  const wanted = (target as (number | null)[]).map((size) => size ?? -1);
  if (wanted.filter((size) => size === -1).length > 1) throw config.error("target_shape has two open sizes");
  const rest = b.shape(x).slice(1);
  if (rest.every(isKnown)) {
    const total = rest.reduce((p, q) => p * q, 1);
    const known = wanted.filter((size) => size !== -1).reduce((p, q) => p * q, 1);
    const sizes = wanted.map((size) => (size === -1 ? total / known : size));
    if (!sizes.every(Number.isSafeInteger) || sizes.reduce((p, q) => p * q, 1) !== total)
      throw config.error(`it can't make [${wanted}] of [${rest}]`);
    return b.reshape(x, [b.sizes(x)[0]!, ...sizes]);
  }
  const parts = [b.sizeAt({ref: x, axis: 0}), ...wanted.map((size) => b.scalar(size, "int32"))];
  return b.tf("Reshape", [x, b.tf("Pack", parts, {axis: 0})]);
}

function permute(site: LayerSite): Ref {
  const {b, config} = site;
  const x = firstOf(site);
  const dims = config.integers("dims", b.rank(x) - 1, undefined, 1);
  if ([...dims].sort((p, q) => p - q).some((dim, i) => dim !== i + 1)) throw config.error(`dims is [${dims}]`);
  return b.transpose(x, [0, ...dims]);
}

function repeatVector(site: LayerSite): Ref {
  const {b, config} = site;
  const n = config.integer("n", undefined, 1);
  return b.tf("Tile", [b.expand(firstOf(site), 1), b.ints([1, n, 1])]);
}

export const reshapingLayers: LayerTable = {
  ZeroPadding1D: padding(1),
  ZeroPadding2D: padding(2),
  ZeroPadding3D: padding(3),
  Cropping1D: cropping(1),
  Cropping2D: cropping(2),
  Cropping3D: cropping(3),
  UpSampling1D: {
    build: (site) =>
      repeat(site.b, firstOf(site), 1, site.config.integer("size", site.config.integer("length", 2, 1), 1)),
  },
  UpSampling2D: {build: upSampling2d},
  UpSampling3D: {build: upSampling3d},
  Flatten: {build: flatten},
  Reshape: {build: reshape},
  Permute: {build: permute},
  RepeatVector: {build: repeatVector},
};
