/** Pooling over windows and over everything. */
import {isKnown} from "../../../ir/dims.ts";
import type {Ref} from "../../../ir/graph.ts";
import type {LayerRow, LayerSite, LayerTable} from "../layer.ts";
import {Value} from "../layer.ts";
import {channelsLast, isChannelsFirst} from "./convolution.ts";
import {firstOf} from "./core.ts";
import {maskOf} from "./masks.ts";

const windowed = (dimensions: number, isMax: boolean): LayerRow => ({
  build: (site) => {
    const {b, config} = site;
    // Keras 1 and 2 called the pool of one dimension by another name.
    const pool = config.integers(
      "pool_size",
      dimensions,
      config.has("pool_length") ? config.integer("pool_length") : 2,
      1,
    );
    const strides = config.has("strides") ? config.integers("strides", dimensions, undefined, 1) : pool;
    const padding = config.choice("padding", ["valid", "same"], "valid").toUpperCase();
    const lift = (sizes: readonly number[]) => [1, ...(dimensions === 1 ? [1] : []), ...sizes, 1];
    const op = `${isMax ? "MaxPool" : "AvgPool"}${dimensions === 3 ? "3D" : ""}`;
    return channelsLast(site, (x) => {
      const input = dimensions === 1 ? b.expand(x, 1) : x;
      const y = b.tf(op, [input], {ksize: lift(pool), strides: lift(strides), padding});
      return dimensions === 1 ? b.squeeze(y, [1]) : y;
    });
  },
});

const global = (dimensions: number, op: string): LayerRow => ({
  build: (site) => {
    const {b, config} = site;
    const first = isChannelsFirst(config) ? 2 : 1;
    const axes = Array.from({length: dimensions}, (_, i) => first + i);
    const x = firstOf(site);
    if (b.rank(x) !== dimensions + 2) throw config.error(`its input has rank ${b.rank(x)}, expected ${dimensions + 2}`);
    return b.reduce(op, x, axes, config.boolean("keepdims", false));
  },
});

/** The mean over the steps that count. */
function maskedAverage(site: LayerSite): Value {
  const {b, config} = site;
  const mask = maskOf(site);
  const axis = isChannelsFirst(config) ? 2 : 1;
  const keepDims = config.boolean("keepdims", false);
  const x = firstOf(site);
  if (mask === undefined) return new Value(b.reduce("Mean", x, [axis], keepDims));
  const weights = b.expand(b.cast(mask, b.dtype(x)), axis === 1 ? 2 : 1);
  const sum = b.reduce("Sum", b.mul(x, weights), [axis], keepDims);
  return new Value(b.div(sum, b.reduce("Sum", weights, [axis], keepDims)));
}

/** Sliced for each place of the output: more are no pooling any more. */
const maxPlaces = 512;

/** Output i along an axis is of the inputs from ⌊i·n/k⌋ to ⌈(i + 1)·n/k⌉, one axis after the other. */
const adaptive = (dimensions: number, op: "Max" | "Mean"): LayerRow => ({
  build: (site) => {
    const {b, config} = site;
    const wanted = config.integers("output_size", dimensions, undefined, 1);
    return channelsLast(site, (given) => {
      if (b.rank(given) !== dimensions + 2) {
        throw config.error(`its input has rank ${b.rank(given)}, expected ${dimensions + 2}`);
      }
      return wanted.reduce((x, count, i) => adaptAxis(site, x, i + 1, count, op), given);
    });
  },
});

function adaptAxis({b, config}: LayerSite, x: Ref, axis: number, count: number, op: "Max" | "Mean"): Ref {
  const size = b.shape(x)[axis]!;
  if (!isKnown(size)) throw config.unsupported("an axis of unknown size");
  if (size === count) return x;
  if (count > maxPlaces) throw config.unsupported(`output_size=${count}`);
  if (size === 0) throw config.error("its input is empty");
  const places = Array.from({length: count}, (_, i) => {
    const start = Math.floor((i * size) / count);
    const end = Math.ceil(((i + 1) * size) / count);
    const at = (value: number, otherwise: number) => b.shape(x).map((_, each) => (each === axis ? value : otherwise));
    return b.reduce(op, b.slice(x, at(start, 0), at(end - start, -1)), [axis], true);
  });
  return b.concat(places, axis);
}

function names(kind: string, aliases: readonly string[], dimensions: number): readonly string[] {
  return aliases.map((alias) => `${kind}${alias}${dimensions}D`);
}

const dimensions = [1, 2, 3] as const;

export const poolingLayers: LayerTable = {
  ...Object.fromEntries(
    dimensions.flatMap((n) => [
      ...names("", ["MaxPooling", "MaxPool"], n).map((name) => [name, windowed(n, true)] as const),
      ...names("", ["AveragePooling", "AvgPool"], n).map((name) => [name, windowed(n, false)] as const),
      ...names("Global", ["MaxPooling", "MaxPool"], n).map((name) => [name, global(n, "Max")] as const),
      ...names("Global", ["AveragePooling", "AvgPool"], n).map((name) => [name, global(n, "Mean")] as const),
      [`AdaptiveMaxPooling${n}D`, adaptive(n, "Max")] as const,
      [`AdaptiveAveragePooling${n}D`, adaptive(n, "Mean")] as const,
    ]),
  ),
  GlobalAveragePooling1D: {build: maskedAverage, mask: "own"},
  GlobalAvgPool1D: {build: maskedAverage, mask: "own"},
};
