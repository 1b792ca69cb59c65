/** Operators that make, move and measure: shapes, slices, concatenation, gathering. */
import {type DType, decodeStrings, dtypes, encodeStrings, Tensor} from "@tf-trusted/tensor";
import {
  addDims,
  type Dim,
  formatDims,
  isKnown,
  isStatic,
  multiplyDims,
  subtractDims,
  surelyDifferent,
  unknownDim,
} from "../../ir/dims.ts";
import type {TensorType} from "../../ir/graph.ts";
import {
  failAt,
  numberAttribute,
  numbersAttribute,
  type Operator,
  type Site,
  stringAttribute,
} from "../../ir/operators.ts";
import {bandAt, matrixSizes, packing} from "../diagonals.ts";
import {
  broadcastStrides,
  gatherElements,
  indexMap,
  isInt64,
  makeTensor,
  numbersOf,
  stridesOf,
  transposeTensor,
} from "../elements.ts";
import {
  broadcastShapes,
  concatenatedShape,
  dimsOf,
  integers,
  integersOf,
  normalAxis,
  permutedShape,
  product,
  reshapedShape,
  withElements,
} from "../shapes.ts";

const outType = (site: Site) => stringAttribute(site, "out_type", "int32") as DType;

const shapeRow = (name: string): Operator => ({
  name: `tf.${name}`,
  infer: (site) =>
    site.inputs.map(({shape}) => withElements({dtype: outType(site), shape: [shape?.length ?? unknownDim]}, shape)),
});

/** Of a tensor into lists: as many outputs as an attribute says. */
const maxParts = 1 << 12;

export const arrays: readonly Operator[] = [
  shapeRow("Shape"),
  shapeRow("ShapeN"),
  {
    name: "tf.Rank",
    infer: ({inputs: [x]}) => [withElements({dtype: "int32", shape: []}, x!.shape && [x!.shape.length])],
  },
  {
    name: "tf.Size",
    infer: (site) => {
      const {shape} = site.inputs[0]!;
      return [withElements({dtype: outType(site), shape: []}, shape && [product(shape)])];
    },
  },
  {
    name: "tf.Reshape",
    infer: (site) => {
      const [x] = site.inputs;
      const target = dimsOf(site, 1);
      const type = {dtype: x!.dtype, shape: target && reshapedShape(site, x!.shape, target)};
      return [withElements(type, (type.shape?.length ?? 2) <= 1 ? x!.elements : undefined)];
    },
    evaluate: (_, [x], [type]) => [x!.reshape(type!.shape as number[])],
  },
  {
    name: "tf.ExpandDims",
    infer: (site) => {
      const [x] = site.inputs;
      const axis = integersOf(site, 1)?.[0];
      if (x!.shape === undefined) return [{dtype: x!.dtype, shape: undefined}];
      if (axis === undefined)
        return [{dtype: x!.dtype, shape: Array.from({length: x!.shape.length + 1}, () => unknownDim)}];
      const at = normalAxis(site, axis, x!.shape.length + 1);
      const shape = [...x!.shape.slice(0, at), 1, ...x!.shape.slice(at)];
      return [withElements({dtype: x!.dtype, shape}, shape.length <= 1 ? x!.elements : undefined)];
    },
    evaluate: (_, [x], [type]) => [x!.reshape(type!.shape as number[])],
  },
  {
    name: "tf.Squeeze",
    infer: (site) => {
      const [x] = site.inputs;
      const axes = numbersAttribute(site, "squeeze_dims", numbersAttribute(site, "axis", []));
      if (x!.shape === undefined) return [{dtype: x!.dtype, shape: undefined}];
      const rank = x!.shape.length;
      const dropped = new Set(axes.map((axis) => normalAxis(site, axis, rank)));
      if (axes.length === 0 && !isStatic(x!.shape)) return [{dtype: x!.dtype, shape: undefined}];
      const shape = x!.shape.filter((dim, axis) => (axes.length > 0 ? !dropped.has(axis) : dim !== 1));
      for (const axis of dropped) {
        const dim = x!.shape[axis]!;
        if (isKnown(dim) && dim !== 1) throw failAt(site, "CONVERT_SHAPE", `dimension ${axis} is ${dim}, expected 1`);
      }
      return [withElements({dtype: x!.dtype, shape}, x!.elements)];
    },
    evaluate: (_, [x], [type]) => [x!.reshape(type!.shape as number[])],
  },
  {
    name: "tf.EnsureShape",
    infer: (site) => {
      const [x] = site.inputs;
      const declared = site.attributes.shape as readonly (readonly Dim[])[] | undefined;
      const wanted = declared?.[0];
      if (wanted === undefined) return [x!];
      const shape = wanted.map((dim, axis) => (isKnown(dim) ? dim : (x!.shape?.[axis] ?? dim)));
      return [{...x!, shape}];
    },
    evaluate: (_, [x]) => [x!],
  },
  ...["Transpose", "ConjugateTranspose"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => [{dtype: site.inputs[0]!.dtype, shape: permutedShape(site.inputs[0]!.shape, permutation(site))}],
      evaluate: (site, [x]) => {
        const order = permutation(site);
        return order && dtypes[x!.dtype].kind !== "complex" ? [transposeTensor(x!, order)] : undefined;
      },
    }),
  ),
  {
    name: "tf.ConcatV2",
    infer: (site) => inferConcat(site, site.inputs.length - 1, 0, site.inputs.length - 1),
    evaluate: (site, inputs) => evaluateConcat(site, inputs.slice(0, -1), site.inputs.length - 1),
  },
  {
    name: "tf.Concat",
    infer: (site) => inferConcat(site, 0, 1, site.inputs.length),
    evaluate: (site, inputs) => evaluateConcat(site, inputs.slice(1), 0),
  },
  {
    name: "tf.Pack",
    infer: (site) => {
      const [x] = site.inputs;
      const shapes = site.inputs.map((input) => input.shape);
      const shape = shapes.find((each) => each !== undefined);
      if (shape === undefined) return [{dtype: x!.dtype, shape: undefined}];
      const axis = normalAxis(site, numberAttribute(site, "axis", 0), shape.length + 1);
      const packed = [...shape.slice(0, axis), site.inputs.length, ...shape.slice(axis)];
      const scalars = shape.length === 0 ? site.inputs.map((input) => input.elements?.[0] ?? unknownDim) : undefined;
      return [withElements({dtype: x!.dtype, shape: packed}, scalars)];
    },
    evaluate: (site, inputs, [type]) => {
      const shape = type!.shape as number[];
      const axis = normalAxis(site, numberAttribute(site, "axis", 0), shape.length);
      const expanded = inputs.map((each) => each.reshape([...each.shape.slice(0, axis), 1, ...each.shape.slice(axis)]));
      return joinTensors(expanded, axis);
    },
  },
  {
    name: "tf.Unpack",
    infer: (site) => {
      const [x] = site.inputs;
      const count = numberAttribute(site, "num");
      const axis = x!.shape && normalAxis(site, numberAttribute(site, "axis", 0), x!.shape.length);
      const shape = x!.shape?.filter((_, i) => i !== axis);
      return Array.from({length: count}, (_, i) =>
        withElements({dtype: x!.dtype, shape}, x!.elements?.[i] === undefined ? undefined : [x!.elements[i]!]),
      );
    },
    evaluate: (site, [x], types) => {
      const axis = normalAxis(site, numberAttribute(site, "axis", 0), x!.shape.length);
      const strides = stridesOf(x!.shape);
      return types.map((type, k) => {
        const shape = type.shape as number[];
        return gatherElements(
          x!,
          shape,
          indexMap(
            shape,
            strides.filter((_, i) => i !== axis),
            k * strides[axis]!,
          ),
        );
      });
    },
  },
  {
    name: "tf.Split",
    infer: (site) => {
      const count = numberAttribute(site, "num_split");
      const [, x] = site.inputs;
      const axis = integersOf(site, 0)?.[0];
      const shape = x!.shape?.map((dim, i) => {
        if (axis === undefined) return unknownDim;
        if (i !== normalAxis(site, axis, x!.shape!.length)) return dim;
        if (isKnown(dim) && dim % count !== 0) throw failAt(site, "CONVERT_SHAPE", `can't split ${dim} into ${count}`);
        return isKnown(dim) ? dim / count : unknownDim;
      });
      return splitElements(
        x!,
        Array.from({length: count}, () => ({dtype: x!.dtype, shape})),
      );
    },
    evaluate: (site, [, x], types) => evaluateSplit(site, x!, types, integersOf(site, 0)),
  },
  {
    name: "tf.SplitV",
    infer: (site) => {
      const [x] = site.inputs;
      const axis = integersOf(site, 2)?.[0];
      const count = numberAttribute(site, "num_split");
      const sizes = integersOf(site, 1);
      const types = Array.from({length: count}, (_, k) => ({
        dtype: x!.dtype,
        shape: x!.shape?.map((dim, i) => {
          if (axis === undefined) return unknownDim;
          if (i !== normalAxis(site, axis, x!.shape!.length)) return dim;
          if (sizes === undefined) return unknownDim;
          const rest = sizes.filter((size) => size >= 0).reduce((a, b) => a + b, 0);
          return sizes[k]! >= 0 ? sizes[k]! : subtractDims(dim, rest);
        }),
      }));
      return splitElements(x!, types);
    },
    evaluate: (site, [x], types) => evaluateSplit(site, x!, types, integersOf(site, 2)),
  },
  {
    name: "tf.Fill",
    infer: (site) => {
      const type = {dtype: site.inputs[1]!.dtype, shape: dimsOf(site, 0)};
      const value = site.inputs[1]!.elements?.[0];
      const length = type.shape?.length === 1 ? type.shape[0] : type.shape?.length === 0 ? 1 : undefined;
      const few = value !== undefined && length !== undefined && isKnown(length) && length <= 64;
      return [withElements(type, few ? Array.from({length}, () => value) : undefined)];
    },
    evaluate: (_, [, value], [type]) => [gatherElements(value!, type!.shape as number[], () => 0)],
  },
  {
    name: "tf.BroadcastTo",
    infer: (site) => [{dtype: site.inputs[0]!.dtype, shape: dimsOf(site, 1)}],
    evaluate: (_, [x], [type]) => {
      const shape = type!.shape as number[];
      return [gatherElements(x!, shape, indexMap(shape, broadcastStrides(x!.shape, shape)))];
    },
  },
  {
    name: "tf.BroadcastArgs",
    infer: (site) => {
      const [a, b] = [dimsOf(site, 0), dimsOf(site, 1)];
      const elements = a && b && broadcastShapes(site, a, b);
      return [withElements({dtype: site.inputs[0]!.dtype, shape: [elements?.length ?? unknownDim]}, elements)];
    },
  },
  {
    name: "tf.Tile",
    infer: (site) => {
      const [x] = site.inputs;
      const multiples = dimsOf(site, 1);
      return [
        {dtype: x!.dtype, shape: x!.shape?.map((dim, axis) => multiplyDims(dim, multiples?.[axis] ?? unknownDim))},
      ];
    },
    evaluate: (_, [x], [type]) => {
      const shape = type!.shape as number[];
      const [to, from] = [stridesOf(shape), stridesOf(x!.shape)];
      return [
        gatherElements(x!, shape, (i) =>
          shape.reduce(
            (at, size, axis) => at + ((Math.floor(i / to[axis]!) % size) % x!.shape[axis]!) * from[axis]!,
            0,
          ),
        ),
      ];
    },
  },
  {
    name: "tf.Range",
    infer: (site) => {
      const [start, limit, delta] = site.inputs.map((input, i) => input.elements?.[0] ?? scalarOf(site, i));
      const known = start !== undefined && limit !== undefined && delta !== undefined;
      const dtype = site.inputs[0]!.dtype;
      if (!known) return [{dtype, shape: [unknownDim]}];
      if (isKnown(start) && isKnown(limit) && isKnown(delta)) {
        if (delta === 0) throw failAt(site, "CONVERT_SHAPE", "a range with a step of 0");
        const count = Math.max(0, Math.ceil((limit - start) / delta));
        const elements =
          count <= 64 && Number.isInteger(start) && Number.isInteger(delta)
            ? Array.from({length: count}, (_, i) => start + i * delta)
            : undefined;
        return [withElements({dtype, shape: [count]}, elements)];
      }
      return [{dtype, shape: [delta === 1 ? subtractDims(limit, start) : unknownDim]}];
    },
    evaluate: (_, [start, , delta], [type]) => {
      if (isInt64(start!.dtype)) {
        const [a, d] = [start!, delta!].map((t) => (t.data as BigInt64Array)[0]!);
        return [makeTensor(start!.dtype, type!.shape as number[], (i) => a! + BigInt(i) * d!)];
      }
      const [first, step] = [numbersOf(start!)[0]!, numbersOf(delta!)[0]!];
      // TensorFlow adds up; the sum is kept in the dtype.
      let value = first;
      const rounded = start!.dtype === "float32" ? Math.fround : (v: number) => v;
      return [
        makeTensor(start!.dtype, type!.shape as number[], (i) => {
          if (i > 0) value = rounded(value + step);
          return value;
        }),
      ];
    },
  },
  {
    name: "tf.LinSpace",
    infer: (site) => [{dtype: site.inputs[0]!.dtype, shape: [integersOf(site, 2)?.[0] ?? unknownDim]}],
    evaluate: (_, [start, stop], [type]) => {
      const [a, b] = [numbersOf(start!)[0]!, numbersOf(stop!)[0]!];
      const count = (type!.shape as number[])[0]!;
      const delta = count > 1 ? (b - a) / (count - 1) : 0;
      return [makeTensor(type!.dtype as DType, [count], (i) => (i === count - 1 && count > 1 ? b : a + delta * i))];
    },
  },
  ...["Pad", "PadV2", "MirrorPad"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const [x, pads] = site.inputs;
        const values = site.constants[1] && integers(site.constants[1]);
        const rank =
          x!.shape?.length ?? (isKnown(pads!.shape?.[0] ?? unknownDim) ? (pads!.shape![0] as number) : undefined);
        if (rank === undefined) return [{dtype: x!.dtype, shape: undefined}];
        if (values && values.length !== 2 * rank)
          throw failAt(site, "CONVERT_SHAPE", `${values.length} paddings for rank ${rank}`);
        const shape = Array.from({length: rank}, (_, axis) =>
          values && x!.shape ? addDims(x!.shape[axis]!, values[2 * axis]! + values[2 * axis + 1]!) : unknownDim,
        );
        return [{dtype: x!.dtype, shape}];
      },
      evaluate: (_, inputs, [type]) => evaluatePad(inputs, type!),
    }),
  ),
  {
    name: "tf.OneHot",
    infer: (site) => {
      const [indices, , on] = site.inputs;
      const depth = dimsOf(site, 1)?.[0] ?? unknownDim;
      if (indices!.shape === undefined) return [{dtype: on!.dtype, shape: undefined}];
      const axis = normalAxis(site, numberAttribute(site, "axis", -1), indices!.shape.length + 1);
      return [{dtype: on!.dtype, shape: [...indices!.shape.slice(0, axis), depth, ...indices!.shape.slice(axis)]}];
    },
  },
  {
    name: "tf.ReverseV2",
    infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
    evaluate: (site, [x]) => {
      const axes = integersOf(site, 1);
      if (!axes) return undefined;
      const strides = stridesOf(x!.shape);
      const reversed = new Set(axes.map((axis) => normalAxis(site, axis, x!.shape.length)));
      const offset = strides.reduce(
        (sum, stride, axis) => sum + (reversed.has(axis) ? (x!.shape[axis]! - 1) * stride : 0),
        0,
      );
      return [
        gatherElements(
          x!,
          x!.shape,
          indexMap(
            x!.shape,
            strides.map((stride, axis) => (reversed.has(axis) ? -stride : stride)),
            offset,
          ),
        ),
      ];
    },
  },
  ...[
    "Reverse",
    "Roll",
    "ReverseSequence",
    "MatrixBandPart",
    "TensorScatterUpdate",
    "TensorScatterAdd",
    "TensorScatterSub",
    "TensorScatterMax",
    "TensorScatterMin",
    "MatrixSetDiag",
    "MatrixSetDiagV2",
    "MatrixSetDiagV3",
    "Cross",
  ].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
    }),
  ),
  ...["MatrixDiag", "MatrixDiagV2", "MatrixDiagV3"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const {dtype, shape} = site.inputs[0]!;
        if (name === "MatrixDiag" || isSimpleDiagonal(site, [1, 2, 3])) {
          return [{dtype, shape: shape && [...shape, shape.at(-1)!]}];
        }
        const band = bandAt(site, 1);
        const given = [2, 3].map((index) => integersOf(site, index)?.[0]);
        const length = shape?.at(-1);
        if (!shape || band === undefined || length === undefined || !isKnown(length) || given.includes(undefined)) {
          return [{dtype, shape: undefined}];
        }
        const sizes = matrixSizes(band, length, given as [number, number]);
        return [{dtype, shape: [...shape.slice(0, band.high > band.low ? -2 : -1), ...sizes]}];
      },
    }),
  ),
  ...["MatrixDiagPart", "MatrixDiagPartV2", "MatrixDiagPartV3"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const {dtype, shape} = site.inputs[0]!;
        const [rows, columns] = [shape?.at(-2) ?? unknownDim, shape?.at(-1) ?? unknownDim];
        const areKnown = isKnown(rows) && isKnown(columns);
        const band = name === "MatrixDiagPart" ? {low: 0, high: 0} : bandAt(site, 1);
        if (!shape || band === undefined) return [{dtype, shape: undefined}];
        const isMain = band.low === 0 && band.high === 0;
        const length = areKnown
          ? packing(site, band, rows, columns).length
          : isMain && rows === columns
            ? rows
            : unknownDim;
        const count = band.high - band.low + 1;
        return [{dtype, shape: [...shape.slice(0, -2), ...(count > 1 ? [count] : []), length]}];
      },
    }),
  ),
  {
    name: "tf.ScatterNd",
    infer: (site) => [{dtype: site.inputs[1]!.dtype, shape: dimsOf(site, 2)}],
  },
  {
    name: "tf.SparseToDense",
    infer: (site) => [{dtype: site.inputs[2]!.dtype, shape: dimsOf(site, 1)}],
  },
  {
    name: "tf.Where",
    infer: ({inputs: [x]}) => [{dtype: "int64", shape: [unknownDim, x!.shape?.length ?? unknownDim]}],
  },
  ...["Unique", "UniqueV2", "UniqueWithCounts", "UniqueWithCountsV2"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const dtype = stringAttribute(site, "out_idx", "int32") as DType;
        const [x] = site.inputs;
        const counts = name.startsWith("UniqueWithCounts") ? [{dtype, shape: [unknownDim]}] : [];
        const isVector = x!.shape?.length === 1;
        const found = isVector ? [unknownDim] : x!.shape?.map(() => unknownDim);
        return [{dtype: x!.dtype, shape: found}, {dtype, shape: isVector ? x!.shape : [unknownDim]}, ...counts];
      },
    }),
  ),
  {
    name: "tf.ListDiff",
    infer: (site) => [
      {dtype: site.inputs[0]!.dtype, shape: [unknownDim]},
      {dtype: stringAttribute(site, "out_idx", "int32") as DType, shape: [unknownDim]},
    ],
  },
  {
    name: "tf.DynamicPartition",
    infer: (site) => {
      const [x, parts] = site.inputs;
      const known = x!.shape && parts!.shape;
      const shape = known && [unknownDim, ...x!.shape!.slice(parts!.shape!.length)];
      const count = numberAttribute(site, "num_partitions");
      if (!(count >= 1 && count <= maxParts)) {
        throw failAt(site, "CONVERT_ATTRIBUTE", `num_partitions is ${count}, expected 1 to ${maxParts}`);
      }
      return Array.from({length: count}, () => ({dtype: x!.dtype, shape}));
    },
  },
  {
    name: "tf.Diag",
    infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape && [...x!.shape, ...x!.shape]}],
  },
  {
    name: "tf.DiagPart",
    infer: (site) => {
      const [x] = site.inputs;
      const half = (x!.shape?.length ?? 0) / 2;
      const [rows, columns] = [x!.shape?.slice(0, half), x!.shape?.slice(half)];
      if (rows?.some((dim, i) => surelyDifferent(dim, columns![i] ?? 0)) || half !== Math.floor(half)) {
        throw failAt(site, "CONVERT_SHAPE", `the diagonal of ${formatDims(x!.shape!)}: its halves differ`);
      }
      return [{dtype: x!.dtype, shape: rows}];
    },
  },
  {
    name: "tf.InvertPermutation",
    infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
    evaluate: (_, [x]) => {
      const order = integers(x!);
      const inverse = new Array<number>(order.length).fill(0);
      order.forEach((to, from) => {
        inverse[to] = from;
      });
      return [makeTensor(x!.dtype, x!.shape, (i) => inverse[i]!)];
    },
  },
  {
    name: "tf.Bitcast",
    infer: (site) => {
      const dtype = stringAttribute(site, "type") as DType;
      const [x] = site.inputs;
      const {shape} = x!;
      const [from, to] = [dtypes[x!.dtype as DType]?.bytes ?? 0, dtypes[dtype]?.bytes ?? 0];
      if (from === 0 || to === 0) throw failAt(site, "CONVERT_ATTRIBUTE", `bits of ${x!.dtype} as ${dtype}`);
      if (from === to || shape === undefined) return [{dtype, shape}];
      // A wider element is made of the last dimension; a narrower one adds one.
      if (from > to) return [{dtype, shape: [...shape, from / to]}];
      const last = shape.at(-1);
      if (last === undefined || (isKnown(last) && last !== to / from))
        throw failAt(
          site,
          "CONVERT_SHAPE",
          `${x!.dtype} ${formatDims(shape)} as ${dtype}: the last size must be ${to / from}`,
        );
      return [{dtype, shape: shape.slice(0, -1)}];
    },
    evaluate: (_, [x], [type]) => [new Tensor(type!.dtype as DType, type!.shape as number[], x!.bytes.slice())],
  },
  {
    name: "tf.IdentityN",
    infer: (site) => [...site.inputs],
    evaluate: (_, inputs) => [...inputs],
  },
];

function scalarOf(site: Site, index: number): number | undefined {
  const constant = site.constants[index];
  return constant === undefined ? undefined : numbersOf(constant)[0];
}

/** Whether the operands of MatrixDiagV2 mean the main diagonal of a square matrix. */
export function isSimpleDiagonal(site: Site, [k, rows, columns]: readonly number[]): boolean {
  const values = [k!, rows!, columns!].map((index) => integersOf(site, index));
  const length = site.inputs[0]!.shape?.at(-1);
  const square = (value: number[] | undefined) => value?.[0] === -1 || value?.[0] === length;
  return values[0]?.every((each) => each === 0) === true && square(values[1]) && square(values[2]);
}

function permutation(site: Site): readonly number[] | undefined {
  const order = integersOf(site, 1);
  const rank = site.inputs[0]!.shape?.length;
  if (order === undefined || rank === undefined) return order;
  const valid = order.length === rank && [...order].sort((a, b) => a - b).every((axis, i) => axis === i);
  if (!valid) throw failAt(site, "CONVERT_SHAPE", `[${order}] is no permutation of ${rank} dimensions`);
  return order;
}

function inferConcat(site: Site, axisAt: number, from: number, to: number): TensorType[] {
  const values = site.inputs.slice(from, to);
  const dtype = values[0]?.dtype ?? "float32";
  const axis = integersOf(site, axisAt)?.[0];
  if (axis === undefined) return [{dtype, shape: values[0]?.shape?.map(() => unknownDim)}];
  const shape = concatenatedShape(
    site,
    values.map((value) => value.shape),
    axis,
  );
  const elements = values.map(
    (value) =>
      value.elements ??
      (isKnown(value.shape?.[0] ?? "?") && value.shape!.length === 1
        ? Array.from({length: Math.min(65, value.shape![0] as number)}, () => unknownDim)
        : undefined),
  );
  const all = elements.every((each) => each !== undefined) ? elements.flat() : undefined;
  return [withElements({dtype, shape}, shape?.length === 1 ? (all as Dim[] | undefined) : undefined)];
}

function evaluateConcat(site: Site, values: readonly Tensor[], axisAt: number): Tensor[] | undefined {
  const axis = integersOf(site, axisAt)?.[0];
  return axis === undefined ? undefined : joinTensors(values, normalAxis(site, axis, values[0]!.shape.length));
}

/** Tensors one after the other along an axis. */
export function joinTensors(values: readonly Tensor[], axis: number): Tensor[] | undefined {
  const first = values[0]!;
  if (first.dtype === "string") {
    if (first.shape.length !== 1) return undefined;
    const strings = values.flatMap((each) => decodeStrings(each.bytes, each.size));
    return [new Tensor("string", [strings.length], encodeStrings(strings))];
  }
  const width = dtypes[first.dtype].bytes!;
  const total = values.reduce((sum, each) => sum + each.shape[axis]!, 0);
  const shape = first.shape.map((size, i) => (i === axis ? total : size));
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const out = new Uint8Array(values.reduce((sum, each) => sum + each.bytes.length, 0));
  const blocks = values.map((each) => each.shape.slice(axis).reduce((a, b) => a * b, width));
  let offset = 0;
  for (let o = 0; o < outer; o++) {
    values.forEach((each, k) => {
      out.set(each.bytes.subarray(o * blocks[k]!, (o + 1) * blocks[k]!), offset);
      offset += blocks[k]!;
    });
  }
  return [new Tensor(first.dtype, shape, out)];
}

/** What is known of the elements of a vector's parts. */
function splitElements({elements, shape}: TensorType, parts: readonly TensorType[]): readonly TensorType[] {
  if (elements === undefined || shape?.length !== 1) return parts;
  let end: Dim = 0;
  return parts.map((part) => {
    const start: Dim = end;
    end = addDims(start, part.shape![0]!);
    return isKnown(start) && isKnown(end) ? withElements(part, elements.slice(start, end)) : part;
  });
}

function evaluateSplit(
  site: Site,
  x: Tensor,
  types: readonly TensorType[],
  axes: readonly number[] | undefined,
): Tensor[] | undefined {
  if (axes === undefined || !types.every((type) => isStatic(type.shape))) return undefined;
  const axis = normalAxis(site, axes[0]!, x.shape.length);
  const strides = stridesOf(x.shape);
  let start = 0;
  return types.map((type) => {
    const shape = type.shape as number[];
    const part = gatherElements(x, shape, indexMap(shape, strides, start * strides[axis]!));
    start += shape[axis]!;
    return part;
  });
}

function evaluatePad(inputs: readonly Tensor[], type: TensorType): Tensor[] | undefined {
  const [x, pads] = inputs;
  const before = integers(pads!).filter((_, i) => i % 2 === 0);
  const shape = type.shape as number[];
  if (integers(pads!).some((pad) => pad < 0)) return undefined;
  const [to, from] = [stridesOf(shape), stridesOf(x!.shape)];
  return [
    gatherElements(x!, shape, (i) => {
      let at = 0;
      for (let axis = 0; axis < shape.length; axis++) {
        const position = (Math.floor(i / to[axis]!) % shape[axis]!) - before[axis]!;
        if (position < 0 || position >= x!.shape[axis]!) return -1;
        at += position * from[axis]!;
      }
      return at;
    }),
  ];
}
