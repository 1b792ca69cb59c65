/** Where elements of packed diagonals lie in their matrices, of the operators MatrixDiagV2 and V3 and their like. */
import {type Site, stringAttribute} from "../ir/operators.ts";
import {integersOf} from "./shapes.ts";

/** Diagonals from the lowest to the highest: 0 is the main one, above it positive. */
export interface Band {
  readonly low: number;
  readonly high: number;
}

/** Where an element of diagonal `d` of a matrix lies in a packed row as long as the longest diagonal. */
export interface Packing {
  readonly band: Band;
  readonly rows: number;
  readonly columns: number;
  readonly length: number;
  readonly offsetOf: (d: number) => number;
}

const diagonalLength = (d: number, rows: number, columns: number) =>
  Math.max(0, Math.min(rows + Math.min(d, 0), columns - Math.max(d, 0)));

export function packing(site: Site, {low, high}: Band, rows: number, columns: number): Packing {
  const lengths = Array.from({length: high - low + 1}, (_, i) => diagonalLength(low + i, rows, columns));
  const length = Math.max(...lengths);
  const align = site.op.endsWith("V3") ? stringAttribute(site, "align", "RIGHT_LEFT") : "LEFT_LEFT";
  const [above, below] = align.split("_");
  const offsetOf = (d: number) => {
    const side = d >= 0 ? above : below;
    return side === "RIGHT" ? length - diagonalLength(d, rows, columns) : 0;
  };
  return {band: {low, high}, rows, columns, length, offsetOf};
}

/** Of the operand `index`: one number or two. */
export function bandAt(site: Site, index: number): Band | undefined {
  const k = integersOf(site, index);
  if (k === undefined) return undefined;
  const [low = 0, high = low] = k;
  return low <= high ? {low, high} : undefined;
}

/** Index in packed diagonals of the element of a matrix, −1 outside the band. */
export function packedIndex({band, length, offsetOf}: Packing, row: number, column: number): number {
  const d = column - row;
  if (d < band.low || d > band.high) return -1;
  return (band.high - d) * length + offsetOf(d) + Math.min(row, column);
}

/** Index in its matrix of an element of packed diagonals, −1 of one that only fills a row up. */
export function matrixIndex({band, rows, columns, length, offsetOf}: Packing, index: number): number {
  const d = band.high - Math.floor(index / length);
  const step = (index % length) - offsetOf(d);
  if (step < 0 || step >= diagonalLength(d, rows, columns)) return -1;
  return (step - Math.min(d, 0)) * columns + step + Math.max(d, 0);
}

/** Whether a matrix has all of these diagonals. */
export const isWithin = ({low, high}: Band, rows: number, columns: number): boolean =>
  low > -Math.max(rows, 1) && high < Math.max(columns, 1);

/** Rows and columns around diagonals of this length, where they aren't given (−1). */
export function matrixSizes(
  {low, high}: Band,
  length: number,
  [rows, columns]: readonly [number, number],
): readonly [number, number] {
  const [leastRows, leastColumns] = [length - Math.min(high, 0), length + Math.max(low, 0)];
  const square = Math.max(leastRows, leastColumns);
  return [
    rows >= 0 ? rows : columns >= 0 ? leastRows : square,
    columns >= 0 ? columns : rows >= 0 ? leastColumns : square,
  ];
}
