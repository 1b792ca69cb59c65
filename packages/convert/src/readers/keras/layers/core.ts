/** Dense, EinsumDense, Embedding, Masking and what only hands on. */
import type {Ref} from "../../../ir/graph.ts";
import {activate} from "../activations.ts";
import {type LayerSite, type LayerTable, Value, weightOf} from "../layer.ts";
import {ownWeights} from "../weights.ts";

export const firstOf = (site: LayerSite): Ref => site.inputs[0]!.ref;

/** x·kernel + bias over the last axis, then the activation. */
function dense(site: LayerSite): Ref {
  const {b, config, version} = site;
  if (config.has("quantization_mode"))
    throw config.unsupported(`quantization_mode="${config.get("quantization_mode")}"`);
  const units = config.integer("units", undefined, 1);
  const product = b.project(firstOf(site), weightOf(site, "kernel", [-1, units]));
  const sum = config.boolean("use_bias", true) ? b.tf("BiasAdd", [product, weightOf(site, "bias", [units])]) : product;
  return activate(b, sum, config, "activation", version);
}

function einsumDense(site: LayerSite): Ref {
  const {b, config, version} = site;
  const equation = config.string("equation");
  const product = b.tf("Einsum", [firstOf(site), site.weight("kernel")], {equation});
  // The bias has the shape that lets it broadcast: Keras keeps it so.
  const sum = config.has("bias_axes") ? b.add(product, site.weight("bias")) : product;
  return activate(b, sum, config, "activation", version);
}

function embedding(site: LayerSite): Value {
  const {b, config} = site;
  const given = firstOf(site);
  const indices = b.dtype(given) === "int32" || b.dtype(given) === "int64" ? given : b.cast(given, "int32");
  const table = weightOf(site, "embeddings", [
    config.integer("input_dim", undefined, 1),
    config.integer("output_dim", undefined, 1),
  ]);
  const rows = b.tf("GatherV2", [table, indices, b.scalar(0, "int32")]);
  const mask = config.boolean("mask_zero", false) ? b.tf("NotEqual", [indices, b.like(0, indices)]) : undefined;
  return new Value(rows, mask);
}

/** An embedding, or with `reverse` the scores of all its rows. */
function reversibleEmbedding(site: LayerSite): Value {
  const {b, config} = site;
  const ties = config.boolean("tie_weights", true);
  const cap = config.has("logit_soft_cap") ? config.number("logit_soft_cap") : undefined;
  const reverse = site.kwargs.reverse ?? site.args[0] ?? false;
  const isFloat32 = !config.has("reverse_dtype") || config.get("reverse_dtype") === "float32";
  if (!isFloat32 && reverse === true) throw config.unsupported(`reverse_dtype="${config.get("reverse_dtype")}"`);
  if (reverse !== true) return embedding(site);
  const sizes = [config.integer("input_dim", undefined, 1), config.integer("output_dim", undefined, 1)] as const;
  const kernel = ties
    ? b.transpose(weightOf(site, "embeddings", sizes), [1, 0])
    : weightOf(site, "reverse_embeddings", [sizes[1], sizes[0]]);
  const given = firstOf(site);
  const scores = b.project(b.isFloat(given) ? given : b.cast(given, "float32"), kernel);
  if (cap === undefined) return new Value(scores);
  const limit = b.like(cap, scores);
  return new Value(b.mul(b.tf("Tanh", [b.div(scores, limit)]), limit));
}

/** Steps that are the mask value throughout become zeros, and are masked. */
function masking(site: LayerSite): Value {
  const {b, config} = site;
  const x = firstOf(site);
  const differs = b.tf("NotEqual", [x, b.like(config.number("mask_value", 0), x)]);
  const keeps = b.reduce("Any", differs, [-1], true);
  const mask = b.squeeze(keeps, [b.rank(keeps) - 1]);
  return new Value(b.mul(x, b.cast(keeps, b.dtype(x))), mask);
}

export const coreLayers: LayerTable = {
  Dense: {
    weights: (config) => ownWeights(["kernel", config.boolean("use_bias", true) && "bias"]),
    build: dense,
    mask: "pass",
  },
  EinsumDense: {
    weights: (config) => ownWeights(["kernel", config.has("bias_axes") && "bias"]),
    build: einsumDense,
  },
  Embedding: {weights: () => ownWeights(["embeddings"]), build: embedding, mask: "own", takesIntegers: true},
  ReversibleEmbedding: {
    weights: (config) => ownWeights(["embeddings", !config.boolean("tie_weights", true) && "reverse_embeddings"]),
    build: reversibleEmbedding,
    mask: "own",
    takesIntegers: true,
  },
  Masking: {build: masking, mask: "own"},
  Identity: {build: firstOf, mask: "pass-3"},
};
