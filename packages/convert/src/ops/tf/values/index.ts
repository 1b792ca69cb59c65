/** Reference values of operators whose rows have only types, by family. */
import type {Operator} from "../../../ir/operators.ts";
import {diagonalValues} from "./diagonals.ts";
import {elementwiseValues} from "./elementwise.ts";
import {fourierValues} from "./fourier.ts";
import {matrixValues} from "./matrices.ts";
import {moveValues} from "./moves.ts";
import {productValues} from "./products.ts";
import {scanValues} from "./scans.ts";
import {sortingValues} from "./sorting.ts";
import type {ValuesTable} from "./values.ts";

const values: ValuesTable = {
  ...elementwiseValues,
  ...moveValues,
  ...diagonalValues,
  ...sortingValues,
  ...scanValues,
  ...productValues,
  ...fourierValues,
  ...matrixValues,
};

/** The row with its reference values, where they are in this folder. */
export function withValues(row: Operator): Operator {
  const own = values[row.name.replace(/^tf\./, "")];
  return own === undefined ? row : {...row, ...own};
}
