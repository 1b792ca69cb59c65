/** Lowerings of convolutions, pools, normalisation and images. Layouts are NHWC by now. */
import {type Dim, isKnown} from "../ir/dims.ts";
import type {Ref, TensorType} from "../ir/graph.ts";
import {booleanAttribute, numberAttribute, numbersAttribute, type Site, stringAttribute} from "../ir/operators.ts";
import {numbersOf} from "../ops/elements.ts";
import {product} from "../ops/shapes.ts";
import {dilationsAttribute, explicitPads, layoutOf, stridesAttribute} from "../ops/tf/neural.ts";
import type {LoweredNode, Lowerer, Lowering, LoweringTable} from "./lowerer.ts";
import {poolChannels, poolIntegers} from "./windows.ts";

function checkLayout(site: Site, b: Lowerer, rank = 4): void {
  if (layoutOf(site, rank).channel !== rank - 1)
    b.refuse("its layout is channels first, and its inputs' ranks aren't known");
}

export const ACTIVATION = {fusedActivationFunction: "NONE"} as const;

/** Explicit padding becomes PAD and VALID. */
function paddedInput(b: Lowerer, site: Site, x: Ref, value?: number): {readonly x: Ref; readonly padding: string} {
  const padding = stringAttribute(site, "padding");
  if (padding !== "EXPLICIT") return {x, padding};
  const pads = [0, 1, 2, 3].flatMap((axis) => explicitPads(site, axis));
  if (pads.every((pad) => pad === 0)) return {x, padding: "VALID"};
  const widths = b.ints(pads, [4, 2]);
  return {
    x: value === undefined ? b.raw("PAD", [x, widths])[0]! : b.raw("PADV2", [x, widths, b.like(value, x)])[0]!,
    padding: "VALID",
  };
}

export const zeros = (b: Lowerer, count: number): Ref => b.floats(new Float32Array(b.bounded(count)));

export function channelsOf(b: Lowerer, dim: Dim): number {
  return isKnown(dim) ? dim : b.refuse("the number of its output channels isn't known");
}

function conv2d(b: Lowerer, n: LoweredNode, bias?: Ref): Ref {
  const {site, types} = n;
  checkLayout(site, b);
  const [source, filter] = n.inputs;
  const strides = stridesAttribute(site);
  const dilations = dilationsAttribute(site);
  if (strides[0] !== 1 || strides[3] !== 1 || dilations[0] !== 1 || dilations[3] !== 1)
    return b.refuse("strides over batch or channels");
  const {x, padding} = paddedInput(b, site, source!);
  const weights = b.transpose(filter!, [3, 0, 1, 2]);
  const channels = channelsOf(b, b.shape(weights)[0]!);
  const attributes = {
    padding,
    strideW: strides[2]!,
    strideH: strides[1]!,
    dilationWFactor: dilations[2]!,
    dilationHFactor: dilations[1]!,
    ...ACTIVATION,
  };
  return b.op("CONV_2D", [x, weights, bias ?? zeros(b, channels)], attributes, {type: types[0]!});
}

const depthwise: Lowering = (n, b) => {
  const {site, types} = n;
  checkLayout(site, b);
  const [source, filter] = n.inputs;
  const strides = stridesAttribute(site);
  const dilations = dilationsAttribute(site);
  const [height, width, channels, multiplier] = b.shape(filter!);
  if (!isKnown(channels!) || !isKnown(multiplier!)) return b.refuse("the number of its channels isn't known");
  const {x, padding} = paddedInput(b, site, source!);
  const weights = b.reshape(filter!, [1, height!, width!, channels * multiplier]);
  const attributes = {
    padding,
    strideW: strides[2]!,
    strideH: strides[1]!,
    depthMultiplier: multiplier,
    dilationWFactor: dilations[2]!,
    dilationHFactor: dilations[1]!,
    ...ACTIVATION,
  };
  return b.op("DEPTHWISE_CONV_2D", [x, weights, zeros(b, channels * multiplier)], attributes, {type: types[0]!});
};

const transposeConv: Lowering = (n, b) => {
  const {site, types} = n;
  checkLayout(site, b);
  const [target, filter, x] = n.inputs;
  const strides = stridesAttribute(site);
  const [, rateH, rateW] = dilationsAttribute(site);
  const weights = b.transpose(spreadFilter(b, filter!, rateH!, rateW!), [2, 0, 1, 3]);
  const padding = stringAttribute(site, "padding");
  const attributes = {
    padding: padding === "SAME" ? "SAME" : "VALID",
    strideW: strides[2]!,
    strideH: strides[1]!,
    ...ACTIVATION,
  };
  if (padding !== "EXPLICIT") {
    return b.raw("TRANSPOSE_CONV", [b.operand(target!), weights, x!], attributes, [types[0]!])[0]!;
  }
  // Explicit pads are cut off a result that is larger by them.
  const sizes = b.integers(target!, "output_shape");
  const pads = [0, 1, 2, 3].map((axis) => explicitPads(site, axis));
  const full = sizes.map((size, axis) => size + pads[axis]![0] + pads[axis]![1]);
  const type: TensorType = {dtype: types[0]!.dtype, shape: full};
  const whole = b.raw("TRANSPOSE_CONV", [b.ints(full), weights, x!], attributes, [type])[0]!;
  return b.slice(
    whole,
    pads.map((pad) => pad[0]),
    sizes,
  );
};

/** The kernel has no dilations: a filter with zeros between its elements is the same. */
function spreadFilter(b: Lowerer, filter: Ref, rateH: number, rateW: number): Ref {
  if (rateH === 1 && rateW === 1) return filter;
  const value = b.constant(filter);
  if (value?.dtype !== "float32") return b.refuse("dilations, with a filter that is computed");
  const [height, width, outputs, inputs] = value.shape as readonly [number, number, number, number];
  const size = outputs * inputs;
  const [tall, wide] = [(height - 1) * rateH + 1, (width - 1) * rateW + 1];
  const values = numbersOf(value);
  const spread = new Float32Array(b.bounded(tall * wide * size));
  for (let i = 0; i < height * width; i++) {
    const to = (Math.floor(i / width) * rateH * wide + (i % width) * rateW) * size;
    for (let k = 0; k < size; k++) spread[to + k] = values[i * size + k]!;
  }
  return b.floats(spread, [tall, wide, outputs, inputs]);
}

const conv3d: Lowering = (n, b) => {
  const {site, types} = n;
  checkLayout(site, b, 5);
  const [x, filter] = n.inputs;
  const strides = stridesAttribute(site, 5);
  const dilations = dilationsAttribute(site, 5);
  const channels = channelsOf(b, b.shape(filter!)[4]!);
  return b.op(
    "CONV_3D",
    [x!, filter!, zeros(b, channels)],
    {
      padding: stringAttribute(site, "padding"),
      strideD: strides[1]!,
      strideH: strides[2]!,
      strideW: strides[3]!,
      dilationDFactor: dilations[1]!,
      dilationHFactor: dilations[2]!,
      dilationWFactor: dilations[3]!,
      ...ACTIVATION,
    },
    {type: types[0]!},
  );
};

const conv3dTranspose: Lowering = (n, b) => {
  const {site, types} = n;
  checkLayout(site, b, 5);
  const [target, filter, x] = n.inputs;
  const strides = stridesAttribute(site, 5);
  if (dilationsAttribute(site, 5).some((dilation) => dilation !== 1)) return b.refuse("dilations");
  return b.raw(
    "CONV_3D_TRANSPOSE",
    [b.operand(target!), filter!, x!],
    {
      padding: stringAttribute(site, "padding"),
      strideD: strides[1]!,
      strideH: strides[2]!,
      strideW: strides[3]!,
      dilationDFactor: 1,
      dilationHFactor: 1,
      dilationWFactor: 1,
      ...ACTIVATION,
    },
    [types[0]!],
  )[0]!;
};

const pool =
  (op: "MAX_POOL_2D" | "AVERAGE_POOL_2D", operands = false): Lowering =>
  (n, b) => {
    const {site, types} = n;
    checkLayout(site, b);
    const kernel = operands ? b.integers(n.inputs[1]!, "ksize") : numbersAttribute(site, "ksize");
    const strides = operands ? b.integers(n.inputs[2]!, "strides") : numbersAttribute(site, "strides");
    const isMax = op === "MAX_POOL_2D";
    const [source] = n.inputs;
    const dtype = b.dtype(source!);
    if (kernel[0] !== 1 || strides[0] !== 1) return b.refuse("windows over batch");
    if (kernel[3] !== 1 || strides[3] !== 1) {
      if ([1, 2].some((axis) => kernel[axis] !== 1 || strides[axis] !== 1) || kernel[3] !== strides[3])
        return b.refuse("windows over channels that overlap, or over the image too");
      return poolChannels(b, source!, kernel[3]!, isMax);
    }
    if (isMax && dtype !== "float32") return poolIntegers(b, site, source!, kernel, strides);
    if (!isMax && stringAttribute(site, "padding") === "EXPLICIT") return b.refuse("explicit padding");
    const {x, padding} = paddedInput(b, site, n.inputs[0]!, Number.NEGATIVE_INFINITY);
    return b.op(
      op,
      [x],
      {
        padding,
        strideW: strides[2]!,
        strideH: strides[1]!,
        filterWidth: kernel[2]!,
        filterHeight: kernel[1]!,
        ...ACTIVATION,
      },
      {type: types[0]!},
    );
  };

/** x·γ/sqrt(σ² + ε) + (β − μ·γ/sqrt(σ² + ε)), with the statistics of the batch where it is training. */
const batchNorm: Lowering = (n, b) => {
  const {site} = n;
  const [x, scale, offset, mean, variance] = n.inputs;
  const training = booleanAttribute(site, "is_training", true);
  const epsilon = b.scalar(numberAttribute(site, "epsilon", 1e-4));
  const rank = b.rank(x!);
  checkLayout(site, b, rank);
  const axes = Array.from({length: rank - 1}, (_, i) => i);
  const [mu, sigma] = training
    ? (() => {
        const batchMean = b.reduce("MEAN", x!, axes, false);
        return [batchMean, b.reduce("MEAN", b.binary("SQUARED_DIFFERENCE", x!, batchMean), axes, false)];
      })()
    : [mean!, variance!];
  const factor = b.mul(b.op("RSQRT", [b.add(sigma, epsilon)]), scale!);
  const y = b.add(b.mul(b.sub(x!, mu), factor), offset!);
  // The other outputs serve training; those that can be told are the statistics.
  if (!training) return [y, mu, sigma, mu, sigma, mu].slice(0, n.types.length);
  const average = numberAttribute(site, "exponential_avg_factor", 1);
  const mix = (own: Ref, before: Ref) =>
    average === 1 ? own : b.add(b.mul(own, b.scalar(average)), b.mul(before, b.scalar(1 - average)));
  const batchVariance = mix(b.mul(sigma, bessel(b, x!)), variance!);
  return [y, mix(mu, mean!), batchVariance, mu, sigma, mu].slice(0, n.types.length);
};

/** n/(n − 1) of the n values that a channel has. */
function bessel(b: Lowerer, x: Ref): Ref {
  const shape = b.shape(x).slice(0, -1);
  const count = product(shape);
  if (isKnown(count)) return b.scalar(count / Math.max(1, count - 1));
  const sizes = b.cast(b.dims(shape, [x]), "float32");
  const total = b.reduce("REDUCE_PROD", sizes, [0], false);
  return b.div(total, b.binary("MAXIMUM", b.sub(total, b.scalar(1)), b.scalar(1)));
}

/** The operator of GraphDefs before version 9, where its statistics are computed. */
const oldBatchNorm: Lowering = ({inputs: [x, mean, variance, beta, gamma], site}, b) => {
  const epsilon = b.scalar(numberAttribute(site, "variance_epsilon"));
  const inverse = b.op("RSQRT", [b.add(variance!, epsilon)]);
  const scale = booleanAttribute(site, "scale_after_normalization") ? b.mul(inverse, gamma!) : inverse;
  return b.add(b.mul(b.sub(x!, mean!), scale), beta!);
};

const resize =
  (op: "RESIZE_BILINEAR" | "RESIZE_NEAREST_NEIGHBOR"): Lowering =>
  ({inputs: [x, size], types: [type], site}, b) => {
    const attributes = {
      alignCorners: booleanAttribute(site, "align_corners"),
      halfPixelCenters: booleanAttribute(site, "half_pixel_centers"),
    };
    const source = op === "RESIZE_BILINEAR" ? b.cast(x!, "float32") : x!;
    return b.op(op, [source], attributes, {operands: [b.operand(size!)], type: type!});
  };

const blocks =
  (op: "SPACE_TO_DEPTH" | "DEPTH_TO_SPACE"): Lowering =>
  ({inputs: [x], types: [type], site}, b) => {
    checkLayout(site, b);
    return b.op(op, [x!], {blockSize: numberAttribute(site, "block_size")}, {type: type!});
  };

/** SOFTMAX works on the last axis, as TensorFlow's do. */
const softmax: Lowering = ({inputs: [x]}, b) => b.op("SOFTMAX", [x!], {beta: 1});

/** Both outputs: the loss of each row, and its gradient. */
const crossEntropy: Lowering = ({inputs: [logits, labels]}, b) => {
  const logProbabilities = b.op("LOG_SOFTMAX", [logits!]);
  const loss = b.op("NEG", [b.reduce("SUM", b.mul(labels!, logProbabilities), [1], false)]);
  return [loss, b.sub(b.op("SOFTMAX", [logits!], {beta: 1}), labels!)];
};

export const neuralLowerings: LoweringTable = {
  Conv2D: conv2dOnly,
  DepthwiseConv2dNative: depthwise,
  Conv2DBackpropInput: transposeConv,
  Conv3D: conv3d,
  Conv3DBackpropInputV2: conv3dTranspose,
  MaxPool: pool("MAX_POOL_2D"),
  MaxPoolV2: pool("MAX_POOL_2D", true),
  AvgPool: pool("AVERAGE_POOL_2D"),
  FusedBatchNorm: batchNorm,
  FusedBatchNormV2: batchNorm,
  FusedBatchNormV3: batchNorm,
  BatchNormWithGlobalNormalization: oldBatchNorm,
  LRN: ({inputs: [x], site}, b) =>
    b.op("LOCAL_RESPONSE_NORMALIZATION", [x!], {
      radius: numberAttribute(site, "depth_radius", 5),
      bias: numberAttribute(site, "bias", 1),
      alpha: numberAttribute(site, "alpha", 1),
      beta: numberAttribute(site, "beta", 0.5),
    }),
  Softmax: softmax,
  LogSoftmax: ({inputs: [x]}, b) => b.op("LOG_SOFTMAX", [x!]),
  SoftmaxCrossEntropyWithLogits: crossEntropy,
  ResizeBilinear: resize("RESIZE_BILINEAR"),
  ResizeNearestNeighbor: resize("RESIZE_NEAREST_NEIGHBOR"),
  SpaceToDepth: blocks("SPACE_TO_DEPTH"),
  DepthToSpace: blocks("DEPTH_TO_SPACE"),
};

function conv2dOnly(n: LoweredNode, b: Lowerer): Ref {
  return conv2d(b, n);
}
