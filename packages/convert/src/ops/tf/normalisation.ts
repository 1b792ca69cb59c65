/** Reference values of softmax, batch and local response normalisation, and of activations with parameters. */
import {type DType, dtypes, type Tensor} from "@tf-trusted/tensor";
import {booleanAttribute, numberAttribute, type Site, stringAttribute} from "../../ir/operators.ts";
import {broadcastStrides, indexMap, makeTensor, numbersOf} from "../elements.ts";

const isFloat = (tensor: Tensor) => dtypes[tensor.dtype].kind === "float";

/** exp(x − max)/Σ along the last dimension, or its logarithm. */
export function evaluateSoftmax(x: Tensor, logarithm: boolean): Tensor[] | undefined {
  if (!isFloat(x)) return undefined;
  const size = x.shape.at(-1)!;
  const values = numbersOf(x);
  const rows = size === 0 ? 0 : x.size / size;
  const result = new Float64Array(x.size);
  for (let row = 0; row < rows; row++) {
    const at = row * size;
    let max = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < size; i++) max = Math.max(max, values[at + i]!);
    let sum = 0;
    for (let i = 0; i < size; i++) sum += Math.exp(values[at + i]! - max);
    for (let i = 0; i < size; i++) {
      const shifted = values[at + i]! - max;
      result[at + i] = logarithm ? shifted - Math.log(sum) : Math.exp(shifted) / sum;
    }
  }
  return [makeTensor(x.dtype, x.shape, (i) => result[i]!)];
}

/** The loss of each row, −Σ labels·log softmax, and its gradient by the logits. */
export function evaluateCrossEntropy(logits: Tensor, labels: Tensor): Tensor[] | undefined {
  const [rows, size] = [Math.max(logits.shape[0]!, labels.shape[0]!), logits.shape[1]!];
  if (labels.shape[1] !== size || logits.shape[0] !== rows || labels.shape[0] !== rows) return undefined;
  const logs = evaluateSoftmax(logits, true);
  if (logs === undefined) return undefined;
  const [logarithms, wanted] = [numbersOf(logs[0]!), numbersOf(labels)];
  const loss = makeTensor(logits.dtype, [rows], (row) => {
    let sum = 0;
    for (let i = row * size; i < (row + 1) * size; i++) sum -= wanted[i] === 0 ? 0 : wanted[i]! * logarithms[i]!;
    return sum;
  });
  return [loss, makeTensor(logits.dtype, logits.shape, (i) => Math.exp(logarithms[i]!) - wanted[i]!)];
}

/**
 * FusedBatchNorm: (x − μ)·γ/sqrt(σ² + ε) + β. While training μ and σ² are the batch's; what is given out as variance is
 * the unbiased one, mixed with the running one by `exponential_avg_factor`.
 */
export function evaluateBatchNorm(site: Site, inputs: readonly Tensor[], outputs: number): Tensor[] | undefined {
  const isOld = outputs === 1;
  const [x, second, third, fourth, fifth] = inputs;
  const [mean, variance, offset, scale] = isOld ? [second, third, fourth, fifth] : [fourth, fifth, third, second];
  if (!isFloat(x!)) return undefined;
  const isFirst = stringAttribute(site, "data_format", "NHWC").startsWith("NC");
  const channels = x!.shape[isFirst ? 1 : x!.shape.length - 1]!;
  const inner = isFirst ? x!.shape.slice(2).reduce((a, b) => a * b, 1) : 1;
  const channelOf = (i: number) => Math.floor(i / inner) % channels;
  const values = numbersOf(x!);
  const epsilon = isOld ? numberAttribute(site, "variance_epsilon") : numberAttribute(site, "epsilon", 1e-4);
  const training = !isOld && booleanAttribute(site, "is_training", true);
  const scales = isOld && !booleanAttribute(site, "scale_after_normalization") ? undefined : numbersOf(scale!);
  const [mu, sigma] = training
    ? momentsOf(values, x!.size, channels, channelOf)
    : [numbersOf(mean!), numbersOf(variance!)];
  const factors = Array.from(sigma, (each, c) => (scales?.[c] ?? 1) / Math.sqrt(each + epsilon));
  const offsets = numbersOf(offset!);
  const y = makeTensor(x!.dtype, x!.shape, (i) => {
    const c = channelOf(i);
    return (values[i]! - mu[c]!) * factors[c]! + offsets[c]!;
  });
  if (isOld) return [y];
  const rest = x!.size / Math.max(1, channels);
  const average = numberAttribute(site, "exponential_avg_factor", 1);
  const bessel = training ? rest / Math.max(1, rest - 1) : 1;
  const running = (own: (c: number) => number, before: Tensor): Tensor => {
    const old = training && average !== 1 ? numbersOf(before) : undefined;
    return makeTensor("float32", [channels], (c) => (old ? (1 - average) * old[c]! + average * own(c) : own(c)));
  };
  const batchMean = running((c) => mu[c]!, mean!);
  const batchVariance = running((c) => sigma[c]! * bessel, variance!);
  const reserved = [mu, sigma].map((each) => makeTensor("float32", [channels], (c) => each[c]!));
  return [y, batchMean, batchVariance, reserved[0]!, reserved[1]!, reserved[0]!].slice(0, outputs);
}

function momentsOf(
  values: ArrayLike<number>,
  size: number,
  channels: number,
  channelOf: (i: number) => number,
): readonly [Float64Array, Float64Array] {
  const [mean, variance] = [new Float64Array(channels), new Float64Array(channels)];
  const count = size / Math.max(1, channels);
  for (let i = 0; i < size; i++) mean[channelOf(i)]! += values[i]! / count;
  for (let i = 0; i < size; i++) {
    const c = channelOf(i);
    variance[c]! += (values[i]! - mean[c]!) ** 2 / count;
  }
  return [mean, variance];
}

/** x/(bias + α·Σ x²)^β over the neighbours in depth; α isn't divided by their number. */
export function evaluateLocalResponse(site: Site, x: Tensor): Tensor {
  const radius = numberAttribute(site, "depth_radius", 5);
  const [bias, alpha, beta] = [
    numberAttribute(site, "bias", 1),
    numberAttribute(site, "alpha", 1),
    numberAttribute(site, "beta", 0.5),
  ];
  const depth = x.shape.at(-1)!;
  const values = numbersOf(x);
  return makeTensor(x.dtype, x.shape, (i) => {
    const c = i % depth;
    let sum = 0;
    for (let k = Math.max(0, c - radius); k <= Math.min(depth - 1, c + radius); k++) sum += values[i - c + k]! ** 2;
    return values[i]! * (bias + alpha * sum) ** -beta;
  });
}

type Activation = (x: number, parameter: number) => number;

const selu = {alpha: 1.6732632423543772, scale: 1.0507009873554805};

/** By operator; the parameter is `alpha` of LeakyRelu and the value of PRelu's second input. */
export const activations: Readonly<Record<string, Activation>> = {
  LeakyRelu: (x, alpha) => (x > 0 ? x : alpha * x),
  PRelu: (x, alpha) => (x > 0 ? x : alpha * x),
  Selu: (x) => selu.scale * (x < 0 ? selu.alpha * Math.expm1(x) : x),
  HardSwish: (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  Swish: (x) => x / (1 + Math.exp(-x)),
};

export function evaluateActivation(name: string, site: Site, [x, alpha]: readonly Tensor[]): Tensor[] | undefined {
  const f = activations[name];
  if (f === undefined || !isFloat(x!)) return undefined;
  const values = numbersOf(x!);
  if (alpha === undefined) {
    const slope = name === "LeakyRelu" ? numberAttribute(site, "alpha", 0.2) : 0;
    return [makeTensor(x!.dtype, x!.shape, (i) => f(values[i]!, slope))];
  }
  const slopes = numbersOf(alpha);
  const map = indexMap(x!.shape, broadcastStrides(alpha.shape, x!.shape));
  return [makeTensor(x!.dtype, x!.shape, (i) => f(values[i]!, slopes[map(i)]!))];
}

/** x plus one value for each channel. */
export function evaluateBias(site: Site, x: Tensor, bias: Tensor): Tensor[] | undefined {
  const {kind} = dtypes[x.dtype];
  if (kind === "complex" || kind === "string") return undefined;
  const isFirst = stringAttribute(site, "data_format", "NHWC").startsWith("NC");
  const inner = isFirst ? x.shape.slice(2).reduce((a, b) => a * b, 1) : 1;
  const channels = bias.size;
  const [values, offsets] = [x.data as ArrayLike<number | bigint>, bias.data as ArrayLike<number | bigint>];
  const dtype: DType = x.dtype;
  if (kind === "float") {
    const [a, b] = [numbersOf(x), numbersOf(bias)];
    return [makeTensor(dtype, x.shape, (i) => a[i]! + b[Math.floor(i / inner) % channels]!)];
  }
  return [
    makeTensor(dtype, x.shape, (i) => {
      const sum = BigInt(values[i]!) + BigInt(offsets[Math.floor(i / inner) % channels]!);
      return dtype === "int64" || dtype === "uint64" ? sum : Number(BigInt.asIntN(32, sum));
    }),
  ];
}
