/** Values of matrix products and contractions, of any numeric dtype: summed in double precision, integers modulo 2^32. */
import {dtypes, type Tensor} from "@tf-trusted/tensor";
import {
  booleanAttribute,
  numberAttribute,
  type Site,
  stringAttribute,
  stringsAttribute,
} from "../../../ir/operators.ts";
import {isInt64, makeTensor, numbersOf, stridesOf} from "../../elements.ts";
import {einsumTerms} from "../neural.ts";
import {evaluateActivation, evaluateBatchNorm} from "../normalisation.ts";
import {evaluateConvolution} from "../windows.ts";
import {broadcastMaps, countOf, type Values, type ValuesTable} from "./values.ts";

const isReal = (x: Tensor) => !["complex", "string", "bool"].includes(dtypes[x.dtype].kind) && !isInt64(x.dtype);

/** A sum of products as the dtype keeps it. */
const keep = (x: Tensor): ((sum: number) => number) =>
  dtypes[x.dtype].kind === "float" ? (sum) => sum : (sum) => sum | 0;

/** Batches of [m, k]·[k, n], where the strides say which way each operand lies. */
function matrixProduct(
  a: Tensor,
  b: Tensor,
  shape: readonly number[],
  [transposeA, transposeB]: readonly [boolean, boolean],
): Tensor[] | undefined {
  if (!isReal(a)) return undefined;
  const [m, n] = shape.slice(-2) as [number, number];
  const k = a.shape.at(transposeA ? -2 : -1)!;
  const [rowA, columnA] = transposeA ? [1, m] : [k, 1];
  const [rowB, columnB] = transposeB ? [1, k] : [n, 1];
  const [x, y] = [Float64Array.from(numbersOf(a)), Float64Array.from(numbersOf(b))];
  const batch = shape.slice(0, -2);
  const strip = (t: Tensor) => makeTensor("uint8", t.shape.slice(0, -2), () => 0);
  const [left, right] = broadcastMaps([strip(a), strip(b)], batch);
  const sums = new Float64Array(countOf(shape));
  for (let t = 0; t < countOf(batch); t++) {
    const [fromA, fromB, to] = [left!(t) * m * k, right!(t) * k * n, t * m * n];
    for (let i = 0; i < m; i++) {
      for (let p = 0; p < k; p++) {
        const value = x[fromA + i * rowA + p * columnA]!;
        for (let j = 0; j < n; j++) sums[to + i * n + j]! += value * y[fromB + p * rowB + j * columnB]!;
      }
    }
  }
  const kept = keep(a);
  return [makeTensor(a.dtype, shape, (i) => kept(sums[i]!))];
}

const product = (keys: readonly [string, string]): Values => ({
  evaluate: (site, [a, b], [type]) =>
    matrixProduct(a!, b!, type!.shape as readonly number[], [
      booleanAttribute(site, keys[0]),
      booleanAttribute(site, keys[1]),
    ]),
  cost: (site, [a], [type]) =>
    countOf(type!.shape as number[]) * a!.shape.at(booleanAttribute(site, keys[0]) ? -2 : -1)!,
});

/** Sums over all labels that the output lacks; an operand of size 1 is repeated. */
const einsum: Values = {
  evaluate: (site, inputs, [type]) => {
    const terms = einsumTerms(site);
    if (terms === undefined || !inputs.every(isReal)) return undefined;
    const sizes = labelSizes(terms.inputs, inputs);
    const summed = [...sizes.keys()].filter((label) => !terms.output.includes(label));
    const labels = [...terms.output, ...summed];
    const dims = labels.map((label) => sizes.get(label)!);
    const strides = terms.inputs.map((term, k) => {
      const own = stridesOf(inputs[k]!.shape);
      return labels.map((label) =>
        [...term].reduce(
          (sum, each, axis) => sum + (each === label && inputs[k]!.shape[axis]! > 1 ? own[axis]! : 0),
          0,
        ),
      );
    });
    const values = inputs.map((each) => Float64Array.from(numbersOf(each)));
    const shape = type!.shape as readonly number[];
    const inner = countOf(dims.slice(terms.output.length));
    const sums = new Float64Array(countOf(shape));
    const index = new Array<number>(labels.length).fill(0);
    const at = values.map(() => 0);
    for (let i = 0; i < sums.length * inner; i++) {
      let term = 1;
      for (let k = 0; k < values.length; k++) term *= values[k]![at[k]!]!;
      sums[Math.floor(i / inner)]! += term;
      for (let axis = labels.length - 1; axis >= 0; axis--) {
        for (let k = 0; k < at.length; k++) at[k]! += strides[k]![axis]!;
        if (++index[axis]! < dims[axis]!) break;
        for (let k = 0; k < at.length; k++) at[k]! -= strides[k]![axis]! * dims[axis]!;
        index[axis] = 0;
      }
    }
    const kept = keep(inputs[0]!);
    return [makeTensor(inputs[0]!.dtype, shape, (i) => kept(sums[i]!))];
  },
  cost: (site, inputs) => {
    const terms = einsumTerms(site);
    return terms === undefined ? 0 : countOf([...labelSizes(terms.inputs, inputs).values()]) * inputs.length;
  },
};

function labelSizes(terms: readonly string[], inputs: readonly Tensor[]): Map<string, number> {
  const sizes = new Map<string, number>();
  terms.forEach((term, k) => {
    [...term].forEach((label, axis) => {
      const size = inputs[k]!.shape[axis]!;
      if ((sizes.get(label) ?? 1) === 1) sizes.set(label, size);
    });
  });
  return sizes;
}

/** What Grappler fuses into an operator, by the names of `fused_ops`, in order; operands are behind the operator's own. */
function applyFused(site: Site, start: Tensor, operands: readonly Tensor[]): Tensor | undefined {
  let value: Tensor | undefined = start;
  let next = 0;
  for (const name of stringsAttribute(site, "fused_ops", [])) {
    if (value === undefined) return undefined;
    if (name === "BiasAdd" || name === "Add") value = addChannels(value, operands[next++]!);
    else if (name === "FusedBatchNorm") {
      const inference: Site = {...site, attributes: {...site.attributes, is_training: false}};
      value = evaluateBatchNorm(inference, [value, ...operands.slice(next, next + 4)], 6)?.[0];
      next += 4;
    } else if (name === "Prelu") value = evaluateActivation("PRelu", site, [value, operands[next++]!])?.[0];
    else value = applyActivation(name, site, value);
  }
  return value;
}

function addChannels(x: Tensor, bias: Tensor): Tensor {
  const [, at] = broadcastMaps([x, bias], x.shape);
  const [values, added] = [numbersOf(x), numbersOf(bias)];
  return makeTensor(x.dtype, x.shape, (i) => values[i]! + added[at!(i)]!);
}

const activations: Readonly<Record<string, (x: number) => number>> = {
  Relu: (x) => Math.max(x, 0),
  Relu6: (x) => Math.min(Math.max(x, 0), 6),
  Elu: (x) => (x < 0 ? Math.expm1(x) : x),
  Tanh: Math.tanh,
  Sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

function applyActivation(name: string, site: Site, x: Tensor): Tensor | undefined {
  const values = numbersOf(x);
  if (name === "LeakyRelu") {
    const slope = numberAttribute(site, "leakyrelu_alpha", 0.2);
    return makeTensor(x.dtype, x.shape, (i) => (values[i]! < 0 ? slope * values[i]! : values[i]!));
  }
  const f = activations[name];
  return f && makeTensor(x.dtype, x.shape, (i) => f(values[i]!));
}

const fusedConvolution = (depthwise: boolean): Values => ({
  evaluate: (site, [x, filter, ...operands]) => {
    // Channels-first biases aren't along the last dimension.
    if (stringAttribute(site, "data_format", "NHWC") !== "NHWC") return undefined;
    const [start] = evaluateConvolution(site, [x!, filter!], depthwise) ?? [];
    const value = start && applyFused(site, start, operands);
    return value && [value];
  },
});

export const productValues: ValuesTable = {
  MatMul: product(["transpose_a", "transpose_b"]),
  BatchMatMul: product(["adj_x", "adj_y"]),
  BatchMatMulV2: product(["adj_x", "adj_y"]),
  BatchMatMulV3: product(["adj_x", "adj_y"]),
  _FusedMatMul: {
    evaluate: (site, [a, b, ...operands], [type]) => {
      const flags = [booleanAttribute(site, "transpose_a"), booleanAttribute(site, "transpose_b")] as const;
      const [start] = matrixProduct(a!, b!, type!.shape as readonly number[], flags) ?? [];
      const value = start && applyFused(site, start, operands);
      return value && [value];
    },
  },
  _FusedConv2D: fusedConvolution(false),
  _FusedDepthwiseConv2dNative: fusedConvolution(true),
  FusedDepthwiseConv2dNative: fusedConvolution(true),
  Einsum: einsum,
  L2Loss: {
    evaluate: (_, [x]) => {
      if (dtypes[x!.dtype].kind !== "float") return undefined;
      const values = numbersOf(x!);
      let sum = 0;
      for (let i = 0; i < x!.size; i++) sum += values[i]! * values[i]!;
      return [makeTensor(x!.dtype, [], () => sum / 2)];
    },
  },
  Cross: {
    evaluate: (_, [x, y]) => {
      if (!isReal(x!)) return undefined;
      const [a, b] = [numbersOf(x!), numbersOf(y!)];
      const kept = keep(x!);
      return [
        makeTensor(x!.dtype, x!.shape, (i) => {
          const [from, axis] = [i - (i % 3), i % 3];
          const [p, q] = [from + ((axis + 1) % 3), from + ((axis + 2) % 3)];
          return kept(a[p]! * b[q]! - a[q]! * b[p]!);
        }),
      ];
    },
  },
};
