/** Values of linear algebra: elimination with pivots, Cholesky, Householder's QR; singular values by Jacobi's rotations. */
import {dtypes, type Tensor} from "@tf-trusted/tensor";
import {booleanAttribute, type Site} from "../../../ir/operators.ts";
import {makeTensor, numbersOf} from "../../elements.ts";
import {broadcastMaps, countOf, type Values, type ValuesTable} from "./values.ts";

/** Rows of numbers. */
type Matrix = number[][];

function matrixAt(values: ArrayLike<number>, start: number, rows: number, columns: number): Matrix {
  return Array.from({length: rows}, (_, i) =>
    Array.from({length: columns}, (__, j) => values[start + i * columns + j]!),
  );
}

const identity = (size: number): Matrix =>
  Array.from({length: size}, (_, i) => Array.from({length: size}, (__, j) => (i === j ? 1 : 0)));

const transposed = (a: Matrix): Matrix => (a[0] ?? []).map((_, j) => a.map((row) => row[j]!));

interface Decomposition {
  /** L below the diagonal (which is 1 there), U on it and above. */
  readonly factors: Matrix;
  readonly order: readonly number[];
  readonly sign: 1 | -1;
}

function decompose(a: Matrix): Decomposition {
  const factors = a.map((row) => [...row]);
  const order = a.map((_, i) => i);
  let sign: 1 | -1 = 1;
  for (let k = 0; k < factors.length; k++) {
    let pivot = k;
    for (let i = k + 1; i < factors.length; i++) {
      if (Math.abs(factors[i]![k]!) > Math.abs(factors[pivot]![k]!)) pivot = i;
    }
    if (pivot !== k) {
      [factors[k], factors[pivot]] = [factors[pivot]!, factors[k]!];
      [order[k], order[pivot]] = [order[pivot]!, order[k]!];
      sign = sign === 1 ? -1 : 1;
    }
    const head = factors[k]![k]!;
    if (head === 0) continue;
    for (let i = k + 1; i < factors.length; i++) {
      const ratio = factors[i]![k]! / head;
      factors[i]![k] = ratio;
      for (let j = k + 1; j < factors.length; j++) factors[i]![j]! -= ratio * factors[k]![j]!;
    }
  }
  return {factors, order, sign};
}

/** Solves a triangular system for each column of `b`. */
function substitute(a: Matrix, b: Matrix, lower: boolean, unit = false): Matrix {
  const size = a.length;
  const x = b.map((row) => [...row]);
  for (let step = 0; step < size; step++) {
    const i = lower ? step : size - 1 - step;
    const [from, to] = lower ? [0, i] : [i + 1, size];
    for (let c = 0; c < (x[i]?.length ?? 0); c++) {
      for (let k = from; k < to; k++) x[i]![c]! -= a[i]![k]! * x[k]![c]!;
      if (!unit) x[i]![c]! /= a[i]![i]!;
    }
  }
  return x;
}

/** `undefined` for a singular matrix, which TensorFlow refuses. */
function solve(a: Matrix, b: Matrix): Matrix | undefined {
  const {factors, order} = decompose(a);
  if (factors.some((row, i) => row[i] === 0)) return undefined;
  const permuted = order.map((row) => b[row]!);
  return substitute(factors, substitute(factors, permuted, true, true), false);
}

/** `undefined` where the matrix isn't positive definite. */
function cholesky(a: Matrix): Matrix | undefined {
  const l = a.map((row) => row.map(() => 0));
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i]![j]!;
      for (let k = 0; k < j; k++) sum -= l[i]![k]! * l[j]![k]!;
      if (i === j && !(sum > 0)) return undefined;
      l[i]![j] = i === j ? Math.sqrt(sum) : sum / l[j]![j]!;
    }
  }
  return l;
}

/** Singular values, greatest first: column norms after Jacobi's one-sided rotations. */
function singularValues(a: Matrix): number[] {
  const columns = a.length >= (a[0]?.length ?? 0) ? transposed(a) : a.map((row) => [...row]);
  for (let sweep = 0; sweep < 60; sweep++) {
    let rotated = false;
    for (let p = 0; p < columns.length; p++) {
      for (let q = p + 1; q < columns.length; q++) {
        const [x, y] = [columns[p]!, columns[q]!];
        const dot = (u: number[], v: number[]) => u.reduce((sum, each, i) => sum + each * v[i]!, 0);
        const [alpha, beta, gamma] = [dot(x, x), dot(y, y), dot(x, y)];
        if (Math.abs(gamma) <= 1e-15 * Math.sqrt(alpha * beta)) continue;
        rotated = true;
        const zeta = (beta - alpha) / (2 * gamma);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const c = 1 / Math.sqrt(1 + t * t);
        columns[p] = x.map((each, i) => c * each - c * t * y[i]!);
        columns[q] = y.map((each, i) => c * t * x[i]! + c * each);
      }
    }
    if (!rotated) break;
  }
  return columns.map((column) => Math.sqrt(column.reduce((sum, each) => sum + each * each, 0))).sort((x, y) => y - x);
}

const isFloat = (x: Tensor) => dtypes[x.dtype].kind === "float";

/** Applies a function to each matrix of a batch; `undefined` where one has no result. */
function each(
  x: Tensor,
  shape: readonly number[],
  f: (a: Matrix) => readonly number[] | undefined,
): Tensor[] | undefined {
  if (!isFloat(x)) return undefined;
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const values = numbersOf(x);
  const results: number[] = [];
  for (let t = 0; t < countOf(x.shape.slice(0, -2)); t++) {
    const result = f(matrixAt(values, t * rows * columns, rows, columns));
    if (result === undefined) return undefined;
    for (const value of result) results.push(value);
  }
  return [makeTensor(x.dtype, shape, (i) => results[i]!)];
}

function system(
  [left, right]: readonly Tensor[],
  shape: readonly number[],
  f: (a: Matrix, b: Matrix) => Matrix | undefined,
): Tensor[] | undefined {
  if (!isFloat(left!)) return undefined;
  const batch = shape.slice(0, -2);
  const [size, count] = [left!.shape.at(-1)!, right!.shape.at(-1)!];
  const strip = (t: Tensor) => makeTensor("uint8", t.shape.slice(0, -2), () => 0);
  const [atLeft, atRight] = broadcastMaps([strip(left!), strip(right!)], batch);
  const [a, b] = [numbersOf(left!), numbersOf(right!)];
  const results: number[] = [];
  for (let t = 0; t < countOf(batch); t++) {
    const x = f(
      matrixAt(a, atLeft!(t) * size * size, size, size),
      matrixAt(b, atRight!(t) * size * count, size, count),
    );
    if (x === undefined) return undefined;
    for (const row of x) results.push(...row);
  }
  return [makeTensor(left!.dtype, shape, (i) => results[i]!)];
}

const shapeAt = (types: readonly {readonly shape: unknown}[], index = 0) => types[index]!.shape as readonly number[];

const adjoint = (site: Site, a: Matrix): Matrix => (booleanAttribute(site, "adjoint") ? transposed(a) : a);

/** The sign and the logarithm of the size of a determinant. */
function logDeterminant(a: Matrix): readonly [sign: number, log: number] {
  const {factors, sign} = decompose(a);
  return factors.reduce<readonly [number, number]>(
    ([s, log], row, i) => [s * Math.sign(row[i]!), log + Math.log(Math.abs(row[i]!))],
    [sign, 0],
  );
}

const determinant: Values = {
  evaluate: (_, [x], types) =>
    each(x!, shapeAt(types), (a) => {
      const {factors, sign} = decompose(a);
      return [factors.reduce((product, row, i) => product * row[i]!, sign as number)];
    }),
};

export const matrixValues: ValuesTable = {
  MatrixInverse: {
    evaluate: (site, [x], types) =>
      each(x!, shapeAt(types), (a) => solve(adjoint(site, a), identity(a.length))?.flat()),
  },
  Cholesky: {evaluate: (_, [x], types) => each(x!, shapeAt(types), (a) => cholesky(a)?.flat())},
  MatrixSolve: {
    evaluate: (site, inputs, types) => system(inputs, shapeAt(types), (a, b) => solve(adjoint(site, a), b)),
  },
  MatrixTriangularSolve: {
    evaluate: (site, inputs, types) => {
      const lower = booleanAttribute(site, "lower", true);
      const flipped = booleanAttribute(site, "adjoint");
      return system(inputs, shapeAt(types), (a, b) => substitute(adjoint(site, a), b, lower !== flipped));
    },
  },
  MatrixDeterminant: determinant,
  LogMatrixDeterminant: {
    evaluate: (_, [x], types) => {
      const signs = each(x!, shapeAt(types), (a) => [logDeterminant(a)[0]]);
      const logs = each(x!, shapeAt(types, 1), (a) => [logDeterminant(a)[1]]);
      return signs && logs && [...signs, ...logs];
    },
  },
  Lu: {
    evaluate: (_, [x], types) => {
      const factors = each(x!, shapeAt(types), (a) => decompose(a).factors.flat());
      const orders = each(x!, shapeAt(types, 1), (a) => decompose(a).order);
      const dtype = types[1]!.dtype === "int64" ? "int64" : "int32";
      return factors && orders && [...factors, makeTensor(dtype, shapeAt(types, 1), (i) => numbersOf(orders[0]!)[i]!)];
    },
  },
  // Vectors are told up to their signs only: values alone.
  Svd: {
    evaluate: (site, [x], types) => {
      if (booleanAttribute(site, "compute_uv", true)) return undefined;
      const values = each(x!, shapeAt(types), singularValues);
      const none = makeTensor(x!.dtype, [0], () => 0);
      return values && [...values, none, none];
    },
  },
};
