/** Convolutions of one to three dimensions, all by Conv2D and Conv3D over [batch, …spatial, channels]. */
import {isKnown, isStatic, type Shape} from "../../../ir/dims.ts";
import type {Attributes, Ref} from "../../../ir/graph.ts";
import {activate} from "../activations.ts";
import type {Config} from "../config.ts";
import type {KerasBuilder} from "../keras-builder.ts";
import {type LayerRow, type LayerSite, type LayerTable, weightOf} from "../layer.ts";
import {ownWeights} from "../weights.ts";
import {firstOf} from "./core.ts";

/** Whether channels are the axis behind the batch: then the layer is computed between two transpositions. */
export function isChannelsFirst(config: Config): boolean {
  return config.choice("data_format", ["channels_last", "channels_first"], "channels_last") === "channels_first";
}

/** Runs `compute` on [batch, …spatial, channels] whatever the layer has. */
export function channelsLast(site: LayerSite, compute: (x: Ref) => Ref): Ref {
  const x = firstOf(site);
  if (!isChannelsFirst(site.config)) return compute(x);
  const {b} = site;
  const rank = b.rank(x);
  const toLast = [0, ...Array.from({length: rank - 2}, (_, i) => i + 2), 1];
  const y = compute(b.transpose(x, toLast));
  const toFirst = [0, b.rank(y) - 1, ...Array.from({length: b.rank(y) - 2}, (_, i) => i + 1)];
  return b.transpose(y, toFirst);
}

/** Spatial options of a layer, one for each dimension. */
interface Windows {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: "same" | "valid" | "causal";
}

function windowsOf(config: Config, dimensions: number): Windows {
  return {
    kernel: config.integers("kernel_size", dimensions, undefined, 1),
    strides: config.integers("strides", dimensions, 1, 1),
    dilations: config.integers("dilation_rate", dimensions, 1, 1),
    padding: config.choice("padding", ["valid", "same", "causal"], "valid"),
  };
}

/** One dimension becomes two, of which the first is 1. */
const lift = (values: readonly number[], dimensions: number): readonly number[] =>
  dimensions === 1 ? [1, ...values] : values;

export interface ConvolutionOptions extends Windows {
  readonly groups: number;
}

/** A convolution by a kernel [...spatial, in/groups, out]. */
export function convolve(b: KerasBuilder, x: Ref, kernel: Ref, options: ConvolutionOptions): Ref {
  const dimensions = options.kernel.length;
  const {groups} = options;
  const padded = options.padding === "causal" ? padCausal(b, x, options) : x;
  const padding = options.padding === "same" ? "SAME" : "VALID";
  const [input, filter] = dimensions === 1 ? [b.expand(padded, 1), b.expand(kernel, 0)] : [padded, kernel];
  const attributes: Attributes = {
    strides: [1, ...lift(options.strides, dimensions), 1],
    dilations: [1, ...lift(options.dilations, dimensions), 1],
    padding,
  };
  const op = dimensions === 3 ? "Conv3D" : "Conv2D";
  const whole = groups === 1 || dimensions < 3;
  const y = whole ? b.tf(op, [input, filter], attributes) : grouped(b, op, input, filter, groups, attributes);
  return dimensions === 1 ? b.squeeze(y, [1]) : y;
}

/** Each group of input channels makes its share of the outputs. */
function grouped(b: KerasBuilder, op: string, x: Ref, kernel: Ref, groups: number, attributes: Attributes): Ref {
  const inputs = b.split(x, groups, -1);
  const kernels = b.split(kernel, groups, -1);
  return b.concat(
    inputs.map((input, i) => b.tf(op, [input, kernels[i]!], attributes)),
    -1,
  );
}

function padCausal(b: KerasBuilder, x: Ref, {kernel, dilations}: Windows): Ref {
  const left = dilations[0]! * (kernel[0]! - 1);
  return b.pad(x, [
    [0, 0],
    [left, 0],
    [0, 0],
  ]);
}

/** The kernel of a depthwise convolution is [...spatial, in, multiplier]. */
function convolveDepthwise(b: KerasBuilder, x: Ref, kernel: Ref, options: Windows): Ref {
  const dimensions = options.kernel.length;
  const padded = options.padding === "causal" ? padCausal(b, x, options) : x;
  const padding = options.padding === "same" ? "SAME" : "VALID";
  const [input, filter] = dimensions === 1 ? [b.expand(padded, 1), b.expand(kernel, 0)] : [padded, kernel];
  const attributes = (strides: readonly number[]): Attributes => ({
    strides: [1, ...strides, 1],
    dilations: [1, ...lift(options.dilations, dimensions), 1],
    padding,
  });
  // The operator has equal strides only; of one dimension, the other's is free.
  const strides = dimensions === 1 ? [options.strides[0]!, options.strides[0]!] : options.strides;
  const y = b.tf("DepthwiseConv2dNative", [input, filter], attributes(strides));
  return dimensions === 1 ? b.squeeze(y, [1]) : y;
}

/** A kernel [...spatial, in, out]. */
function kernelOf(site: LayerSite, key: string, spatial: readonly number[], last: number): Ref {
  return weightOf(site, key, [...spatial, -1, last]);
}

function addBias({b, config, weight}: LayerSite, y: Ref): Ref {
  return config.boolean("use_bias", true) ? b.tf("BiasAdd", [y, weight("bias")]) : y;
}

const finish = (site: LayerSite, y: Ref): Ref =>
  activate(site.b, addBias(site, y), site.config, "activation", site.version);

/** Depthwise and separable layers have the option from those that they derive from. */
function ungrouped(config: Config): void {
  if (config.integer("groups", 1, 1) !== 1) throw config.unsupported("groups");
}

/** Activations along an axis of channels are those of the layer's own layout. */
function refuseAxisActivation(config: Config): void {
  const name = config.get("activation");
  if (isChannelsFirst(config) && typeof name === "string" && /softmax|glu/.test(name)) {
    throw config.unsupported(`data_format="channels_first" with activation="${name}"`);
  }
}

const standard = (dimensions: number): LayerRow => ({
  weights: (config) => ownWeights(["kernel", config.boolean("use_bias", true) && "bias"]),
  build: (site) => {
    refuseAxisActivation(site.config);
    const options = {...windowsOf(site.config, dimensions), groups: site.config.integer("groups", 1, 1)};
    return channelsLast(site, (x) =>
      finish(
        site,
        convolve(
          site.b,
          x,
          kernelOf(site, "kernel", options.kernel, site.config.integer("filters", undefined, 1)),
          options,
        ),
      ),
    );
  },
});

const depthwise = (dimensions: number): LayerRow => ({
  weights: (config, version) =>
    ownWeights([version < 3 ? "depthwise_kernel" : "kernel", config.boolean("use_bias", true) && "bias"]),
  build: (site) => {
    refuseAxisActivation(site.config);
    ungrouped(site.config);
    const options = windowsOf(site.config, dimensions);
    const key = site.version < 3 ? "depthwise_kernel" : "kernel";
    const kernel = kernelOf(site, key, options.kernel, site.config.integer("depth_multiplier", 1, 1));
    return channelsLast(site, (x) => finish(site, convolveDepthwise(site.b, x, kernel, options)));
  },
});

const separable = (dimensions: number): LayerRow => ({
  weights: (config) => ownWeights(["depthwise_kernel", "pointwise_kernel", config.boolean("use_bias", true) && "bias"]),
  build: (site) => {
    const {b, config} = site;
    refuseAxisActivation(config);
    ungrouped(config);
    const options = windowsOf(config, dimensions);
    const one = options.kernel.map(() => 1);
    const pointwise: ConvolutionOptions = {kernel: one, strides: one, dilations: one, padding: "valid", groups: 1};
    return channelsLast(site, (x) => {
      const deep = convolveDepthwise(
        b,
        x,
        kernelOf(site, "depthwise_kernel", options.kernel, config.integer("depth_multiplier", 1, 1)),
        options,
      );
      return finish(
        site,
        convolve(b, deep, kernelOf(site, "pointwise_kernel", one, config.integer("filters", undefined, 1)), pointwise),
      );
    });
  },
});

/** What a transposed convolution adds to size·stride (keras.src.backend.common.backend_utils). */
function transposedExcess(kernel: number, stride: number, padding: string, extra: number | undefined): number {
  if (extra === undefined) return padding === "same" ? 0 : Math.max(kernel - stride, 0);
  return (padding === "same" ? kernel % 2 : kernel) + extra - stride;
}

/** kernel: [...spatial, out, in]. */
const transposed = (dimensions: number): LayerRow => ({
  weights: (config) => ownWeights(["kernel", config.boolean("use_bias", true) && "bias"]),
  build: (site) => {
    const {b, config} = site;
    refuseAxisActivation(config);
    const {kernel, strides, dilations, padding} = windowsOf(config, dimensions);
    if (padding === "causal") throw config.unsupported('padding="causal"');
    ungrouped(config);
    if (dilations.some((dilation) => dilation !== 1)) throw config.unsupported(`dilation_rate=[${dilations}]`);
    const extra = config.has("output_padding") ? config.integers("output_padding", dimensions) : undefined;
    return channelsLast(site, (x) => {
      const spatial = b.shape(x).slice(1, -1);
      const excess = spatial.map((_, i) => transposedExcess(kernel[i]!, strides[i]!, padding, extra?.[i]));
      const filter = weightOf(site, "kernel", [...kernel, config.integer("filters", undefined, 1), -1]);
      const target = targetSizes(site, x, spatial, strides, excess);
      if (extra !== undefined) checkOutputPadding(config, spatial, excess, kernel, strides, padding);
      const [input, weights] = dimensions === 1 ? [b.expand(x, 1), b.expand(filter, 0)] : [x, filter];
      const op = dimensions === 3 ? "Conv3DBackpropInputV2" : "Conv2DBackpropInput";
      const y = b.tf(op, [target, weights, input], {
        strides: [1, ...lift(strides, dimensions), 1],
        padding: padding.toUpperCase(),
      });
      return finish(site, dimensions === 1 ? b.squeeze(y, [1]) : y);
    });
  },
});

/** [batch, …size·stride + excess, channels], with a 1 before a single dimension. */
function targetSizes(
  {b, config}: LayerSite,
  x: Ref,
  spatial: Shape,
  strides: readonly number[],
  excess: readonly number[],
): Ref {
  const one = spatial.length === 1 ? [1] : [];
  const channels = config.integer("filters", undefined, 1);
  if (isStatic(spatial)) {
    const sizes = spatial.map((size, i) => size * strides[i]! + excess[i]!);
    return b.sizesOf([{ref: x, axis: 0}, ...one, ...sizes, channels]);
  }
  const scaled = spatial.map((_, i) => {
    const grown = b.mul(b.sizeAt({ref: x, axis: i + 1}), b.scalar(strides[i]!, "int32"));
    return b.add(grown, b.scalar(excess[i]!, "int32"));
  });
  const parts = [
    b.sizeAt({ref: x, axis: 0}),
    ...one.map(() => b.scalar(1, "int32")),
    ...scaled,
    b.scalar(channels, "int32"),
  ];
  return b.tf("Pack", parts, {axis: 0});
}

/** TensorFlow takes only sizes from which the convolution would give the input's again. */
function checkOutputPadding(
  config: Config,
  inputs: Shape,
  excess: readonly number[],
  kernel: readonly number[],
  strides: readonly number[],
  padding: string,
): void {
  inputs.forEach((given, i) => {
    // It holds for every size or for none.
    const input = isKnown(given) ? given : 1000;
    const size = input * strides[i]! + excess[i]!;
    const back = padding === "same" ? Math.ceil(size / strides[i]!) : Math.ceil((size - kernel[i]! + 1) / strides[i]!);
    if (back !== input) throw config.unsupported(`output_padding that gives ${size} from ${input}`);
  });
}

const families: readonly (readonly [string, (dimensions: number) => LayerRow, readonly number[]])[] = [
  ["Conv#D", standard, [1, 2, 3]],
  ["Convolution#D", standard, [1, 2, 3]],
  ["DepthwiseConv#D", depthwise, [1, 2]],
  ["SeparableConv#D", separable, [1, 2]],
  ["SeparableConvolution#D", separable, [1, 2]],
  ["Conv#DTranspose", transposed, [1, 2, 3]],
  ["Convolution#DTranspose", transposed, [1, 2, 3]],
];

export const convolutionLayers: LayerTable = Object.fromEntries(
  families.flatMap(([name, make, dimensions]) =>
    dimensions.map((n) => [name.replace("#", String(n)), make(n)] as const),
  ),
);
