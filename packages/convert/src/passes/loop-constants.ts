/**
 * A variable that a loop passes on as it is, and that is a constant before, is that constant in the loop and after it.
 * Importing sees this where the operand is a constant at once; here it may have become one.
 */
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Graph, mapRegions, type Node, originOf, type Ref, type Regions} from "../ir/graph.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass, Tally} from "./pass.ts";

export const loopConstants: Pass = {
  name: "loop-constants",
  effect: "removed",
  // A loop's constants may be those of the loops in it.
  regions: "own",
  run: settle,
};

function settle(graph: Graph, tally: Tally): Graph {
  const settled = rewriteGraph(graph, tfTable, (node, b) => {
    const replaced = node.op === "tf.While" ? withoutConstants(node, b) : undefined;
    if (replaced) tally("constant loop variables", originOf(node));
    return replaced;
  });
  return mapRegions(settled, (region) => settle(region, tally));
}

function withoutConstants(node: Node, b: Rewriter): readonly Ref[] | undefined {
  const body = node.regions!.body!;
  const isKept = node.inputs.map(
    (ref, i) => b.constantAt(ref) === undefined || body.outputs[i]!.ref !== body.inputs[i]!.ref,
  );
  if (isKept.every(Boolean) || !isKept.some(Boolean)) return undefined;
  const kept = <T>(values: readonly T[]): T[] => values.filter((_, i) => isKept[i]);
  const regions: Regions = Object.fromEntries(
    Object.entries(node.regions!).map(([part, region]) => {
      const places = new Map(region.inputs.map(({ref}, i) => [ref, i]));
      const settled = rewriteGraph(region, tfTable, (inner, rewriter) => {
        const at = inner.op === "input" ? places.get(`${inner.name}:0`) : undefined;
        if (at === undefined || isKept[at]) return undefined;
        return [rewriter.constant(b.constantAt(node.inputs[at]!)!, inner.name)];
      });
      const outputs = part === "body" ? kept(settled.outputs) : settled.outputs;
      return [part, {...settled, inputs: kept(settled.inputs), outputs}];
    }),
  );
  const results = b.emit(node.op, kept(node.inputs), node.attributes, {types: kept(node.outputs), regions});
  let next = 0;
  return node.inputs.map((ref, i) => (isKept[i] ? results[next++]! : ref));
}
