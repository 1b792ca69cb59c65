/** Lowerings of operators that make, move and measure. */
import type {DType} from "@tf-trusted/tensor";
import {isKnown, isStatic, type Shape} from "../ir/dims.ts";
import type {Ref, TensorType} from "../ir/graph.ts";
import {numberAttribute, type Site, stringAttribute} from "../ir/operators.ts";
import {makeTensor} from "../ops/elements.ts";
import {normalAxis, slicedRange} from "../ops/shapes.ts";
import {masksOf, sliceSpecOf} from "../ops/tf/slices.ts";
import type {LoweredNode, Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

const shapeOf = (b: Lowerer, x: Ref, outType: string): Ref => {
  const shape = b.shape(x);
  if (isStatic(shape)) return b.cast(b.ints(shape), outType as DType);
  return b.cast(b.raw("SHAPE", [x], {outType: "INT32"})[0]!, outType as DType);
};

/** RESHAPE to the type that was inferred, or to a computed shape. */
const reshape: Lowering = ({inputs: [x, target], types: [type]}, b) => {
  const shape = type!.shape;
  if (shape && shape.filter((dim) => !isKnown(dim)).length <= 1 && !shape.includes(0)) return b.reshape(x!, shape);
  if (shape && isStatic(shape)) return b.reshape(x!, shape);
  return b.reshapeTo(x!, target!, type!);
};

/** Adding or dropping dimensions of size 1: RESHAPE, or the operators for it where several sizes are unknown. */
const resize =
  (op: "EXPAND_DIMS" | "SQUEEZE"): Lowering =>
  ({inputs, types: [type], site}, b) => {
    const [x] = inputs;
    const shape = type!.shape;
    if (!shape) return b.refuse("the rank of its result isn't known");
    if (shape.filter((dim) => !isKnown(dim)).length <= 1 && (isStatic(shape) || !shape.includes(0)))
      return b.reshape(x!, shape);
    if (op === "EXPAND_DIMS") return b.raw(op, [x!, b.operand(inputs[1]!)], {}, [type!])[0]!;
    const dims = site.attributes.squeeze_dims as readonly number[];
    return b.raw(op, [x!], {squeezeDims: dims.map((axis) => normalAxis(site, axis, b.rank(x!)))}, [type!])[0]!;
  };

const concat = (b: Lowerer, n: LoweredNode, values: readonly Ref[], axisRef: Ref): Ref => {
  const rank = b.rank(values[0]!);
  const axis = normalAxis(n.site, b.integers(axisRef, "axis")[0]!, rank);
  const filled = values.filter((each) => b.shape(each)[axis] !== 0);
  if (filled.length === 0) return values[0]!;
  return b.concat(filled, axis);
};

const pack: Lowering = ({inputs, types: [type], site}, b) => {
  const rank = b.rank(inputs[0]!) + 1;
  const axis = normalAxis(site, numberAttribute(site, "axis", 0), rank);
  const unknowns = b.shape(inputs[0]!).filter((dim) => !isKnown(dim)).length;
  if (unknowns > 1 || inputs.length === 1) {
    if (inputs.length === 1 && unknowns <= 1) return b.reshape(inputs[0]!, type!.shape!);
    return b.op("PACK", inputs, {axis, valuesCount: inputs.length}, {type: type!});
  }
  if (["float32", "int32", "int64", "int8", "int16", "uint8"].includes(b.dtype(inputs[0]!))) {
    return b.op("PACK", inputs, {axis, valuesCount: inputs.length}, {type: type!});
  }
  const expanded = inputs.map((each) => {
    const shape = b.shape(each);
    return b.reshape(each, [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
  });
  return b.concat(expanded, axis);
};

const unpack: Lowering = ({inputs: [x], types, site}, b) => {
  const shape = b.shape(x!);
  const axis = normalAxis(site, numberAttribute(site, "axis", 0), shape.length);
  if (types.length === 0) return [];
  if (["float32", "int8", "int16", "int32", "uint8", "bool"].includes(b.dtype(x!))) {
    return b.raw("UNPACK", [x!], {num: types.length, axis}, types);
  }
  return types.map((type, k) => {
    const begin = shape.map((_, i) => (i === axis ? k : 0));
    const part = b.slice(
      x!,
      begin,
      shape.map((_, i) => (i === axis ? 1 : -1)),
    );
    return b.reshape(part, type.shape!);
  });
};

const split: Lowering = ({inputs: [axisRef, x], types, site}, b) => {
  const axis = normalAxis(site, b.integers(axisRef!, "axis")[0]!, b.rank(x!));
  if (types.length === 1) return x!;
  if (!["float32", "int8", "int16", "int32", "int64", "uint8"].includes(b.dtype(x!)))
    return slices(
      b,
      x!,
      axis,
      types.map((type) => type.shape!),
    );
  return b.raw("SPLIT", [b.ints([axis], []), x!], {numSplits: types.length}, types);
};

const splitV: Lowering = ({inputs: [x, sizes, axisRef], types, site}, b) => {
  const axis = normalAxis(site, b.integers(axisRef!, "axis")[0]!, b.rank(x!));
  if (types.length === 1) return x!;
  const known = b.integers(sizes!, "sizes");
  if (!["float32", "int8", "int16", "int32", "int64", "uint8"].includes(b.dtype(x!)))
    return slices(
      b,
      x!,
      axis,
      types.map((type) => type.shape!),
    );
  return b.raw("SPLIT_V", [x!, b.ints(known), b.ints([axis], [])], {numSplits: types.length}, types);
};

function slices(b: Lowerer, x: Ref, axis: number, shapes: readonly Shape[]): Ref[] {
  let start = 0;
  return shapes.map((shape) => {
    const size = shape[axis]!;
    if (!isKnown(size)) return b.refuse("the sizes of its parts aren't known");
    const part = b.slice(
      x,
      shape.map((_, i) => (i === axis ? start : 0)),
      shape.map((_, i) => (i === axis ? size : -1)),
    );
    start += size;
    return part;
  });
}

/** SLICE where every step is 1 and the bounds are known, else STRIDED_SLICE with the masks as they are. */
const stridedSlice: Lowering = ({inputs, types: [type], site}, b) => {
  const [x, begin, end, strides] = inputs;
  const shape = b.shape(x!);
  const spec = sliceSpecOf(site);
  if (spec && type!.shape && !type!.shape.includes(0)) {
    const ranges = spec.steps.map((step, axis) => slicedRange(shape[axis]!, step));
    const isPlain = spec.steps.every((step, axis) => {
      const whole = step.begin === undefined && step.end === undefined && step.stride === 1;
      const {first, count} = ranges[axis]!;
      return (
        whole ||
        (step.stride === 1 &&
          isKnown(count) &&
          !Number.isNaN(first) &&
          first >= 0 &&
          (isKnown(shape[axis]!) || step.shrink))
      );
    });
    const unknowns = type!.shape.filter((dim) => !isKnown(dim)).length;
    if (isPlain && unknowns <= 1) {
      const begins = ranges.map((range) => range.first);
      const sizes = ranges.map(({count}, axis) =>
        spec.steps[axis]!.begin === undefined && spec.steps[axis]!.end === undefined && !spec.steps[axis]!.shrink
          ? -1
          : (count as number),
      );
      const isWhole = begins.every((first) => first === 0) && ranges.every(({count}, axis) => count === shape[axis]);
      const part = isWhole ? x! : b.slice(x!, begins, sizes);
      return b.reshape(part, type!.shape);
    }
  }
  const picked = pickRow(b, x!, begin!, site, type!);
  if (picked !== undefined) return picked;
  const masks = masksOf(site);
  const attributes = {
    beginMask: masks.begin,
    endMask: masks.end,
    ellipsisMask: masks.ellipsis,
    newAxisMask: masks.newAxis,
    shrinkAxisMask: masks.shrink,
    offset: false,
  };
  return b.raw("STRIDED_SLICE", [x!, ...[begin!, end!, strides!].map((ref) => b.operand(ref))], attributes, [
    type!,
  ])[0]!;
};

/**
 * `x[i]` with a computed i → GATHER, whose result has a size that is known before the run: what comes out of a loop in
 * which something is sized during the run is garbage in LiteRT (docs/findings.md).
 */
function pickRow(b: Lowerer, x: Ref, begin: Ref, site: Site, {shape}: TensorType): Ref | undefined {
  const spec = sliceSpecOf(site);
  if (spec === undefined || shape === undefined || b.shape(begin).length !== 1) return undefined;
  const computed = spec.steps.flatMap((step, axis) => (step.shrink && Number.isNaN(step.begin) ? [axis] : []));
  const [axis] = computed;
  const isWhole = (step: (typeof spec.steps)[number]) =>
    step.begin === undefined && step.end === undefined && step.stride === 1;
  if (axis === undefined || spec.steps.some((step, i) => i !== axis && !isWhole(step))) return undefined;
  const index = b.reshape(b.slice(b.cast(begin, "int32"), [spec.steps[axis]!.operand!], [1]), []);
  // Negative ones count from the end; GATHER refuses what is out of range.
  const fromEnd = b.add(index, b.reshape(b.dimension(x, axis), []));
  const isNegative = b.raw("LESS", [index, b.scalar(0, "int32")])[0]!;
  return b.reshape(b.gather(x, b.select(isNegative, fromEnd, index), axis), shape);
}

/** PAD takes rank 5 at most: further dimensions that aren't padded are merged with their neighbours. */
function pad(b: Lowerer, n: LoweredNode, op: "PAD" | "PADV2", operands: readonly Ref[]): Ref {
  const [x, pads] = n.inputs;
  const shape = b.shape(x!);
  const type = n.types[0]!;
  const values = b.constant(pads!) ? b.integers(pads!, "paddings") : undefined;
  if (values?.some((each) => each < 0)) return b.refuse("negative paddings");
  if (values?.every((each) => each === 0)) return x!;
  if (shape.length <= 5) {
    const widths = values ? b.ints(values, [shape.length, 2]) : b.cast(pads!, "int32");
    return b.op(op, [x!], {}, {operands: [widths, ...operands], type});
  }
  if (!values || !isStatic(shape)) return b.refuse(`a tensor of rank ${shape.length}`);
  const groups: {size: number; pads: [number, number]; padded: boolean}[] = [];
  shape.forEach((size, axis) => {
    const widths: [number, number] = [values[2 * axis]!, values[2 * axis + 1]!];
    const padded = widths[0] + widths[1] > 0;
    const last = groups.at(-1);
    if (last && !last.padded && !padded) last.size *= size;
    else groups.push({size, pads: widths, padded});
  });
  if (groups.length > 5) return b.refuse(`${groups.length} dimensions to be padded apart`);
  const merged = b.reshape(
    x!,
    groups.map((group) => group.size),
  );
  const result = b.op(
    op,
    [merged],
    {},
    {
      operands: [
        b.ints(
          groups.flatMap((group) => group.pads),
          [groups.length, 2],
        ),
        ...operands,
      ],
    },
  );
  return b.reshape(result, type.shape!);
}

const gather: Lowering = (n, b) => {
  const [params, indices, axisRef] = n.inputs;
  const rank = b.rank(params!);
  const axis = axisRef === undefined ? 0 : normalAxis(n.site, b.integers(axisRef, "axis")[0]!, rank);
  const given = numberAttribute(n.site, "batch_dims", 0);
  const batchDims = given < 0 ? given + b.rank(indices!) : given;
  const wanted = ["int32", "int64"].includes(b.dtype(indices!)) ? indices! : b.cast(indices!, "int32");
  if (["uint16", "uint32", "complex64"].includes(b.dtype(params!)))
    return b.refuse(`TensorFlow Lite has no GATHER for ${b.dtype(params!)}`);
  return b.raw("GATHER", [params!, wanted], {axis, batchDims}, [n.types[0]!])[0]!;
};

const oneHot: Lowering = ({inputs: [indices, depth, on, off], types: [type], site}, b) => {
  const ids = ["int32", "int64"].includes(b.dtype(indices!)) ? indices! : b.cast(indices!, "int32");
  const dtype = type!.dtype;
  const through = ["float32", "int32", "int64", "bool"].includes(dtype) ? dtype : "int32";
  const axis = numberAttribute(site, "axis", -1);
  const [a, z] = [on!, off!].map((ref) => b.cast(ref, through));
  const result = b.raw("ONE_HOT", [ids, b.operand(depth!), a!, z!], {axis}, [{dtype: through, shape: type!.shape}])[0]!;
  return b.cast(result, dtype);
};

/** Each axis on its own: the kernel wants contiguous ones. */
const reverse: Lowering = ({inputs: [x, axes], site}, b) => {
  const rank = b.rank(x!);
  // The native kernel crashes on tensors without elements.
  if (b.shape(x!).includes(0)) return x!;
  return b.integers(axes!, "axes").reduce((value, axis) => {
    const at = normalAxis(site, axis, rank);
    return b.shape(value)[at] === 1 ? value : b.op("REVERSE_V2", [value], {}, {operands: [b.ints([at])]});
  }, x!);
};

/** SLICE + CONCATENATION for each axis. */
const roll: Lowering = ({inputs: [x, shifts, axes], site}, b) => {
  const by = b.integers(shifts!, "shift");
  return b.integers(axes!, "axis").reduce((value, axis, i) => {
    const shape = b.shape(value);
    const at = normalAxis(site, axis, shape.length);
    const size = shape[at]!;
    if (!isKnown(size)) return b.refuse("the size of a rolled dimension isn't known");
    const shift = ((by[i]! % size) + size) % size;
    if (shift === 0 || size === 0) return value;
    const part = (begin: number, count: number) =>
      b.slice(
        value,
        shape.map((_, k) => (k === at ? begin : 0)),
        shape.map((_, k) => (k === at ? count : -1)),
      );
    return b.concat([part(size - shift, shift), part(0, size - shift)], at);
  }, x!);
};

const tile: Lowering = ({inputs: [x, multiples], types: [type]}, b) => {
  if (b.known(multiples!)?.every((each) => each === 1)) return x!;
  return b.raw("TILE", [x!, b.operand(multiples!)], {}, [type!])[0]!;
};

const broadcastTo: Lowering = ({inputs: [x, shape], types: [type]}, b) => {
  if (b.rank(x!) === 0 && type!.shape?.length === 0) return x!;
  const target = b.operand(shape!);
  if (b.rank(x!) === 0) return b.raw("FILL", [target, x!], {}, [type!])[0]!;
  return b.raw("BROADCAST_TO", [x!, target], {}, [type!])[0]!;
};

const range: Lowering = ({inputs, types: [type]}, b) => b.op("RANGE", inputs, {}, {type: type!});

/** start + (stop − start)·i/(n − 1), with the last element exactly stop. */
const linSpace: Lowering = ({inputs: [start, stop, count], types: [type]}, b) => {
  const [n] = b.integers(count!, "number of elements");
  if (n === 1) return b.reshape(start!, [1]);
  const steps = b.floats(Array.from({length: b.bounded(n!)}, (_, i) => i));
  const delta = b.div(b.sub(stop!, start!), b.scalar(n! - 1));
  const values = b.add(b.mul(steps, delta), start!);
  const isLast = b.value(makeTensor("bool", [n!], (i) => (i === n! - 1 ? 1 : 0)));
  return type!.shape ? b.select(isLast, stop!, values) : values;
};

const fill: Lowering = ({inputs: [dims, value], types: [type]}, b) =>
  b.raw("FILL", [b.operand(dims!), value!], {}, [type!])[0]!;

const scatterNd: Lowering = ({inputs: [indices, updates, shape], types: [type]}, b) =>
  scatter(b, b.cast(indices!, "int32"), updates!, b.operand(shape!), type!.shape);

function scatter(b: Lowerer, indices: Ref, updates: Ref, shape: Ref, result: Shape | undefined): Ref {
  const dtype = b.dtype(updates);
  const through = dtype === "float32" || dtype === "int32" ? dtype : "int32";
  if (through !== dtype) b.note(`SCATTER_ND of ${dtype} is computed in int32`);
  const sum = b.raw("SCATTER_ND", [indices, b.cast(updates, through), shape], {}, [
    {dtype: through, shape: result},
  ])[0]!;
  return b.cast(sum, dtype);
}

const scatterAdd =
  (op: "ADD" | "SUB"): Lowering =>
  ({inputs: [x, indices, updates]}, b) => {
    const shape = b.shape(x!);
    return b.binary(op, x!, scatter(b, b.cast(indices!, "int32"), updates!, b.dims(shape, [x!]), shape));
  };

const mirrorPad: Lowering = ({inputs: [x, pads], types: [type], site}, b) => {
  const known = b.known(pads!);
  const operand = known ? b.ints(known, [b.rank(x!), 2]) : b.cast(pads!, "int32");
  return b.raw("MIRROR_PAD", [x!, operand], {mode: stringAttribute(site, "mode")}, [type!])[0]!;
};

export const arrayLowerings: LoweringTable = {
  Shape: ({inputs: [x], site}, b) => shapeOf(b, x!, stringAttribute(site, "out_type", "int32")),
  ShapeN: ({inputs, site}, b) => inputs.map((x) => shapeOf(b, x, stringAttribute(site, "out_type", "int32"))),
  Rank: ({inputs: [x]}, b) => b.ints([b.rank(x!)], []),
  Size: ({inputs: [x], types: [type]}, b) => {
    const shape = shapeOf(b, x!, "int32");
    return b.cast(b.reduce("REDUCE_PROD", shape, [0], false), type!.dtype);
  },
  Reshape: reshape,
  ExpandDims: resize("EXPAND_DIMS"),
  Squeeze: resize("SQUEEZE"),
  Transpose: ({inputs: [x, order], types: [type]}, b) => {
    const known = b.known(order!);
    if (known) return b.transpose(x!, known);
    return b.raw("TRANSPOSE", [x!, b.cast(order!, "int32")], {}, [type!])[0]!;
  },
  ConjugateTranspose: ({inputs: [x, order]}, b) => {
    if (b.dtype(x!).startsWith("complex")) return b.refuse("complex numbers");
    return b.transpose(x!, b.integers(order!, "permutation"));
  },
  ConcatV2: (n, b) => concat(b, n, n.inputs.slice(0, -1), n.inputs.at(-1)!),
  Concat: (n, b) => concat(b, n, n.inputs.slice(1), n.inputs[0]!),
  Pack: pack,
  Unpack: unpack,
  Split: split,
  SplitV: splitV,
  StridedSlice: stridedSlice,
  Slice: ({inputs: [x, begin, size], types: [type]}, b) =>
    b.raw("SLICE", [x!, b.operand(begin!), b.operand(size!)], {}, [type!])[0]!,
  Pad: (n, b) => pad(b, n, "PAD", []),
  PadV2: (n, b) => pad(b, n, "PADV2", [n.inputs[2]!]),
  MirrorPad: mirrorPad,
  Gather: gather,
  UpdateRow: ({inputs: [list, index, item], types: [type]}, b) => {
    const element = b.shape(list!).slice(1);
    const row = b.reshape(item!, [1, ...element]);
    const place = b.reshape(b.cast(index!, "int32"), [1]);
    const start = element.length === 0 ? place : b.concat([place, b.ints(element.map(() => 0))], 0);
    return b.op("DYNAMIC_UPDATE_SLICE", [list!, row], {}, {operands: [start], type: type!});
  },
  GatherV2: gather,
  GatherNd: ({inputs: [params, indices], types: [type], site}, b) => {
    if (numberAttribute(site, "batch_dims", 0) !== 0) return b.refuse("batch_dims");
    return b.raw("GATHER_ND", [params!, b.cast(indices!, "int32")], {}, [type!])[0]!;
  },
  ScatterNd: scatterNd,
  TensorScatterAdd: scatterAdd("ADD"),
  TensorScatterSub: scatterAdd("SUB"),
  OneHot: oneHot,
  ReverseV2: reverse,
  ReverseSequence: ({inputs: [x, lengths], site}, b) =>
    b.raw("REVERSE_SEQUENCE", [x!, b.cast(lengths!, "int32")], {
      seqDim: normalAxis(site, numberAttribute(site, "seq_dim"), b.rank(x!)),
      batchDim: normalAxis(site, numberAttribute(site, "batch_dim", 0), b.rank(x!)),
    })[0]!,
  Roll: roll,
  Tile: tile,
  BroadcastTo: broadcastTo,
  BroadcastArgs: ({inputs: [x, y], types: [type]}, b) => b.raw("BROADCAST_ARGS", [x!, y!], {}, [type!])[0]!,
  Range: range,
  LinSpace: linSpace,
  Fill: fill,
  SparseToDense: ({inputs: [indices, shape, values, fallback], types: [type]}, b) =>
    b.raw(
      "SPARSE_TO_DENSE",
      [b.cast(indices!, "int32"), b.operand(shape!), values!, fallback!],
      {validateIndices: false},
      [type!],
    )[0]!,
  Bitcast: ({inputs: [x], types: [type], attributes}, b) => {
    if (attributes.narrowed === true) return b.refuse("bits of a dtype that is computed in float32");
    if (!type!.shape) return b.refuse("dtypes of different sizes");
    return b.raw("BITCAST", [x!], {}, [type!])[0]!;
  },
  Cross: ({inputs: [x, y]}, b) => {
    const last = b.rank(x!) - 1;
    const turn = (value: Ref, order: readonly number[]) => b.gather(value, b.ints(order), last);
    const left = b.mul(turn(x!, [1, 2, 0]), turn(y!, [2, 0, 1]));
    return b.sub(left, b.mul(turn(x!, [2, 0, 1]), turn(y!, [1, 2, 0])));
  },
};
