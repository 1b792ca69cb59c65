/** Lowerings of operators that work element by element (specs/convert.md §7). */
import {type DType, dtypes} from "@tf-trusted/tensor";
import type {Ref} from "../ir/graph.ts";
import {booleanAttribute, numberAttribute} from "../ir/operators.ts";
import {sameShapes} from "../ops/shapes.ts";
import type {LoweredNode, Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

type BinaryName =
  | "ADD"
  | "SUB"
  | "MUL"
  | "DIV"
  | "MAXIMUM"
  | "MINIMUM"
  | "FLOOR_MOD"
  | "FLOOR_DIV"
  | "POW"
  | "SQUARED_DIFFERENCE";

const unary =
  (op: string): Lowering =>
  ({inputs: [x]}, b) =>
    b.op(op, [x!]);

const binary =
  (op: BinaryName): Lowering =>
  ({inputs: [x, y]}, b) =>
    b.binary(op, x!, y!);

const comparison =
  (op: string): Lowering =>
  ({inputs: [x, y], types: [type]}, b) =>
    b.op(op, [x!, y!], {}, {type: type!});

const forward: Lowering = ({inputs: [x]}) => x!;

const isFloat = (b: Lowerer, x: Ref) => b.dtype(x) === "float32";

/** x / y toward zero, where the kernel does that for integers. */
const divide: Lowering = ({inputs: [x, y]}, b) => b.div(x!, y!);

/** Towards zero, which DIV does with integers by itself. */
const truncateDiv: Lowering = ({inputs: [x, y]}, b) => {
  const quotient = b.div(x!, y!);
  if (!b.dtype(quotient).startsWith("float")) return quotient;
  const isNegative = b.raw("LESS", [quotient, b.like(0, quotient)])[0]!;
  return b.select(isNegative, b.op("CEIL", [quotient]), b.op("FLOOR", [quotient]));
};

/** Both of one shape, for kernels that don't broadcast. */
function broadcastBoth(b: Lowerer, n: LoweredNode): [Ref, Ref] {
  const [x, y] = n.inputs as [Ref, Ref];
  if (sameShapes(b.type(x).shape, b.type(y).shape)) return [x, y];
  const zero = b.mul(b.add(x, y), b.like(0, x));
  return [b.add(x, zero), b.add(y, zero)];
}

/** log(1 + x) without losing small x: log(u)·x/(u − 1) with u = 1 + x, and x where u is 1 (Kahan). */
export function log1p(b: Lowerer, x: Ref): Ref {
  const one = b.scalar(1);
  const u = b.add(x, one);
  const rest = b.sub(u, one);
  const tiny = b.raw("EQUAL", [rest, b.scalar(0)])[0]!;
  const infinite = b.raw("EQUAL", [u, b.scalar(Number.POSITIVE_INFINITY)])[0]!;
  const safe = b.select(tiny, one, rest);
  const scaled = b.mul(b.op("LOG", [u]), b.div(x, safe));
  return b.select(infinite, u, b.select(tiny, x, scaled));
}

/** exp(x) − 1 without losing small x: 2·tanh(x/2) / (1 − tanh(x/2)) near 0. */
function expm1(b: Lowerer, x: Ref): Ref {
  const near = b.raw("LESS", [b.op("ABS", [x]), b.scalar(0.5)])[0]!;
  // x + x²/2 + x³/6 + … by Horner; the first neglected term is below 2^-24 of the sum for |x| < 0.5.
  const terms = [1 / 40320, 1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1];
  let sum: Ref = b.scalar(1 / 362880);
  for (const term of terms) sum = b.add(b.mul(sum, x), b.scalar(term));
  const series = b.mul(sum, b.select(near, x, b.scalar(0)));
  return b.select(near, series, b.sub(b.op("EXP", [x]), b.scalar(1)));
}

/** max(x, 0) + log1p(exp(−|x|)): neither overflows nor saturates. */
function softplus(b: Lowerer, x: Ref): Ref {
  const decay = b.op("EXP", [b.op("NEG", [b.op("ABS", [x])])]);
  return b.add(b.op("RELU", [x]), log1p(b, decay));
}

function atan2(b: Lowerer, y: Ref, x: Ref): Ref {
  return b.op("ATAN2", [y, x]);
}

/** A value of the shape of x, for kernels that don't broadcast. */
function filledLike(b: Lowerer, x: Ref, value: number): Ref {
  return b.add(b.mul(x, b.scalar(0)), b.scalar(value));
}

/** sqrt((1 − x)(1 + x)), exact near 1. */
function cosineOfAsin(b: Lowerer, x: Ref): Ref {
  const one = b.scalar(1);
  return b.op("SQRT", [b.mul(b.sub(one, x), b.add(one, x))]);
}

/** x − trunc(x/y)·y: the sign of x, by the floor remainder of absolute values. */
const truncateMod: Lowering = ({inputs: [x, y]}, b) => {
  const rest = b.binary("FLOOR_MOD", b.op("ABS", [x!]), b.op("ABS", [y!]));
  const negative = b.raw("LESS", [
    b.cast(x!, isFloat(b, x!) ? "float32" : "int32"),
    b.like(0, b.cast(x!, isFloat(b, x!) ? "float32" : "int32")),
  ])[0]!;
  return b.select(negative, b.op("NEG", [rest]), rest);
};

/** f(x, y) where `keep` holds and 0 elsewhere, with a divisor (or logarithm's argument) that does no harm there. */
const where =
  (test: (b: Lowerer, x: Ref, y: Ref) => Ref, f: (b: Lowerer, x: Ref, y: Ref) => Ref, guardsY: boolean): Lowering =>
  ({inputs: [x, y]}, b) => {
    const zero = test(b, x!, y!);
    const safe = guardsY ? b.select(zero, b.like(1, y!), y!) : y!;
    return b.select(zero, b.like(0, x!), f(b, x!, safe));
  };

const isZero = (b: Lowerer, value: Ref) => b.raw("EQUAL", [value, b.like(0, value)])[0]!;

/** Abramowitz & Stegun don't reach float32; this rational form (Winitzki-free, Eigen's degrees) does: |error| < 1e-7. */
const erfNumerator = [
  -2.72614225801306e-10, 2.77068142495902e-8, -2.10102402082508e-6, -5.69250639462346e-5, -7.34990630326855e-4,
  -2.95459980854025e-3, -1.60960333262415e-2,
];
const erfDenominator = [
  -1.45660718464996e-5, -2.13374055278905e-4, -1.68282697438203e-3, -7.37332916720468e-3, -1.42647390514189e-2,
];

function polynomial(b: Lowerer, x: Ref, coefficients: readonly number[]): Ref {
  let sum: Ref = b.scalar(coefficients[0]!);
  for (const coefficient of coefficients.slice(1)) sum = b.add(b.mul(sum, x), b.scalar(coefficient));
  return sum;
}

export function erf(b: Lowerer, x: Ref): Ref {
  const clamped = b.binary("MAXIMUM", b.binary("MINIMUM", x, b.scalar(4)), b.scalar(-4));
  const square = b.mul(clamped, clamped);
  return b.div(b.mul(clamped, polynomial(b, square, erfNumerator)), polynomial(b, square, erfDenominator));
}

/**
 * erfc for all x with a small relative error (Numerical Recipes' Chebyshev fit, relative error < 1.2e-7):
 * t·exp(−x² + P(t)) with t = 1/(1 + |x|/2), and 2 − that for negative x.
 */
const erfcTerms = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
];

function erfc(b: Lowerer, x: Ref): Ref {
  const absolute = b.op("ABS", [x]);
  const t = b.div(b.scalar(1), b.add(b.mul(absolute, b.scalar(0.5)), b.scalar(1)));
  const exponent = b.sub(polynomial(b, t, erfcTerms), b.mul(absolute, absolute));
  const tail = b.mul(t, b.op("EXP", [exponent]));
  const negative = b.raw("LESS", [x, b.scalar(0)])[0]!;
  return b.select(negative, b.sub(b.scalar(2), tail), tail);
}

const onFloats =
  (f: (b: Lowerer, x: Ref, n: LoweredNode) => Ref): Lowering =>
  (n, b) => {
    if (!isFloat(b, n.inputs[0]!)) b.refuse(`it is computed for float32 only, not ${b.dtype(n.inputs[0]!)}`);
    return f(b, n.inputs[0]!, n);
  };

const selectRows: Lowering = ({inputs: [condition, x, y], attributes}, b) => {
  // Branches of a condition must not broadcast against each other.
  if (attributes.branches === true && !sameShapes(b.type(x!).shape, b.type(y!).shape)) {
    return b.refuse("its branches give different shapes, or unknown ones");
  }
  const rank = b.rank(x!);
  const rows = b.rank(condition!);
  if (rows === rank || rows === 0) return b.select(condition!, x!, y!);
  // A vector picks rows: the condition gets the other dimensions as ones.
  const shape = [...b.shape(condition!), ...Array.from({length: rank - rows}, () => 1)];
  return b.select(b.reshape(condition!, shape), x!, y!);
};

const chainAdd: Lowering = ({inputs}, b) => inputs.slice(1).reduce((sum, each) => b.add(sum, each), inputs[0]!);

/** Adds a vector to the last axis, or to axis 1 where the layout says so. */
const biasAdd: Lowering = ({inputs: [x, bias], attributes}, b) => {
  const rank = b.rank(x!);
  if (attributes.data_format !== "NCHW" || rank < 3) return b.add(x!, bias!);
  return b.add(x!, b.reshape(bias!, [...b.shape(bias!), ...Array.from({length: rank - 2}, () => 1)]));
};

const integersOnly = (b: Lowerer, x: Ref) => dtypes[b.dtype(x) as DType].kind !== "float";

export const elementwiseLowerings: LoweringTable = {
  Abs: ({inputs: [x]}, b) => (b.dtype(x!) === "int64" ? b.binary("MAXIMUM", x!, b.op("NEG", [x!])) : b.op("ABS", [x!])),
  Neg: unary("NEG"),
  Sign: unary("SIGN"),
  Square: ({inputs: [x]}, b) => (isFloat(b, x!) ? b.op("SQUARE", [x!]) : b.mul(x!, x!)),
  Sqrt: unary("SQRT"),
  Rsqrt: unary("RSQRT"),
  Exp: unary("EXP"),
  Expm1: onFloats(expm1),
  Log: unary("LOG"),
  Log1p: onFloats(log1p),
  Sin: unary("SIN"),
  Cos: unary("COS"),
  Tan: onFloats((b, x) => b.div(b.op("SIN", [x]), b.op("COS", [x]))),
  Atan: onFloats((b, x) => atan2(b, x, filledLike(b, x, 1))),
  Asin: onFloats((b, x) => atan2(b, x, cosineOfAsin(b, x))),
  Acos: onFloats((b, x) => atan2(b, cosineOfAsin(b, x), x)),
  Sinh: onFloats((b, x) => {
    const grown = expm1(b, x);
    // (e^x − e^−x)/2 = (u + u/(u + 1))/2 with u = e^x − 1
    return b.mul(b.add(grown, b.div(grown, b.add(grown, b.scalar(1)))), b.scalar(0.5));
  }),
  Cosh: onFloats((b, x) => b.mul(b.add(b.op("EXP", [x]), b.op("EXP", [b.op("NEG", [x])])), b.scalar(0.5))),
  Asinh: onFloats((b, x) => {
    const a = b.op("ABS", [x]);
    const square = b.mul(a, a);
    const root = b.op("SQRT", [b.add(square, b.scalar(1))]);
    const value = log1p(b, b.add(a, b.div(square, b.add(root, b.scalar(1)))));
    return b.mul(b.op("SIGN", [x]), value);
  }),
  Acosh: onFloats((b, x) => {
    const t = b.sub(x, b.scalar(1));
    return log1p(b, b.add(t, b.op("SQRT", [b.add(b.mul(t, b.scalar(2)), b.mul(t, t))])));
  }),
  Atanh: onFloats((b, x) => {
    const a = b.op("ABS", [x]);
    const ratio = b.div(b.mul(a, b.scalar(2)), b.sub(b.scalar(1), a));
    return b.mul(b.mul(b.op("SIGN", [x]), b.scalar(0.5)), log1p(b, ratio));
  }),
  Tanh: unary("TANH"),
  Sigmoid: unary("LOGISTIC"),
  Relu: ({inputs: [x]}, b) => (isFloat(b, x!) ? b.op("RELU", [x!]) : b.binary("MAXIMUM", x!, b.like(0, x!))),
  Relu6: ({inputs: [x]}, b) =>
    isFloat(b, x!) ? b.op("RELU6", [x!]) : b.binary("MINIMUM", b.binary("MAXIMUM", x!, b.like(0, x!)), b.like(6, x!)),
  LeakyRelu: ({inputs: [x], site}, b) => b.op("LEAKY_RELU", [x!], {alpha: numberAttribute(site, "alpha", 0.2)}),
  Elu: unary("ELU"),
  // elu(x) has the sign of x, and is e^x − 1 below zero: the leaky slope is α.
  Selu: onFloats((b, x) => {
    const leaky = b.op("LEAKY_RELU", [b.op("ELU", [x])], {alpha: 1.6732632423543772});
    return b.mul(leaky, b.scalar(1.0507009873554805));
  }),
  Softplus: onFloats(softplus),
  Softsign: onFloats((b, x) => b.div(x, b.add(b.op("ABS", [x]), b.scalar(1)))),
  Erf: onFloats(erf),
  Erfc: onFloats(erfc),
  Reciprocal: ({inputs: [x]}, b) => b.div(b.like(1, x!), x!),
  Inv: ({inputs: [x]}, b) => b.div(b.like(1, x!), x!),
  Floor: unary("FLOOR"),
  Ceil: unary("CEIL"),
  Round: ({inputs: [x]}, b) => (integersOnly(b, x!) ? x! : b.op("ROUND", [x!])),
  Rint: unary("ROUND"),
  Invert: ({inputs: [x]}, b) => b.sub(b.like(-1, x!), x!),
  ZerosLike: ({inputs: [x]}, b) => zerosLike(b, x!, 0),
  OnesLike: ({inputs: [x]}, b) => zerosLike(b, x!, 1),
  IsNan: onFloats((b, x) => b.raw("NOT_EQUAL", [x, x])[0]!),
  IsInf: onFloats((b, x) => b.raw("EQUAL", [b.op("ABS", [x]), b.scalar(Number.POSITIVE_INFINITY)])[0]!),
  IsFinite: onFloats((b, x) => b.raw("EQUAL", [b.mul(x, b.scalar(0)), b.scalar(0)])[0]!),
  Add: binary("ADD"),
  AddV2: binary("ADD"),
  Sub: binary("SUB"),
  Mul: binary("MUL"),
  RealDiv: binary("DIV"),
  Div: divide,
  TruncateDiv: truncateDiv,
  Maximum: binary("MAXIMUM"),
  Minimum: binary("MINIMUM"),
  Pow: binary("POW"),
  SquaredDifference: ({inputs: [x, y]}, b) => {
    if (b.dtype(x!) !== "int64") return b.binary("SQUARED_DIFFERENCE", x!, y!);
    const difference = b.sub(x!, y!);
    return b.mul(difference, difference);
  },
  FloorDiv: ({inputs: [x, y]}, b) => (isFloat(b, x!) ? b.op("FLOOR", [b.div(x!, y!)]) : b.binary("FLOOR_DIV", x!, y!)),
  FloorMod: binary("FLOOR_MOD"),
  Mod: truncateMod,
  TruncateMod: truncateMod,
  DivNoNan: where(
    (b, _, y) => isZero(b, y),
    (b, x, y) => b.div(x, y),
    true,
  ),
  MulNoNan: where(
    (b, _, y) => isZero(b, y),
    (b, x, y) => b.mul(x, y),
    false,
  ),
  Xdivy: where(
    (b, x) => isZero(b, x),
    (b, x, y) => b.div(x, y),
    false,
  ),
  Xlogy: where(
    (b, x) => isZero(b, x),
    (b, x, y) => b.mul(x, b.op("LOG", [y])),
    false,
  ),
  Xlog1py: where(
    (b, x) => isZero(b, x),
    (b, x, y) => b.mul(x, log1p(b, y)),
    false,
  ),
  Atan2: (n, b) => {
    const [y, x] = broadcastBoth(b, n);
    return atan2(b, y, x);
  },
  ApproximateEqual: ({inputs: [x, y], site, types: [type]}, b) =>
    b.op("LESS", [b.op("ABS", [b.sub(x!, y!)]), b.scalar(numberAttribute(site, "tolerance", 1e-5))], {}, {type: type!}),
  RightShift: ({inputs: [x, y]}, b) => b.op("RIGHT_SHIFT", [x!, y!]),
  Less: comparison("LESS"),
  LessEqual: comparison("LESS_EQUAL"),
  Greater: comparison("GREATER"),
  GreaterEqual: comparison("GREATER_EQUAL"),
  Equal: comparison("EQUAL"),
  NotEqual: comparison("NOT_EQUAL"),
  LogicalAnd: comparison("LOGICAL_AND"),
  LogicalOr: comparison("LOGICAL_OR"),
  LogicalNot: unary("LOGICAL_NOT"),
  Select: selectRows,
  SelectV2: ({inputs: [condition, x, y]}, b) => b.select(condition!, x!, y!),
  Gelu: ({inputs: [x], site}, b) => b.op("GELU", [x!], {approximate: booleanAttribute(site, "approximate")}),
  HardSwish: unary("HARD_SWISH"),
  PRelu: ({inputs: [x, alpha]}, b) => b.op("PRELU", [x!, alpha!]),
  AddN: chainAdd,
  AccumulateNV2: chainAdd,
  ClipByValue: ({inputs: [x, low, high]}, b) => b.binary("MAXIMUM", b.binary("MINIMUM", x!, high!), low!),
  BiasAdd: biasAdd,
  BiasAddV1: ({inputs: [x, bias]}, b) => b.add(x!, bias!),
  Cast: ({inputs: [x], types: [type], site}, b) => {
    const [from, to] = [b.dtype(x!), type!.dtype];
    const toSmall = dtypes[from as DType]?.kind === "float" && ["int8", "int16", "uint8", "uint16"].includes(to);
    if (booleanAttribute(site, "Truncate") && dtypes[to as DType]?.kind === "float") b.refuse("it truncates");
    // Floats wrap around in TensorFlow and saturate here; by way of int32 they wrap, where int32 holds them.
    return toSmall ? b.cast(b.cast(x!, "int32"), to) : b.cast(x!, to);
  },
  Identity: forward,
  StopGradient: forward,
  PreventGradient: forward,
  Snapshot: forward,
  DeepCopy: forward,
  CheckNumerics: forward,
  CheckNumericsV2: forward,
  PlaceholderWithDefault: forward,
  EnsureShape: forward,
  IdentityN: ({inputs}) => inputs,
};

function zerosLike(b: Lowerer, x: Ref, value: number): Ref {
  const dtype = b.dtype(x);
  if (dtype === "float32" || dtype === "int32" || dtype === "int64") {
    const zeros = b.op("ZEROS_LIKE", [x]);
    return value === 0 ? zeros : b.add(zeros, b.like(value, zeros));
  }
  if (!Object.hasOwn(dtypes, dtype) || ["string", "complex64", "complex128"].includes(dtype))
    b.refuse(`zeros of ${dtype}`);
  return b.cast(zerosLike(b, b.cast(x, "int32"), value), dtype);
}
