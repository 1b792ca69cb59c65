/** Convolutions, pools, matrix products, recurrent cells. Layouts: images [batch, height, width, channels]. */
import {elements} from "../element-bytes.ts";
import {
  broadcast,
  dimension,
  each,
  flagOption,
  type Node,
  numberOption,
  require,
  type Shape,
  type ShapeRules,
} from "./rule.ts";

/** Output size along one axis: SAME covers the input, VALID stays inside it. */
function windowed(node: Node, size: number, window: number, stride: number, dilation: number): number {
  require(stride > 0 && window > 0 && dilation > 0, `window ${window}, stride ${stride}, dilation ${dilation}`);
  if (node.options.padding === "SAME") return Math.ceil(size / stride);
  const span = (window - 1) * dilation + 1;
  require(size >= span || size === 0, `a window that spans ${span} over ${size}`);
  return size === 0 ? 0 : Math.floor((size - span) / stride) + 1;
}

function ranked(shape: Shape, rank: number, what: string): Shape {
  require(shape.length === rank, `${what} [${shape}]; expected ${rank} dimensions`);
  return shape;
}

function strided(node: Node, input: Shape, height: number, width: number): readonly [number, number] {
  return [
    windowed(node, input[1]!, height, numberOption(node, "strideH"), numberOption(node, "dilationHFactor") || 1),
    windowed(node, input[2]!, width, numberOption(node, "strideW"), numberOption(node, "dilationWFactor") || 1),
  ];
}

export const convShapes: ShapeRules = {
  CONV_2D: (node) => {
    const input = ranked(node.shape(0), 4, "image");
    const [out, height, width, channels] = ranked(node.shape(1), 4, "filter") as [number, number, number, number];
    require(channels > 0 && input[3]! % channels === 0, `a filter for ${channels} channels, image of ${input[3]}`);
    return [[input[0]!, ...strided(node, input, height, width), out]];
  },
  DEPTHWISE_CONV_2D: (node) => {
    const input = ranked(node.shape(0), 4, "image");
    const [, height, width, out] = ranked(node.shape(1), 4, "filter") as [number, number, number, number];
    require(input[3]! > 0 && out % input[3]! === 0, `a filter of ${out} channels, image of ${input[3]}`);
    return [[input[0]!, ...strided(node, input, height, width), out]];
  },
  CONV_3D: (node) => {
    const input = ranked(node.shape(0), 5, "volume");
    const filter = ranked(node.shape(1), 5, "filter");
    require(filter[3] === input[4], `a filter for ${filter[3]} channels, volume of ${input[4]}`);
    const spatial = ["D", "H", "W"].map((axis, index) => {
      const stride = numberOption(node, `stride${axis}`);
      return windowed(
        node,
        input[index + 1]!,
        filter[index]!,
        stride,
        numberOption(node, `dilation${axis}Factor`) || 1,
      );
    });
    return [[input[0]!, ...spatial, filter[4]!]];
  },
  // The output's shape is an operand: padding alone doesn't tell it.
  ...each("TRANSPOSE_CONV CONV_3D_TRANSPOSE", (node) => {
    const names = node.builtin === "TRANSPOSE_CONV" ? ["strideH", "strideW"] : ["strideD", "strideH", "strideW"];
    const strides = names.map((name) => numberOption(node, name));
    require(strides.every((stride) => stride > 0), `strides [${strides}]`);
    const rank = strides.length + 2;
    const [filter, input] = [ranked(node.shape(1), rank, "filter"), ranked(node.shape(2), rank, "input")];
    // [out, height, width, in] and [depth, height, width, out, in].
    require(filter.at(-1) === input.at(-1), `a filter for ${filter.at(-1)} channels, input of ${input.at(-1)}`);
    return [ranked(node.value(0).map(dimension), rank, "output")];
  }),
  ...each("AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D", (node) => {
    const input = ranked(node.shape(0), 4, "image");
    const [height, width] = strided(node, input, numberOption(node, "filterHeight"), numberOption(node, "filterWidth"));
    return [[input[0]!, height, width, input[3]!]];
  }),
  FULLY_CONNECTED: (node) => {
    const input = node.shape(0);
    const [units, depth] = ranked(node.shape(1), 2, "weights") as [number, number];
    if (flagOption(node, "keepNumDims")) {
      require(input.at(-1) === depth, `weights for ${depth} features, input [${input}]`);
      return [[...input.slice(0, -1), units]];
    }
    const count = elements(input);
    require(depth > 0 && count % depth === 0, `weights for ${depth} features, input [${input}]`);
    return [[count / depth, units]];
  },
  BATCH_MATMUL: (node) => {
    const [a, b] = [node.shape(0), node.shape(1)];
    require(a.length >= 2 && b.length >= 2, `[${a}] times [${b}]`);
    const [rows, inner] = matrix(a, flagOption(node, "adjX"));
    const [other, columns] = matrix(b, flagOption(node, "adjY"));
    require(inner === other, `[${a}] times [${b}]: ${inner} columns, ${other} rows`);
    return [[...broadcast(a.slice(0, -2), b.slice(0, -2)), rows, columns]];
  },
  SVDF: (node) => {
    const rank = numberOption(node, "rank");
    require(rank > 0 && node.shape(1)[0]! % rank === 0, `${node.shape(1)[0]} filters of rank ${rank}`);
    return [[node.shape(0)[0]!, node.shape(1)[0]! / rank]];
  },
  RNN: (node) => [[node.shape(0)[0]!, node.shape(1)[0]!]],
  UNIDIRECTIONAL_SEQUENCE_RNN: (node) => [replaceLast(node.shape(0), node.shape(1)[0]!)],
  BIDIRECTIONAL_SEQUENCE_RNN: (node) => bothWays(node, node.shape(1)[0]!, node.shape(5)[0]!),
  // Input 8 (and 25 backwards) is the recurrent-to-output weights: [cells, outputs].
  UNIDIRECTIONAL_SEQUENCE_LSTM: (node) => [replaceLast(node.shape(0), node.shape(8)[1]!)],
  BIDIRECTIONAL_SEQUENCE_LSTM: (node) => bothWays(node, node.shape(8)[1]!, node.shape(25)[1]!),
  LSTM: (node) => {
    const input = node.shape(0);
    if (node.options.kernelType !== "BASIC") return [replaceLast(input, node.shape(8)[1]!)];
    const [batch, depth] = ranked(input, 2, "input") as [number, number];
    const units = node.shape(1)[1]!;
    return [
      [batch, units],
      [batch, units],
      [batch, depth + units],
      [batch, 4 * units],
    ];
  },
};

function matrix(shape: Shape, transposed: boolean): readonly [number, number] {
  const [rows, columns] = shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

const replaceLast = (shape: Shape, last: number): Shape => [...shape.slice(0, -1), last];

function bothWays(node: Node, forward: number, backward: number): readonly Shape[] {
  const input = node.shape(0);
  if (flagOption(node, "mergeOutputs")) return [replaceLast(input, forward + backward)];
  return [replaceLast(input, forward), replaceLast(input, backward)];
}
