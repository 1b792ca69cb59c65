/** Operators on matrices, the last two dimensions of their operands: types. */
import type {DType} from "@tf-trusted/tensor";
import {type Dim, isKnown, mergeDims, type Shape, unknownDim} from "../../ir/dims.ts";
import {booleanAttribute, failAt, type Operator, type Site, stringAttribute} from "../../ir/operators.ts";
import {broadcastShapes} from "../shapes.ts";

interface Matrices {
  readonly batch: Shape;
  readonly rows: Dim;
  readonly columns: Dim;
}

/** Throws `CONVERT_SHAPE` for less than a matrix. */
function matrices(site: Site, index = 0): Matrices | undefined {
  const shape = site.inputs[index]!.shape;
  if (shape === undefined) return undefined;
  if (shape.length < 2)
    throw failAt(site, "CONVERT_SHAPE", `operand ${index} of rank ${shape.length}, expected matrices`);
  return {batch: shape.slice(0, -2), rows: shape.at(-2)!, columns: shape.at(-1)!};
}

/** Throws `CONVERT_SHAPE` for matrices that aren't square. */
function squares(site: Site): Matrices | undefined {
  const found = matrices(site);
  if (found === undefined) return undefined;
  const size = mergeDims(found.rows, found.columns);
  if (size === undefined)
    throw failAt(site, "CONVERT_SHAPE", `matrices of ${found.rows} × ${found.columns}, expected square ones`);
  return {...found, rows: size, columns: size};
}

const smaller = (a: Dim, b: Dim): Dim => (isKnown(a) && isKnown(b) ? Math.min(a, b) : a === b ? a : unknownDim);

const row = (name: string, infer: Operator["infer"]): Operator => ({name: `tf.${name}`, infer});

const square = (site: Site) => {
  const found = squares(site);
  return {dtype: site.inputs[0]!.dtype, shape: found && [...found.batch, found.rows, found.columns]};
};

const solution = (site: Site) => {
  const [left, right] = [squares(site), matrices(site, 1)];
  const batch = left && right && broadcastShapes(site, left.batch, right.batch);
  return [{dtype: site.inputs[0]!.dtype, shape: batch && [...batch, left!.rows, right!.columns]}];
};

export const linearAlgebra: readonly Operator[] = [
  row("MatrixInverse", (site) => [square(site)]),
  row("Cholesky", (site) => [square(site)]),
  row("MatrixSolve", solution),
  row("MatrixTriangularSolve", solution),
  row("MatrixDeterminant", (site) => [{dtype: site.inputs[0]!.dtype, shape: squares(site)?.batch}]),
  row("LogMatrixDeterminant", (site) => {
    const type = {dtype: site.inputs[0]!.dtype, shape: squares(site)?.batch};
    return [type, type];
  }),
  row("Lu", (site) => {
    const dtype = stringAttribute(site, "output_idx_type", "int32") as DType;
    const type = square(site);
    return [type, {dtype, shape: type.shape?.slice(0, -1)}];
  }),
  row("Qr", (site) => {
    const found = matrices(site);
    const {dtype} = site.inputs[0]!;
    if (found === undefined) return [0, 1].map(() => ({dtype, shape: undefined}));
    const {batch, rows, columns} = found;
    const inner = booleanAttribute(site, "full_matrices") ? rows : smaller(rows, columns);
    return [
      {dtype, shape: [...batch, rows, inner]},
      {dtype, shape: [...batch, inner, columns]},
    ];
  }),
  row("Svd", (site) => {
    const found = matrices(site);
    const {dtype} = site.inputs[0]!;
    if (found === undefined) return [0, 1, 2].map(() => ({dtype, shape: undefined}));
    const {batch, rows, columns} = found;
    const least = smaller(rows, columns);
    const values = {dtype, shape: [...batch, least]};
    if (!booleanAttribute(site, "compute_uv", true)) return [values, {dtype, shape: [0]}, {dtype, shape: [0]}];
    const whole = booleanAttribute(site, "full_matrices");
    return [
      values,
      {dtype, shape: [...batch, rows, whole ? rows : least]},
      {dtype, shape: [...batch, columns, whole ? columns : least]},
    ];
  }),
];
