/**
 * Known spellings of one operator (specs/convert.md §4.15), replaced only where the arithmetic is the same:
 *
 *     0.5·x·(1 + erf(x/√2)), 0.5·x·erfc(−x/√2)           →  Gelu(x)
 *     0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))         →  Gelu(x), approximate
 *     0.5·x·(1 + tanh(√(2/π)·x·(1 + 0.044715·x²)))       →  Gelu(x), approximate
 *     x·relu6(x + 3)/6                                   →  HardSwish(x)
 *     relu(x) + α·relu(−x)                               →  PRelu(x, −α)
 *     x·s + (−m·s + β), x·s + (β − m·s)                  →  (x − m)·s + β
 *     conv VALID(Pad(x))                                 →  conv SAME(x), where that pads the same
 *     BatchToSpaceND(conv VALID(SpaceToBatchND(x)))      →  conv VALID with dilations
 *
 * Gelu, HardSwish and PRelu are operators of the IR only: TensorFlow spells them out.
 */
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {isKnown} from "../ir/dims.ts";
import {type Attributes, type Node, originOf, type Ref} from "../ir/graph.ts";
import {int32Tensor, makeTensor, numbersOf} from "../ops/elements.ts";
import {integers} from "../ops/shapes.ts";
import {tfTable} from "../ops/tf/index.ts";
import {
  add,
  any,
  type Bindings,
  div,
  either,
  erf,
  erfc,
  matchNode,
  mul,
  mulInOrder,
  neg,
  once,
  type Pattern,
  pow,
  relu,
  relu6,
  scalar,
  square,
  sub,
  tanh,
} from "./match.ts";
import type {Pass, Tally} from "./pass.ts";

const x = any("x");

/** a·b·c in any order. */
const product3 = (a: Pattern, b: Pattern, c: Pattern): Pattern =>
  either(mul(mul(a, b), c), mul(mul(a, c), b), mul(mul(b, c), a));

const half = scalar(0.5);
const cube = either(pow(x, scalar(3)), mul(mul(x, x), x), mul(square(x), x));
const overRoot2 = either(mul(x, scalar(Math.SQRT1_2)), div(x, scalar(Math.SQRT2)));
const minusOverRoot2 = either(mul(neg(x), scalar(Math.SQRT1_2)), div(neg(x), scalar(Math.SQRT2)), neg(overRoot2));
const squared = either(mul(x, x), square(x), pow(x, scalar(2)));
const root2OverPi = scalar(Math.sqrt(2 / Math.PI));
const tanhArgument = either(
  mul(add(x, mul(cube, scalar(0.044715))), root2OverPi),
  product3(x, root2OverPi, add(scalar(1), mul(squared, scalar(0.044715)))),
);
const hardSigmoid = either(mul(relu6(add(x, scalar(3))), scalar(1 / 6)), div(relu6(add(x, scalar(3))), scalar(6)));

interface Row {
  readonly name: string;
  readonly pattern: Pattern;
  readonly make: (found: Bindings, b: Rewriter) => Ref | undefined;
}

const unary =
  (op: string, attributes: Attributes = {}): Row["make"] =>
  (found, b) =>
    b.op(op, [found.get("x")!], attributes);

const rows: readonly Row[] = [
  {
    name: "gelu",
    pattern: product3(half, x, either(erfc(minusOverRoot2), add(scalar(1), erf(overRoot2)))),
    make: unary("tf.Gelu", {approximate: false}),
  },
  {
    name: "gelu, approximate",
    pattern: product3(half, x, add(scalar(1), tanh(tanhArgument))),
    make: unary("tf.Gelu", {approximate: true}),
  },
  {
    name: "hard swish",
    pattern: either(
      mul(x, hardSigmoid),
      product3(x, relu6(add(x, scalar(3))), scalar(1 / 6)),
      div(mul(x, relu6(add(x, scalar(3)))), scalar(6)),
    ),
    make: unary("tf.HardSwish"),
  },
  {
    name: "normalisation",
    pattern: either(
      add(once(add(once(mul(neg(any("mean")), any("scale"))), any("shift"))), once(mul(any("scale"), x))),
      ...[[any("mean"), any("scale")] as const, [any("scale"), any("mean")] as const].map(([first, second]) =>
        add(once(sub(any("shift"), once(mulInOrder(first, second)))), once(mul(any("scale"), x))),
      ),
    ),
    make: normalisation,
  },
  {name: "prelu", pattern: add(relu(x), mul(any("alpha"), relu(neg(x)))), make: prelu},
];

export const patterns: Pass = {
  name: "patterns",
  effect: "fused",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      const found =
        spelledOut(node, b, tally) ??
        counted("paddings made SAME", samePadding(node, b)) ??
        counted("dilated convolutions", dilatedConvolution(node, b));
      return found === undefined ? undefined : [found];

      function counted(what: string, ref: Ref | undefined): Ref | undefined {
        if (ref !== undefined) tally(what, originOf(node));
        return ref;
      }
    }),
};

function spelledOut(node: Node, b: Rewriter, tally: Tally): Ref | undefined {
  if (!["tf.Mul", "tf.AddV2", "tf.RealDiv"].includes(node.op)) return undefined;
  if (node.outputs[0]!.dtype !== "float32") return undefined;
  for (const row of rows) {
    const found = matchNode(row.pattern, node, b);
    const made = found && row.make(found, b);
    if (made === undefined) continue;
    tally(`${row.name} recognised`, originOf(node));
    return made;
  }
  return undefined;
}

/** α has one value for each element of the last dimensions, as the kernel takes it. */
function prelu(found: Bindings, b: Rewriter): Ref | undefined {
  const alpha = b.constantAt(found.get("alpha")!);
  const shape = b.type(found.get("x")!).shape;
  if (alpha?.dtype !== "float32" || shape === undefined || shape.length < 2 || alpha.shape.length >= shape.length)
    return undefined;
  const fits = alpha.shape.every((size, i) => size === 1 || size === shape[i + shape.length - alpha.shape.length]);
  if (!fits || alpha.size === 1) return undefined;
  const values = numbersOf(alpha);
  const wide = [...Array.from({length: shape.length - 1 - alpha.shape.length}, () => 1), ...alpha.shape];
  return b.op("tf.PRelu", [found.get("x")!, b.constant(makeTensor("float32", wide, (i) => -values[i]!))]);
}

/** The difference is exact where x is about the mean, and two operators are saved. */
function normalisation(found: Bindings, b: Rewriter): Ref {
  const difference = b.op("tf.Sub", [found.get("x")!, found.get("mean")!]);
  return b.op("tf.AddV2", [b.op("tf.Mul", [difference, found.get("scale")!]), found.get("shift")!]);
}

const convolutions: ReadonlySet<string> = new Set(["tf.Conv2D", "tf.DepthwiseConv2dNative"]);

/** SAME pads max((ceil(n/s) − 1)·s + k − n, 0), half of it (rounded down) before. */
function samePadding(node: Node, b: Rewriter): Ref | undefined {
  if (!convolutions.has(node.op) || node.attributes.padding !== "VALID" || node.attributes.data_format !== "NHWC")
    return undefined;
  const before = b.producer(node.inputs[0]!);
  const pads = before?.op === "tf.Pad" ? b.constantAt(before.inputs[1]!) : undefined;
  if (before === undefined || pads === undefined) return undefined;
  const shape = b.type(before.inputs[0]!).shape;
  const window = b.type(node.inputs[1]!).shape;
  const widths = integers(pads);
  if (!shape || !window || widths.length !== 8 || [0, 1, 6, 7].some((i) => widths[i] !== 0)) return undefined;
  const [strides, dilations] = [node.attributes.strides as number[], node.attributes.dilations as number[]];
  for (const axis of [1, 2]) {
    const [size, kernel] = [shape[axis]!, window[axis - 1]!];
    if (!isKnown(size) || !isKnown(kernel)) return undefined;
    const span = (kernel - 1) * dilations[axis]! + 1;
    const total = Math.max((Math.ceil(size / strides[axis]!) - 1) * strides[axis]! + span - size, 0);
    const low = Math.floor(total / 2);
    if (widths[2 * axis] !== low || widths[2 * axis + 1] !== total - low) return undefined;
  }
  return b.op(node.op, [before.inputs[0]!, node.inputs[1]!], {...node.attributes, padding: "SAME"});
}

/**
 * A convolution over every block-th element is one with dilation `block`. The padding before it, less what is cropped
 * after it, is the padding of the dilated one: it becomes a Pad (of what the crops leave) and VALID. Convolutions of
 * sequences have a dimension of 1 put in before, and taken out after.
 */
function dilatedConvolution(node: Node, b: Rewriter): Ref | undefined {
  if (node.op !== "tf.BatchToSpaceND") return undefined;
  const found = chain(node, b);
  if (found === undefined) return undefined;
  const {conv, before, squeeze, expand} = found;
  const parameters = [node.inputs[1]!, node.inputs[2]!, before.inputs[1]!, before.inputs[2]!].map((ref) =>
    b.constantAt(ref),
  );
  if (!parameters.every((each) => each !== undefined)) return undefined;
  const [blockAfter, crops, block, pads] = parameters.map((each) => integers(each!));
  const axes = expand === undefined ? [0, 1] : [0];
  const shape = b.type(before.inputs[0]!).shape;
  const window = b.type(conv.inputs[1]!).shape?.slice(2 - axes.length);
  if (block!.length !== axes.length || block!.join() !== blockAfter!.join()) return undefined;
  if (shape?.length !== axes.length + 2 || !window) return undefined;
  const widths = [0, 0];
  for (const i of axes) {
    const [size, kernel] = [shape[i + 1]!, window[i]!];
    const [low, high] = [pads![2 * i]!, pads![2 * i + 1]!];
    if (!isKnown(size) || !isKnown(kernel) || crops![2 * i] !== 0) return undefined;
    // The last elements that the crop removes are those that padding up to a multiple of the block added.
    const end = high - crops![2 * i + 1]!;
    if (end < 0) return undefined;
    const length = size + low + end - (kernel - 1) * block![i]!;
    const whole = ((size + low + high) / block![i]! - (kernel - 1)) * block![i]! - crops![2 * i + 1]!;
    if (length !== whole || length <= 0) return undefined;
    widths.push(low, end);
  }
  widths.push(0, 0);
  const source = before.inputs[0]!;
  const padded = widths.every((width) => width === 0)
    ? source
    : b.op("tf.Pad", [source, b.constant(int32Tensor(widths, [axes.length + 2, 2]))]);
  const dilations = expand === undefined ? [1, block![0]!, block![1]!, 1] : [1, 1, block![0]!, 1];
  const attributes: Attributes = {...conv.attributes, dilations, padding: "VALID"};
  const image = expand === undefined ? padded : b.op(expand.op, [padded, ...expand.inputs.slice(1)], expand.attributes);
  const result = b.op(conv.op, [image, conv.inputs[1]!], attributes);
  return squeeze === undefined ? result : b.op(squeeze.op, [result, ...squeeze.inputs.slice(1)], squeeze.attributes);
}

interface Chain {
  readonly before: Node;
  readonly expand: Node | undefined;
  readonly conv: Node;
  readonly squeeze: Node | undefined;
}

/** The convolution before a BatchToSpaceND and the SpaceToBatchND before that. */
function chain(node: Node, b: Rewriter): Chain | undefined {
  const last = soleProducer(node.inputs[0]!, b);
  const squeeze = last?.op === "tf.Squeeze" && isRowOf(last, last.inputs[0]!, b) ? last : undefined;
  const conv = squeeze === undefined ? last : soleProducer(squeeze.inputs[0]!, b);
  if (conv === undefined || !convolutions.has(conv.op)) return undefined;
  const {padding, data_format: format, strides, dilations} = conv.attributes;
  const isPlain =
    padding === "VALID" &&
    format === "NHWC" &&
    [strides, dilations].every((each) => (each as number[]).every((value) => value === 1));
  if (!isPlain) return undefined;
  const first = b.producer(conv.inputs[0]!);
  const expand = first?.op === "tf.ExpandDims" && isRowOf(first, conv.inputs[0]!, b) ? first : undefined;
  const before = expand === undefined ? first : b.producer(expand.inputs[0]!);
  if ((expand === undefined) !== (squeeze === undefined) || before?.op !== "tf.SpaceToBatchND") return undefined;
  return {before, expand, conv, squeeze};
}

function soleProducer(ref: Ref, b: Rewriter): Node | undefined {
  return b.uses(ref) === 1 && !b.isOutput(ref) ? b.producer(ref) : undefined;
}

/** Whether an ExpandDims or Squeeze is one of the height: `image` is [batch, 1, width, channels]. */
function isRowOf(node: Node, image: Ref, b: Rewriter): boolean {
  if (b.type(image).shape?.length !== 4 || b.type(image).shape![1] !== 1) return false;
  if (node.op === "tf.Squeeze") {
    const axes = node.attributes.squeeze_dims as readonly number[];
    return axes.length === 1 && (axes[0] === 1 || axes[0] === -3);
  }
  const axis = b.constantAt(node.inputs[1]!);
  return axis !== undefined && [1, -3].includes(integers(axis)[0]!);
}
