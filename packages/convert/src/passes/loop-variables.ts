/**
 * A variable that a loop passes on as it is, and that is a constant before, is that constant in the loop and after it; one
 * that neither the condition, nor what comes after, nor another such variable depends on goes away. Importing sees this
 * where the operand is a constant at once; here it may have become one.
 */
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {
  type Graph,
  mapRegions,
  type Node,
  nodeOf,
  originOf,
  type Port,
  type Ref,
  type Regions,
  refTo,
} from "../ir/graph.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass, Tally} from "./pass.ts";
import {pruneGraph} from "./prune.ts";

export const loopVariables: Pass = {
  name: "loop-variables",
  effect: "removed",
  // A loop's constants may be those of the loops in it.
  regions: "own",
  run: settle,
};

function settle(graph: Graph, tally: Tally): Graph {
  const used = new Set([...graph.nodes.flatMap(({inputs}) => inputs), ...graph.outputs.map(({ref}) => ref)]);
  const settled = rewriteGraph(graph, tfTable, (node, b) => {
    const replaced = node.op === "tf.While" ? withFewerVariables(node, used, b) : undefined;
    if (replaced) tally("loop variables that are constants, or of no use", originOf(node));
    return replaced;
  });
  return mapRegions(settled, (region) => settle(region, tally));
}

function withFewerVariables(node: Node, used: ReadonlySet<Ref>, b: Rewriter): readonly Ref[] | undefined {
  const body = node.regions!.body!;
  const live = liveVariables(node, used);
  const isKept = node.inputs.map(
    (ref, i) => live.has(i) && (b.constantAt(ref) === undefined || body.outputs[i]!.ref !== body.inputs[i]!.ref),
  );
  if (isKept.every(Boolean) || !isKept.some(Boolean)) return undefined;
  const kept = <T>(values: readonly T[]): T[] => values.filter((_, i) => isKept[i]);
  const regions: Regions = Object.fromEntries(
    Object.entries(node.regions!).map(([part, region]) => {
      const places = new Map(region.inputs.map(({ref}, i) => [ref, i]));
      const settled = rewriteGraph(region, tfTable, (inner, rewriter) => {
        const at = inner.op === "input" ? places.get(refTo(inner.name)) : undefined;
        const constant = at === undefined || isKept[at] ? undefined : b.constantAt(node.inputs[at]!);
        return constant && live.has(at!) ? [rewriter.constant(constant, inner.name)] : undefined;
      });
      const inputs = kept(settled.inputs);
      const outputs = part === "body" ? kept(settled.outputs) : settled.outputs;
      return [part, pruneGraph({inputs, outputs, nodes: settled.nodes})];
    }),
  );
  const results = b.emit(node.op, kept(node.inputs), node.attributes, {types: kept(node.outputs), regions});
  let next = 0;
  return node.inputs.map((ref, i) => (isKept[i] ? results[next++]! : ref));
}

/** Variables that something depends on: the condition, what comes after the loop, and through the body all of these. */
function liveVariables(node: Node, used: ReadonlySet<Ref>): ReadonlySet<number> {
  const {cond, body} = node.regions as Readonly<Record<"cond" | "body", Graph>>;
  const read = ({inputs, nodes}: Graph, outputs: readonly Port[]): number[] => {
    const behind = new Set(pruneGraph({inputs: [], outputs, nodes}).nodes.map(({name}) => name));
    return inputs.flatMap(({ref}, i) => (behind.has(nodeOf(ref)) ? [i] : []));
  };
  const live = new Set(read(cond, cond.outputs));
  node.outputs.forEach((_, i) => {
    if (used.has(refTo(node.name, i))) live.add(i);
  });
  for (let size = -1; size !== live.size; ) {
    size = live.size;
    for (const i of read(
      body,
      body.outputs.filter((_, at) => live.has(at)),
    ))
      live.add(i);
  }
  return live;
}
