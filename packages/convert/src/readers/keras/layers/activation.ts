/** Activations that are layers. */
import type {Ref} from "../../../ir/graph.ts";
import {activate, elu, leakyRelu, relu, softmax} from "../activations.ts";
import type {LayerSite, LayerTable} from "../layer.ts";
import {ownWeights} from "../weights.ts";
import {firstOf} from "./core.ts";
import {maskOf} from "./masks.ts";

function softmaxLayer(site: LayerSite): Ref {
  const {config, version} = site;
  const axis = config.get("axis");
  const axes = Array.isArray(axis) ? config.numbers("axis") : [config.number("axis", -1)];
  return maskedSoftmax(site, firstOf(site), axes, maskOf(site), version);
}

/** Softmax where `mask` is true; zeros elsewhere. */
export function maskedSoftmax(
  {b, config}: Pick<LayerSite, "b" | "config">,
  x: Ref,
  axes: readonly number[],
  mask: Ref | undefined,
  version: number,
): Ref {
  if (mask === undefined) return softmax(b, x, axes);
  if (b.rank(mask) > b.rank(x)) throw config.error("its mask has more dimensions than its input");
  const keeps = b.dtype(mask) === "bool" ? mask : b.tf("Greater", [mask, b.like(0.5, mask)]);
  if (version < 3) {
    // Keras 2 adds −1e9, and leaves what comes of it.
    const adder = b.mul(b.sub(b.like(1, x), b.cast(keeps, b.dtype(x))), b.like(-1e9, x));
    return softmax(b, b.add(x, adder), axes);
  }
  const masked = softmax(b, b.select(keeps, x, b.like(-1e9, x)), axes);
  return b.select(keeps, masked, b.like(0, x));
}

function prelu(site: LayerSite): Ref {
  const {b} = site;
  const x = firstOf(site);
  // relu(x) − α·relu(−x)
  return b.sub(b.tf("Relu", [x]), b.mul(site.weight("alpha"), b.tf("Relu", [b.tf("Neg", [x])])));
}

function reluLayer(site: LayerSite): Ref {
  const {b, config} = site;
  const maximum = config.has("max_value") ? config.number("max_value") : undefined;
  const slope = config.number("negative_slope", config.number("alpha", 0));
  return relu(b, firstOf(site), slope, maximum, config.number("threshold", 0));
}

/** Max over the elements above θ, of themselves. */
function thresholded(site: LayerSite): Ref {
  const {b, config} = site;
  const x = firstOf(site);
  return b.mul(x, b.cast(b.tf("Greater", [x, b.like(config.number("theta", 1), x)]), b.dtype(x)));
}

export const activationLayers: LayerTable = {
  Activation: {build: (site) => activate(site.b, firstOf(site), site.config, "activation", site.version), mask: "pass"},
  ReLU: {build: reluLayer, mask: "pass"},
  LeakyReLU: {
    build: ({b, config, inputs}) =>
      leakyRelu(b, inputs[0]!.ref, config.number("negative_slope", config.number("alpha", 0.3))),
    mask: "pass",
  },
  ELU: {build: ({b, config, inputs}) => elu(b, inputs[0]!.ref, config.number("alpha", 1)), mask: "pass"},
  PReLU: {weights: () => ownWeights(["alpha"]), build: prelu, mask: "pass"},
  ThresholdedReLU: {build: thresholded, mask: "pass"},
  Softmax: {build: softmaxLayer, mask: "pass"},
};
