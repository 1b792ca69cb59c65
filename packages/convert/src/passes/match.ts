/** Small patterns over the nodes that make a value, for passes that look for spellings of one operator. */
import type {Rewriter} from "../ir/builder.ts";
import {type Node, nodeOf, type Ref, refTo} from "../ir/graph.ts";
import {numbersOf} from "../ops/elements.ts";

/** What the variables of a pattern stand for. */
export type Bindings = Map<string, Ref>;

/** What a pattern looks at. */
export type NodeView = Pick<Rewriter, "producer" | "constantAt" | "uses" | "isOutput">;

export type Pattern = (ref: Ref, view: NodeView, bindings: Bindings) => boolean;

/** Any value; the same one wherever the name occurs. */
export const any =
  (name: string): Pattern =>
  (ref, _, bindings) => {
    const bound = bindings.get(name);
    if (bound === undefined) bindings.set(name, ref);
    return bound === undefined || bound === ref;
  };

/** A constant of one element, to seven digits. */
export const scalar =
  (value: number): Pattern =>
  (ref, b) => {
    const constant = b.constantAt(ref);
    if (constant?.dtype !== "float32" || constant.size !== 1) return false;
    return Math.abs(numbersOf(constant)[0]! - value) <= 1e-6 * Math.abs(value);
  };

/** An operator of these inputs, in either order where it commutes. */
const operator =
  (names: readonly string[], commutes: boolean) =>
  (...inputs: readonly Pattern[]): Pattern =>
  (ref, b, bindings) => {
    const node = b.producer(ref);
    if (node === undefined || !names.includes(node.op)) return false;
    const orders = commutes && node.inputs.length === 2 ? [node.inputs, [...node.inputs].reverse()] : [node.inputs];
    for (const order of orders) {
      const trial = new Map(bindings);
      if (!inputs.every((pattern, i) => pattern(order[i]!, b, trial))) continue;
      for (const [name, value] of trial) bindings.set(name, value);
      return true;
    }
    return false;
  };

export const mul = operator(["tf.Mul"], true);
export const add = operator(["tf.AddV2", "tf.Add"], true);
export const sub = operator(["tf.Sub"], false);
export const div = operator(["tf.RealDiv"], false);
export const pow = operator(["tf.Pow"], false);
export const square = operator(["tf.Square"], false);
export const neg = operator(["tf.Neg"], false);
export const relu = operator(["tf.Relu"], false);
export const relu6 = operator(["tf.Relu6"], false);
export const tanh = operator(["tf.Tanh"], false);
export const erf = operator(["tf.Erf"], false);
export const erfc = operator(["tf.Erfc"], false);

/** A product in this order: where both operands may be anything, `either` order has to be tried with the rest. */
export const mulInOrder = operator(["tf.Mul"], false);

/** A value that nothing else uses. */
export const once =
  (pattern: Pattern): Pattern =>
  (ref, b, bindings) =>
    b.uses(ref) === 1 && !b.isOutput(ref) && pattern(ref, b, bindings);

/** One of several patterns. */
export const either =
  (...patterns: readonly Pattern[]): Pattern =>
  (ref, b, bindings) =>
    patterns.some((pattern) => {
      const trial = new Map(bindings);
      if (!pattern(ref, b, trial)) return false;
      for (const [name, value] of trial) bindings.set(name, value);
      return true;
    });

/** What the variables of a pattern are for a node that is being visited, and so isn't in the new graph yet. */
export function matchNode(pattern: Pattern, node: Node, b: Rewriter): Bindings | undefined {
  const view: NodeView = {
    producer: (ref) => (nodeOf(ref) === node.name ? node : b.producer(ref)),
    constantAt: (ref) => b.constantAt(ref),
    uses: (ref) => b.uses(ref),
    isOutput: (ref) => b.isOutput(ref),
  };
  const bindings: Bindings = new Map();
  return pattern(refTo(node.name), view, bindings) ? bindings : undefined;
}
