/** Attention: dot product, additive, with many heads, with grouped heads. */
import {isKnown, isStatic, type Shape} from "../../../ir/dims.ts";
import type {Ref} from "../../../ir/graph.ts";
import type {Config} from "../config.ts";
import {type LayerRow, type LayerSite, type LayerTable, Value} from "../layer.ts";
import {ownWeights, type WeightSpec, within} from "../weights.ts";
import {maskedSoftmax} from "./activation.ts";
import {asBool, flagArgument, tensorArgument} from "./masks.ts";

/** Row i may see columns up to i: [1, T, S]. */
function causalMask({b, config}: LayerSite, query: Ref, value: Ref): Ref {
  const [rows, columns] = [b.shape(query)[1]!, b.shape(value)[1]!];
  if (isKnown(rows) && isKnown(columns) && rows * columns > 1 << 24)
    throw config.unsupported(`a causal mask of ${rows} by ${columns}`);
  const range = (ref: Ref) => b.tf("Range", [b.scalar(0, "int32"), b.sizeAt({ref, axis: 1}), b.scalar(1, "int32")]);
  const grid = b.tf("GreaterEqual", [b.expand(range(query), 1), b.expand(range(value), 0)]);
  return b.expand(grid, 0);
}

const both = ({b}: LayerSite, masks: readonly (Ref | undefined)[]): Ref | undefined => {
  const found = masks.filter((mask) => mask !== undefined);
  return found.length === 0 ? undefined : found.reduce((all, mask) => b.tf("LogicalAnd", [all, mask]));
};

/** keras.layers.Attention and AdditiveAttention: scores → softmax over the keys → weighted values. */
function attention(site: LayerSite, isAdditive: boolean): readonly (Ref | Value)[] {
  const {b, config, inputs, kwargs} = site;
  const [query, value, key = value] = inputs;
  if (query === undefined || value === undefined) throw config.error("it takes [query, value] or [query, value, key]");
  const given = Array.isArray(kwargs.mask) ? kwargs.mask : undefined;
  const maskAt = (i: number): Ref | undefined => {
    const mask = given === undefined ? inputs[i]!.mask : given[i];
    if (mask instanceof Value) return asBool(site, mask.ref);
    return typeof mask === "string" ? mask : undefined;
  };
  if (given === undefined && kwargs.mask !== undefined && kwargs.mask !== null)
    throw config.unsupported("a mask that is no list");
  const [queryMask, valueMask] = [maskAt(0), maskAt(1)];
  const scores = isAdditive ? additiveScores(site, query.ref, key!.ref) : dotScores(site, query.ref, key!.ref);
  // Up to Keras 2.12 being causal was an option of the layer.
  const isCausal = flagArgument(site, "use_causal_mask") || config.boolean("causal", false);
  const mask = both(site, [
    valueMask && b.expand(valueMask, -2),
    isCausal ? causalMask(site, query.ref, value.ref) : undefined,
  ]);
  const masked = mask === undefined ? scores : b.select(mask, scores, b.sub(scores, b.like(1e9, scores)));
  const weights = b.tf("Softmax", [masked]);
  const mixed = b.tf("BatchMatMulV2", [weights, value.ref]);
  const result = queryMask === undefined ? mixed : b.mul(mixed, b.cast(b.expand(queryMask, -1), b.dtype(mixed)));
  const output = new Value(result, queryMask);
  return flagArgument(site, "return_attention_scores") ? [output, weights] : [output];
}

function dotScores({b, config, weight}: LayerSite, query: Ref, key: Ref): Ref {
  const useScale = config.boolean("use_scale", false);
  if (config.choice("score_mode", ["dot", "concat"], "dot") === "dot") {
    const scores = b.tf("BatchMatMulV2", [query, key], {adj_y: true});
    return useScale ? b.mul(scores, weight("scale")) : scores;
  }
  const sum = b.add(b.expand(query, -2), b.expand(key, -3));
  const inner = b.tf("Tanh", [useScale ? b.mul(sum, weight("scale")) : sum]);
  return b.mul(b.reduce("Sum", inner, [-1], false), weight("concat_score_weight"));
}

function additiveScores({b, config, weight}: LayerSite, query: Ref, key: Ref): Ref {
  const inner = b.tf("Tanh", [b.add(b.expand(query, -2), b.expand(key, -3))]);
  return b.reduce("Sum", config.boolean("use_scale", true) ? b.mul(inner, weight("scale")) : inner, [-1], false);
}

const projections = ["query", "key", "value"] as const;

function headWeights(config: Config, gate: readonly string[], output: string): readonly WeightSpec[] {
  const own = ownWeights(["kernel", config.boolean("use_bias", true) && "bias"]);
  return [
    ...projections.flatMap((name) => [
      ...within(name, `${name}_dense`, own),
      ...(name === "key" ? gate.flatMap((each) => within(each, "_gate_dense", own)) : []),
    ]),
    ...within("output", output, own),
  ];
}

/** x [B, T, D] by a kernel [D, N, H]: [B, T, N, H]. */
function projectHeads({b, config, weight}: LayerSite, x: Ref, name: string): Ref {
  const kernel = weight(`${name}/kernel`);
  const [inner, heads, size] = knownShape(config, b.shape(kernel), 3) as [number, number, number];
  const flat = b.project(x, b.reshape(kernel, [inner, heads * size]));
  const product = b.reshape(flat, [...b.sizes(x).slice(0, 2), heads, size]);
  return config.boolean("use_bias", true) ? b.add(product, weight(`${name}/bias`)) : product;
}

/** Heads [B, T, N, H] by a kernel [N, H, D]: [B, T, D]. */
function joinHeads({b, config, weight}: LayerSite, heads: Ref): Ref {
  const kernel = weight("output/kernel");
  if (b.rank(kernel) !== 3) throw config.unsupported("an output of several axes");
  const [count, size, outer] = knownShape(config, b.shape(kernel), 3) as [number, number, number];
  const flat = b.reshape(heads, [...b.sizes(heads).slice(0, 2), count * size]);
  const product = b.project(flat, b.reshape(kernel, [count * size, outer]));
  return config.boolean("use_bias", true) ? b.add(product, weight("output/bias")) : product;
}

function knownShape(config: Config, shape: Shape, rank: number): readonly number[] {
  if (shape.length === rank && isStatic(shape)) return shape;
  throw config.error(`a kernel has the shape [${shape}], expected ${rank} sizes`);
}

/** Query, value and key as they were called, with the masks that Keras would see. */
function headArguments(site: LayerSite) {
  const {b, config, inputs} = site;
  const query = inputs[0]!;
  const value = tensorArgument(site, "value", 0);
  if (value === undefined) throw config.error("it is called without a value");
  const givenKey = tensorArgument(site, "key", 1);
  const key = givenKey ?? value;
  for (const {ref} of [query, value, key]) {
    if (b.rank(ref) !== 3) throw config.unsupported(`attention over ${b.rank(ref) - 2} axes`);
  }
  const maskOf = (name: string, own: Value | undefined): Ref | undefined => {
    const explicit = tensorArgument(site, name, 99);
    return explicit === undefined ? own?.mask : asBool(site, explicit.ref);
  };
  const attentionMask = tensorArgument(site, "attention_mask", 5);
  const mask = (): Ref | undefined => {
    const [queryMask, valueMask, keyMask] = [query.mask, maskOf("value_mask", value), maskOf("key_mask", givenKey)];
    const window = config.has("sliding_window") ? config.integer("sliding_window", undefined, 1) : undefined;
    return both(site, [
      queryMask && b.expand(queryMask, -1),
      valueMask && b.expand(valueMask, -2),
      keyMask && b.expand(keyMask, -2),
      flagArgument(site, "use_causal_mask") ? causalMask(site, query.ref, value.ref) : undefined,
      window === undefined ? undefined : windowMask(site, query.ref, value.ref, window),
      attentionMask && asBool(site, attentionMask.ref),
    ]);
  };
  return {query, value, key, mask};
}

/** Positions less than `window` apart: [1, T, S]. */
function windowMask({b}: LayerSite, query: Ref, value: Ref, window: number): Ref {
  const range = (ref: Ref) => b.tf("Range", [b.scalar(0, "int32"), b.sizeAt({ref, axis: 1}), b.scalar(1, "int32")]);
  const apart = b.tf("Abs", [b.sub(b.expand(range(query), 1), b.expand(range(value), 0))]);
  return b.expand(b.tf("Less", [apart, b.scalar(window, "int32")]), 0);
}

/**
 * Softmax of scores [B, N, T, S] under a mask [B, T, S]. Keras 3 has two ways for it, which differ where a row has no key
 * left: then the fused one spreads over all keys, the layer gives zeros.
 */
function headSoftmax(site: LayerSite, scores: Ref, mask: Ref | undefined, isFused: boolean): Ref {
  const {b} = site;
  if (mask === undefined) return b.tf("Softmax", [scores]);
  const wide = b.rank(mask) === 3 ? b.expand(mask, 1) : mask;
  if (!isFused) return maskedSoftmax(site, scores, [-1], wide, site.version);
  return b.tf("Softmax", [b.select(wide, scores, b.like(fusedLow, scores))]);
}

/** −0.7 of the largest float32: what Keras' dot_product_attention puts at masked places. */
const fusedLow = -0.7 * 3.4028234663852886e38;

function multiHeadAttention(site: LayerSite): readonly (Ref | Value)[] {
  const {b, config} = site;
  const {query, value, key, mask} = headArguments(site);
  const keyDim = config.integer("key_dim", undefined, 1);
  const axes = config.get("attention_axes");
  if (Array.isArray(axes) ? axes.some((axis) => axis !== 1) : axes !== undefined && axes !== null && axes !== 1) {
    throw config.unsupported(`attention_axes=${JSON.stringify(axes)}`);
  }
  const [q, k, v] = [
    projectHeads(site, query.ref, "query"),
    projectHeads(site, key.ref, "key"),
    projectHeads(site, value.ref, "value"),
  ];
  const wantsScores = flagArgument(site, "return_attention_scores");
  const scaled = b.mul(q, b.like(1 / Math.sqrt(keyDim), q));
  const scores = b.tf("Einsum", [scaled, k], {equation: "btnh,bsnh->bnts"});
  // The fused way is taken where nothing asks for the scores.
  const isFused = site.version >= 3 && config.number("dropout", 0) === 0 && !wantsScores;
  const weights = headSoftmax(site, scores, mask(), isFused);
  const mixed = b.tf("Einsum", [weights, v], {equation: "bnts,bsnh->btnh"});
  const gated = config.boolean("use_gate", false)
    ? b.mul(mixed, b.tf("Sigmoid", [projectHeads(site, query.ref, "gate")]))
    : mixed;
  const output = new Value(joinHeads(site, gated), query.mask);
  return wantsScores ? [output, weights] : [output];
}

function groupQueryAttention(site: LayerSite): readonly (Ref | Value)[] {
  const {b, config} = site;
  const {query, value, key, mask} = headArguments(site);
  const size = config.integer("head_dim", undefined, 1);
  const [heads, groups] = [
    config.integer("num_query_heads", undefined, 1),
    config.integer("num_key_value_heads", undefined, 1),
  ];
  if (heads % groups !== 0) throw config.error(`${heads} query heads for ${groups} of keys`);
  const share = (x: Ref): Ref => {
    if (heads === groups) return x;
    const sizes = b.sizes(x);
    const tiled = b.tf("Tile", [b.expand(x, 3), b.ints([1, 1, 1, heads / groups, 1])]);
    return b.reshape(tiled, [sizes[0]!, sizes[1]!, heads, size]);
  };
  const q = projectHeads(site, query.ref, "query");
  const [k, v] = [share(projectHeads(site, key.ref, "key")), share(projectHeads(site, value.ref, "value"))];
  const wantsScores = flagArgument(site, "return_attention_scores");
  const scores = b.tf("Einsum", [b.mul(q, b.like(1 / Math.sqrt(size), q)), k], {equation: "btnh,bsnh->bnts"});
  const isFused = config.number("dropout", 0) === 0 && !wantsScores;
  const weights = headSoftmax(site, scores, mask(), isFused);
  const mixed = b.tf("Einsum", [weights, v], {equation: "bnts,bsnh->btnh"});
  const output = new Value(joinHeads(site, mixed), query.mask);
  return wantsScores ? [output, weights] : [output];
}

function refuseGate(config: Config): void {
  if (config.boolean("use_gate", false)) throw config.unsupported("use_gate=true");
}

const groupedQueries: LayerRow = {
  weights: (config) => {
    refuseGate(config);
    return headWeights(config, [], "output_dense");
  },
  build: groupQueryAttention,
  mask: "own",
};

export const attentionLayers: LayerTable = {
  Attention: {
    weights: (config) =>
      ownWeights([
        config.boolean("use_scale", false) && "scale",
        config.string("score_mode", "dot") === "concat" && "concat_score_weight",
      ]),
    build: (site) => attention(site, false),
    mask: "own",
  },
  AdditiveAttention: {
    weights: (config) => ownWeights([config.boolean("use_scale", true) && "scale"]),
    build: (site) => attention(site, true),
    mask: "own",
  },
  MultiHeadAttention: {
    weights: (config) => headWeights(config, config.boolean("use_gate", false) ? ["gate"] : [], "output_dense"),
    build: multiHeadAttention,
    mask: "own",
  },
  GroupQueryAttention: groupedQueries,
  GroupedQueryAttention: groupedQueries,
};
