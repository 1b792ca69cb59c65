/**
 * What shape arithmetic computes: small tensors of integers, truth values and floats, evaluated where all operands are
 * known (SHAPE → STRIDED_SLICE → PACK → RESHAPE). Only operators that occur in such chains.
 */
import {elements} from "../element-bytes.ts";
import {
  axisOf,
  each,
  flagOption,
  type Node,
  numberOption,
  type Shape,
  scalarValue,
  Unknown,
  type Value,
  type ValueRule,
  type ValueRules,
} from "./rule.ts";
import {stridedSlice} from "./slices.ts";

type Binary = (a: number, b: number) => number;

/** Elementwise operators by what they do to two elements; truth values are 0 and 1. */
const binaries: Readonly<Record<string, Binary>> = {
  ADD: (a, b) => a + b,
  SUB: (a, b) => a - b,
  MUL: (a, b) => a * b,
  MAXIMUM: Math.max,
  MINIMUM: Math.min,
  FLOOR_DIV: (a, b) => Math.floor(a / divisor(b)),
  FLOOR_MOD: (a, b) => a - Math.floor(a / divisor(b)) * b,
  EQUAL: (a, b) => Number(a === b),
  NOT_EQUAL: (a, b) => Number(a !== b),
  LESS: (a, b) => Number(a < b),
  LESS_EQUAL: (a, b) => Number(a <= b),
  GREATER: (a, b) => Number(a > b),
  GREATER_EQUAL: (a, b) => Number(a >= b),
  LOGICAL_AND: (a, b) => a & b,
  LOGICAL_OR: (a, b) => a | b,
};

const reductions: Readonly<Record<string, Binary>> = {
  SUM: (a, b) => a + b,
  REDUCE_PROD: (a, b) => a * b,
  REDUCE_MAX: Math.max,
  REDUCE_MIN: Math.min,
  REDUCE_ALL: (a, b) => a & b,
  REDUCE_ANY: (a, b) => a | b,
};

const copy: ValueRule = (node) => node.value(0);

export const valueRules: ValueRules = {
  SHAPE: (node) => node.shape(0),
  RANK: (node) => [node.shape(0).length],
  ...each("RESHAPE SQUEEZE EXPAND_DIMS", copy),
  CAST: (node) => node.value(0).map((value) => converted(node, value)),
  NEG: (node) => node.value(0).map((value) => -value),
  ABS: (node) => node.value(0).map(Math.abs),
  CEIL: (node) => node.value(0).map(Math.ceil),
  FLOOR: (node) => node.value(0).map(Math.floor),
  LOGICAL_NOT: (node) => node.value(0).map((value) => 1 - value),
  ZEROS_LIKE: (node) => node.value(0).map(() => 0),
  FILL: (node, shape) => new Array<number>(elements(shape)).fill(scalarValue(node, 1)),
  RANGE: (node, [count]) =>
    Array.from({length: count!}, (_, index) => scalarValue(node, 0) + index * scalarValue(node, 2)),
  // Integers divide toward zero.
  DIV: binary((node) => (node.outputType(0) === "float32" ? (a, b) => a / b : (a, b) => Math.trunc(a / divisor(b)))),
  ...Object.fromEntries(Object.entries(binaries).map(([name, apply]) => [name, binary(() => apply)])),
  ...Object.fromEntries(Object.entries(reductions).map(([name, apply]) => [name, reduction(apply)])),
  ...each("SELECT SELECT_V2", (node: Node, shape: Shape) => {
    const [condition, yes, no] = [0, 1, 2].map((index) => spread(node, index, shape)) as [Value, Value, Value];
    return condition.map((value, index) => (value === 0 ? no : yes)[index]!);
  }),
  BROADCAST_TO: (node, shape) => spread(node, 0, shape),
  BROADCAST_ARGS: (node, [rank]) => {
    const [a, b] = [node.value(0), node.value(1)];
    return Array.from({length: rank!}, (_, axis) => {
      const [left, right] = [a[axis - rank! + a.length] ?? 1, b[axis - rank! + b.length] ?? 1];
      return left === 1 ? right : left;
    });
  },
  PACK: (node, shape) => joined(node, shape, axisOf(numberOption(node, "axis"), shape.length), () => 1),
  CONCATENATION: (node, shape) => {
    const axis = axisOf(numberOption(node, "axis"), shape.length);
    return joined(node, shape, axis, (index) => node.shape(index)[axis]!);
  },
  GATHER: (node) => {
    const [input, indices] = [node.value(0), node.value(1)];
    if (node.shape(0).length !== 1) throw new Unknown("GATHER of more than a list isn't evaluated");
    return indices.map((index) => element(input, index));
  },
  SLICE: (node, shape) => {
    const begin = node.value(1);
    return picked(node, shape, (at) => at.map((index, axis) => index + begin[axis]!));
  },
  STRIDED_SLICE: (node) => {
    const {axes} = stridedSlice(node);
    // New axes hold one element each: the order of elements is that of the axes that were there.
    return picked(
      node,
      axes.map(({count}) => count),
      (at) => at.map((index, axis) => axes[axis]!.start + index * axes[axis]!.stride),
    );
  },
  TRANSPOSE: (node, shape) => {
    const order = node.value(1).map((axis) => axisOf(axis, shape.length));
    return picked(node, shape, (at) => {
      const from = new Array<number>(shape.length);
      order.forEach((axis, position) => {
        from[axis] = at[position]!;
      });
      return from;
    });
  },
  TILE: (node, shape) => {
    const input = node.shape(0);
    return picked(node, shape, (at) => at.map((index, axis) => index % input[axis]!));
  },
};

function divisor(value: number): number {
  if (value === 0) throw new Unknown("a division by zero");
  return value;
}

/** Saturating, as the kernels do. */
function converted(node: Node, value: number): number {
  const type = node.outputType(0);
  if (type === "float32") return Math.fround(value);
  if (type === "bool") return Number(value !== 0);
  if (type === "int32") return Math.min(Math.max(Math.trunc(value), -0x8000_0000), 0x7fff_ffff);
  if (type === "int64") return Math.trunc(value);
  throw new Unknown(`a CAST to ${type} isn't evaluated`);
}

function binary(choose: (node: Node) => Binary): ValueRule {
  return (node, shape) => {
    const [a, b, apply] = [spread(node, 0, shape), spread(node, 1, shape), choose(node)];
    return a.map((value, index) => apply(value, b[index]!));
  };
}

function reduction(apply: Binary): ValueRule {
  return (node, shape) => {
    const [input, value] = [node.shape(0), node.value(0)];
    const axes = new Set(node.value(1).map((axis) => axisOf(axis, input.length)));
    if (value.length === 0) throw new Unknown("a reduction of nothing isn't evaluated");
    const strides = stridesOf(
      flagOption(node, "keepDims") ? shape : input.map((size, axis) => (axes.has(axis) ? 1 : size)),
    );
    const out = new Array<number | undefined>(elements(shape));
    value.forEach((one, index) => {
      const at = coordinates(index, input).reduce(
        (sum, place, axis) => sum + (axes.has(axis) ? 0 : place * strides[axis]!),
        0,
      );
      out[at] = out[at] === undefined ? one : apply(out[at], one);
    });
    return out as number[];
  };
}

/** Input `index` broadcast to `shape`. */
function spread(node: Node, index: number, shape: Shape): Value {
  const input = node.shape(index);
  const value = node.value(index);
  const skip = shape.length - input.length;
  const strides = stridesOf(input);
  return Array.from({length: elements(shape)}, (_, at) =>
    element(
      value,
      coordinates(at, shape)
        .slice(skip)
        .reduce((sum, place, axis) => sum + (input[axis] === 1 ? 0 : place * strides[axis]!), 0),
    ),
  );
}

/** The elements of input 0 that `from` names for each place of the output. */
function picked(node: Node, shape: Shape, from: (at: readonly number[]) => readonly number[]): Value {
  const value = node.value(0);
  const strides = stridesOf(node.shape(0));
  return Array.from({length: elements(shape)}, (_, index) =>
    element(
      value,
      from(coordinates(index, shape)).reduce((sum, place, axis) => sum + place * strides[axis]!, 0),
    ),
  );
}

/** All inputs one after the other along an axis, where input `index` takes `sizeOf(index)`. */
function joined(node: Node, shape: Shape, axis: number, sizeOf: (index: number) => number): Value {
  const inner = elements(shape.slice(axis + 1));
  const outer = elements(shape.slice(0, axis));
  const out: number[] = [];
  for (let row = 0; row < outer; row++) {
    for (let index = 0; index < node.inputCount; index++) {
      const width = sizeOf(index) * inner;
      out.push(...node.value(index).slice(row * width, (row + 1) * width));
    }
  }
  return out;
}

function element(value: Value, index: number): number {
  const found = value[index];
  if (found === undefined) throw new Unknown(`element ${index} of ${value.length}`);
  return found;
}

const stridesOf = (shape: Shape): readonly number[] => shape.map((_, axis) => elements(shape.slice(axis + 1)));

function coordinates(index: number, shape: Shape): readonly number[] {
  const out = new Array<number>(shape.length);
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    out[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return out;
}
