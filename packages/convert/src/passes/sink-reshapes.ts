/**
 * Moves reshapes down through what works element by element, so that biases, scales and activations meet what they can be
 * fused into, and reshapes meet each other:
 *
 *     f(reshape(x))                   →  reshape(f(x))
 *     f(reshape(x), c)                →  reshape(f(x, c′)), c of the last dimensions, which together are last ones of x
 *     f(reshape(x), reshape(y))       →  reshape(f(x, y)), of equal shapes
 */
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {isStatic, type Shape} from "../ir/dims.ts";
import {type Node, originOf, type Ref} from "../ir/graph.ts";
import {sameShapes} from "../ops/shapes.ts";
import {tfTable} from "../ops/tf/index.ts";
import {binaryOperators, unaryOperators} from "./elementwise.ts";
import type {Pass} from "./pass.ts";
import {isReshape, targetOf} from "./reshape-operators.ts";

const biases: ReadonlySet<string> = new Set(["tf.BiasAdd", "tf.BiasAddV1"]);

export const sinkReshapes: Pass = {
  name: "sink-reshapes",
  effect: "rewritten",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      const moved = sink(node, b);
      if (moved !== undefined) tally("reshapes moved", originOf(node));
      return moved === undefined ? undefined : [moved];
    }),
};

function sink(node: Node, b: Rewriter): Ref | undefined {
  if (node.outputs[0]?.dtype !== "float32") return undefined;
  if (unaryOperators.has(node.op)) return sinkUnary(node, b);
  if (binaryOperators.has(node.op)) return sinkBinary(node, b);
  return biases.has(node.op) && node.attributes.data_format !== "NCHW" ? sinkBinary(node, b, "tf.AddV2") : undefined;
}

/** A reshape that serves this consumer only. */
function reshaped(ref: Ref, b: Rewriter): Node | undefined {
  const node = b.producer(ref);
  return isReshape(node) && b.uses(ref) === 1 && !b.isOutput(ref) ? node : undefined;
}

function sinkUnary(node: Node, b: Rewriter): Ref | undefined {
  const reshape = reshaped(node.inputs[0]!, b);
  if (reshape === undefined || b.type(reshape.inputs[0]!).dtype !== "float32") return undefined;
  return again(reshape, b.op(node.op, [reshape.inputs[0]!], node.attributes), b);
}

function sinkBinary(node: Node, b: Rewriter, op: string = node.op): Ref | undefined {
  const [left, right] = node.inputs as [Ref, Ref];
  const [first, second] = [reshaped(left, b), reshaped(right, b)];
  const attributes = op === node.op ? node.attributes : {};
  if (first && second) {
    const [x, y] = [first.inputs[0]!, second.inputs[0]!];
    if (!sameShapes(b.type(x).shape, b.type(y).shape) || !sameShapes(targetOf(first), targetOf(second)))
      return undefined;
    return again(first, b.op(op, [x, y], attributes), b);
  }
  const reshape = first ?? second;
  if (reshape === undefined) return undefined;
  const x = reshape.inputs[0]!;
  const constant = movedConstant(first ? right : left, targetOf(reshape), b.type(x).shape, b);
  if (constant === undefined) return undefined;
  return again(reshape, b.op(op, first ? [x, constant] : [constant, x], attributes), b);
}

/** The constant as it has to be before the reshape. */
function movedConstant(ref: Ref, target: Shape | undefined, source: Shape | undefined, b: Rewriter): Ref | undefined {
  const constant = b.constantAt(ref);
  if (constant === undefined || target === undefined || source === undefined) return undefined;
  if (constant.size === 1) {
    const rank = Math.min(target.length, source.length);
    if (constant.shape.length > target.length) return undefined;
    return constant.shape.length <= rank ? ref : b.constant(constant.reshape([]));
  }
  const shape = withoutLeadingOnes(constant.shape);
  if (constant.shape.length > target.length || !sameShapes(shape, target.slice(target.length - shape.length)))
    return undefined;
  const last = suffixOf(source, constant.size);
  return last && b.constant(constant.reshape(last));
}

function withoutLeadingOnes(shape: readonly number[]): readonly number[] {
  const start = shape.findIndex((size) => size !== 1);
  return start < 0 ? [] : shape.slice(start);
}

/** The last dimensions that have so many elements together. */
function suffixOf(shape: Shape, size: number): readonly number[] | undefined {
  for (let start = shape.length - 1; start >= 0; start--) {
    const last: Shape = shape.slice(start);
    if (!isStatic(last)) return undefined;
    const count = last.reduce((product, each) => product * each, 1);
    if (count >= size) return count === size ? withoutLeadingOnes(last) : undefined;
  }
  return undefined;
}

const again = (reshape: Node, ref: Ref, b: Rewriter): Ref =>
  b.op(reshape.op, [ref, ...reshape.inputs.slice(1)], reshape.attributes);
