/** Preprocessing of numbers and images that inference does too. */
import {isKnown} from "../../../ir/dims.ts";
import type {Ref} from "../../../ir/graph.ts";
import {makeTensor} from "../../../ops/elements.ts";
import type {Config} from "../config.ts";
import type {LayerSite, LayerTable} from "../layer.ts";
import type {WeightSpec} from "../weights.ts";
import {channelsLast} from "./convolution.ts";
import {firstOf} from "./core.ts";
import {axesOf} from "./normalization.ts";
import {resizeOps} from "./reshaping.ts";

/** As floats: these layers take integers as well. */
function asFloat(site: LayerSite, x: Ref = firstOf(site)): Ref {
  return site.b.isFloat(x) ? x : site.b.cast(x, "float32");
}

/** A number, or a list along the last axis. */
function numbersOrNumber(config: Config, key: string, fallback: number): readonly number[] {
  return Array.isArray(config.get(key)) ? config.numbers(key) : [config.number(key, fallback)];
}

function rescaling(site: LayerSite): Ref {
  const {b, config} = site;
  const x = asFloat(site);
  const constant = (values: readonly number[]) =>
    b.value(makeTensor(b.dtype(x), values.length === 1 ? [] : [values.length], (i) => values[i]!));
  return b.add(b.mul(x, constant(numbersOrNumber(config, "scale", 1))), constant(numbersOrNumber(config, "offset", 0)));
}

/** (x − μ) / max(√σ², ε), with ε = 1e−7. */
function normalization(site: LayerSite): Ref {
  const {b, config} = site;
  const x = asFloat(site);
  const rank = b.rank(x);
  const axis = config.get("axis");
  const axes =
    axis === null || (Array.isArray(axis) && axis.length === 0) ? [] : [...axesOf(config, rank)].sort((p, q) => p - q);
  const sizes = Array.from({length: rank}, (_, i) => {
    const size = axes.includes(i) ? b.shape(x)[i]! : 1;
    if (!isKnown(size)) throw config.unsupported("statistics along an axis of unknown size");
    return size;
  });
  const statistic = (key: string): Ref => {
    if (!config.has("mean")) return b.reshape(site.weight(key), sizes);
    const values = flatNumbers(config, key);
    const count = sizes.reduce((p, q) => p * q, 1);
    if (values.length !== count && values.length !== 1)
      throw config.error(`${values.length} numbers of ${key}, expected ${count}`);
    return b.value(makeTensor(b.dtype(x), sizes, (i) => values[values.length === 1 ? 0 : i]!));
  };
  const deviation = b.tf("Maximum", [b.tf("Sqrt", [statistic("variance")]), b.like(1e-7, x)]);
  const mean = statistic("mean");
  return config.boolean("invert", false) ? b.add(mean, b.mul(x, deviation)) : b.div(b.sub(x, mean), deviation);
}

function flatNumbers(config: Config, key: string): readonly number[] {
  const value = config.get(key);
  const list = Array.isArray(value) ? (value as unknown[]).flat(8) : [value];
  if (!list.every((each) => typeof each === "number")) throw config.error(`${key} isn't numbers`);
  return list as number[];
}

const normalizationWeights = (config: Config): readonly WeightSpec[] =>
  config.has("mean")
    ? []
    : ["mean", "variance", "count"].map((name, i) => ({key: name, name, path: `vars/${i}`, trainable: false}));

/** Images are [height, width, channels] with or without a batch. */
function overImages(site: LayerSite, compute: (x: Ref) => Ref): Ref {
  const {b} = site;
  const x = asFloat(site);
  const isSingle = b.rank(x) === 3;
  if (!isSingle && b.rank(x) !== 4)
    throw site.config.error(`its input has rank ${b.rank(x)}, expected an image or a batch`);
  const batch = {...site, inputs: [{ref: isSingle ? b.expand(x, 0) : x, mask: undefined}]};
  const result = channelsLast(batch as LayerSite, compute);
  return isSingle ? b.squeeze(result, [0]) : result;
}

function imageSize(site: LayerSite, x: Ref): readonly [number, number] {
  const [, height, width] = site.b.shape(x);
  if (!isKnown(height!) || !isKnown(width!)) throw site.config.unsupported("images of unknown size");
  return [height, width];
}

function resizing(site: LayerSite): Ref {
  const {b, config} = site;
  const target = [config.integer("height", undefined, 1), config.integer("width", undefined, 1)];
  if (config.boolean("pad_to_aspect_ratio", false)) throw config.unsupported("pad_to_aspect_ratio=true");
  if (config.boolean("antialias", false)) throw config.unsupported("antialias=true");
  const interpolation = config.choice("interpolation", ["bilinear", "nearest", "bicubic"], "bilinear");
  return overImages(site, (x) => {
    const from = config.boolean("crop_to_aspect_ratio", false) ? cropToRatio(site, x, target as [number, number]) : x;
    return b.tf(resizeOps[interpolation]!, [from, b.ints(target)], {half_pixel_centers: true});
  });
}

/** The largest part in the middle that has the target's proportions. */
function cropToRatio(site: LayerSite, x: Ref, [height, width]: readonly [number, number]): Ref {
  const [high, wide] = imageSize(site, x);
  const cropHeight = Math.min(high, Math.floor((wide * height) / width));
  const cropWidth = Math.min(wide, Math.floor((high * width) / height));
  const top = Math.floor((high - cropHeight) / 2);
  const left = Math.floor((wide - cropWidth) / 2);
  return site.b.slice(x, [0, top, left, 0], [-1, cropHeight, cropWidth, -1]);
}

function centerCrop(site: LayerSite): Ref {
  const {b, config} = site;
  const [height, width] = [config.integer("height", undefined, 1), config.integer("width", undefined, 1)];
  return overImages(site, (x) => {
    const [high, wide] = imageSize(site, x);
    if (high >= height && wide >= width) {
      return b.slice(
        x,
        [0, Math.floor((high - height) / 2), Math.floor((wide - width) / 2), 0],
        [-1, height, width, -1],
      );
    }
    return b.tf("ResizeBilinear", [cropToRatio(site, x, [height, width]), b.ints([height, width])], {
      half_pixel_centers: true,
    });
  });
}

/** Indices as one-hot, multi-hot or counts of `depth` (keras.src.utils.numerical_utils). */
function encode(site: LayerSite, indices: Ref, depth: number, mode: string): Ref {
  const {b} = site;
  const rank = b.rank(indices);
  const flat =
    mode === "one_hot" && rank > 0 && b.shape(indices).at(-1) === 1 ? b.squeeze(indices, [rank - 1]) : indices;
  const ones = b.tf("OneHot", [flat, b.scalar(depth, "int32"), b.scalar(1), b.scalar(0)], {axis: -1});
  if (mode === "one_hot") return ones;
  const counted = b.rank(ones) - 2;
  if (b.rank(indices) === 0) return ones;
  return b.reduce(mode === "count" ? "Sum" : "Max", ones, [counted], false);
}

const modes = ["int", "one_hot", "multi_hot", "count"] as const;

function outputMode(config: Config, fallback: (typeof modes)[number]): (typeof modes)[number] {
  if (config.boolean("sparse", false)) throw config.unsupported("sparse=true");
  return config.choice("output_mode", modes, fallback);
}

function categoryEncoding(site: LayerSite): Ref {
  const {b, config} = site;
  const mode = outputMode(config, "multi_hot");
  if (mode === "int") throw config.error('output_mode="int"');
  const weights = site.kwargs.count_weights;
  if (weights !== undefined && weights !== null) throw config.unsupported("count_weights");
  return encode(site, b.cast(firstOf(site), "int32"), config.integer("num_tokens", undefined, 1), mode);
}

/** The number of boundaries at or below each value. */
function discretization(site: LayerSite): Ref {
  const {b, config} = site;
  const mode = outputMode(config, "int");
  if (!config.has("bin_boundaries")) throw config.unsupported("bin_boundaries that aren't in the configuration");
  const boundaries = config.numbers("bin_boundaries");
  const buckets = b.tf("Bucketize", [asFloat(site)], {boundaries: [...boundaries].sort((p, q) => p - q)});
  if (mode === "int") return b.cast(buckets, site.version >= 3 ? "int32" : "int64");
  return encode(site, buckets, boundaries.length + 1, mode);
}

/** What an IntegerLookup knows: its numbers, and what comes before them in the order of places. */
interface Vocabulary {
  readonly tokens: readonly number[];
  readonly mask: number | undefined;
  readonly unknown: number;
  /** Places for numbers that aren't in it. */
  readonly unknownPlaces: number;
}

function vocabularyOf(config: Config, mode: string): Vocabulary {
  if (!config.has("vocabulary")) throw config.unsupported("a vocabulary that isn't in the configuration");
  const mask = config.has("mask_token") ? config.number("mask_token") : undefined;
  const unknown = config.has("oov_token") ? config.number("oov_token") : -1;
  const unknownPlaces = config.integer("num_oov_indices", 1);
  const given = config.numbers("vocabulary");
  const special = [
    ...(mask !== undefined && mode === "int" ? [mask] : []),
    ...Array.from({length: Math.min(unknownPlaces, given.length + 1)}, () => unknown),
  ];
  const hasSpecial = special.length > 0 && special.every((token, i) => given[i] === token);
  const tokens = hasSpecial ? given.slice(special.length) : given;
  const isOdd = mask !== undefined && tokens.includes(mask);
  if (!tokens.every(Number.isSafeInteger) || new Set(tokens).size !== tokens.length || isOdd) {
    throw config.error("its vocabulary isn't different whole numbers");
  }
  if (tokens.length === 0 || tokens.length > maxVocabulary) throw config.unsupported(`${tokens.length} tokens`);
  return {tokens, mask, unknown, unknownPlaces};
}

/**
 * Numbers of a vocabulary as their places, behind those for the mask and for what isn't in it; or those encoded. Without
 * a place for what isn't in it, TensorFlow stops at such a number: no kernel can.
 */
function integerLookup(site: LayerSite): Ref {
  const {b, config} = site;
  const mode = outputMode(config, "int");
  const vocabulary = vocabularyOf(config, mode);
  if (config.boolean("invert", false)) return invertedLookup(site, vocabulary);
  const {tokens, mask, unknownPlaces} = vocabulary;
  if (unknownPlaces === 0) throw config.unsupported("num_oov_indices=0, which stops at unknown numbers,");
  if (unknownPlaces > 1 && config.has("oov_method") && config.string("oov_method") !== "floormod") {
    throw config.unsupported(`oov_method="${config.get("oov_method")}"`);
  }
  if (config.has("salt")) throw config.unsupported("a salt");
  const firstUnknown = mask !== undefined && mode === "int" ? 1 : 0;
  const first = firstUnknown + unknownPlaces;
  const x = b.cast(firstOf(site), "int64");
  const known = b.value(makeTensor("int64", [tokens.length], (i) => BigInt(tokens[i]!)));
  const equal = b.cast(b.tf("Equal", [b.expand(x, -1), known]), "float32");
  // At most one is equal: 0 where none is, else the place from 1.
  const places = b.floats(tokens.map((_, i) => i + 1));
  const place = b.cast(b.reduce("Sum", b.mul(equal, places), [-1], false), "int64");
  const isKnownToken = b.tf("Greater", [place, b.like(0, place)]);
  const bucket = b.tf("FloorMod", [x, b.like(unknownPlaces, x)]);
  const found = b.select(isKnownToken, b.add(place, b.like(first - 1, place)), b.add(bucket, b.like(firstUnknown, x)));
  // Encodings leave the mask out: no place is -1.
  const masked =
    mask === undefined
      ? found
      : b.select(
          b.tf("Equal", [x, b.like(mask, x)]),
          b.add(b.tf("ZerosLike", [found]), b.like(mode === "int" ? 0 : -1, x)),
          found,
        );
  const padded = config.boolean("pad_to_max_tokens", false) && config.has("max_tokens");
  if (mode === "int") return masked;
  const size = first + tokens.length;
  const depth = padded ? config.integer("max_tokens", undefined, size) : size;
  const encoded = encode(site, b.cast(masked, "int32"), depth, mode);
  return site.version >= 3 ? b.cast(encoded, "int64") : encoded;
}

/** Places back to the numbers; those beyond to the one for what isn't known. */
function invertedLookup(site: LayerSite, {tokens, mask, unknown, unknownPlaces}: Vocabulary): Ref {
  const {b} = site;
  const all = [...(mask === undefined ? [] : [mask]), ...Array.from({length: unknownPlaces}, () => unknown), ...tokens];
  if (all.length > maxVocabulary) throw site.config.unsupported(`${all.length} tokens`);
  const x = b.cast(firstOf(site), "int64");
  const table = b.value(makeTensor("int64", [all.length], (i) => BigInt(all[i]!)));
  const [low, high] = [b.like(0, x), b.like(all.length - 1, x)];
  const within = b.tf("Minimum", [b.tf("Maximum", [x, low]), high]);
  const found = b.tf("GatherV2", [table, within, b.scalar(0, "int32")]);
  return b.select(b.tf("Equal", [x, within]), found, b.add(b.tf("ZerosLike", [found]), b.like(unknown, found)));
}

/** Each number is compared with all: more are for a table. */
const maxVocabulary = 10_000;

/** Layers that change images only in training. */
const augmentations = [
  "RandomFlip",
  "RandomRotation",
  "RandomTranslation",
  "RandomZoom",
  "RandomContrast",
  "RandomBrightness",
  "RandomHeight",
  "RandomWidth",
  "RandomShear",
  "RandomHue",
  "RandomSaturation",
  "RandomColorJitter",
  "RandomColorDegeneration",
  "RandomGrayscale",
  "RandomPerspective",
  "RandomPosterization",
  "RandomSharpness",
  "RandomErasing",
  "RandomElasticTransform",
  "RandomGaussianBlur",
  "RandomInvert",
  "RandAugment",
  "AugMix",
  "CutMix",
  "MixUp",
  "Solarization",
] as const;

function augmentation(site: LayerSite): Ref {
  const x = firstOf(site);
  if (!site.b.isFloat(x)) throw site.config.unsupported("an augmentation of integers");
  return x;
}

export const preprocessingLayers: LayerTable = {
  Rescaling: {build: rescaling, mask: "pass-3"},
  Normalization: {weights: normalizationWeights, build: normalization, mask: "pass-3"},
  Resizing: {build: resizing},
  CenterCrop: {build: centerCrop},
  CategoryEncoding: {build: categoryEncoding},
  Discretization: {build: discretization},
  IntegerLookup: {build: integerLookup},
  ...Object.fromEntries(augmentations.map((name) => [name, {build: augmentation, ignoresOptions: true} as const])),
};
