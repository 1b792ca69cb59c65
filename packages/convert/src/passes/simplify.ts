/**
 * Arithmetic that changes no bit of its operand goes, and reshapes that only serve the operator between or before them:
 *
 *     x·1, x/1, x − 0, x + (−0)       →  x
 *     max(x, 0)                       →  relu(x)
 *     reshape(reduce(x; axes))        →  reduce(x; axes, keep_dims), where those are the shapes
 *     reshape(reshape(x)·w)           →  x·w of the last dimension of x, where those are the shapes
 *
 * x + 0 isn't x: it makes 0 of −0.
 */
import {dtypes, type Tensor} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {isKnown, unknownDim} from "../ir/dims.ts";
import {type Node, originOf, type Ref} from "../ir/graph.ts";
import {numbersOf} from "../ops/elements.ts";
import {sameShapes} from "../ops/shapes.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass} from "./pass.ts";
import {isReshape, targetOf} from "./reshape-operators.ts";

/** The operand that changes nothing, and whether it may be the first one. */
const neutral: Readonly<Record<string, {readonly isNeutral: (value: number) => boolean; readonly commutes: boolean}>> =
  {
    "tf.Mul": {isNeutral: (value) => value === 1, commutes: true},
    "tf.RealDiv": {isNeutral: (value) => value === 1, commutes: false},
    "tf.Sub": {isNeutral: (value) => Object.is(value, 0), commutes: false},
    "tf.Add": {isNeutral: (value) => Object.is(value, -0), commutes: true},
    "tf.AddV2": {isNeutral: (value) => Object.is(value, -0), commutes: true},
  };

const reducers: ReadonlySet<string> = new Set(["Mean", "Sum", "Max", "Min", "Prod"].map((name) => `tf.${name}`));

export const simplify: Pass = {
  name: "simplify",
  effect: "removed",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      const found = withoutNeutral(node, b) ?? rectified(node, b) ?? keptDimensions(node, b) ?? wholeProduct(node, b);
      if (found !== undefined) tally("arithmetic simplified", originOf(node));
      return found === undefined ? undefined : [found];
    }),
};

function withoutNeutral(node: Node, b: Rewriter): Ref | undefined {
  const row = neutral[node.op];
  if (row === undefined || dtypes[node.outputs[0]!.dtype as Tensor["dtype"]]?.kind !== "float") return undefined;
  for (const at of row.commutes ? [1, 0] : [1]) {
    const constant = b.constantAt(node.inputs[at]!);
    const rest = node.inputs[1 - at]!;
    if (constant === undefined || constant.size === 0 || !fits(constant, rest, node, b)) continue;
    const values = numbersOf(constant);
    let isNeutral = true;
    for (let i = 0; i < values.length && isNeutral; i++) isNeutral = row.isNeutral(values[i]!);
    if (isNeutral) return rest;
  }
  return undefined;
}

/** What fuses into the operator before, and needs no broadcasting. */
function rectified(node: Node, b: Rewriter): Ref | undefined {
  if (node.op !== "tf.Maximum" || node.outputs[0]!.dtype !== "float32") return undefined;
  for (const at of [1, 0]) {
    const constant = b.constantAt(node.inputs[at]!);
    const rest = node.inputs[1 - at]!;
    if (constant === undefined || constant.size === 0 || !fits(constant, rest, node, b)) continue;
    if (constant.bytes.every((byte) => byte === 0)) return b.op("tf.Relu", [rest]);
  }
  return undefined;
}

/** Whether the constant doesn't widen the other operand. */
function fits(constant: Tensor, rest: Ref, node: Node, b: Rewriter): boolean {
  const {shape} = b.type(rest);
  if (constant.shape.length === 0) return true;
  if (constant.size === 1 && shape !== undefined && constant.shape.length <= shape.length) return true;
  return sameShapes(shape, node.outputs[0]!.shape);
}

function keptDimensions(node: Node, b: Rewriter): Ref | undefined {
  if (!isReshape(node)) return undefined;
  const reduced = node.inputs[0]!;
  const inner = b.producer(reduced);
  if (inner === undefined || !reducers.has(inner.op) || inner.attributes.keep_dims === true) return undefined;
  if (b.uses(reduced) > 1 || b.isOutput(reduced)) return undefined;
  const attributes = {...inner.attributes, keep_dims: true};
  const [type] = tfTable.get(inner.op)!.infer(b.site(inner.op, inner.inputs, attributes, node.name));
  return sameShapes(type!.shape, targetOf(node)) ? b.op(inner.op, inner.inputs, attributes) : undefined;
}

/** How tensordot with a matrix is written, and so a dense layer over more than one dimension. */
function wholeProduct(node: Node, b: Rewriter): Ref | undefined {
  if (!isReshape(node)) return undefined;
  const [product] = node.inputs as [Ref];
  const inner = b.producer(product);
  if (inner?.op !== "tf.MatMul" || inner.attributes.transpose_a === true) return undefined;
  if (b.uses(product) > 1 || b.isOutput(product) || inner.outputs[0]!.dtype !== "float32") return undefined;
  const [rows, matrix] = inner.inputs as [Ref, Ref];
  const reshape = b.producer(rows);
  const source = isReshape(reshape) ? reshape.inputs[0]! : undefined;
  const shape = source === undefined ? undefined : b.type(source).shape;
  if (shape === undefined || shape.length < 2 || !b.constantAt(matrix)) return undefined;
  const depth = b.type(rows).shape?.at(-1);
  const units = inner.outputs[0]!.shape?.at(-1);
  if (!isKnown(depth ?? unknownDim) || shape.at(-1) !== depth || units === undefined) return undefined;
  if (!sameShapes([...shape.slice(0, -1), units], targetOf(node))) return undefined;
  const adjoint = inner.attributes.transpose_b === true;
  return b.op("tf.BatchMatMulV2", [source!, matrix], {adj_x: false, adj_y: adjoint});
}
