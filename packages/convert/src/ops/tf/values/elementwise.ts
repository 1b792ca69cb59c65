/** Values of operators that work element by element: special functions, bits, choices, complex numbers, strings. */
import {type DType, dtypes, Tensor} from "@tf-trusted/tensor";
import type {TensorType} from "../../../ir/graph.ts";
import {booleanAttribute, numberAttribute} from "../../../ir/operators.ts";
import {gatherElements, isInt64, makeTensor, numbersOf} from "../../elements.ts";
import {betainc, digamma, erf, erfc, erfinv, igamma, lgamma, ndtri, polygamma, zeta} from "./special.ts";
import {broadcastMaps, forEach, type Values, type ValuesTable} from "./values.ts";

const kindOf = (tensor: Tensor) => dtypes[tensor.dtype].kind;
const isFloat = (tensor: Tensor) => kindOf(tensor) === "float";

const unary: Readonly<Record<string, (x: number) => number>> = {
  Erf: erf,
  Erfc: erfc,
  Erfinv: erfinv,
  Ndtri: ndtri,
  Lgamma: lgamma,
  Digamma: digamma,
};

const binary: Readonly<Record<string, (x: number, y: number) => number>> = {
  Xlog1py: (x, y) => (x === 0 ? 0 : x * Math.log1p(y)),
  Igamma: (a, x) => igamma(a, x)[0],
  Igammac: (a, x) => igamma(a, x)[1],
  Zeta: zeta,
  Polygamma: polygamma,
};

const tests: Readonly<Record<string, (x: number) => boolean>> = {
  IsNan: Number.isNaN,
  IsInf: (x) => Math.abs(x) === Number.POSITIVE_INFINITY,
  IsFinite: Number.isFinite,
};

/** On integers of any width; a shift by more bits than there are gives what TensorFlow's clamped shift does. */
const bitwise: Readonly<Record<string, (x: bigint, y: bigint, bits: number) => bigint>> = {
  BitwiseAnd: (x, y) => x & y,
  BitwiseOr: (x, y) => x | y,
  BitwiseXor: (x, y) => x ^ y,
  LeftShift: (x, y, bits) => x << clampShift(y, bits),
  RightShift: (x, y, bits) => x >> clampShift(y, bits),
};

const clampShift = (y: bigint, bits: number): bigint => (y < 0n ? 0n : y >= BigInt(bits) ? BigInt(bits - 1) : y);

/** Integers of a tensor, made from any: they wrap around. */
function integersLike(x: Tensor, shape: readonly number[], value: (index: number) => bigint): Tensor {
  const bits = 8 * dtypes[x.dtype].bytes!;
  const wrap = kindOf(x) === "uint" ? BigInt.asUintN : BigInt.asIntN;
  return makeTensor(x.dtype, shape, (i) => {
    const wrapped = wrap(bits, value(i));
    return isInt64(x.dtype) ? wrapped : Number(wrapped);
  });
}

const bigs = (x: Tensor): readonly bigint[] => Array.from(x.data as ArrayLike<number | bigint>, BigInt);

function sum(inputs: readonly Tensor[], {shape: dims}: TensorType): Tensor[] | undefined {
  const shape = dims as readonly number[];
  const maps = broadcastMaps(inputs, shape);
  const [first] = inputs as [Tensor];
  if (isFloat(first)) {
    const values = inputs.map(numbersOf);
    return [makeTensor(first.dtype, shape, (i) => values.reduce((total, each, k) => total + each[maps[k]!(i)]!, 0))];
  }
  if (kindOf(first) !== "int" && kindOf(first) !== "uint") return undefined;
  const values = inputs.map(bigs);
  return [integersLike(first, shape, (i) => values.reduce((total, each, k) => total + each[maps[k]!(i)]!, 0n))];
}

const sumOf: Values = {evaluate: (_, inputs, [type]) => sum(inputs, type!)};

/** A condition of rank 1 chooses rows, a scalar one everything. */
const select: Values = {
  evaluate: (_, [condition, x, y], [type]) => {
    const shape = type!.shape as readonly number[];
    const each = condition!.size === 0 ? 1 : Math.max(1, x!.size / condition!.size);
    return chosen(x!, y!, shape, (i) => condition!.bytes[Math.floor(i / each)] !== 0);
  },
};

/** Element i of one or the other, bit by bit. */
function chosen(x: Tensor, y: Tensor, shape: readonly number[], takesFirst: (index: number) => boolean): Tensor[] {
  const first = gatherElements(x, shape, (i) => (takesFirst(i) ? i : -1));
  const second = gatherElements(y, shape, (i) => (takesFirst(i) ? -1 : i));
  if (x.dtype === "string") throw new TypeError("strings have no bits to choose");
  return [
    new Tensor(
      x.dtype,
      shape,
      first.bytes.map((byte, i) => byte | second.bytes[i]!),
    ),
  ];
}

const clip: Values = {
  evaluate: (_, [x, low, high]) => {
    if (kindOf(x!) === "complex") return undefined;
    const [, below, above] = broadcastMaps([x!, low!, high!], x!.shape);
    if (isInt64(x!.dtype)) {
      const [values, lows, highs] = [bigs(x!), bigs(low!), bigs(high!)];
      return [
        integersLike(x!, x!.shape, (i) => {
          const raised = values[i]! < lows[below!(i)]! ? lows[below!(i)]! : values[i]!;
          return raised > highs[above!(i)]! ? highs[above!(i)]! : raised;
        }),
      ];
    }
    const [values, lows, highs] = [numbersOf(x!), numbersOf(low!), numbersOf(high!)];
    return [makeTensor(x!.dtype, x!.shape, (i) => Math.max(Math.min(values[i]!, highs[above!(i)]!), lows[below!(i)]!))];
  },
};

const gelu: Values = {
  evaluate: (site, [x]) => {
    if (!isFloat(x!)) return undefined;
    const values = numbersOf(x!);
    const inner = Math.sqrt(2 / Math.PI);
    const f = booleanAttribute(site, "approximate")
      ? (v: number) => 0.5 * v * (1 + Math.tanh(inner * (v + 0.044715 * v ** 3)))
      : (v: number) => 0.5 * v * erfc(-v * Math.SQRT1_2);
    return [makeTensor(x!.dtype, x!.shape, (i) => f(values[i]!))];
  },
};

type Complex = readonly [re: number, im: number];

const times = ([a, b]: Complex, [c, d]: Complex): Complex => [a * c - b * d, a * d + b * c];

function quotient([a, b]: Complex, [c, d]: Complex): Complex {
  const norm = c * c + d * d;
  return [(a * c + b * d) / norm, (b * c - a * d) / norm];
}

const complexBinary: Readonly<Record<string, (x: Complex, y: Complex) => Complex>> = {
  Add: ([a, b], [c, d]) => [a + c, b + d],
  AddV2: ([a, b], [c, d]) => [a + c, b + d],
  Sub: ([a, b], [c, d]) => [a - c, b - d],
  Mul: times,
  RealDiv: quotient,
  Div: quotient,
};

function complexRoot([a, b]: Complex): Complex {
  const size = Math.hypot(a, b);
  const re = Math.sqrt((size + Math.abs(a)) / 2);
  if (re === 0) return [0, 0];
  const other = b / (2 * re);
  return a >= 0 ? [re, other] : [Math.abs(other), b < 0 ? -re : re];
}

const complexUnary: Readonly<Record<string, (x: Complex) => Complex>> = {
  Neg: ([a, b]) => [-a, -b],
  Conj: ([a, b]) => [a, -b],
  Square: (x) => times(x, x),
  Exp: ([a, b]) => [Math.exp(a) * Math.cos(b), Math.exp(a) * Math.sin(b)],
  Log: ([a, b]) => [Math.log(Math.hypot(a, b)), Math.atan2(b, a)],
  Sqrt: complexRoot,
  Rsqrt: (x) => quotient([1, 0], complexRoot(x)),
  Reciprocal: (x) => quotient([1, 0], x),
  Inv: (x) => quotient([1, 0], x),
};

/** A tensor of pairs. */
export function makeComplex(dtype: DType, shape: readonly number[], value: (index: number) => Complex): Tensor {
  const part = dtype === "complex128" ? "float64" : "float32";
  const count = shape.reduce((a, b) => a * b, 1);
  const pairs = new Float64Array(2 * count);
  for (let i = 0; i < count; i++) pairs.set(value(i), 2 * i);
  return new Tensor(dtype, shape, makeTensor(part, [...shape, 2], (i) => pairs[i]!).bytes);
}

export function pairAt(x: Tensor, index: number): Complex {
  const data = x.data as ArrayLike<number>;
  return [data[2 * index]!, data[2 * index + 1]!];
}

/** What elementwise rows leave to others: operands that are complex numbers. */
export function evaluateComplex(name: string, inputs: readonly Tensor[], type: TensorType): Tensor[] | undefined {
  const [x, y] = inputs as [Tensor, Tensor?];
  if (y === undefined) {
    const f = complexUnary[name];
    return f && [makeComplex(x.dtype, x.shape, (i) => f(pairAt(x, i)))];
  }
  const f = complexBinary[name];
  const shape = type.shape as readonly number[];
  const [left, right] = broadcastMaps([x, y], shape);
  return f && [makeComplex(x.dtype, shape, (i) => f(pairAt(x, left!(i)), pairAt(y, right!(i))))];
}

/** Whether two tensors' elements of any dtype are the same bits; for what has no order. */
export function sameElements(x: Tensor, y: Tensor, shape: readonly number[]): (index: number) => boolean {
  const [left, right] = broadcastMaps([x, y], shape);
  const read = x.dtype === "string" ? stringsOf : pairsOf;
  const [a, b] = [read(x), read(y)];
  return (i) => a(left!(i)) === b(right!(i));
}

const pairsOf = (x: Tensor) => (i: number) =>
  pairAt(x, i)
    .map((part) => part + 0)
    .join();

function stringsOf(x: Tensor): (index: number) => string {
  const strings = x.values() as unknown as readonly (string | Uint8Array)[];
  return (i) => String(strings[i]);
}

export const elementwiseValues: ValuesTable = {
  ...forEach(unary, (f) => ({
    evaluate: (_, [x]) => {
      if (!isFloat(x!)) return undefined;
      const values = numbersOf(x!);
      return [makeTensor(x!.dtype, x!.shape, (i) => f(values[i]!))];
    },
  })),
  ...forEach(binary, (f) => ({
    evaluate: (_, [x, y], [type]) => {
      if (!isFloat(x!)) return undefined;
      const shape = type!.shape as readonly number[];
      const [left, right] = broadcastMaps([x!, y!], shape);
      const [a, b] = [numbersOf(x!), numbersOf(y!)];
      return [makeTensor(x!.dtype, shape, (i) => f(a[left!(i)]!, b[right!(i)]!))];
    },
  })),
  ...forEach(tests, (holds) => ({
    evaluate: (_, [x]) => {
      if (!isFloat(x!)) return undefined;
      const values = numbersOf(x!);
      return [makeTensor("bool", x!.shape, (i) => (holds(values[i]!) ? 1 : 0))];
    },
  })),
  ...forEach(bitwise, (f) => ({
    evaluate: (_, [x, y], [type]) => {
      const shape = type!.shape as readonly number[];
      const [left, right] = broadcastMaps([x!, y!], shape);
      const [a, b] = [bigs(x!), bigs(y!)];
      const bits = 8 * dtypes[x!.dtype].bytes!;
      return [integersLike(x!, shape, (i) => f(a[left!(i)]!, b[right!(i)]!, bits))];
    },
  })),
  Betainc: {
    evaluate: (_, inputs, [type]) => {
      if (!isFloat(inputs[0]!)) return undefined;
      const shape = type!.shape as readonly number[];
      const [a, b, x] = broadcastMaps(inputs, shape).map((map, k) => {
        const values = numbersOf(inputs[k]!);
        return (i: number) => values[map(i)]!;
      });
      return [makeTensor(type!.dtype as DType, shape, (i) => betainc(a!(i), b!(i), x!(i)))];
    },
  },
  Invert: {
    evaluate: (_, [x]) => {
      const values = bigs(x!);
      return [integersLike(x!, x!.shape, (i) => ~values[i]!)];
    },
  },
  ApproximateEqual: {
    evaluate: (site, [x, y], [type]) => {
      if (!isFloat(x!)) return undefined;
      const tolerance = numberAttribute(site, "tolerance", 1e-5);
      const shape = type!.shape as readonly number[];
      const [left, right] = broadcastMaps([x!, y!], shape);
      const [a, b] = [numbersOf(x!), numbersOf(y!)];
      return [makeTensor("bool", shape, (i) => (Math.abs(a[left!(i)]! - b[right!(i)]!) < tolerance ? 1 : 0))];
    },
  },
  Conj: {evaluate: (_, [x], [type]) => (kindOf(x!) === "complex" ? evaluateComplex("Conj", [x!], type!) : [x!])},
  Select: select,
  AddN: sumOf,
  AccumulateNV2: sumOf,
  ClipByValue: clip,
  Gelu: gelu,
};

/** Casts between complex and real numbers: the imaginary part goes, or is 0. */
export function castComplex(x: Tensor, dtype: DType): Tensor | undefined {
  const [from, to] = [kindOf(x), dtypes[dtype].kind];
  if (to === "complex" && from !== "string" && !isInt64(x.dtype)) {
    if (from === "complex") return makeComplex(dtype, x.shape, (i) => pairAt(x, i));
    const values = numbersOf(x);
    return makeComplex(dtype, x.shape, (i) => [values[i]!, 0]);
  }
  if (from === "complex" && to === "float") return makeTensor(dtype, x.shape, (i) => pairAt(x, i)[0]);
  return undefined;
}
