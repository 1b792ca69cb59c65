/** Values of matrix products and contractions, of any numeric dtype: summed in double precision, integers modulo 2^32. */
import {dtypes, type Tensor} from "@tf-trusted/tensor";
import {booleanAttribute} from "../../../ir/operators.ts";
import {isInt64, makeTensor, numbersOf, stridesOf} from "../../elements.ts";
import {einsumTerms} from "../neural.ts";
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

export const productValues: ValuesTable = {
  MatMul: product(["transpose_a", "transpose_b"]),
  BatchMatMul: product(["adj_x", "adj_y"]),
  BatchMatMulV2: product(["adj_x", "adj_y"]),
  BatchMatMulV3: product(["adj_x", "adj_y"]),
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
