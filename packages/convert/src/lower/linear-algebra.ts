/**
 * Lowerings of linear algebra: elimination, factorisation and rotations of small matrices, spelled out step by step over
 * all matrices of a batch at once. A matrix that has no inverse (or isn't positive definite) gives numbers that aren't
 * finite, where TensorFlow stops with an error.
 */
import {isKnown, type Shape} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import {booleanAttribute} from "../ir/operators.ts";
import {makeTensor} from "../ops/elements.ts";
import {product, sameShapes} from "../ops/shapes.ts";
import type {LoweredNode, Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

/** Steps are spelled out, so that the file grows with the size of the matrices. */
const maxSize = 32;
const maxRotated = 6;
/** After so many sweeps of rotations nothing changes any more in float32; convergence is quadratic. */
const sweeps = 8;

interface Batch {
  /** [batch, rows, columns] */
  readonly ref: Ref;
  readonly rows: number;
  readonly columns: number;
}

/** Leading dimensions merged into one. Refuses what isn't float32, or is too large to be spelled out. */
function batchOf(b: Lowerer, x: Ref): Batch {
  const shape = b.shape(x);
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  if (b.dtype(x) !== "float32") return b.refuse(`it is computed for float32 only, not ${b.dtype(x)}`);
  if (!isKnown(rows) || !isKnown(columns)) return b.refuse("the size of its matrices isn't known");
  if (rows === 0 || columns === 0) return b.refuse("matrices of no elements");
  return {ref: b.reshape(x, [product(shape.slice(0, -2)), rows, columns]), rows, columns};
}

function squareBatch(b: Lowerer, x: Ref): Batch {
  const found = batchOf(b, x);
  if (found.rows > maxSize)
    return b.refuse(`matrices of ${found.rows} × ${found.columns}, expected at most ${maxSize}`);
  return found;
}

const mask = (b: Lowerer, shape: Shape, test: (row: number) => boolean): Ref =>
  b.value(makeTensor("bool", shape as readonly number[], (i) => (test(i) ? 1 : 0)));

const rowsOf = (b: Lowerer, x: Ref, first: number, count = 1): Ref => b.slice(x, [0, first, 0], [-1, count, -1]);
const columnsOf = (b: Lowerer, x: Ref, first: number, count = 1): Ref => b.slice(x, [0, 0, first], [-1, -1, count]);
const turned = (b: Lowerer, x: Ref): Ref => b.transpose(x, [0, 2, 1]);

function matrixProduct(b: Lowerer, x: Ref, y: Ref): Ref {
  return b.op("BATCH_MATMUL", [x, y], {adjX: false, adjY: false, asymmetricQuantizeInputs: false});
}

interface Pivoted {
  readonly matrix: Ref;
  /** [batch], where the row came from. */
  readonly from: Ref;
}

/** Exchanges row k and the one below (or k itself) whose element in column k is largest. */
function withPivot(b: Lowerer, matrix: Ref, k: number, rows: number): Pivoted {
  const batch = b.shape(matrix)[0]!;
  const sizes = b.reshape(b.op("ABS", [columnsOf(b, matrix, k)]), [batch, rows]);
  const eligible = b.select(
    mask(b, [1, rows], (row) => row >= k),
    sizes,
    b.scalar(-1),
  );
  const from = b.raw("ARG_MAX", [eligible, b.ints([1], [])], {outputType: "INT32"}, [
    {dtype: "int32", shape: [batch]},
  ])[0]!;
  if (k === rows - 1) return {matrix, from};
  const numbers = b.ints(
    Array.from({length: rows}, (_, row) => row),
    [1, rows, 1],
  );
  const isPivot = b.raw("EQUAL", [numbers, b.reshape(from, [batch, 1, 1])])[0]!;
  const pivot = b.gather(matrix, b.reshape(from, [batch, 1]), 1, 1);
  const isOwn = mask(b, [1, rows, 1], (row) => row === k);
  const exchanged = b.select(isOwn, pivot, b.select(isPivot, rowsOf(b, matrix, k), matrix));
  return {matrix: exchanged, from};
}

/** [A | B] → A⁻¹B by elimination above and below each pivot. */
function solve(b: Lowerer, left: Ref, right: Ref, n: number, pivoting: "rows" | "none" = "rows", last = false): Ref {
  let matrix = b.concat([left, right], 2);
  const total = b.shape(matrix)[2] as number;
  for (let step = 0; step < n; step++) {
    const k = last ? n - 1 - step : step;
    if (pivoting === "rows") matrix = withPivot(b, matrix, k, n).matrix;
    const row = rowsOf(b, matrix, k);
    const scaled = b.div(row, columnsOf(b, row, k));
    const eliminated = b.sub(matrix, b.mul(columnsOf(b, matrix, k), scaled));
    matrix = b.select(
      mask(b, [1, n, 1], (i) => i === k),
      scaled,
      eliminated,
    );
  }
  return columnsOf(b, matrix, n, total - n);
}

const inverse: Lowering = ({inputs: [x], types: [type], site}, b) => {
  const {ref, rows: n} = squareBatch(b, x!);
  const batch = b.shape(ref)[0]!;
  if (!isKnown(batch)) return b.refuse("the number of its matrices isn't known");
  const found = solve(b, ref, unitMatrices(b, batch, n), n);
  return b.reshape(booleanAttribute(site, "adjoint") ? turned(b, found) : found, type!.shape!);
};

const unitMatrices = (b: Lowerer, batch: number, n: number): Ref =>
  b.value(makeTensor("float32", [batch, n, n], (i) => (Math.floor(i / n) % n === i % n ? 1 : 0)));

/** Both sides with the leading dimensions of the result. */
function sidesOf(n: LoweredNode, b: Lowerer): {readonly left: Batch; readonly right: Batch} {
  const [x, y] = n.inputs as [Ref, Ref];
  const lead = n.types[0]!.shape!.slice(0, -2);
  const wide = (side: Ref) => {
    const own = b.shape(side);
    if (sameShapes(own.slice(0, -2), lead)) return side;
    const shape = [...lead, ...own.slice(-2)];
    if (!shape.every(isKnown)) return b.refuse("leading dimensions that aren't known");
    return b.add(side, b.value(makeTensor("float32", shape, () => 0)));
  };
  return {left: squareBatch(b, wide(x)), right: batchOf(b, wide(y))};
}

const matrixSolve: Lowering = (n, b) => {
  const {left, right} = sidesOf(n, b);
  const matrix = booleanAttribute(n.site, "adjoint") ? turned(b, left.ref) : left.ref;
  return b.reshape(solve(b, matrix, right.ref, left.rows), n.types[0]!.shape!);
};

/** Only one triangle is read; the other may hold anything. */
const triangularSolve: Lowering = (n, b) => {
  const {left, right} = sidesOf(n, b);
  const size = left.rows;
  const isLower = booleanAttribute(n.site, "lower", true);
  const triangle = makeTensor("bool", [1, size, size], (i) => {
    const [row, column] = [Math.floor(i / size), i % size];
    return (isLower ? column <= row : column >= row) ? 1 : 0;
  });
  const matrix = b.select(b.value(triangle), left.ref, b.scalar(0));
  const adjoint = booleanAttribute(n.site, "adjoint");
  const found = solve(b, adjoint ? turned(b, matrix) : matrix, right.ref, size, "none", isLower === adjoint);
  return b.reshape(found, n.types[0]!.shape!);
};

interface Factors {
  /** U above and on the diagonal, L (whose diagonal is 1) below; [batch, n, n]. */
  readonly matrix: Ref;
  /** The rows' former places, [batch, n] of float32. */
  readonly rows: Ref;
  /** [batch], 1 or −1. */
  readonly sign: Ref;
}

function factorise(b: Lowerer, {ref, rows: n}: Batch): Factors {
  const batch = b.shape(ref)[0]!;
  const numbers = b.floats(
    Array.from({length: n}, (_, i) => i),
    [1, n, 1],
  );
  const places = b.add(b.mul(b.cast(b.raw("EQUAL", [ref, ref])[0]!, "float32"), b.scalar(0)), numbers);
  let matrix = b.concat([ref, columnsOf(b, places, 0)], 2);
  let sign: Ref | undefined;
  for (let k = 0; k < n - 1; k++) {
    const found = withPivot(b, matrix, k, n);
    matrix = found.matrix;
    const stays = b.raw("EQUAL", [found.from, b.ints([k], [])])[0]!;
    const factor = b.select(stays, b.scalar(1), b.scalar(-1));
    sign = sign === undefined ? factor : b.mul(sign, factor);
    const row = rowsOf(b, matrix, k);
    // Where the largest element is 0 nothing is left to eliminate.
    const pivot = columnsOf(b, row, k);
    const isZero = b.raw("EQUAL", [pivot, b.scalar(0)])[0]!;
    const multipliers = b.div(columnsOf(b, matrix, k), b.select(isZero, b.scalar(1), pivot));
    const below = mask(b, [1, n, 1], (i) => i > k);
    const right = mask(b, [1, 1, n + 1], (i) => i > k && i < n);
    const eliminated = b.sub(matrix, b.mul(multipliers, row));
    const own = mask(b, [1, 1, n + 1], (i) => i === k);
    const updated = b.select(right, eliminated, b.select(own, multipliers, matrix));
    matrix = b.select(below, updated, matrix);
  }
  const one = b.reshape(b.slice(b.mul(places, b.scalar(0)), [0, 0, 0], [-1, 1, 1]), [batch]);
  return {
    matrix: columnsOf(b, matrix, 0, n),
    rows: b.reshape(columnsOf(b, matrix, n), [batch, n]),
    sign: sign ?? b.add(one, b.scalar(1)),
  };
}

const lu: Lowering = ({inputs: [x], types: [matrix, places]}, b) => {
  const found = factorise(b, squareBatch(b, x!));
  return [
    b.reshape(found.matrix, matrix!.shape!),
    b.reshape(b.cast(b.cast(found.rows, "int32"), places!.dtype), places!.shape!),
  ];
};

/** The diagonals, [batch, n]. */
function diagonal(b: Lowerer, matrix: Ref, n: number): Ref {
  const unit = makeTensor("bool", [1, n, n], (i) => (Math.floor(i / n) === i % n ? 1 : 0));
  return b.reduce("SUM", b.select(b.value(unit), matrix, b.scalar(0)), [2], false);
}

const determinant: Lowering = ({inputs: [x], types: [type]}, b) => {
  const batch = squareBatch(b, x!);
  const {matrix, sign} = factorise(b, batch);
  const found = b.mul(b.reduce("REDUCE_PROD", diagonal(b, matrix, batch.rows), [1], false), sign);
  return b.reshape(found, type!.shape!);
};

const logDeterminant: Lowering = ({inputs: [x], types: [type]}, b) => {
  const batch = squareBatch(b, x!);
  const {matrix, sign} = factorise(b, batch);
  const parts = diagonal(b, matrix, batch.rows);
  const signs = b.mul(b.reduce("REDUCE_PROD", b.op("SIGN", [parts]), [1], false), sign);
  const logs = b.reduce("SUM", b.op("LOG", [b.op("ABS", [parts])]), [1], false);
  return [b.reshape(signs, type!.shape!), b.reshape(logs, type!.shape!)];
};

/** Column by column; of the operand only the lower triangle is read. */
const cholesky: Lowering = ({inputs: [x], types: [type]}, b) => {
  const {ref, rows: n} = squareBatch(b, x!);
  let rest = ref;
  const columns: Ref[] = [];
  for (let k = 0; k < n; k++) {
    const column = columnsOf(b, rest, k);
    const root = b.op("SQRT", [rowsOf(b, column, k)]);
    const below = mask(b, [1, n, 1], (i) => i >= k);
    const own = b.select(below, b.div(column, root), b.scalar(0));
    columns.push(own);
    if (k < n - 1) rest = b.sub(rest, b.mul(own, turned(b, own)));
  }
  return b.reshape(b.concat(columns, 2), type!.shape!);
};

/** Householder's reflections, with the signs that TensorFlow's have: R's diagonal is opposite to what it replaces. */
const qr: Lowering = ({inputs: [x], types: [qType, rType]}, b) => {
  const {ref, rows: m, columns: n} = batchOf(b, x!);
  if (Math.max(m, n) > maxSize) return b.refuse(`matrices of ${m} × ${n}, expected at most ${maxSize}`);
  const batch = b.shape(ref)[0]!;
  if (!isKnown(batch)) return b.refuse("the number of its matrices isn't known");
  let r = ref;
  let q = unitMatrices(b, batch, m);
  for (let k = 0; k < Math.min(m - 1, n); k++) {
    const column = columnsOf(b, r, k);
    const head = rowsOf(b, column, k);
    const below = mask(b, [1, m, 1], (i) => i > k);
    const tail = b.select(below, column, b.scalar(0));
    const rest = b.reduce("SUM", b.mul(tail, tail), [1], true);
    const norm = b.op("SQRT", [b.add(b.mul(head, head), rest)]);
    const negative = b.raw("LESS", [head, b.scalar(0)])[0]!;
    const beta = b.select(negative, norm, b.op("NEG", [norm]));
    const own = mask(b, [1, m, 1], (i) => i === k);
    const v = b.select(own, b.sub(head, beta), tail);
    const size = b.reduce("SUM", b.mul(v, v), [1], true);
    // What is zero below its head already isn't reflected.
    const isDone = b.raw("EQUAL", [rest, b.scalar(0)])[0]!;
    const factor = b.select(isDone, b.scalar(0), b.div(b.scalar(2), b.select(isDone, b.scalar(1), size)));
    const turn = turned(b, v);
    r = b.sub(r, b.mul(b.mul(v, matrixProduct(b, turn, r)), factor));
    q = b.sub(q, b.mul(b.mul(matrixProduct(b, q, v), turn), factor));
  }
  const inner = qType!.shape!.at(-1) as number;
  const upper = makeTensor("bool", [1, m, n], (i) => (i % n >= Math.floor(i / n) ? 1 : 0));
  const clean = b.select(b.value(upper), r, b.scalar(0));
  return [b.reshape(columnsOf(b, q, 0, inner), qType!.shape!), b.reshape(rowsOf(b, clean, 0, inner), rType!.shape!)];
};

/** Singular values by rotating pairs of columns until all are at right angles (Hestenes): their lengths are the values. */
const singularValues: Lowering = ({inputs: [x], types: [type, ...vectors], site}, b) => {
  if (booleanAttribute(site, "compute_uv", true)) return b.refuse("vectors, whose signs are a matter of the algorithm");
  const found = batchOf(b, x!);
  const batch = b.shape(found.ref)[0]!;
  const isWide = found.columns > found.rows;
  const matrix = isWide ? turned(b, found.ref) : found.ref;
  const n = Math.min(found.columns, found.rows);
  if (n > maxRotated) return b.refuse(`${n} singular values, expected at most ${maxRotated}`);
  const columns = Array.from({length: n}, (_, k) => columnsOf(b, matrix, k));
  const dot = (u: Ref, v: Ref) => b.reduce("SUM", b.mul(u, v), [1], true);
  for (let sweep = 0; sweep < sweeps && n > 1; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const [u, v] = [columns[p]!, columns[q]!];
        const inner = dot(u, v);
        const isDone = b.raw("EQUAL", [inner, b.scalar(0)])[0]!;
        const twice = b.select(isDone, b.scalar(1), b.add(inner, inner));
        const zeta = b.div(b.sub(dot(v, v), dot(u, u)), twice);
        const root = b.op("SQRT", [b.add(b.mul(zeta, zeta), b.scalar(1))]);
        const size = b.div(b.scalar(1), b.add(b.op("ABS", [zeta]), root));
        const negative = b.raw("LESS", [zeta, b.scalar(0)])[0]!;
        const tangent = b.select(isDone, b.scalar(0), b.select(negative, b.op("NEG", [size]), size));
        const cosine = b.op("RSQRT", [b.add(b.mul(tangent, tangent), b.scalar(1))]);
        const sine = b.mul(cosine, tangent);
        columns[p] = b.sub(b.mul(cosine, u), b.mul(sine, v));
        columns[q] = b.add(b.mul(sine, u), b.mul(cosine, v));
      }
    }
  }
  const lengths = columns.map((column) => b.op("SQRT", [dot(column, column)]));
  const values = b.reshape(b.concat(lengths, 2), [batch, n]);
  const shape = {shape: [batch, n]};
  const [sorted] = b.raw("TOPK_V2", [values, b.ints([n], [])], {}, [
    {dtype: "float32", ...shape},
    {dtype: "int32", ...shape},
  ]);
  const nothing = vectors.map(() => b.value(makeTensor("float32", [0], () => 0)));
  return [b.reshape(sorted!, type!.shape!), ...nothing];
};

export const linearAlgebraLowerings: LoweringTable = {
  MatrixInverse: inverse,
  MatrixSolve: matrixSolve,
  MatrixTriangularSolve: triangularSolve,
  MatrixDeterminant: determinant,
  LogMatrixDeterminant: logDeterminant,
  Lu: lu,
  Cholesky: cholesky,
  Qr: qr,
  Svd: singularValues,
};
