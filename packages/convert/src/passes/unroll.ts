/**
 * Loops that change the shape of a variable from turn to turn → their turns, one after the other: an engine needs one shape
 * for each tensor. Only where the number of turns can be computed here: the condition depends on constants and on what
 * the body makes of them.
 *
 *     i = 0; while i < 2: i, x = i + 1, concat(x, x)     →  concat(concat(x, x), concat(x, x))
 */
import type {Tensor} from "@tf-trusted/tensor";
import {evaluateNode} from "../evaluate/evaluate-graph.ts";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {isKnown} from "../ir/dims.ts";
import {type Graph, type Node, originOf, type Ref, refTo, type TensorType} from "../ir/graph.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass} from "./pass.ts";

/** Beyond these a loop is a loop. */
const maxTurns = 64;
const maxNodes = 20_000;

export const unroll: Pass = {
  name: "unroll",
  effect: "rewritten",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      const {cond, body} = node.regions ?? {};
      if (node.op !== "tf.While" || !cond || !body || !changesShapes(node, b)) return undefined;
      const turns = countTurns(
        cond,
        body,
        node.inputs.map((ref) => b.constantAt(ref)),
      );
      if (turns === undefined || turns * body.nodes.length > maxNodes) return undefined;
      tally("loops that change shapes unrolled", originOf(node));
      let variables = node.inputs;
      for (let turn = 0; turn < turns; turn++) variables = inline(body, variables, `${node.name}/turn_${turn}`, b);
      return variables;
    }),
};

/** Whether a size that is known before the loop isn't known after it. */
function changesShapes(node: Node, b: Rewriter): boolean {
  return node.outputs.some((after, i) => {
    const before = b.type(node.inputs[i]!);
    if (before.dtype === "variant" || before.shape === undefined) return false;
    return after.shape === undefined || before.shape.some((dim, axis) => isKnown(dim) && dim !== after.shape![axis]);
  });
}

type Known = readonly (Tensor | undefined)[];

/** `undefined` where the condition depends on what isn't known before the run, or never fails. */
function countTurns(cond: Graph, body: Graph, start: Known): number | undefined {
  let values = start;
  for (let turn = 0; turn <= maxTurns; turn++) {
    const [goOn] = computeKnown(cond, values);
    if (goOn === undefined) return undefined;
    if (goOn.bytes[0] === 0) return turn;
    values = computeKnown(body, values);
  }
  return undefined;
}

/** The outputs of a region as far as they follow from the inputs that are known. */
function computeKnown(graph: Graph, inputs: Known): Known {
  const values = new Map<Ref, Tensor>();
  graph.inputs.forEach(({ref}, i) => {
    const value = inputs[i];
    if (value !== undefined) values.set(ref, value);
  });
  for (const node of graph.nodes) {
    const operands = node.inputs.filter((ref) => ref !== "").map((ref) => values.get(ref));
    if (node.op === "input" || node.regions || !operands.every((value) => value !== undefined)) continue;
    evaluateNode(node, operands)?.forEach((value, i) => {
      values.set(refTo(node.name, i), value);
    });
  }
  return graph.outputs.map(({ref}) => values.get(ref));
}

/** Copies a region's nodes into the graph; gives what its outputs are there. */
function inline(region: Graph, operands: readonly Ref[], prefix: string, b: Rewriter): readonly Ref[] {
  const refs = new Map<Ref, Ref>(region.inputs.map(({ref}, i) => [ref, operands[i]!]));
  for (const node of region.nodes) {
    if (node.op === "input") continue;
    const name = `${prefix}/${node.name}`;
    if (node.op === "const") {
      refs.set(refTo(node.name), b.constant(node.attributes.value as Tensor, name));
      continue;
    }
    const inputs = node.inputs.map((ref) => (ref === "" ? ref : refs.get(ref)!));
    const kept: {readonly types?: readonly TensorType[]} = tfTable.has(node.op) ? {} : {types: node.outputs};
    const made = b.emit(node.op, inputs, node.attributes, {
      name,
      ...kept,
      ...(node.regions && {regions: node.regions}),
    });
    made.forEach((ref, i) => {
      refs.set(refTo(node.name, i), ref);
    });
  }
  return region.outputs.map(({ref}) => refs.get(ref)!);
}
