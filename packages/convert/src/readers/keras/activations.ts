/** Activations by name (keras.activations): one row each. Some differ between Keras 2 and 3. */
import type {Ref} from "../../ir/graph.ts";
import {type Config, isObject, short} from "./config.ts";
import type {KerasBuilder} from "./keras-builder.ts";

export type ActivationOptions = Readonly<Record<string, unknown>>;
type Activation = (b: KerasBuilder, x: Ref, version: number, option: (key: string, fallback: number) => number) => Ref;

const unary =
  (op: string): Activation =>
  (b, x) =>
    b.tf(op, [x]);

const clip = (b: KerasBuilder, x: Ref, low: number, high: number): Ref =>
  b.tf("Minimum", [b.tf("Maximum", [x, b.like(low, x)]), b.like(high, x)]);

/** relu6(x + 3) / 6, which Keras 3 calls hard_sigmoid; Keras 2's is clip(0.2x + 0.5). */
const hardSigmoid: Activation = (b, x, version) =>
  version >= 3
    ? b.mul(b.tf("Relu6", [b.add(x, b.like(3, x))]), b.like(1 / 6, x))
    : clip(b, b.add(b.mul(x, b.like(0.2, x)), b.like(0.5, x)), 0, 1);

const hardSilu: Activation = (b, x) => b.mul(x, b.mul(b.tf("Relu6", [b.add(x, b.like(3, x))]), b.like(1 / 6, x)));

const silu: Activation = (b, x) => b.mul(x, b.tf("Sigmoid", [x]));

export function gelu(b: KerasBuilder, x: Ref, approximate: boolean): Ref {
  const half = b.mul(x, b.like(0.5, x));
  if (!approximate) {
    // x/2 · (1 + erf(x/√2))
    return b.mul(half, b.add(b.tf("Erf", [b.mul(x, b.like(Math.SQRT1_2, x))]), b.like(1, x)));
  }
  // x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))
  const cube = b.mul(b.mul(x, x), x);
  const inner = b.mul(b.add(x, b.mul(cube, b.like(0.044715, x))), b.like(Math.sqrt(2 / Math.PI), x));
  return b.mul(half, b.add(b.tf("Tanh", [inner]), b.like(1, x)));
}

/** Softmax over any axes. */
export function softmax(b: KerasBuilder, x: Ref, axes: readonly number[] = [-1], op = "Softmax"): Ref {
  const rank = b.rank(x);
  const positive = axes.map((axis) => (axis < 0 ? axis + rank : axis)).sort((p, q) => p - q);
  if (positive.length === 1 && positive[0] === rank - 1) return b.tf(op, [x]);
  const rest = Array.from({length: rank}, (_, i) => i).filter((axis) => !positive.includes(axis));
  const permutation = [...rest, ...positive];
  const moved = b.transpose(x, permutation);
  const sizes = b.sizes(moved);
  const merged =
    positive.length === 1
      ? moved
      : b.reshape(moved, [...sizes.slice(0, rest.length), mergedSize(b, moved, rest.length)]);
  const result = b.tf(op, [merged]);
  const split = positive.length === 1 ? result : b.reshape(result, sizes);
  return b.transpose(
    split,
    permutation.map((_, i) => permutation.indexOf(i)),
  );
}

/** The product of the axes from `from`, which have to be known. */
function mergedSize(b: KerasBuilder, ref: Ref, from: number): number {
  const sizes = b.shape(ref).slice(from);
  if (sizes.every((size) => typeof size === "number")) return (sizes as number[]).reduce((p, q) => p * q, 1);
  return -1;
}

const unit = (b: KerasBuilder, x: Ref) => b.like(1, x);
const zero = (b: KerasBuilder, x: Ref) => b.like(0, x);

export function elu(b: KerasBuilder, x: Ref, alpha: number): Ref {
  if (alpha === 1) return b.tf("Elu", [x]);
  const negative = b.mul(b.tf("Expm1", [b.tf("Minimum", [x, zero(b, x)])]), b.like(alpha, x));
  return b.select(b.tf("Greater", [x, zero(b, x)]), x, negative);
}

export function leakyRelu(b: KerasBuilder, x: Ref, slope: number): Ref {
  return b.tf("LeakyRelu", [x], {alpha: slope});
}

/** keras.activations.relu with all of its options. */
export function relu(b: KerasBuilder, x: Ref, slope: number, maximum: number | undefined, threshold: number): Ref {
  if (slope === 0 && threshold === 0 && maximum === undefined) return b.tf("Relu", [x]);
  if (slope === 0 && threshold === 0 && maximum === 6) return b.tf("Relu6", [x]);
  if (slope !== 0 && threshold === 0 && maximum === undefined) return leakyRelu(b, x, slope);
  // f(x) = maximum for x ≥ maximum, x for threshold ≤ x < maximum, slope·(x − threshold) otherwise.
  const at = b.like(threshold, x);
  const isAbove = b.tf("Greater", [x, at]);
  const positive = threshold === 0 ? b.tf("Relu", [x]) : b.mul(x, b.cast(isAbove, b.dtype(x)));
  const bounded = maximum === undefined ? positive : clip(b, positive, 0, maximum);
  if (slope === 0) return bounded;
  const negative = b.tf("Relu", [b.sub(at, x)]);
  return b.sub(bounded, b.mul(negative, b.like(slope, x)));
}

const activations: Readonly<Record<string, Activation>> = {
  linear: (_, x) => x,
  relu: (b, x, _, option) => {
    const maximum = option("max_value", Number.NaN);
    return relu(
      b,
      x,
      option("negative_slope", option("alpha", 0)),
      Number.isNaN(maximum) ? undefined : maximum,
      option("threshold", 0),
    );
  },
  relu6: unary("Relu6"),
  leaky_relu: (b, x, _, option) => leakyRelu(b, x, option("negative_slope", option("alpha", 0.2))),
  elu: (b, x, _, option) => elu(b, x, option("alpha", 1)),
  selu: unary("Selu"),
  celu: (b, x, _, option) => {
    // max(x, 0) + α·(exp(min(x, 0)/α) − 1)
    const alpha = option("alpha", 1);
    const negative = b.tf("Expm1", [b.mul(b.tf("Minimum", [x, zero(b, x)]), b.like(1 / alpha, x))]);
    return b.add(b.tf("Relu", [x]), b.mul(negative, b.like(alpha, x)));
  },
  gelu: (b, x) => gelu(b, x, false),
  silu,
  swish: silu,
  sigmoid: unary("Sigmoid"),
  tanh: unary("Tanh"),
  softplus: unary("Softplus"),
  softsign: unary("Softsign"),
  exponential: unary("Exp"),
  hard_sigmoid: hardSigmoid,
  hard_silu: hardSilu,
  hard_swish: hardSilu,
  hard_tanh: (b, x) => clip(b, x, -1, 1),
  softmax: (b, x) => softmax(b, x),
  log_softmax: (b, x) => softmax(b, x, [-1], "LogSoftmax"),
  log_sigmoid: (b, x) => b.tf("Neg", [b.tf("Softplus", [b.tf("Neg", [x])])]),
  mish: (b, x) => b.mul(x, b.tf("Tanh", [b.tf("Softplus", [x])])),
  tanh_shrink: (b, x) => b.sub(x, b.tf("Tanh", [x])),
  soft_shrink: (b, x, _, option) => {
    const threshold = b.like(option("threshold", 0.5), x);
    // sign(x)·max(|x| − t, 0)
    return b.mul(b.tf("Sign", [x]), b.tf("Relu", [b.sub(b.tf("Abs", [x]), threshold)]));
  },
  hard_shrink: (b, x, _, option) => {
    const isLarge = b.tf("Greater", [b.tf("Abs", [x]), b.like(option("threshold", 0.5), x)]);
    return b.select(isLarge, x, b.tf("ZerosLike", [x]));
  },
  threshold: (b, x, _, option) => {
    const isAbove = b.tf("Greater", [x, b.like(option("threshold", 0), x)]);
    return b.select(isAbove, x, b.tf("Fill", [b.tf("Shape", [x]), b.like(option("default_value", 0), x)]));
  },
  squareplus: (b, x, _, option) => {
    const root = b.tf("Sqrt", [b.add(b.mul(x, x), b.like(option("b", 4), x))]);
    return b.mul(b.add(x, root), b.like(0.5, x));
  },
  sparse_plus: (b, x) => {
    // 0 up to −1, ((x + 1)/2)² up to 1, x from there.
    const half = b.mul(b.add(x, unit(b, x)), b.like(0.5, x));
    const middle = b.mul(half, half);
    const upper = b.select(b.tf("Less", [x, unit(b, x)]), middle, x);
    return b.select(b.tf("LessEqual", [x, b.like(-1, x)]), b.tf("ZerosLike", [x]), upper);
  },
  sparse_sigmoid: (b, x) => clip(b, b.mul(b.add(x, unit(b, x)), b.like(0.5, x)), 0, 1),
  glu: (b, x) => {
    const [left, right] = b.split(x, 2, -1);
    return b.mul(left!, b.tf("Sigmoid", [right!]));
  },
};

/** Layers that stand as activations, and the activations that they are with what options they have. */
const layerActivations: Readonly<Record<string, {readonly name: string; readonly options: ActivationOptions}>> = {
  ReLU: {name: "relu", options: {}},
  LeakyReLU: {name: "leaky_relu", options: {negative_slope: 0.3}},
  ELU: {name: "elu", options: {alpha: 1}},
};

/** The activation that an option names. Throws `CONVERT_LAYER_UNSUPPORTED` for the author's own. */
export function activate(
  b: KerasBuilder,
  x: Ref,
  config: Config,
  key = "activation",
  version = 3,
  fallback = "linear",
): Ref {
  const value = config.get(key) ?? fallback;
  return activateBy(b, x, value, config, version);
}

export function activateBy(b: KerasBuilder, x: Ref, value: unknown, config: Config, version: number): Ref {
  const {name, options} = describe(value);
  const activation = name !== undefined && Object.hasOwn(activations, name) ? activations[name] : undefined;
  if (activation === undefined) throw config.unsupported(`the activation ${short(value)}`);
  return activation(b, x, version, (key, other) =>
    typeof options[key] === "number" ? (options[key] as number) : other,
  );
}

function describe(value: unknown): {readonly name: string | undefined; readonly options: ActivationOptions} {
  if (typeof value === "string") return {name: value.replace(/^keras\.activations\./, ""), options: {}};
  if (!isObject(value)) return {name: undefined, options: {}};
  // A function is written by its name; the author's own aren't among ours, or come from elsewhere.
  const {class_name: className, config, module} = value;
  if (className === "function" && typeof config === "string") {
    const isOurs = module === undefined || module === null || /^keras(\.|$)|^builtins$/.test(String(module));
    return {name: isOurs ? config : undefined, options: {}};
  }
  const row =
    typeof className === "string" && Object.hasOwn(layerActivations, className)
      ? layerActivations[className]
      : undefined;
  if (row !== undefined) return {name: row.name, options: {...row.options, ...(isObject(config) ? config : {})}};
  if (className === "Activation" && isObject(config)) return describe(config.activation);
  return {name: undefined, options: {}};
}

export const isActivation = (name: string): boolean => Object.hasOwn(activations, name);
