/** Convolutions, pools, normalisation, matrix products, images. */
import type {Tensor} from "@tf-trusted/tensor";
import {addDims, type Dim, divideDims, isKnown, multiplyDims, type Shape, unknownDim} from "../../ir/dims.ts";
import type {TensorType} from "../../ir/graph.ts";
import {
  booleanAttribute,
  failAt,
  numberAttribute,
  numbersAttribute,
  type Operator,
  type Site,
  stringAttribute,
} from "../../ir/operators.ts";
import {broadcastShapes, dimsOf, integers, integersOf, windowedDim} from "../shapes.ts";
import {evaluateBatchToSpace, evaluateBlocks, evaluateSpaceToBatch} from "./blocks.ts";
import {
  evaluateActivation,
  evaluateBatchNorm,
  evaluateBias,
  evaluateCrossEntropy,
  evaluateLocalResponse,
  evaluateSoftmax,
} from "./normalisation.ts";
import {evaluateConvolution, evaluatePool, evaluateTransposedConvolution} from "./windows.ts";

/** Where the batch, channel and spatial dimensions are. */
export interface Layout {
  readonly channel: number;
  readonly spatial: readonly number[];
}

/** Throws `CONVERT_ATTRIBUTE` for layouts that nobody runs on a CPU. */
export function layoutOf(site: Site, rank = 4): Layout {
  const format = stringAttribute(site, "data_format", rank === 5 ? "NDHWC" : "NHWC");
  const spatial = Array.from({length: rank - 2}, (_, i) => i);
  if (format === "NHWC" || format === "NDHWC") return {channel: rank - 1, spatial: spatial.map((i) => i + 1)};
  if (format === "NCHW" || format === "NCDHW") return {channel: 1, spatial: spatial.map((i) => i + 2)};
  throw failAt(site, "CONVERT_ATTRIBUTE", `data_format ${format} isn't supported; expected NHWC or NCHW`);
}

/** Padding of one spatial dimension, from `explicit_paddings`. */
export function explicitPads(site: Site, axis: number): readonly [number, number] {
  const pads = numbersAttribute(site, "explicit_paddings", []);
  return [pads[2 * axis] ?? 0, pads[2 * axis + 1] ?? 0];
}

function windowAttribute(site: Site, key: string, rank: number, fallback?: readonly number[]): readonly number[] {
  const values = numbersAttribute(site, key, fallback);
  const valid = values.length === rank && values.every((value) => Number.isInteger(value) && value > 0);
  if (valid) return values;
  throw failAt(site, "CONVERT_ATTRIBUTE", `attribute "${key}" is [${values}], expected ${rank} positive numbers`);
}

export const stridesAttribute = (site: Site, rank = 4) => windowAttribute(site, "strides", rank);
export const dilationsAttribute = (site: Site, rank = 4) =>
  windowAttribute(
    site,
    "dilations",
    rank,
    Array.from({length: rank}, () => 1),
  );

function convolution(name: string, rank: number, depthwise = false): Operator {
  return {
    name: `tf.${name}`,
    infer: (site) => {
      const [x, filter] = site.inputs;
      const {channel, spatial} = layoutOf(site, rank);
      const strides = stridesAttribute(site, rank);
      const dilations = dilationsAttribute(site, rank);
      const padding = stringAttribute(site, "padding");
      checkRank(site, x!.shape, rank);
      checkRank(site, filter!.shape, rank);
      const inDims = x!.shape ?? Array.from({length: rank}, () => unknownDim);
      const shape = [...inDims];
      spatial.forEach((axis, i) => {
        const window = filter!.shape?.[i] ?? unknownDim;
        shape[axis] = windowedDim(
          inDims[axis]!,
          window,
          strides[axis]!,
          dilations[axis]!,
          padding,
          explicitPads(site, axis),
        );
      });
      const [inputs, outputs] = [filter!.shape?.at(-2) ?? unknownDim, filter!.shape?.at(-1) ?? unknownDim];
      const channels = inDims[channel]!;
      const groups = isKnown(channels) && isKnown(inputs) && inputs > 0 ? channels / inputs : 1;
      if (!Number.isInteger(groups) || groups < 1 || (depthwise && groups !== 1)) {
        throw failAt(site, "CONVERT_SHAPE", `a filter for ${inputs} channels on an input of ${channels}`);
      }
      shape[channel] = depthwise ? multiplyDims(inputs, outputs) : outputs;
      return [{dtype: x!.dtype, shape}];
    },
    evaluate: (site, inputs) => evaluateConvolution(site, inputs, depthwise),
    cost: (_, [, filter], [type]) => convolutionCost(filter!, type!),
  };
}

function pool(name: string, rank: number, operands = false): Operator {
  const windows = (site: Site): readonly (readonly number[] | undefined)[] =>
    operands
      ? [integersOf(site, 1), integersOf(site, 2)]
      : [windowAttribute(site, "ksize", rank), windowAttribute(site, "strides", rank)];
  return {
    name: `tf.${name}`,
    infer: (site) => {
      const [x] = site.inputs;
      const {spatial} = layoutOf(site, rank);
      checkRank(site, x!.shape, rank);
      const [kernel, strides] = windows(site);
      const padding = stringAttribute(site, "padding");
      const shape = x!.shape?.map((dim, axis) =>
        kernel && strides
          ? kernel[axis] === 1 && strides[axis] === 1 && !spatial.includes(axis)
            ? dim
            : windowedDim(dim, kernel[axis]!, strides[axis]!, 1, padding, explicitPads(site, axis))
          : unknownDim,
      );
      return [{dtype: x!.dtype, shape}];
    },
    evaluate: (site, [x]) => {
      const [kernel, strides] = windows(site);
      return kernel && strides && evaluatePool(site, x!, kernel, strides, name.startsWith("Max"));
    },
    cost: (site, [x], [type]) => (countOf(x!.shape) + elementsOf(type!)) * countOf(windows(site)[0] ?? []),
  };
}

const countOf = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const elementsOf = (type: TensorType): number => countOf(type.shape as readonly number[]);
/** Multiplications. */
const convolutionCost = (filter: Tensor, type: TensorType): number =>
  elementsOf(type) * countOf(filter.shape.slice(0, -1));

function checkRank(site: Site, shape: Shape | undefined, rank: number): void {
  if (shape !== undefined && shape.length !== rank) {
    throw failAt(site, "CONVERT_SHAPE", `a tensor of rank ${shape.length}, expected ${rank}`);
  }
}

const batchNorm = (name: string, outputs: number): Operator => ({
  name: `tf.${name}`,
  infer: ({inputs: [x, scale]}) => {
    const statistics: TensorType = {dtype: scale!.dtype, shape: scale!.shape};
    return [{dtype: x!.dtype, shape: x!.shape}, ...Array.from({length: outputs - 1}, () => statistics)];
  },
  evaluate: (site, inputs) => evaluateBatchNorm(site, inputs, outputs),
});

const blocks = (name: string, toDepth: boolean): Operator => ({
  name: `tf.${name}`,
  infer: (site) => {
    const [x] = site.inputs;
    checkRank(site, x!.shape, 4);
    const {channel, spatial} = layoutOf(site);
    const block = numberAttribute(site, "block_size");
    const scale = (dim: Dim, up: boolean, by: number) => (up ? multiplyDims(dim, by) : divideDims(dim, by));
    const shape = x!.shape?.map((dim, axis) => {
      if (axis === channel) return scale(dim, toDepth, block * block);
      return spatial.includes(axis) ? scale(dim, !toDepth, block) : dim;
    });
    return [{dtype: x!.dtype, shape}];
  },
  evaluate: (site, [x]) => evaluateBlocks(site, x!, toDepth),
});

/** The old ones have the paddings as input 1, and the block size of both dimensions as an attribute. */
function batchBlocks(name: string): Operator {
  const isOld = !name.endsWith("ND");
  const operands = (site: Site) => {
    const block = isOld ? Array.from({length: 2}, () => numberAttribute(site, "block_size")) : integersOf(site, 1);
    const pads = site.constants[isOld ? 1 : 2];
    return [block, pads && integers(pads)] as const;
  };
  const toBatch = name.startsWith("Space");
  return {
    name: `tf.${name}`,
    infer: (site) => {
      const [x] = site.inputs;
      const [block, pads] = operands(site);
      if (!x!.shape) return [{dtype: x!.dtype, shape: undefined}];
      if (!block || !pads) return [{dtype: x!.dtype, shape: x!.shape.map(() => unknownDim)}];
      const isValid =
        block.length < x!.shape.length &&
        pads.length === 2 * block.length &&
        block.every((size) => size > 0) &&
        pads.every((pad) => pad >= 0);
      if (!isValid) throw failAt(site, "CONVERT_SHAPE", `blocks [${block}] with [${pads}] for rank ${x!.shape.length}`);
      const volume = countOf(block);
      const shape = x!.shape.map((dim, axis) => {
        if (axis === 0) return toBatch ? multiplyDims(dim, volume) : divideDims(dim, volume);
        const size = block[axis - 1];
        if (size === undefined) return dim;
        const edge = pads[2 * axis - 2]! + pads[2 * axis - 1]!;
        return toBatch ? divideDims(addDims(dim, edge), size) : addDims(multiplyDims(dim, size), -edge);
      });
      return [{dtype: x!.dtype, shape}];
    },
    evaluate: (site, [x]) => {
      const [block, pads] = operands(site);
      if (!block || !pads) return undefined;
      return toBatch ? evaluateSpaceToBatch(x!, block, pads) : evaluateBatchToSpace(x!, block, pads);
    },
  };
}

export const neural: readonly Operator[] = [
  ...["Softmax", "LogSoftmax"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
      evaluate: (_, [x]) => evaluateSoftmax(x!, name === "LogSoftmax"),
    }),
  ),
  // PRelu and HardSwish are spelled out by TensorFlow, and put together by passes/patterns.ts.
  ...["LeakyRelu", "Selu", "HardSwish", "PRelu"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
      evaluate: (site, inputs) => evaluateActivation(name, site, inputs),
    }),
  ),
  ...["BiasAdd", "BiasAddV1"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
      evaluate: (site, [x, bias]) => evaluateBias(site, x!, bias!),
    }),
  ),
  convolution("Conv2D", 4),
  convolution("DepthwiseConv2dNative", 4, true),
  convolution("Conv3D", 5),
  ...["Conv2DBackpropInput", "Conv3DBackpropInputV2"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const rank = name.startsWith("Conv3D") ? 5 : 4;
        const target = dimsOf(site, 0);
        const batch = site.inputs[2]!.shape?.[0];
        const shape = target ?? Array.from({length: rank}, () => unknownDim);
        return [
          {
            dtype: site.inputs[2]!.dtype,
            shape: shape.map((dim, axis) => (axis === 0 && dim === unknownDim ? (batch ?? dim) : dim)),
          },
        ];
      },
      evaluate: (site, inputs, [type]) => evaluateTransposedConvolution(site, inputs, type!),
      cost: (_, [, filter, x]) => countOf(x!.shape) * countOf(filter!.shape.slice(0, -1)),
    }),
  ),
  pool("MaxPool", 4),
  pool("AvgPool", 4),
  pool("MaxPoolV2", 4, true),
  pool("MaxPool3D", 5),
  pool("AvgPool3D", 5),
  batchNorm("FusedBatchNorm", 5),
  batchNorm("FusedBatchNormV2", 5),
  batchNorm("FusedBatchNormV3", 6),
  batchNorm("BatchNormWithGlobalNormalization", 1),
  {
    name: "tf.LRN",
    infer: ({inputs: [x]}) => [{dtype: x!.dtype, shape: x!.shape}],
    evaluate: (site, [x]) => [evaluateLocalResponse(site, x!)],
    cost: (site, [x]) => countOf(x!.shape) * (2 * numberAttribute(site, "depth_radius", 5) + 1),
  },
  blocks("SpaceToDepth", true),
  blocks("DepthToSpace", false),
  batchBlocks("SpaceToBatchND"),
  batchBlocks("BatchToSpaceND"),
  batchBlocks("SpaceToBatch"),
  batchBlocks("BatchToSpace"),
  {
    name: "tf.MatMul",
    infer: (site) => {
      const [a, b] = site.inputs;
      checkRank(site, a!.shape, 2);
      checkRank(site, b!.shape, 2);
      const [ta, tb] = [booleanAttribute(site, "transpose_a"), booleanAttribute(site, "transpose_b")];
      checkInner(site, a!.shape?.[ta ? 0 : 1], b!.shape?.[tb ? 1 : 0]);
      return [{dtype: a!.dtype, shape: [a!.shape?.[ta ? 1 : 0] ?? unknownDim, b!.shape?.[tb ? 0 : 1] ?? unknownDim]}];
    },
  },
  ...["BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: (site) => {
        const [a, b] = site.inputs;
        if (!a!.shape || !b!.shape) return [{dtype: a!.dtype, shape: undefined}];
        if (a!.shape.length < 2 || b!.shape.length < 2)
          throw failAt(site, "CONVERT_SHAPE", "an operand of rank below 2");
        const [ta, tb] = [booleanAttribute(site, "adj_x"), booleanAttribute(site, "adj_y")];
        const batch = broadcastShapes(site, a!.shape.slice(0, -2), b!.shape.slice(0, -2))!;
        checkInner(site, a!.shape.at(ta ? -2 : -1), b!.shape.at(tb ? -1 : -2));
        return [{dtype: a!.dtype, shape: [...batch, a!.shape.at(ta ? -1 : -2)!, b!.shape.at(tb ? -2 : -1)!]}];
      },
    }),
  ),
  {
    name: "tf.Einsum",
    infer: (site) => [{dtype: site.inputs[0]!.dtype, shape: einsumShape(site)}],
  },
  ...["SoftmaxCrossEntropyWithLogits"].map(
    (name): Operator => ({
      name: `tf.${name}`,
      infer: ({inputs: [x]}) => [
        {dtype: x!.dtype, shape: x!.shape && [x!.shape[0] ?? unknownDim]},
        {dtype: x!.dtype, shape: x!.shape},
      ],
      evaluate: (_, [logits, labels]) => evaluateCrossEntropy(logits!, labels!),
    }),
  ),
];

function checkInner(site: Site, a: Dim | undefined, b: Dim | undefined): void {
  if (a === undefined || b === undefined || !isKnown(a) || !isKnown(b) || a === b) return;
  throw failAt(site, "CONVERT_SHAPE", `inner dimensions ${a} and ${b} differ`);
}

/** The two sides of an equation, with the dimensions of "..." written as upper-case Greek letters from the last on. */
export interface EinsumTerms {
  readonly inputs: readonly string[];
  readonly output: string;
}

const ellipsisLetters = "ΑΒΓΔΕΖΗΘ";

/** Spells out an equation for operands of known rank; `undefined` where a rank isn't known. */
export function einsumTerms(site: Site): EinsumTerms | undefined {
  const equation = stringAttribute(site, "equation").replaceAll(" ", "");
  const [left, right] = equation.split("->");
  const terms = left!.split(",");
  if (terms.length !== site.inputs.length)
    throw failAt(site, "CONVERT_ATTRIBUTE", `equation "${equation}" for ${site.inputs.length} operands`);
  let widest = 0;
  const inputs = terms.map((term, i) => {
    const rank = site.inputs[i]!.shape?.length;
    if (rank === undefined) return undefined;
    const named = term.replace("...", "");
    const extra = rank - named.length;
    if (extra < 0 || (extra > 0 && !term.includes("...")) || extra > ellipsisLetters.length) {
      throw failAt(site, "CONVERT_ATTRIBUTE", `equation "${equation}": operand ${i} has rank ${rank}`);
    }
    widest = Math.max(widest, extra);
    return term.replace("...", ellipsisLetters.slice(ellipsisLetters.length - extra));
  });
  if (!inputs.every((term) => term !== undefined)) return undefined;
  const broadcast = ellipsisLetters.slice(ellipsisLetters.length - widest);
  const implicit = () => {
    const all = [...inputs.join("")];
    const once = all.filter((c) => !ellipsisLetters.includes(c) && all.indexOf(c) === all.lastIndexOf(c));
    return broadcast + once.sort().join("");
  };
  return {inputs, output: right === undefined ? implicit() : right.replace("...", broadcast)};
}

function einsumShape(site: Site): Shape | undefined {
  const terms = einsumTerms(site);
  if (terms === undefined) return undefined;
  const sizes = new Map<string, Dim>();
  terms.inputs.forEach((term, i) => {
    [...term].forEach((label, axis) => {
      const dim = site.inputs[i]!.shape![axis]!;
      const seen = sizes.get(label);
      if (seen === undefined || seen === 1 || (!isKnown(seen) && isKnown(dim) && dim !== 1)) sizes.set(label, dim);
      else if (isKnown(seen) && isKnown(dim) && seen !== dim && dim !== 1) {
        throw failAt(site, "CONVERT_SHAPE", `sizes ${seen} and ${dim} of the label ${label}`);
      }
    });
  });
  return [...terms.output].map((label) => sizes.get(label) ?? unknownDim);
}
