/** On which levels what comes after wants the values of a graph. */
import {type Graph, type Node, nodeOf, type Quantisation, type Ref, refTo} from "../ir/graph.ts";
import {sameLevels} from "./constants.ts";
import {fixed, joins, moves} from "./kernel-table.ts";

/**
 * For each value that is only ever rounded to one set of levels, perhaps after moves: that one. Outputs are wanted as
 * they are, but with `integerOutputs` those that a kernel gives on levels of its own.
 */
export function wantedLevels(graph: Graph, integerOutputs: boolean): ReadonlyMap<Ref, Quantisation> {
  // "real": something wants the number as it is, or two want different levels.
  const wishes = new Map<Ref, Quantisation | "real">();
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  for (const {ref} of graph.outputs) {
    wishes.set(ref, (integerOutputs ? fixed[nodes.get(nodeOf(ref))!.op] : undefined) ?? "real");
  }
  // What uses a value comes after it.
  for (const node of graph.nodes.toReversed()) {
    const own = ownWish(node, wishes);
    for (const [i, ref] of node.inputs.entries()) {
      const wish = joins.has(node.op) || i === (moves[node.op]?.input ?? 0) ? own : "real";
      const before = wishes.get(ref);
      const isAgreed = before === undefined || (before !== "real" && wish !== "real" && sameLevels(before, wish));
      wishes.set(ref, isAgreed ? wish : "real");
    }
  }
  return new Map([...wishes].filter((entry): entry is [Ref, Quantisation] => entry[1] !== "real"));
}

/** What a node wants of the values that it moves or rounds. */
function ownWish(node: Node, wishes: ReadonlyMap<Ref, Quantisation | "real">): Quantisation | "real" {
  if (node.op === "tfl.QUANTIZE") return node.outputs[0]!.quantisation ?? "real";
  const wish = wishes.get(refTo(node.name)) ?? "real";
  if (wish === "real" || moves[node.op]?.isExact === true || joins.has(node.op)) return wish;
  return cutsNothing(node, wish) ? wish : "real";
}

/** Whether a clamp is between numbers that the levels don't go beyond: what is rounded to them needs no clamp. */
export function cutsNothing({op}: Node, {scale, zero}: Quantisation): boolean {
  if ((op !== "tfl.RELU" && op !== "tfl.RELU6") || scale.length !== 1) return false;
  const [least, largest] = [(-128 - zero[0]!) * scale[0]!, (127 - zero[0]!) * scale[0]!];
  return least === 0 && (op === "tfl.RELU" || largest <= 6 * (1 + 2 ** -20));
}
