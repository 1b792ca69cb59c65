/**
 * Removes what passes its input on (specs/convert.md §4.5, §4.6): identities, checks, and dropout whose rate says that
 * nothing is dropped. EnsureShape goes once its shape is known; PlaceholderWithDefault is its default.
 */
import {rewriteGraph} from "../ir/builder.ts";
import {indexOf, nodeOf, originOf, type Ref} from "../ir/graph.ts";
import {numbersOf} from "../ops/elements.ts";
import {sameShapes} from "../ops/shapes.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass} from "./pass.ts";

const identities: ReadonlySet<string> = new Set(
  [
    "Identity",
    "StopGradient",
    "PreventGradient",
    "Snapshot",
    "CheckNumerics",
    "CheckNumericsV2",
    "IdentityN",
    "Print",
    "PlaceholderWithDefault",
    "RefIdentity",
  ].map((name) => `tf.${name}`),
);

export const forward: Pass = {
  name: "forward",
  effect: "removed",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      if (node.op === "tf.IdentityN") return node.inputs;
      if (identities.has(node.op)) return [node.inputs[0]!];
      if (node.op === "tf.EnsureShape" && sameShapes(node.outputs[0]!.shape, b.type(node.inputs[0]!).shape)) {
        return [node.inputs[0]!];
      }
      const chosen = takenBranch(node.op, node.inputs, b);
      if (chosen !== undefined) tally("conditions decided", originOf(node));
      return chosen;
    }),
};

/** TensorFlow 1's conditions with a constant predicate: Switch feeds one side, Merge takes what is fed. */
function takenBranch(
  op: string,
  inputs: readonly Ref[],
  b: Parameters<Parameters<typeof rewriteGraph>[2]>[1],
): readonly Ref[] | undefined {
  if (op === "tf.Merge") {
    const live = inputs.filter((ref) => !isDead(ref, b, new Set()));
    return live.length === 1 && inputs.length > 1 ? [live[0]!] : undefined;
  }
  if (op !== "tf.Select" && op !== "tf.SelectV2") return undefined;
  const condition = b.constantAt(inputs[0]!);
  if (condition?.size !== 1) return undefined;
  const [taken, other] = numbersOf(condition)[0] !== 0 ? [inputs[1]!, inputs[2]!] : [inputs[2]!, inputs[1]!];
  // The older one broadcasts nothing: it is what is taken, of a condition's branches in whatever shape.
  return op === "tf.Select" || sameShapes(b.type(taken).shape, b.type(other).shape) ? [taken] : undefined;
}

/** Whether a value comes from the side of a Switch that a constant predicate never feeds. */
function isDead(ref: Ref, b: Parameters<Parameters<typeof rewriteGraph>[2]>[1], seen: Set<string>): boolean {
  const stack = [ref];
  while (stack.length > 0) {
    const at = stack.pop()!;
    const node = b.producer(at);
    if (node === undefined || seen.has(node.name)) continue;
    seen.add(node.name);
    if (node.op === "tf.Switch") {
      const predicate = b.constantAt(node.inputs[1]!);
      if (predicate !== undefined && (predicate.bytes[0] === 1) !== (indexOf(at) === 1)) return true;
    }
    for (const input of node.inputs) if (nodeOf(input) !== node.name) stack.push(input);
  }
  return false;
}
