/** Normalisations, as inference computes them: spelled out, for the passes to fold. */
import {isKnown} from "../../../ir/dims.ts";
import type {Ref} from "../../../ir/graph.ts";
import type {Config} from "../config.ts";
import type {KerasBuilder, Size} from "../keras-builder.ts";
import {type LayerSite, type LayerTable, weightOf} from "../layer.ts";
import {ownWeights} from "../weights.ts";
import {firstOf} from "./core.ts";

/** The option `axis`, as places from the front. */
export function axesOf(config: Config, rank: number, fallback: number | readonly number[] = -1): readonly number[] {
  const value = config.get("axis") ?? fallback;
  const list = Array.isArray(value) ? value : [value];
  const axes = list.map((axis: unknown) => {
    const isAxis = Number.isSafeInteger(axis) && (axis as number) >= -rank && (axis as number) < rank;
    if (!isAxis) throw config.error(`its axis ${String(axis)} isn't one of ${rank}`);
    return (axis as number) < 0 ? (axis as number) + rank : (axis as number);
  });
  if (new Set(axes).size !== axes.length || axes.length === 0) throw config.error("its axes aren't different ones");
  return axes;
}

/** Parameters along `axes` of a value, laid out to broadcast over it. */
function spread(b: KerasBuilder, parameter: Ref, axes: readonly number[], rank: number): Ref {
  const own = b.shape(parameter);
  // Over the last axes they broadcast as they are.
  const isLast = [...axes].sort((p, q) => p - q).every((axis, i) => axis === rank - axes.length + i);
  if (isLast && own.length === axes.length) return parameter;
  const sizes: Size[] = Array.from({length: rank}, (_, axis) => {
    const place = axes.indexOf(axis);
    const dim = place < 0 ? 1 : own[place]!;
    return isKnown(dim) ? dim : 1;
  });
  return b.reshape(parameter, sizes);
}

const affine = (config: Config): readonly (string | false)[] => [
  config.boolean("scale", true) && "gamma",
  config.boolean("center", true) && "beta",
];

/** (x − μ)·γ/√(σ² + ε) + β */
function batchNormalization(site: LayerSite): Ref {
  const {b, config} = site;
  if (config.boolean("renorm", false)) throw config.unsupported("renorm=true");
  const x = firstOf(site);
  const rank = b.rank(x);
  const axes = axesOf(config, rank);
  if (axes.length !== 1) throw config.unsupported("a batch normalisation over several axes");
  const channels = b.shape(x)[axes[0]!]!;
  const along = (key: string) => spread(b, weightOf(site, key, [isKnown(channels) ? channels : -1]), axes, rank);
  const inverse = b.tf("Rsqrt", [b.add(along("moving_variance"), b.like(config.number("epsilon", 1e-3), x))]);
  const factor = config.boolean("scale", true) ? b.mul(inverse, along("gamma")) : inverse;
  const shift = b.mul(along("moving_mean"), factor);
  const offset = config.boolean("center", true) ? b.sub(along("beta"), shift) : b.tf("Neg", [shift]);
  return b.add(b.mul(x, factor), offset);
}

function moments(b: KerasBuilder, x: Ref, axes: readonly number[]): {readonly mean: Ref; readonly variance: Ref} {
  const mean = b.reduce("Mean", x, axes, true);
  return {mean, variance: b.reduce("Mean", b.tf("SquaredDifference", [x, mean]), axes, true)};
}

function layerNormalization(site: LayerSite): Ref {
  const {b, config} = site;
  const x = firstOf(site);
  const rank = b.rank(x);
  const axes = axesOf(config, rank);
  const epsilon = b.like(config.number("epsilon", 1e-3), x);
  // Weights have the shape of the normalised axes in the order in which the layer lists them; Keras 2 took it for theirs.
  const along = (key: string) => {
    const sorted = [...axes].sort((p, q) => p - q);
    if (site.version < 3 && axes.some((axis, i) => axis !== sorted[i])) {
      const sizes = b.sizes(x).map((size, axis) => (axes.includes(axis) ? size : 1));
      return b.reshape(site.weight(key), sizes);
    }
    const weight = b.transpose(
      site.weight(key),
      sorted.map((axis) => axes.indexOf(axis)),
    );
    return spread(b, weight, sorted, rank);
  };
  const scaled = (y: Ref) => (config.boolean("scale", true) ? b.mul(y, along("gamma")) : y);
  if (config.boolean("rms_scaling", false)) {
    const {variance} = moments(b, x, axes);
    return b.mul(b.mul(x, b.tf("Rsqrt", [b.add(variance, epsilon)])), along("gamma"));
  }
  const {mean, variance} = moments(b, x, axes);
  const normal = scaled(b.mul(b.sub(x, mean), b.tf("Rsqrt", [b.add(variance, epsilon)])));
  return config.boolean("center", true) ? b.add(normal, along("beta")) : normal;
}

function groupNormalization(site: LayerSite): Ref {
  const {b, config} = site;
  const x = firstOf(site);
  const rank = b.rank(x);
  const [axis] = axesOf(config, rank) as [number];
  const channels = b.shape(x)[axis]!;
  if (!isKnown(channels)) throw config.unsupported("an unknown number of channels");
  const wanted = config.number("groups", 32);
  const groups = wanted === -1 ? channels : wanted;
  if (!Number.isSafeInteger(groups) || groups < 1 || channels % groups !== 0)
    throw config.error(`${groups} groups of ${channels} channels`);
  const sizes = b.sizes(x);
  const inGroups = (all: readonly Size[]) => [...all.slice(0, axis), groups, channels / groups, ...all.slice(axis + 1)];
  const grouped = b.reshape(x, inGroups(sizes));
  const axes = Array.from({length: rank}, (_, i) => i + 1).filter((each) => each !== axis);
  const {mean, variance} = moments(b, grouped, axes);
  const flat = inGroups(sizes.map(() => 1));
  const along = (key: string) => b.reshape(site.weight(key), flat);
  const inverse = b.tf("Rsqrt", [b.add(variance, b.like(config.number("epsilon", 1e-3), x))]);
  const factor = config.boolean("scale", true) ? b.mul(inverse, along("gamma")) : inverse;
  const normal = b.mul(b.sub(grouped, mean), factor);
  const result = config.boolean("center", true) ? b.add(normal, along("beta")) : normal;
  return b.reshape(result, sizes);
}

/** x / max(|x|, ε), where Keras has √max(Σx², ε) with ε = 1e−12. */
function unitNormalization(site: LayerSite): Ref {
  const {b, config} = site;
  const x = firstOf(site);
  const axes = axesOf(config, b.rank(x));
  const sum = b.reduce("Sum", b.tf("Square", [x]), axes, true);
  // Keras 2 bounds the sum of squares, Keras 3 the norm.
  const least = b.like(site.version < 3 ? 1e-12 : 1e-24, x);
  return b.mul(x, b.tf("Rsqrt", [b.tf("Maximum", [sum, least])]));
}

function rmsNormalization(site: LayerSite): Ref {
  const {b, config} = site;
  const x = firstOf(site);
  const rank = b.rank(x);
  const axes = axesOf(config, rank);
  const square = b.reduce("Mean", b.tf("Square", [x]), axes, true);
  const normal = b.mul(x, b.tf("Rsqrt", [b.add(square, b.like(config.number("epsilon", 1e-6), x))]));
  return b.mul(normal, spread(b, site.weight("scale"), axes, rank));
}

const statistics = ["moving_mean", "moving_variance"];

export const normalizationLayers: LayerTable = {
  BatchNormalization: {
    weights: (config) => ownWeights([...affine(config), ...statistics], statistics),
    build: batchNormalization,
    mask: "pass",
  },
  SyncBatchNormalization: {
    weights: (config) => ownWeights([...affine(config), ...statistics], statistics),
    build: batchNormalization,
    mask: "pass",
  },
  LayerNormalization: {
    weights: (config) => ownWeights(config.boolean("rms_scaling", false) ? ["gamma"] : affine(config)),
    build: layerNormalization,
    mask: "pass",
  },
  GroupNormalization: {weights: (config) => ownWeights(affine(config)), build: groupNormalization, mask: "pass"},
  UnitNormalization: {build: unitNormalization, mask: "pass"},
  RMSNormalization: {weights: () => ownWeights(["scale"]), build: rmsNormalization},
};
