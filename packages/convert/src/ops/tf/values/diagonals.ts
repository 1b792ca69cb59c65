/** Values of operators on the diagonals of matrices. Of the newer forms with several diagonals: all, with both alignments. */
import type {Tensor} from "@tf-trusted/tensor";
import {bandAt, isWithin, matrixIndex, matrixSizes, packedIndex, packing} from "../../diagonals.ts";
import {gatherElements} from "../../elements.ts";
import {integers} from "../../shapes.ts";
import {joinTensors} from "../arrays.ts";
import {countOf, type Values, type ValuesTable} from "./values.ts";

const bandPart: Values = {
  evaluate: (_, [x, lower, upper]) => {
    const [rows, columns] = x!.shape.slice(-2) as [number, number];
    const [below, above] = [integers(lower!)[0]!, integers(upper!)[0]!];
    return [
      gatherElements(x!, x!.shape, (i) => {
        const [row, column] = [Math.floor(i / columns) % rows, i % columns];
        const isIn = (below < 0 || row - column <= below) && (above < 0 || column - row <= above);
        return isIn ? i : -1;
      }),
    ];
  },
};

/** Matrices of packed diagonals, with a value elsewhere. */
const makeMatrix: Values = {
  sizedByValues: true,
  evaluate: (site, [diagonal, , rowsGiven, columnsGiven, padding]) => {
    const isOld = site.op === "tf.MatrixDiag";
    const band = isOld ? {low: 0, high: 0} : bandAt(site, 1);
    if (band === undefined) return undefined;
    const several = band.high > band.low;
    const length = diagonal!.shape.at(-1)!;
    const batch = diagonal!.shape.slice(0, several ? -2 : -1);
    const given = [rowsGiven, columnsGiven].map((each) => (each ? integers(each)[0]! : -1)) as [number, number];
    const sizes = matrixSizes(band, length, given);
    const packed = packing(site, band, sizes[0], sizes[1]);
    if (packed.length !== length) return undefined;
    const perMatrix = length * (band.high - band.low + 1);
    const fill = padding && gatherElements(padding, [1], () => 0);
    const source = fill ? joinTensors([diagonal!.reshape([diagonal!.size]), fill], 0)?.[0] : diagonal!;
    const outside = fill ? diagonal!.size : -1;
    return (
      source && [
        gatherElements(source, [...batch, ...sizes], (i) => {
          const at = packedIndex(packed, Math.floor(i / sizes[1]) % sizes[0], i % sizes[1]);
          return at < 0 ? outside : Math.floor(i / (sizes[0] * sizes[1])) * perMatrix + at;
        }),
      ]
    );
  },
};

const setDiagonals: Values = {
  evaluate: (site, [x, diagonal]) => {
    const band = site.op === "tf.MatrixSetDiag" ? {low: 0, high: 0} : bandAt(site, 2);
    const [rows, columns] = x!.shape.slice(-2) as [number, number];
    if (band === undefined || x!.dtype === "string") return undefined;
    const packed = packing(site, band, rows, columns);
    const perMatrix = packed.length * (band.high - band.low + 1);
    const both = joinTensors([x!.reshape([x!.size]), diagonal!.reshape([diagonal!.size])], 0)?.[0];
    return (
      both && [
        gatherElements(both, x!.shape, (i) => {
          const at = packedIndex(packed, Math.floor(i / columns) % rows, i % columns);
          return at < 0 ? i : x!.size + Math.floor(i / (rows * columns)) * perMatrix + at;
        }),
      ]
    );
  },
};

const takeDiagonals: Values = {
  sizedByValues: true,
  evaluate: (site, [x, , padding]) => {
    const isOld = site.op === "tf.MatrixDiagPart";
    const band = isOld ? {low: 0, high: 0} : bandAt(site, 1);
    const [rows, columns] = x!.shape.slice(-2) as [number, number];
    if (band === undefined || !isWithin(band, rows, columns)) return undefined;
    const packed = packing(site, band, rows, columns);
    const several = band.high > band.low;
    const count = band.high - band.low + 1;
    const shape = [...x!.shape.slice(0, -2), ...(several ? [count] : []), packed.length];
    const fill = padding && gatherElements(padding, [1], () => 0);
    const source: Tensor | undefined = fill ? joinTensors([x!.reshape([x!.size]), fill], 0)?.[0] : x!;
    return (
      source && [
        gatherElements(source, shape, (i) => {
          const at = matrixIndex(packed, i % (packed.length * count));
          if (at < 0) return fill ? x!.size : -1;
          return Math.floor(i / (packed.length * count)) * rows * columns + at;
        }),
      ]
    );
  },
};

export const diagonalValues: ValuesTable = {
  Diag: {
    evaluate: (_, [x]) => {
      const n = x!.size;
      return [gatherElements(x!, [...x!.shape, ...x!.shape], (i) => (i % (n + 1) === 0 ? i / (n + 1) : -1))];
    },
  },
  DiagPart: {
    evaluate: (_, [x], [type]) => {
      const shape = type!.shape as readonly number[];
      return [gatherElements(x!, shape, (i) => i * (countOf(shape) + 1))];
    },
  },
  MatrixBandPart: bandPart,
  MatrixDiag: makeMatrix,
  MatrixDiagV2: makeMatrix,
  MatrixDiagV3: makeMatrix,
  MatrixSetDiag: setDiagonals,
  MatrixSetDiagV2: setDiagonals,
  MatrixSetDiagV3: setDiagonals,
  MatrixDiagPart: takeDiagonals,
  MatrixDiagPartV2: takeDiagonals,
  MatrixDiagPartV3: takeDiagonals,
};
