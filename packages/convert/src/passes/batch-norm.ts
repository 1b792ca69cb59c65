/**
 * Folds scales and offsets per channel into the weights before them (specs/convert.md §4.13):
 *
 *     FusedBatchNorm(x; γ, β, μ, σ²)  →  x·s + t,  s = γ/sqrt(σ² + ε),  t = β − μ·s
 *     conv(x, w)·s                    →  conv(x, w·s)
 *     (conv(x, w) + c)·s              →  conv(x, w·s) + c·s
 *     conv(x, w)/s                    →  conv(x, w/s)
 *     (y + c) + t                     →  y + (c + t)
 *     conv(x·s, w)                    →  conv(x, s·w)
 *     conv(x·s + t, w)                →  conv(x, s·w) + Σ t·w, without padding
 *
 * The spelled-out forms of batch normalisation are x·s + t once their constants are folded.
 */
import {dtypes, type Tensor} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Node, originOf, type Ref} from "../ir/graph.ts";
import {alignedFloats, broadcastStrides, float32Tensor, indexMap, numbersOf} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass} from "./pass.ts";

export const batchNorm: Pass = {
  name: "batch-norm",
  effect: "folded",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      if (/^tf\.FusedBatchNorm/.test(node.op)) {
        const spelled = spellOut(node, b);
        if (spelled !== undefined) tally("batch norms spelled out", originOf(node));
        return spelled;
      }
      if (node.op === "tf.BatchNormWithGlobalNormalization") return spellOutOld(node, b);
      const folded = foldScale(node, b) ?? joinOffsets(node, b) ?? foldBefore(node, b);
      if (folded !== undefined) tally("scales and offsets folded", originOf(node));
      return folded === undefined ? undefined : [folded];
    }),
};

function spellOut(node: Node, b: Rewriter): readonly Ref[] | undefined {
  const [x, ...parameters] = node.inputs;
  const values = parameters.map((ref) => b.constantAt(ref));
  if (node.attributes.is_training !== false || node.attributes.data_format !== "NHWC") return undefined;
  if (!values.every((value) => value?.dtype === "float32")) return undefined;
  const [gamma, beta, mean, variance] = values.map((value) => numbersOf(value!));
  const y = scaleAndShift(b, x!, gamma!, beta!, mean!, variance!, node.attributes.epsilon as number);
  // Nobody uses the others after training: they would be the statistics.
  return [y, parameters[2]!, parameters[3]!, parameters[2]!, parameters[3]!, parameters[2]!].slice(
    0,
    node.outputs.length,
  );
}

/** Inputs: t, m, v, beta, gamma. */
function spellOutOld(node: Node, b: Rewriter): readonly Ref[] | undefined {
  const [x, ...parameters] = node.inputs;
  const values = parameters.map((ref) => b.constantAt(ref));
  if (!values.every((value) => value?.dtype === "float32")) return undefined;
  const [mean, variance, beta, gamma] = values.map((value) => numbersOf(value!));
  const scales = node.attributes.scale_after_normalization === true ? gamma! : Array.from(gamma!, () => 1);
  return [scaleAndShift(b, x!, scales, beta!, mean!, variance!, node.attributes.variance_epsilon as number)];
}

function scaleAndShift(
  b: Rewriter,
  x: Ref,
  gamma: ArrayLike<number>,
  beta: ArrayLike<number>,
  mean: ArrayLike<number>,
  variance: ArrayLike<number>,
  epsilon: number,
): Ref {
  const scale = Array.from(gamma, (value, i) => value / Math.sqrt(variance[i]! + epsilon));
  const shift = scale.map((value, i) => beta[i]! - mean[i]! * value);
  const scaled = b.op("tf.Mul", [x, b.constant(float32Tensor(scale))]);
  return b.op("tf.AddV2", [scaled, b.constant(float32Tensor(shift))]);
}

/** Channels of a weight: flat index i belongs to channel floor(i / inner) mod count. */
interface Channels {
  readonly inner: number;
  readonly count: number;
}

interface LinearOperator {
  /** Which inputs have the weights and the data. */
  readonly weights: number;
  readonly data: number;
  /** Channels of the result in the weights. */
  readonly to: (shape: readonly number[], node: Node) => Channels;
  /** Channels of the data in the weights; absent where nothing is folded from before. */
  readonly from?: (shape: readonly number[], node: Node) => Channels;
}

/** The axes of a matrix at the right that stand for the result, and for the data. */
const matrix = (isTransposed: (node: Node) => boolean): LinearOperator => {
  const axis = (at: number, [rows, columns]: readonly number[]): Channels =>
    at === 0 ? {inner: columns!, count: rows!} : {inner: 1, count: columns!};
  return {
    weights: 1,
    data: 0,
    to: (shape, node) => axis(isTransposed(node) ? 0 : 1, shape),
    from: (shape, node) => axis(isTransposed(node) ? 1 : 0, shape),
  };
};

const convolution = {weights: 1, data: 0, to: (shape: readonly number[]) => ({inner: 1, count: shape.at(-1)!})};
const inputChannels = (shape: readonly number[]): Channels => ({inner: shape[3]!, count: shape[2]!});

/** Operators that are linear in their data, by channels. */
const weighted: Readonly<Record<string, LinearOperator>> = {
  "tf.Conv2D": {...convolution, from: inputChannels},
  "tf.Conv3D": convolution,
  "tf.DepthwiseConv2dNative": {
    ...convolution,
    to: (shape) => ({inner: 1, count: shape[2]! * shape[3]!}),
    from: inputChannels,
  },
  // [height, width, out, in]
  "tf.Conv2DBackpropInput": {weights: 1, data: 2, to: inputChannels},
  "tf.MatMul": matrix(({attributes}) => attributes.transpose_b === true),
  "tf.BatchMatMulV2": matrix(({attributes}) => attributes.adj_y === true),
};

const adders = new Set(["tf.Add", "tf.AddV2", "tf.BiasAdd", "tf.BiasAddV1"]);

function foldScale(node: Node, b: Rewriter): Ref | undefined {
  const divides = node.op === "tf.RealDiv";
  if (node.op !== "tf.Mul" && !divides) return undefined;
  const [left, right] = node.inputs as [Ref, Ref];
  const [value, factor] = b.constantAt(right) ? [left, right] : divides ? [right, left] : [right, left];
  const scale = b.constantAt(factor);
  if (scale?.dtype !== "float32" || b.constantAt(value) || (divides && factor === left)) return undefined;
  const producer = b.producer(value)!;
  if (b.uses(value) > 1 || b.isOutput(value)) return undefined;
  const channels = b.type(value).shape?.at(-1);
  if (typeof channels !== "number") return undefined;
  const factors = perChannel(scale, channels, b.type(value).shape!.length);
  if (factors === undefined) return undefined;
  const scales = divides ? Array.from(factors, (each) => 1 / each) : factors;
  if (!Array.from(scales).every(Number.isFinite)) return undefined;
  if (weighted[producer.op]) return scaleWeights(producer, scales, b);
  if (!adders.has(producer.op) || producer.attributes.data_format === "NCHW") return undefined;
  const [sum, offset] = splitConstant(producer, b);
  if (sum === undefined || b.uses(sum) > 1 || b.isOutput(sum)) return undefined;
  const inner = b.producer(sum)!;
  const offsets = perChannel(b.constantAt(offset!)!, channels, b.type(value).shape!.length);
  if (!weighted[inner.op] || offsets === undefined || b.type(sum).shape?.at(-1) !== channels) return undefined;
  const scaled = scaleWeights(inner, scales, b);
  if (scaled === undefined) return undefined;
  const shifted = float32Tensor(Array.from(offsets, (each, i) => each * scales[i]!));
  return b.op("tf.AddV2", [scaled, b.constant(shifted)]);
}

function scaleWeights(node: Node, scales: ArrayLike<number>, b: Rewriter): Ref | undefined {
  const {weights: at, to} = weighted[node.op]!;
  const weights = b.constantAt(node.inputs[at]!);
  if (weights === undefined || !isFoldable(node, weights)) return undefined;
  const product = multiplied(weights, to(weights.shape, node), scales);
  if (product === undefined) return undefined;
  const scaled = b.constant(product);
  const inputs = node.inputs.map((ref, i) => (i === at ? scaled : ref));
  return b.op(node.op, inputs, node.attributes);
}

/** Weights that channels can be told of: not those of other layouts, nor one matrix for each matrix of the data. */
function isFoldable({op, attributes}: Node, {dtype, shape}: Tensor): boolean {
  if (dtype !== "float32" || attributes.data_format === "NCHW") return false;
  return op !== "tf.BatchMatMulV2" || (shape.length === 2 && attributes.adj_x !== true);
}

/** A scale, and the offset after it, that come right before. */
function foldBefore(node: Node, b: Rewriter): Ref | undefined {
  const {from, to} = weighted[node.op] ?? {};
  const weights = from && b.constantAt(node.inputs[1]!);
  if (from === undefined || to === undefined || weights === undefined || !isFoldable(node, weights)) return undefined;
  if (node.attributes.transpose_a === true) return undefined;
  const affine = affineOf(node.inputs[0]!, b);
  if (affine === undefined) return undefined;
  const {source, scales, offsets} = affine;
  const channels = from(weights.shape, node);
  // Grouped convolutions have fewer channels in their weights.
  if (channels.count !== scales.length || (offsets !== undefined && isPadded(node, weights.shape))) return undefined;
  const scaled = multiplied(weights, channels, scales);
  if (scaled === undefined) return undefined;
  const product = b.op(node.op, [source, b.constant(scaled)], node.attributes);
  if (offsets === undefined) return product;
  const results = to(weights.shape, node);
  const sums = Array.from({length: results.count}, () => 0);
  const values = alignedFloats(weights);
  for (let i = 0; i < values.length; i++) {
    const offset = offsets[Math.floor(i / channels.inner) % channels.count]!;
    sums[Math.floor(i / results.inner) % results.count]! += values[i]! * offset;
  }
  return sums.every(Number.isFinite) ? b.op("tf.AddV2", [product, b.constant(float32Tensor(sums))]) : undefined;
}

interface Affine {
  readonly source: Ref;
  readonly scales: ArrayLike<number>;
  readonly offsets: ArrayLike<number> | undefined;
}

/**
 * x·s or x·s + t for this consumer only. Not x + t alone: where x is about −t, that sum is exact, and that of the products
 * isn't; x·s + t has such an error anyway.
 */
function affineOf(ref: Ref, b: Rewriter): Affine | undefined {
  const node = b.producer(ref);
  const {shape} = b.type(ref);
  const channels = shape?.at(-1);
  if (node === undefined || b.uses(ref) > 1 || b.isOutput(ref) || typeof channels !== "number") return undefined;
  if (adders.has(node.op) && node.attributes.data_format !== "NCHW") {
    const [sum, offset] = splitConstant(node, b);
    const inner = sum === undefined ? undefined : affineOf(sum, b);
    const offsets = inner && perChannel(b.constantAt(offset!)!, channels, shape!.length);
    return inner?.offsets === undefined && offsets && inner!.scales.length === channels
      ? {...inner!, offsets}
      : undefined;
  }
  if (node.op !== "tf.Mul") return undefined;
  const [left, right] = node.inputs as [Ref, Ref];
  const [source, factor] = b.constantAt(right) ? [left, right] : [right, left];
  const scale = b.constantAt(factor);
  if (scale === undefined || b.constantAt(source) || b.type(source).shape?.at(-1) !== channels) return undefined;
  const scales = perChannel(scale, channels, shape!.length);
  return scales && b.type(source).shape!.length === shape!.length ? {source, scales, offsets: undefined} : undefined;
}

/** Whether a convolution reads beyond its input: there x is 0, and x·s + t isn't. */
function isPadded({attributes}: Node, window: readonly number[]): boolean {
  if (attributes.padding === undefined || attributes.padding === "VALID") return false;
  return attributes.padding !== "SAME" || window[0] !== 1 || window[1] !== 1;
}

/** The products as float32; `undefined` where one that counts leaves the range in which it has its seven digits. */
function multiplied(weights: Tensor, {inner, count}: Channels, factors: ArrayLike<number>): Tensor | undefined {
  const products = new Float32Array(weights.bytes.slice().buffer);
  for (let at = 0, channel = 0; at < products.length; at += inner, channel = channel + 1 === count ? 0 : channel + 1) {
    const factor = factors[channel]!;
    for (let i = at; i < at + inner; i++) {
      const value = products[i]!;
      const product = value * factor;
      const size = Math.abs(product);
      if (size < leastNormal ? factor !== 0 && Math.abs(value) > negligible : size > greatest) return undefined;
      products[i] = product;
    }
  }
  return float32Tensor(products, weights.shape);
}

/** Of float32. */
const leastNormal = 2 ** -126;
const greatest = (2 - 2 ** -23) * 2 ** 127;

/** Weights that decay has brought so low count for nothing, whatever they are multiplied with. */
const negligible = 2 ** -102;

/** The other operand and the constant of an addition. */
function splitConstant(node: Node, b: Rewriter): readonly [Ref, Ref] | readonly [undefined, undefined] {
  const [x, y] = node.inputs as [Ref, Ref];
  if (b.constantAt(y)?.dtype === "float32") return [x, y];
  if (b.constantAt(x)?.dtype === "float32" && !node.op.startsWith("tf.Bias")) return [y, x];
  return [undefined, undefined];
}

/** (y + c) + t, and (y + c) − t, of constants per channel. */
function joinOffsets(node: Node, b: Rewriter): Ref | undefined {
  const subtracts = node.op === "tf.Sub";
  if (!adders.has(node.op) && !subtracts) return undefined;
  if (node.attributes.data_format === "NCHW") return undefined;
  const [outer, t] = splitConstant(node, b);
  if (outer === undefined || (subtracts && t !== node.inputs[1]) || b.uses(outer) > 1 || b.isOutput(outer))
    return undefined;
  const inner = b.producer(outer)!;
  if (!adders.has(inner.op) || inner.attributes.data_format === "NCHW") return undefined;
  const [y, c] = splitConstant(inner, b);
  const rank = b.type(outer).shape?.length;
  const channels = b.type(outer).shape?.at(-1);
  if (y === undefined || rank === undefined || typeof channels !== "number" || b.type(y).shape?.at(-1) !== channels)
    return undefined;
  const weights = b.producer(y)!;
  // Sums are rounded differently: only where they go into a bias anyway.
  if (!weighted[weights.op]) return undefined;
  const [first, second] = [
    perChannel(b.constantAt(c!)!, channels, rank),
    perChannel(b.constantAt(t!)!, channels, rank),
  ];
  if (first === undefined || second === undefined) return undefined;
  const joined = float32Tensor(Array.from(first, (each, i) => (subtracts ? each - second[i]! : each + second[i]!)));
  return b.op("tf.AddV2", [y, b.constant(joined)]);
}

/** A constant that broadcasts along the last axis only, as one value a channel. */
function perChannel(value: Tensor, channels: number, rank: number): ArrayLike<number> | undefined {
  const {shape} = value;
  if (dtypes[value.dtype].kind !== "float" || shape.length > rank) return undefined;
  if (shape.slice(0, -1).some((size) => size !== 1)) return undefined;
  const last = shape.at(-1) ?? 1;
  if (last !== channels && last !== 1) return undefined;
  const values = numbersOf(value);
  const map = indexMap([channels], broadcastStrides([last], [channels]));
  return Array.from({length: channels}, (_, i) => values[map(i)]!);
}
