/** Operators that move elements: reshape, slice, join, pad, gather, resize. */
import {elements} from "../element-bytes.ts";
import {
  axisOf,
  broadcast,
  dimension,
  each,
  listOption,
  type Node,
  numberOption,
  require,
  type Shape,
  type ShapeRules,
  scalarValue,
  type Value,
} from "./rule.ts";
import {stridedSlice} from "./slices.ts";

export const moveShapes: ShapeRules = {
  RESHAPE: (node) => [reshaped(node.shape(0), targetShape(node))],
  SQUEEZE: (node) => {
    const input = node.shape(0);
    const axes = new Set(listOption(node, "squeezeDims").map((axis) => axisOf(axis, input.length)));
    for (const axis of axes) require(input[axis] === 1, `axis ${axis} of [${input}] isn't 1`);
    return [input.filter((size, axis) => (axes.size === 0 ? size !== 1 : !axes.has(axis)))];
  },
  EXPAND_DIMS: (node) => {
    const input = node.shape(0);
    const axis = axisOf(scalarValue(node, 1), input.length + 1);
    return [[...input.slice(0, axis), 1, ...input.slice(axis)]];
  },
  TRANSPOSE: (node) => {
    const [input, order] = [node.shape(0), node.value(1)];
    require(order.length === input.length, `${order.length} axes for [${input}]`);
    return [order.map((axis) => input[axisOf(axis, input.length)]!)];
  },
  SHAPE: (node) => [[node.shape(0).length]],
  RANK: () => [[]],
  BITCAST: (node) => [bitcast(node)],
  PACK: (node) => {
    const first = node.shape(0);
    for (let index = 1; index < node.inputCount; index++) {
      require(node.shape(index).join() === first.join(), `[${first}] and [${node.shape(index)}] differ`);
    }
    const axis = axisOf(numberOption(node, "axis"), first.length + 1);
    return [[...first.slice(0, axis), node.inputCount, ...first.slice(axis)]];
  },
  UNPACK: (node) => {
    const input = node.shape(0);
    const axis = axisOf(numberOption(node, "axis"), input.length);
    require(input[axis] === node.outputCount, `${node.outputCount} parts of axis ${axis} of [${input}]`);
    return Array.from({length: node.outputCount}, () => without(input, axis));
  },
  CONCATENATION: (node) => {
    const first = node.shape(0);
    const axis = axisOf(numberOption(node, "axis"), first.length);
    const rest = without(first, axis).join();
    let total = 0;
    for (let index = 0; index < node.inputCount; index++) {
      const shape = node.shape(index);
      require(shape.length === first.length &&
        without(shape, axis).join() === rest, `[${first}] and [${shape}] on axis ${axis}`);
      total += shape[axis]!;
    }
    return [replace(first, axis, total)];
  },
  SPLIT: (node) => {
    const input = node.shape(1);
    const axis = axisOf(scalarValue(node, 0), input.length);
    require(input[axis]! % node.outputCount === 0, `${node.outputCount} equal parts of axis ${axis} of [${input}]`);
    const part = replace(input, axis, input[axis]! / node.outputCount);
    return Array.from({length: node.outputCount}, () => part);
  },
  SPLIT_V: (node) => {
    const [input, sizes] = [node.shape(0), node.value(1)];
    const axis = axisOf(scalarValue(node, 2), input.length);
    const known = sizes.reduce((total, size) => total + Math.max(size, 0), 0);
    require(sizes.length === node.outputCount, `${sizes.length} sizes for ${node.outputCount} parts`);
    const parts = sizes.map((size) => dimension(size === -1 ? input[axis]! - known : size));
    require(parts.reduce((total, size) => total + size, 0) === input[axis], `parts [${parts}] of ${input[axis]}`);
    return parts.map((size) => replace(input, axis, size));
  },
  SLICE: (node) => {
    const [input, size] = [node.shape(0), node.value(2)];
    require(size.length === input.length, `${size.length} sizes for [${input}]`);
    // Only an open size needs to know where the slice begins: loops slice at their counter.
    if (!size.includes(-1)) {
      require(size.every((count, axis) => count <= input[axis]!), `[${size}] out of [${input}]`);
      return [size.map(dimension)];
    }
    const begin = node.value(1);
    require(begin.length === input.length, `${begin.length} offsets for [${input}]`);
    return [
      input.map((whole, axis) => {
        const count = size[axis] === -1 ? whole - begin[axis]! : size[axis]!;
        require(begin[axis]! >= 0 && begin[axis]! + count <= whole, `${count} from ${begin[axis]} of ${whole}`);
        return dimension(count);
      }),
    ];
  },
  STRIDED_SLICE: (node) => [stridedSlice(node).shape],
  ...each("PAD PADV2 MIRROR_PAD", (node) => {
    const [input, pads] = [node.shape(0), node.value(1)];
    require(pads.length === 2 * input.length, `${pads.length} paddings for [${input}]`);
    return [input.map((size, axis) => dimension(size + pads[2 * axis]! + pads[2 * axis + 1]!))];
  }),
  TILE: (node) => {
    const [input, times] = [node.shape(0), node.value(1)];
    require(times.length === input.length, `${times.length} repetitions for [${input}]`);
    return [input.map((size, axis) => dimension(size * times[axis]!))];
  },
  BROADCAST_TO: (node) => [broadcast(node.shape(0), node.value(1).map(dimension))],
  BROADCAST_ARGS: (node) => [[Math.max(elements(node.shape(0)), elements(node.shape(1)))]],
  FILL: (node) => [node.value(0).map(dimension)],
  RANGE: (node) => {
    const [start, limit, delta] = [scalarValue(node, 0), scalarValue(node, 1), scalarValue(node, 2)];
    require(delta !== 0, "steps of 0");
    return [[dimension(Math.max(0, Math.ceil((limit - start) / delta)))]];
  },
  ONE_HOT: (node) => {
    const input = node.shape(0);
    const axis = axisOf(numberOption(node, "axis"), input.length + 1);
    return [[...input.slice(0, axis), dimension(scalarValue(node, 1)), ...input.slice(axis)]];
  },
  GATHER: (node) => {
    const [input, indices] = [node.shape(0), node.shape(1)];
    const axis = axisOf(numberOption(node, "axis"), input.length);
    const given = numberOption(node, "batchDims");
    const batch = given < 0 ? given + indices.length : given;
    require(batch >= 0 &&
      batch <= indices.length &&
      batch <= axis, `${given} batch axes, indices [${indices}], axis ${axis}`);
    return [[...input.slice(0, axis), ...indices.slice(batch), ...input.slice(axis + 1)]];
  },
  GATHER_ND: (node) => {
    const [input, indices] = [node.shape(0), node.shape(1)];
    const depth = indices.at(-1) ?? 0;
    require(indices.length > 0 && depth <= input.length, `indices [${indices}] into [${input}]`);
    return [[...indices.slice(0, -1), ...input.slice(depth)]];
  },
  SCATTER_ND: (node) => [node.value(2).map(dimension)],
  SPARSE_TO_DENSE: (node) => [node.value(1).map(dimension)],
  EMBEDDING_LOOKUP: (node) => [[...node.shape(0), ...node.shape(1).slice(1)]],
  HASHTABLE_LOOKUP: (node) => [[node.shape(0)[0]!, ...node.shape(2).slice(1)], [node.shape(0)[0]!]],
  MATRIX_DIAG: (node) => {
    const input = node.shape(0);
    require(input.length > 0, "the diagonal of a scalar");
    return [[...input, input.at(-1)!]];
  },
  ...each("RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR", (node) => {
    const input = image(node, 0);
    const [height, width, ...rest] = node.value(1);
    require(height !== undefined && width !== undefined && rest.length === 0, "a size that isn't height and width");
    // Kernels read the nearest pixel: there has to be one.
    require(input[1] * input[2] > 0 || height * width === 0, `${input[1]} × ${input[2]} pixels to resize`);
    return [[input[0], dimension(height), dimension(width), input[3]]];
  }),
  SPACE_TO_DEPTH: (node) => {
    const [batch, height, width, channels] = image(node, 0);
    const block = numberOption(node, "blockSize");
    require(block > 0 && height % block === 0 && width % block === 0, `blocks of ${block} in ${height} × ${width}`);
    return [[batch, height / block, width / block, channels * block * block]];
  },
  DEPTH_TO_SPACE: (node) => {
    const [batch, height, width, channels] = image(node, 0);
    const block = numberOption(node, "blockSize");
    require(block > 0 && channels % (block * block) === 0, `blocks of ${block} from ${channels} channels`);
    return [[batch, height * block, width * block, channels / (block * block)]];
  },
  SPACE_TO_BATCH_ND: (node) => {
    const [input, blocks, pads] = [node.shape(0), node.value(1), node.value(2)];
    require(pads.length === 2 * blocks.length &&
      blocks.length < input.length, `${blocks.length} blocks for [${input}]`);
    const spatial = blocks.map((block, axis) => {
      const size = input[axis + 1]! + pads[2 * axis]! + pads[2 * axis + 1]!;
      require(block > 0 && size % block === 0, `blocks of ${block} in ${size}`);
      return dimension(size / block);
    });
    return [[input[0]! * product(blocks), ...spatial, ...input.slice(blocks.length + 1)]];
  },
  BATCH_TO_SPACE_ND: (node) => {
    const [input, blocks, crops] = [node.shape(0), node.value(1), node.value(2)];
    const count = product(blocks);
    require(crops.length === 2 * blocks.length &&
      blocks.length < input.length, `${blocks.length} blocks for [${input}]`);
    require(count > 0 && input[0]! % count === 0, `a batch of ${input[0]} in blocks of ${count}`);
    const spatial = blocks.map((block, axis) =>
      dimension(input[axis + 1]! * block - crops[2 * axis]! - crops[2 * axis + 1]!),
    );
    return [[input[0]! / count, ...spatial, ...input.slice(blocks.length + 1)]];
  },
  RFFT2D: (node) => {
    const [height, width] = node.value(1);
    require(height !== undefined && width !== undefined, "a transform without height and width");
    return [[...node.shape(0).slice(0, -2), dimension(height), Math.floor(dimension(width) / 2) + 1]];
  },
  ...each("RANDOM_UNIFORM RANDOM_STANDARD_NORMAL", (node) => [node.value(0).map(dimension)]),
  MULTINOMIAL: (node) => [[node.shape(0)[0]!, dimension(scalarValue(node, 1))]],
  NON_MAX_SUPPRESSION_V4: (node) => [[dimension(scalarValue(node, 2))], []],
  NON_MAX_SUPPRESSION_V5: (node) => {
    const count = dimension(scalarValue(node, 2));
    return [[count], [count], []];
  },
  DILATE: (node) => {
    const [input, steps] = [node.shape(0), node.value(1)];
    require(steps.length === input.length, `${steps.length} steps for [${input}]`);
    return [input.map((size, axis) => (size === 0 ? 0 : dimension((size - 1) * steps[axis]! + 1)))];
  },
  STABLEHLO_PAD: (node) => {
    const [low, high, between] = ["edgePaddingLow", "edgePaddingHigh", "interiorPadding"].map((name) =>
      listOption(node, name),
    ) as [Value, Value, Value];
    return [
      node
        .shape(0)
        .map((size, axis) =>
          dimension((low[axis] ?? 0) + (high[axis] ?? 0) + size + Math.max(size - 1, 0) * (between[axis] ?? 0)),
        ),
    ];
  },
};

/** The shape that RESHAPE is asked for: an operand, or in old files an option, where [0] means a scalar. */
function targetShape(node: Node): Value {
  if (node.has(1)) return node.value(1);
  const stated = listOption(node, "newShape");
  return stated.length === 1 && stated[0] === 0 ? [] : stated;
}

/** At most one -1 stands for what is left. */
export function reshaped(input: Shape, target: Value): Shape {
  const count = elements(input);
  const known = product(target.filter((size) => size !== -1));
  const open = target.filter((size) => size === -1).length;
  require(open <= 1, `[${target}] leaves ${open} dimensions open`);
  const rest = known === 0 ? 0 : count / known;
  const shape = target.map((size) => dimension(size === -1 ? rest : size));
  require(elements(shape) === count, `[${input}] as [${target}]`);
  return shape;
}

/** Elements of another size: the last axis is divided, taken away or added. */
function bitcast(node: Node): Shape {
  const input = node.shape(0);
  const width = (type: string) => Number(/\d+/.exec(type)?.[0] ?? 8);
  const [from, to] = [width(node.type(0)), width(node.outputType(0))];
  if (from === to) return input;
  if (from > to) return [...input, from / to];
  require(input.at(-1) === to / from, `[${input}] of ${from} bits as ${to} bits`);
  return input.slice(0, -1);
}

function image(node: Node, index: number): readonly [number, number, number, number] {
  const shape = node.shape(index);
  require(shape.length === 4, `image [${shape}]; expected 4 dimensions`);
  return shape as readonly number[] as readonly [number, number, number, number];
}

const without = (shape: Shape, axis: number): Shape => shape.filter((_, index) => index !== axis);
const replace = (shape: Shape, axis: number, size: number): Shape =>
  shape.map((old, index) => (index === axis ? size : old));
const product = (values: Value): number => values.reduce((total, value) => total * value, 1);
