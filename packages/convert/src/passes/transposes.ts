/**
 * Moves transposes down through what works element by element, until two meet and cancel (specs/convert.md §4.12):
 *
 *     transpose(transpose(x, p), q)  →  transpose(x, p∘q)
 *     f(transpose(x, p))             →  transpose(f(x), p)
 *     f(transpose(x, p), constant)   →  transpose(f(x, transpose(constant, p⁻¹)), p)
 *     concat(transpose(x, p), …; a)  →  transpose(concat(x, …; p[a]), p)
 *     reduce(transpose(x, p); axes)  →  reduce(x; p[axes]), with the transpose that is left
 *     pad(transpose(x, p); rows)     →  transpose(pad(x; rows in p's order), p)
 */
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Node, originOf, type Ref} from "../ir/graph.ts";
import {int32Tensor, transposeTensor} from "../ops/elements.ts";
import {integers} from "../ops/shapes.ts";
import {tfTable} from "../ops/tf/index.ts";
import {binaryOperators, unaryOperators} from "./elementwise.ts";
import {transpose} from "./layout.ts";
import type {Pass} from "./pass.ts";

const reducers = new Set(["Mean", "Sum", "Max", "Min"].map((name) => `tf.${name}`));

export const transposes: Pass = {
  name: "transposes",
  effect: "removed",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      const moved = move(node, b);
      if (moved !== undefined) tally("transposes moved or cancelled", originOf(node));
      return moved === undefined ? undefined : [moved];
    }),
};

interface Transposed {
  readonly source: Ref;
  readonly order: readonly number[];
}

/** The operands of a transpose by a constant order that serves this consumer only. */
function transposed(b: Rewriter, ref: Ref, shared = false): Transposed | undefined {
  const node = b.producer(ref);
  if (node?.op !== "tf.Transpose" || (!shared && b.uses(ref) > 1)) return undefined;
  const order = b.constantAt(node.inputs[1]!);
  return order && {source: node.inputs[0]!, order: integers(order)};
}

const inverse = (order: readonly number[]): number[] => order.map((_, axis) => order.indexOf(axis));

function move(node: Node, b: Rewriter): Ref | undefined {
  const [x] = node.inputs;
  if (x === undefined) return undefined;
  if (node.op === "tf.Transpose") return join(node, b);
  // Levels of what is computed are one for all elements.
  const isUnary = unaryOperators.has(node.op) || node.op === "tf.OnLevels";
  if (isUnary) {
    const found = transposed(b, x);
    return found && transpose(b, b.op(node.op, [found.source], node.attributes), found.order);
  }
  if (binaryOperators.has(node.op)) return moveBinary(node, b);
  if (node.op === "tf.ConcatV2") return moveConcat(node, b);
  if (reducers.has(node.op)) return moveReduce(node, b);
  if (node.op === "tf.Pad") return movePad(node, b);
  return undefined;
}

function join(node: Node, b: Rewriter): Ref | undefined {
  const order = b.constantAt(node.inputs[1]!);
  if (order === undefined) return undefined;
  const outer = integers(order);
  if (outer.every((axis, i) => axis === i)) return node.inputs[0]!;
  const inner = transposed(b, node.inputs[0]!, true);
  if (inner === undefined) return undefined;
  const joined = outer.map((axis) => inner.order[axis]!);
  return joined.every((axis, i) => axis === i) ? inner.source : transpose(b, inner.source, joined);
}

function moveBinary(node: Node, b: Rewriter): Ref | undefined {
  const found = node.inputs.map((ref) => transposed(b, ref));
  const order = found[0]?.order ?? found[1]?.order;
  if (order === undefined) return undefined;
  const sources = node.inputs.map((ref, i): Ref | undefined => {
    const own = found[i];
    if (own) return own.order.join() === order.join() ? own.source : undefined;
    const constant = b.constantAt(ref);
    if (constant === undefined) return undefined;
    if (constant.size === 1 && constant.shape.length <= order.length) return ref;
    if (constant.shape.length > order.length) return undefined;
    const wide = [...Array.from({length: order.length - constant.shape.length}, () => 1), ...constant.shape];
    return b.constant(transposeTensor(constant.reshape(wide), inverse(order)));
  });
  if (!sources.every((source) => source !== undefined)) return undefined;
  return transpose(b, b.op(node.op, sources as Ref[], node.attributes), order);
}

function moveConcat(node: Node, b: Rewriter): Ref | undefined {
  const axis = b.constantAt(node.inputs.at(-1)!);
  const found = node.inputs.slice(0, -1).map((ref) => transposed(b, ref));
  const order = found[0]?.order;
  if (axis === undefined || order === undefined) return undefined;
  if (!found.every((each) => each !== undefined && each.order.join() === order.join())) return undefined;
  const at = integers(axis)[0]!;
  const target = b.constant(int32Tensor([order[at < 0 ? at + order.length : at]!], []));
  return transpose(b, b.op(node.op, [...found.map((each) => each!.source), target], node.attributes), order);
}

function moveReduce(node: Node, b: Rewriter): Ref | undefined {
  const found = transposed(b, node.inputs[0]!);
  const axes = b.constantAt(node.inputs[1]!);
  if (found === undefined || axes === undefined) return undefined;
  const {order, source} = found;
  const moved = integers(axes).map((axis) => order[axis < 0 ? axis + order.length : axis]!);
  const result = b.op(node.op, [source, b.constant(int32Tensor(moved))], node.attributes);
  if (node.attributes.keep_dims === true) return transpose(b, result, order);
  const kept = order.filter((axis) => !moved.includes(axis));
  const left = kept.map((axis) => [...kept].sort((p, q) => p - q).indexOf(axis));
  return left.every((axis, i) => axis === i) ? result : transpose(b, result, left);
}

function movePad(node: Node, b: Rewriter): Ref | undefined {
  const found = transposed(b, node.inputs[0]!);
  const pads = b.constantAt(node.inputs[1]!);
  if (found === undefined || pads === undefined) return undefined;
  const values = integers(pads);
  const back = inverse(found.order);
  const rows = back.flatMap((axis) => [values[2 * axis]!, values[2 * axis + 1]!]);
  const widths = b.constant(int32Tensor(rows, [back.length, 2]));
  return transpose(b, b.op(node.op, [found.source, widths], node.attributes), found.order);
}
