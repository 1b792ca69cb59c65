/** Lowerings of operators on diagonals: masks over the last two dimensions, constants where their sizes are known. */
import {isKnown, isStatic, surelyEqual} from "../ir/dims.ts";
import type {Ref, TensorType} from "../ir/graph.ts";
import type {Site} from "../ir/operators.ts";
import {bandAt, isWithin, matrixIndex, packedIndex, packing} from "../ops/diagonals.ts";
import {makeTensor} from "../ops/elements.ts";
import {product} from "../ops/shapes.ts";
import {isSimpleDiagonal} from "../ops/tf/arrays.ts";
import type {Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

/** One dimension of a value, whose size may be told at run time only. */
interface Extent {
  readonly ref: Ref;
  readonly axis: number;
}

/**
 * [rows, columns]: true from `below` elements under the main diagonal to `above` over it, both infinite where that side is
 * whole; not both of them are.
 */
function bandMask(b: Lowerer, rows: Extent, columns: Extent, below: number, above: number): Ref {
  const [n, m] = [rows, columns].map(({ref, axis}) => b.shape(ref)[axis]!);
  if (isKnown(n!) && isKnown(m!)) {
    b.bounded(n * m);
    const isInside = (distance: number) => distance <= below && -distance <= above;
    return b.value(makeTensor("bool", [n, m], (at) => (isInside(Math.floor(at / m) - (at % m)) ? 1 : 0)));
  }
  const line = ({ref, axis}: Extent) =>
    b.raw("RANGE", [b.ints([0], []), b.reshape(b.dimension(ref, axis), []), b.ints([1], [])], {}, [
      {dtype: "int32", shape: [b.shape(ref)[axis]!]},
    ])[0]!;
  const distance = b.sub(b.reshape(line(rows), [n!, 1]), b.reshape(line(columns), [1, m!]));
  const sides = [
    ...(Number.isFinite(below) ? [b.raw("LESS_EQUAL", [distance, b.like(below, distance)])[0]!] : []),
    ...(Number.isFinite(above) ? [b.raw("GREATER_EQUAL", [distance, b.like(-above, distance)])[0]!] : []),
  ];
  return sides.length === 1 ? sides[0]! : b.raw("LOGICAL_AND", sides)[0]!;
}

const diagonalMask = (b: Lowerer, rows: Extent, columns: Extent): Ref => bandMask(b, rows, columns, 0, 0);

/** The last two dimensions. */
const lastTwo = (b: Lowerer, ref: Ref): readonly [Extent, Extent] => [
  {ref, axis: b.rank(ref) - 2},
  {ref, axis: b.rank(ref) - 1},
];

const bandPart: Lowering = ({inputs: [x, lower, upper]}, b) => {
  const [below, above] = [b.integers(lower!, "num_lower")[0]!, b.integers(upper!, "num_upper")[0]!].map((each) =>
    each < 0 ? Number.POSITIVE_INFINITY : each,
  );
  if (below === Number.POSITIVE_INFINITY && above === Number.POSITIVE_INFINITY) return x!;
  return b.select(bandMask(b, ...lastTwo(b, x!), below!, above!), x!, b.like(0, x!));
};

/** x on the diagonal, 0 elsewhere. */
const matrixDiag =
  (operands: boolean): Lowering =>
  ({inputs, types: [type], site}, b) => {
    const [x] = inputs;
    if (operands && !isSimpleDiagonal(site, [1, 2, 3])) return packedMatrix(b, site, inputs, type!);
    const size = {ref: x!, axis: b.rank(x!) - 1};
    const padding = operands ? b.cast(inputs[4]!, b.dtype(x!)) : b.like(0, x!);
    return b.select(diagonalMask(b, size, size), b.expandDims(x!, b.rank(x!)), padding);
  };

const matrixSetDiag =
  (operands: boolean): Lowering =>
  ({inputs: [x, diagonal, k], site}, b) => {
    const shape = b.shape(x!);
    const [rows, columns] = shape.slice(-2);
    if (operands && b.integers(k!, "k").some((each) => each !== 0)) return setPacked(b, site, x!, diagonal!);
    if (!surelyEqual(rows!, columns!) && !(isKnown(rows!) && isKnown(columns!)))
      return b.refuse("the sizes of the matrix aren't known");
    const leading = shape.length - 2;
    const missing = isKnown(rows!) && isKnown(columns!) ? rows - Math.min(rows, columns) : 0;
    const widths = [...Array.from({length: 2 * leading}, () => 0), 0, missing];
    const full =
      missing === 0 ? diagonal! : b.op("PAD", [diagonal!], {}, {operands: [b.ints(widths, [leading + 1, 2])]});
    return b.select(diagonalMask(b, ...lastTwo(b, x!)), b.expandDims(full, leading + 1), x!);
  };

/** The sum over columns of what lies on the diagonal: exact, since all else is 0. */
const matrixDiagPart =
  (operands: boolean): Lowering =>
  ({inputs: [x, k, padding], types: [type], site}, b) => {
    const shape = b.shape(x!);
    const [rows, columns] = shape.slice(-2);
    if (operands && b.integers(k!, "k").some((each) => each !== 0)) return takePacked(b, site, x!, padding!, type!);
    const leading = shape.slice(0, -2);
    const areKnown = isKnown(rows!) && isKnown(columns!);
    if (!surelyEqual(rows!, columns!) && !areKnown) return b.refuse("the sizes of the matrix aren't known");
    const least = areKnown ? Math.min(rows, columns) : -1;
    const square =
      rows === columns
        ? x!
        : b.slice(
            x!,
            shape.map(() => 0),
            [...leading.map(() => -1), least, least],
          );
    const masked = b.select(diagonalMask(b, ...lastTwo(b, square)), square, b.like(0, x!));
    const parts = b.reduce("SUM", masked, [shape.length - 1], false);
    return type!.shape ? b.reshape(parts, type!.shape) : parts;
  };

/** Elements of [...batch, n] by constant indices, as [...batch, ...shape]; `outside` where an index is −1. */
function pick(b: Lowerer, flat: Ref, shape: readonly number[], indexOf: (at: number) => number, outside: Ref): Ref {
  const batch = b.shape(flat).slice(0, -1);
  const indices = Array.from({length: b.bounded(product(shape) as number)}, (_, at) => indexOf(at));
  const places = b.ints(indices.map((index) => Math.max(index, 0)));
  const picked = b.reshape(b.gather(flat, places, batch.length), [...batch, ...shape]);
  if (!indices.includes(-1)) return picked;
  return b.select(b.value(makeTensor("bool", shape, (at) => (indices[at]! < 0 ? 0 : 1))), picked, outside);
}

/** The last `count` dimensions as one. */
function flatten(b: Lowerer, x: Ref, count: number): Ref {
  const shape = b.shape(x);
  const size = product(shape.slice(-count));
  return isKnown(size) && size > 0
    ? b.reshape(x, [...shape.slice(0, -count), size])
    : b.refuse("the sizes of its matrices or diagonals aren't known, or none");
}

/** Matrices of several diagonals, or of another than the main one. */
function packedMatrix(b: Lowerer, site: Site, inputs: readonly Ref[], {shape}: TensorType): Ref {
  const band = bandAt(site, 1);
  if (band === undefined || !isStatic(shape?.slice(-2))) return b.refuse("its diagonals or sizes are computed");
  const [rows, columns] = shape!.slice(-2) as [number, number];
  const packed = packing(site, band, rows, columns);
  const [x] = inputs;
  if (b.shape(x!).at(-1) !== packed.length) return b.refuse("its diagonals don't fit its matrices");
  const flat = flatten(b, x!, band.high > band.low ? 2 : 1);
  const indexOf = (at: number) => packedIndex(packed, Math.floor(at / columns), at % columns);
  return pick(b, flat, [rows, columns], indexOf, b.cast(inputs[4]!, b.dtype(x!)));
}

function setPacked(b: Lowerer, site: Site, x: Ref, diagonals: Ref): Ref {
  const band = bandAt(site, 2);
  const sizes = b.shape(x).slice(-2);
  if (band === undefined || !isStatic(sizes)) return b.refuse("its diagonals or sizes are computed");
  const [rows, columns] = sizes as [number, number];
  if (!isWithin(band, rows, columns)) return b.refuse("diagonals that its matrices don't have");
  const packed = packing(site, band, rows, columns);
  const flat = flatten(b, diagonals, band.high > band.low ? 2 : 1);
  return pick(b, flat, [rows, columns], (at) => packedIndex(packed, Math.floor(at / columns), at % columns), x);
}

function takePacked(b: Lowerer, site: Site, x: Ref, padding: Ref, {shape}: TensorType): Ref {
  const band = bandAt(site, 1);
  const sizes = b.shape(x).slice(-2);
  if (band === undefined || !isStatic(sizes)) return b.refuse("its diagonals or sizes are computed");
  const [rows, columns] = sizes as [number, number];
  if (!isWithin(band, rows, columns)) return b.refuse("diagonals that its matrices don't have");
  const packed = packing(site, band, rows, columns);
  const own = shape!.slice(b.rank(x) - 2) as number[];
  return pick(b, flatten(b, x, 2), own, (at) => matrixIndex(packed, at), b.cast(padding, b.dtype(x)));
}

/** A column of elements beside as many columns of zeros as there are elements: flat, they stand on the diagonal. */
const diagonal: Lowering = ({inputs: [x], types: [type]}, b) => {
  const n = product(b.shape(x!));
  if (!isKnown(n) || n === 0) return b.refuse("the number of its elements isn't known");
  b.bounded(n * n);
  const padded = b.op(
    "PAD",
    [b.reshape(x!, [n, 1])],
    {},
    {
      operands: [b.ints([0, 0, 0, n], [2, 2])],
      type: {dtype: b.dtype(x!), shape: [n, n + 1]},
    },
  );
  return b.reshape(b.slice(b.reshape(padded, [n * (n + 1)]), [0], [n * n]), type!.shape!);
};

const diagonalPart: Lowering = ({inputs: [x], types: [type]}, b) => {
  const n = product(type!.shape ?? b.refuse("its rank isn't known"));
  if (!isKnown(n)) return b.refuse("the number of its elements isn't known");
  const flat = b.reshape(x!, [n * n]);
  const places = Array.from({length: b.bounded(n)}, (_, i) => i * (n + 1));
  return b.reshape(b.gather(flat, b.ints(places), 0), type!.shape!);
};

export const diagonalLowerings: LoweringTable = {
  Diag: diagonal,
  DiagPart: diagonalPart,
  MatrixBandPart: bandPart,
  MatrixDiag: matrixDiag(false),
  MatrixDiagV2: matrixDiag(true),
  MatrixDiagV3: matrixDiag(true),
  MatrixSetDiag: matrixSetDiag(false),
  MatrixSetDiagV2: matrixSetDiag(true),
  MatrixSetDiagV3: matrixSetDiag(true),
  MatrixDiagPart: matrixDiagPart(false),
  MatrixDiagPartV2: matrixDiagPart(true),
  MatrixDiagPartV3: matrixDiagPart(true),
};
