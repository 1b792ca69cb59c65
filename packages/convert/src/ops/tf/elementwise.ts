/** Operators that work element by element, with broadcasting where they take several inputs. */
import {type DType, dtypes, type Tensor} from "@tf-trusted/tensor";
import {
  addDims,
  type Dim,
  divideDims,
  floorDivideDim,
  isKnown,
  multiplyDims,
  subtractDims,
  unknownDim,
} from "../../ir/dims.ts";
import type {TensorType} from "../../ir/graph.ts";
import {joinTypes} from "../../ir/join.ts";
import {type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {broadcastStrides, castTensor, indexMap, isInt64, makeTensor, numbersOf} from "../elements.ts";
import {broadcastShapes, withElements} from "../shapes.ts";
import {castComplex, evaluateComplex, sameElements} from "./values/elementwise.ts";

type Unary = (x: number) => number;
type Binary = (x: number, y: number) => number;

/** f is exact in double precision, or rounded once more: what is folded differs from TensorFlow by an ulp at most. */
const floatUnary: Readonly<Record<string, Unary>> = {
  Abs: Math.abs,
  Neg: (x) => -x,
  Sign: (x) => (Number.isNaN(x) ? x : Math.sign(x)),
  Square: (x) => x * x,
  Sqrt: Math.sqrt,
  Rsqrt: (x) => 1 / Math.sqrt(x),
  Exp: Math.exp,
  Expm1: Math.expm1,
  Log: Math.log,
  Log1p: Math.log1p,
  Sin: Math.sin,
  Cos: Math.cos,
  Tan: Math.tan,
  Asin: Math.asin,
  Acos: Math.acos,
  Atan: Math.atan,
  Sinh: Math.sinh,
  Cosh: Math.cosh,
  Tanh: Math.tanh,
  Asinh: Math.asinh,
  Acosh: Math.acosh,
  Atanh: Math.atanh,
  Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  Relu: (x) => Math.max(x, 0),
  Relu6: (x) => (x < 0 ? 0 : Math.min(x, 6)),
  Elu: (x) => (x < 0 ? Math.expm1(x) : x),
  Softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  Softsign: (x) => x / (1 + Math.abs(x)),
  Reciprocal: (x) => 1 / x,
  Inv: (x) => 1 / x,
  Floor: Math.floor,
  Ceil: Math.ceil,
  Round: roundHalfEven,
  Rint: roundHalfEven,
};

/** Types; their values are in values/elementwise.ts. */
const otherUnary = ["Erf", "Erfc", "Lgamma", "Digamma", "Invert", "Erfinv", "Ndtri", "Conj"];

const forwarding = [
  "Identity",
  "StopGradient",
  "PreventGradient",
  "Snapshot",
  "DeepCopy",
  "CheckNumerics",
  "CheckNumericsV2",
  "PlaceholderWithDefault",
  "Print",
  "ZerosLike",
  "OnesLike",
  "LogicalNot",
];

const floatBinary: Readonly<Record<string, Binary>> = {
  Add: (x, y) => x + y,
  AddV2: (x, y) => x + y,
  Sub: (x, y) => x - y,
  Mul: (x, y) => x * y,
  RealDiv: (x, y) => x / y,
  Div: (x, y) => x / y,
  Maximum: (x, y) => (Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : Math.max(x, y)),
  Minimum: (x, y) => (Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : Math.min(x, y)),
  Pow: (x, y) => x ** y,
  SquaredDifference: (x, y) => (x - y) * (x - y),
  FloorDiv: (x, y) => Math.floor(x / y),
  FloorMod: (x, y) => x - Math.floor(x / y) * y,
  Mod: (x, y) => x % y,
  TruncateDiv: (x, y) => Math.trunc(x / y),
  TruncateMod: (x, y) => x % y,
  DivNoNan: (x, y) => (y === 0 ? 0 : x / y),
  MulNoNan: (x, y) => (y === 0 ? 0 : x * y),
  Xdivy: (x, y) => (x === 0 ? 0 : x / y),
  Xlogy: (x, y) => (x === 0 ? 0 : x * Math.log(y)),
  Atan2: Math.atan2,
};

/** Integers, exactly; a result that isn't one (division by zero) is left to the run time. */
const integerBinary: Readonly<Record<string, (x: bigint, y: bigint) => bigint | undefined>> = {
  Add: (x, y) => x + y,
  AddV2: (x, y) => x + y,
  Sub: (x, y) => x - y,
  Mul: (x, y) => x * y,
  Maximum: (x, y) => larger(x, y),
  Minimum: (x, y) => -larger(-x, -y),
  SquaredDifference: (x, y) => (x - y) * (x - y),
  Pow: (x, y) => (y < 0n || y > 64n ? undefined : x ** y),
  Div: truncatedQuotient,
  TruncateDiv: truncatedQuotient,
  FloorDiv: (x, y) => (y === 0n ? undefined : (x - floorMod(x, y)) / y),
  FloorMod: (x, y) => (y === 0n ? undefined : floorMod(x, y)),
  Mod: (x, y) => (y === 0n ? undefined : x % y),
  TruncateMod: (x, y) => (y === 0n ? undefined : x % y),
};

const comparisons: Readonly<Record<string, (x: number | bigint, y: number | bigint) => boolean>> = {
  Equal: (x, y) => x === y,
  NotEqual: (x, y) => x !== y,
  Less: (x, y) => x < y,
  LessEqual: (x, y) => x <= y,
  Greater: (x, y) => x > y,
  GreaterEqual: (x, y) => x >= y,
};

/** What binary operators are on dimensions. */
const dimBinary: Readonly<Record<string, (x: Dim, y: Dim) => Dim>> = {
  Add: addDims,
  AddV2: addDims,
  Sub: subtractDims,
  Mul: multiplyDims,
  FloorDiv: (x, y) => (isKnown(y) && y > 0 ? floorDivideDim(x, y) : divideDims(x, y)),
  Maximum: (x, y) => (isKnown(x) && isKnown(y) ? Math.max(x, y) : x === y ? x : unknownDim),
  Minimum: (x, y) => (isKnown(x) && isKnown(y) ? Math.min(x, y) : x === y ? x : unknownDim),
};

const sameType = (site: Site): TensorType[] => [site.inputs[0]!];

export const elementwise: readonly Operator[] = [
  ...Object.entries(floatUnary).map(
    ([name, f]): Operator => ({
      name: `tf.${name}`,
      infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
      evaluate: (_, [x], [type]) =>
        dtypes[x!.dtype].kind === "complex" ? evaluateComplex(name, [x!], type!) : evaluateUnary(name, f, x!),
    }),
  ),
  ...otherUnary.map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
    }),
  ),
  ...forwarding.map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) =>
        /Like|Not/.test(name) ? [{dtype: site.inputs[0]!.dtype, shape: site.inputs[0]!.shape}] : sameType(site),
      evaluate: (_, [x]) => evaluateForwarding(name, x!),
    }),
  ),
  ...["IsNan", "IsInf", "IsFinite"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: ({inputs: [x]}) => [{dtype: "bool", shape: x!.shape}],
    }),
  ),
  ...[
    ...Object.keys(floatBinary),
    "TruncateDiv",
    "Xlog1py",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "LeftShift",
    "RightShift",
    "NextAfter",
    "Igamma",
    "Igammac",
    "Zeta",
    "Polygamma",
  ].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => [inferBinary(site, name)],
      evaluate: (_, [x, y], [type]) =>
        dtypes[x!.dtype].kind === "complex"
          ? evaluateComplex(name, [x!, y!], type!)
          : evaluateBinary(name, x!, y!, type!),
    }),
  ),
  ...[...Object.keys(comparisons), "LogicalAnd", "LogicalOr", "ApproximateEqual"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => [{dtype: "bool", shape: broadcastShapes(site, site.inputs[0]!.shape, site.inputs[1]!.shape)}],
      evaluate: (_, [x, y], [type]) => evaluateComparison(name, x!, y!, type!),
    }),
  ),
  {
    name: "tf.Betainc",
    infer: (site) => [
      {dtype: site.inputs[0]!.dtype, shape: broadcastShapes(site, ...site.inputs.map(({shape}) => shape))},
    ],
  },
  {
    name: "tf.Cast",
    infer: (site) => {
      const dtype = stringAttribute(site, "DstT") as DType;
      const [x] = site.inputs;
      return [withElements({dtype, shape: x!.shape}, x!.elements)];
    },
    evaluate: (_, [x], [type]) => {
      const dtype = type!.dtype as DType;
      const cast = castTensor(x!, dtype) ?? castComplex(x!, dtype);
      return cast && [cast];
    },
  },
  {
    name: "tf.Select",
    infer: ({inputs: [, x, y]}) =>
      x!.list || y!.list ? [joinTypes(x!, y!)] : [{dtype: x!.dtype, shape: x!.shape ?? y!.shape}],
  },
  {
    name: "tf.SelectV2",
    infer: (site) => [
      {dtype: site.inputs[1]!.dtype, shape: broadcastShapes(site, ...site.inputs.map((input) => input.shape))},
    ],
    evaluate: (_, [condition, x, y], [type]) => {
      const shape = type!.shape as number[];
      const maps = [condition!, x!, y!].map((t) => indexMap(shape, broadcastStrides(t.shape, shape)));
      if (x!.dtype === "string" || dtypes[x!.dtype].kind === "complex") return undefined;
      const [a, b] = [x!.data as ArrayLike<number | bigint>, y!.data as ArrayLike<number | bigint>];
      const [chosen, other] = isHalf(x!.dtype) ? [numbersOf(x!), numbersOf(y!)] : [a, b];
      return [
        makeTensor(x!.dtype, shape, (i) =>
          condition!.bytes[maps[0]!(i)] ? chosen[maps[1]!(i)]! : other[maps[2]!(i)]!,
        ),
      ];
    },
  },
  {
    name: "tf.AddN",
    infer: (site) => [{dtype: site.inputs[0]!.dtype, shape: broadcastShapes(site, ...site.inputs.map((i) => i.shape))}],
  },
  {
    name: "tf.AccumulateNV2",
    infer: (site) => [{dtype: site.inputs[0]!.dtype, shape: broadcastShapes(site, ...site.inputs.map((i) => i.shape))}],
  },
  {
    name: "tf.ClipByValue",
    infer: (site) => [{dtype: site.inputs[0]!.dtype, shape: site.inputs[0]!.shape}],
  },
  // Spelled out by TensorFlow, put together by passes/patterns.ts.
  ...["Gelu"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
    }),
  ),
];

const isHalf = (dtype: string) => dtype === "float16" || dtype === "bfloat16";

function inferBinary(site: Site, name: string): TensorType {
  const [x, y] = site.inputs;
  const type = {dtype: x!.dtype, shape: broadcastShapes(site, x!.shape, y!.shape)};
  const combine = dimBinary[name];
  const [a, b] = [x!.elements, y!.elements];
  if (combine === undefined || a === undefined || b === undefined) return type;
  const rankOne = Math.max(x!.shape?.length ?? 2, y!.shape?.length ?? 2) <= 1;
  const length = Math.max(a.length, b.length);
  if (!rankOne || (a.length !== length && a.length !== 1) || (b.length !== length && b.length !== 1)) return type;
  const elements = Array.from({length}, (_, i) => combine(a[a.length === 1 ? 0 : i]!, b[b.length === 1 ? 0 : i]!));
  return withElements(type, elements);
}

function evaluateUnary(name: string, f: Unary, x: Tensor): Tensor[] | undefined {
  const {kind} = dtypes[x.dtype];
  if (kind === "string" || kind === "complex" || kind === "bool") return undefined;
  if (kind === "float") {
    const values = numbersOf(x);
    return [makeTensor(x.dtype, x.shape, (i) => f(values[i]!))];
  }
  if (!["Abs", "Neg", "Sign", "Square"].includes(name)) return undefined;
  if (isInt64(x.dtype)) {
    const data = x.data as BigInt64Array;
    const big: Readonly<Record<string, (v: bigint) => bigint>> = {
      Abs: (v) => (v < 0n ? -v : v),
      Neg: (v) => -v,
      Sign: (v) => (v < 0n ? -1n : v > 0n ? 1n : 0n),
      Square: (v) => v * v,
    };
    return [makeTensor(x.dtype, x.shape, (i) => big[name]!(data[i]!))];
  }
  const values = numbersOf(x);
  return [makeTensor(x.dtype, x.shape, (i) => (name === "Square" ? Math.imul(values[i]!, values[i]!) : f(values[i]!)))];
}

function evaluateForwarding(name: string, x: Tensor): Tensor[] | undefined {
  if (name === "LogicalNot") return [makeTensor("bool", x.shape, (i) => (x.bytes[i] ? 0 : 1))];
  if (!name.endsWith("Like")) return [x];
  const {kind} = dtypes[x.dtype];
  if (kind === "string" || kind === "complex") return undefined;
  const value = name === "OnesLike" ? 1 : 0;
  return [makeTensor(x.dtype, x.shape, () => value)];
}

function evaluateBinary(name: string, x: Tensor, y: Tensor, type: TensorType): Tensor[] | undefined {
  const shape = type.shape as number[];
  const {kind} = dtypes[x.dtype];
  const [left, right] = [x, y].map((t) => indexMap(shape, broadcastStrides(t.shape, shape)));
  if (kind === "float") {
    const f = floatBinary[name];
    if (f === undefined) return undefined;
    const [a, b] = [numbersOf(x), numbersOf(y)];
    return [makeTensor(x.dtype, shape, (i) => f(a[left!(i)]!, b[right!(i)]!))];
  }
  const f = integerBinary[name];
  if (f === undefined || (kind !== "int" && kind !== "uint")) return undefined;
  const [a, b] = [x.data as ArrayLike<number | bigint>, y.data as ArrayLike<number | bigint>];
  let undefinedResult = false;
  const result = makeTensor(x.dtype, shape, (i) => {
    const value = f(BigInt(a[left!(i)]!), BigInt(b[right!(i)]!));
    if (value === undefined) undefinedResult = true;
    return isInt64(x.dtype) ? (value ?? 0n) : Number(BigInt.asIntN(32, value ?? 0n));
  });
  return undefinedResult ? undefined : [result];
}

function evaluateComparison(name: string, x: Tensor, y: Tensor, type: TensorType): Tensor[] | undefined {
  const shape = type.shape as number[];
  const {kind} = dtypes[x.dtype];
  if (kind === "string" || kind === "complex") {
    if (name !== "Equal" && name !== "NotEqual") return undefined;
    const same = sameElements(x, y, shape);
    return [makeTensor("bool", shape, (i) => (same(i) === (name === "Equal") ? 1 : 0))];
  }
  const [left, right] = [x, y].map((t) => indexMap(shape, broadcastStrides(t.shape, shape)));
  const [a, b] = isInt64(x.dtype)
    ? [x.data as ArrayLike<number | bigint>, y.data as ArrayLike<number | bigint>]
    : [numbersOf(x), numbersOf(y)];
  const f =
    comparisons[name] ??
    (name === "LogicalAnd"
      ? (p: number | bigint, q: number | bigint) => p === 1 && q === 1
      : (p: number | bigint, q: number | bigint) => p === 1 || q === 1);
  return [makeTensor("bool", shape, (i) => (f(a[left!(i)]!, b[right!(i)]!) ? 1 : 0))];
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const difference = x - floor;
  if (difference < 0.5 || (difference === 0.5 && floor % 2 === 0)) return floor;
  return floor + 1;
}

/** Math.max is for numbers only. */
function larger(x: bigint, y: bigint): bigint {
  if (x > y) return x;
  return y;
}

function truncatedQuotient(x: bigint, y: bigint): bigint | undefined {
  return y === 0n ? undefined : x / y;
}

function floorMod(x: bigint, y: bigint): bigint {
  const rest = x % y;
  return rest !== 0n && rest < 0n !== y < 0n ? rest + y : rest;
}
