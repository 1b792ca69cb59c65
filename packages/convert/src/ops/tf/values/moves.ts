/** Values of operators that move elements: by index, by row, around the ends. Any dtype, bit by bit, where nothing is added. */
import {dtypes, Tensor} from "@tf-trusted/tensor";
import {numberAttribute, stringAttribute} from "../../../ir/operators.ts";
import {gatherElements, makeTensor, numbersOf, stridesOf} from "../../elements.ts";
import {integers, integersOf, normalAxis} from "../../shapes.ts";
import {joinTensors} from "../arrays.ts";
import {alongAxis, countOf, forEach, type Values, type ValuesTable} from "./values.ts";

const isReal = (x: Tensor) => !["complex", "string"].includes(dtypes[x.dtype].kind);

/** A tensor whose element i comes from `places(position of i along an axis)`. */
function remapAxes(x: Tensor, places: readonly (readonly number[])[]): Tensor {
  const shape = places.map((each) => each.length);
  const [to, from] = [stridesOf(shape), stridesOf(x.shape)];
  return gatherElements(x, shape, (i) =>
    shape.reduce((at, size, axis) => at + places[axis]![Math.floor(i / to[axis]!) % size]! * from[axis]!, 0),
  );
}

const upTo = (count: number): number[] => Array.from({length: count}, (_, i) => i);

const mirrorPad: Values = {
  evaluate: (site, [x, pads]) => {
    const edges = integers(pads!);
    const symmetric = stringAttribute(site, "mode") === "SYMMETRIC" ? 0 : 1;
    return [
      remapAxes(
        x!,
        x!.shape.map((size, axis) => {
          const [before, after] = [edges[2 * axis]!, edges[2 * axis + 1]!];
          return [
            ...upTo(before).map((i) => before - 1 - i + symmetric),
            ...upTo(size),
            ...upTo(after).map((i) => size - 1 - i - symmetric),
          ];
        }),
      ),
    ];
  },
};

/** Adds a frame of one value. */
const pad: Values = {
  evaluate: (_, [x, pads, value], [type]) => {
    const edges = integers(pads!);
    if (edges.some((edge) => edge < 0)) return undefined;
    const shape = type!.shape as readonly number[];
    const fill = gatherElements(value!, [1], () => 0);
    const both = joinTensors([fill, x!.reshape([x!.size])], 0)?.[0];
    const [to, from] = [stridesOf(shape), stridesOf(x!.shape)];
    return (
      both && [
        gatherElements(both, shape, (i) => {
          let at = 1;
          for (let axis = 0; axis < shape.length; axis++) {
            const position = (Math.floor(i / to[axis]!) % shape[axis]!) - edges[2 * axis]!;
            if (position < 0 || position >= x!.shape[axis]!) return 0;
            at += position * from[axis]!;
          }
          return at;
        }),
      ]
    );
  },
};

const roll: Values = {
  evaluate: (site, [x]) => {
    const [shifts, axes] = [integersOf(site, 1), integersOf(site, 2)];
    if (shifts === undefined || axes === undefined) return undefined;
    const places = x!.shape.map(upTo);
    axes.forEach((axis, i) => {
      const at = normalAxis(site, axis, x!.shape.length);
      const size = x!.shape[at]!;
      places[at] = places[at]!.map((_, k, all) => all[(((k - shifts[i]!) % size) + size) % size]!);
    });
    return [remapAxes(x!, places)];
  },
};

const reverse: Values = {
  evaluate: (_, [x, flags]) => [
    remapAxes(
      x!,
      x!.shape.map((size, axis) => (flags!.bytes[axis] ? upTo(size).reverse() : upTo(size))),
    ),
  ],
};

const reverseSequence: Values = {
  evaluate: (site, [x, lengths]) => {
    const [along, batch] = [numberAttribute(site, "seq_dim"), numberAttribute(site, "batch_dim", 0)];
    const counts = integers(lengths!);
    const [rows, steps] = [alongAxis(x!.shape, batch), alongAxis(x!.shape, along)];
    return [
      gatherElements(x!, x!.shape, (i) => {
        const count = counts[Math.floor(i / rows.inner) % rows.size]!;
        const step = Math.floor(i / steps.inner) % steps.size;
        return step < count ? i + (count - 1 - 2 * step) * steps.inner : i;
      }),
    ];
  },
};

const oneHot: Values = {
  evaluate: (site, [indices, , on, off], [type]) => {
    const shape = type!.shape as readonly number[];
    const {size, inner} = alongAxis(shape, normalAxis(site, numberAttribute(site, "axis", -1), shape.length));
    const wanted = integers(indices!);
    const both = joinTensors([off!.reshape([1]), on!.reshape([1])], 0)?.[0];
    return (
      both && [
        gatherElements(both, shape, (i) => {
          const at = Math.floor(i / (size * inner)) * inner + (i % inner);
          return wanted[at] === Math.floor(i / inner) % size ? 1 : 0;
        }),
      ]
    );
  },
};

/** Flat starts of the slices that rows of indices name; `undefined` where one is outside. */
function sliceStarts(indices: Tensor, shape: readonly number[]): number[] | undefined {
  const depth = indices.shape.at(-1)!;
  const strides = stridesOf(shape);
  const values = integers(indices);
  const starts: number[] = [];
  const rows = countOf(indices.shape.slice(0, -1));
  for (let row = 0; row < rows; row++) {
    let at = 0;
    for (let axis = 0; axis < depth; axis++) {
      const index = values[row * depth + axis]!;
      if (index < 0 || index >= shape[axis]!) return undefined;
      at += index * strides[axis]!;
    }
    starts.push(at);
  }
  return starts;
}

const gatherNd: Values = {
  evaluate: (site, [x, indices]) => {
    const batch = numberAttribute(site, "batch_dims", 0);
    const depth = indices!.shape.at(-1)!;
    const rest = x!.shape.slice(batch);
    const starts = sliceStarts(indices!, rest);
    if (starts === undefined) return undefined;
    const width = countOf(rest.slice(depth));
    const perBatch = starts.length / Math.max(1, countOf(x!.shape.slice(0, batch)));
    const whole = countOf(rest);
    return [
      gatherElements(x!, [...indices!.shape.slice(0, -1), ...rest.slice(depth)], (i) => {
        const row = Math.floor(i / width);
        return Math.floor(row / perBatch) * whole + starts[row]! + (i % width);
      }),
    ];
  },
};

/** Rows put into a tensor, one after the other, each with what is there already. */
function scatter(
  base: Tensor,
  indices: Tensor,
  updates: Tensor,
  combine: (old: number | bigint, added: number | bigint) => number | bigint,
): Tensor[] | undefined {
  const starts = sliceStarts(indices, base.shape);
  if (starts === undefined || !isReal(base)) return undefined;
  const isBig = base.dtype === "int64" || base.dtype === "uint64";
  const read = (t: Tensor): ArrayLike<number | bigint> => (isBig ? (t.data as BigInt64Array) : numbersOf(t));
  const result = Array.from(read(base));
  const added = read(updates);
  const width = countOf(base.shape.slice(indices.shape.at(-1)!));
  starts.forEach((start, row) => {
    for (let k = 0; k < width; k++) result[start + k] = combine(result[start + k]!, added[row * width + k]!);
  });
  return [makeTensor(base.dtype, base.shape, (i) => result[i]!)];
}

const combinations = {
  TensorScatterUpdate: (_: number | bigint, x: number | bigint) => x,
  TensorScatterAdd: (a: number | bigint, x: number | bigint) => (a as number) + (x as number),
  TensorScatterSub: (a: number | bigint, x: number | bigint) => (a as number) - (x as number),
  TensorScatterMax: (a: number | bigint, x: number | bigint) => (x > a ? x : a),
  TensorScatterMin: (a: number | bigint, x: number | bigint) => (x < a ? x : a),
};

const zerosLike = (x: Tensor, shape: readonly number[]) =>
  new Tensor(x.dtype, shape, new Uint8Array(countOf(shape) * dtypes[x.dtype].bytes!));

const sparseToDense: Values = {
  evaluate: (_, [indices, shape, values, fill]) => {
    const dims = integers(shape!);
    const count = indices!.shape.length === 0 ? 1 : indices!.shape[0]!;
    const places = indices!.reshape([count, dims.length]);
    const base = gatherElements(fill!, dims, () => 0);
    const updates = values!.shape.length === 0 ? gatherElements(values!, [count], () => 0) : values!;
    return scatter(base, places, updates, combinations.TensorScatterUpdate);
  },
};

export const moveValues: ValuesTable = {
  MirrorPad: mirrorPad,
  PadV2: pad,
  Roll: roll,
  Reverse: reverse,
  ReverseSequence: reverseSequence,
  OneHot: oneHot,
  GatherNd: gatherNd,
  ScatterNd: {
    evaluate: (_, [indices, updates], [type]) =>
      scatter(zerosLike(updates!, type!.shape as number[]), indices!, updates!, combinations.TensorScatterAdd),
  },
  ...forEach(combinations, (combine) => ({
    evaluate: (_, [base, indices, updates]) => scatter(base!, indices!, updates!, combine),
  })),
  SparseToDense: sparseToDense,
  SparseTensorDenseAdd: {
    evaluate: (_, [indices, values, , dense]) => scatter(dense!, indices!, values!, combinations.TensorScatterAdd),
  },
};
