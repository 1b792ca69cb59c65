/**
 * Constant folding: nodes of constant inputs are computed by the reference evaluator, and integer values that follow from
 * shapes become constants (specs/convert.md §4.10). So does what is empty by its shape: the engine takes no tensors without
 * elements, and a sum over none is 0. What would grow beyond a megabyte is left to the run time.
 */
import {dtypes, isDType, Tensor} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {isStatic} from "../ir/dims.ts";
import {type Graph, type Node, originOf, type TensorType} from "../ir/graph.ts";
import {maxFoldedBytes, sizeOfType, valueOfType} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass, Tally} from "./pass.ts";

/** What takes longer to compute here than it saves later. */
const maxFoldedSteps = 1e7;

export const fold: Pass = foldExcept("fold", new Set());
/** {@link fold} that leaves some operators. */
export function foldExcept(name: string, left: ReadonlySet<string>): Pass {
  return {name, effect: "folded", run: (graph, tally) => foldGraph(graph, left, tally)};
}

function foldGraph(graph: Graph, left: ReadonlySet<string>, tally: Tally): Graph {
  return rewriteGraph(graph, tfTable, (node, b) => {
    if (!node.op.startsWith("tf.") || node.outputs.length === 0 || left.has(node.op)) return undefined;
    const row = tfTable.get(node.op);
    if (row === undefined || !isCandidate(node, b)) return undefined;
    const site = b.site(node.op, node.inputs, node.attributes, node.origin ?? node.name);
    const types = row.infer(site);
    const known = types.map((type) => valueOfType(type) ?? emptyOf(type));
    const values = known.every((value) => value !== undefined) ? (known as Tensor[]) : evaluate();
    if (values === undefined) return undefined;
    tally("constants folded", originOf(node));
    return values.map((value, i) => b.constant(value, i === 0 ? `${node.name}/value` : `${node.name}/value_${i}`));

    function evaluate(): Tensor[] | undefined {
      const inputs = site.constants.map((constant, i) => constant ?? emptyOf(site.inputs[i]!));
      if (row!.evaluate === undefined || !inputs.every((each) => each !== undefined)) return undefined;
      // What has as many elements as its operands say has fewer than those.
      const mayBe = (type: TensorType) =>
        isStatic(type.shape) ? isBounded(type, inputs as Tensor[]) : row!.sizedByValues === true;
      if (!types.every(mayBe)) return undefined;
      if ((row!.cost?.(site, inputs as Tensor[], types) ?? 0) > maxFoldedSteps) return undefined;
      return row!.evaluate(site, inputs as Tensor[], types);
    }
  });
}

/** What is computed, or follows from shapes: has constants only, or integers or nothing as its result. */
function isCandidate(node: Node, b: Rewriter): boolean {
  const follows = (type: TensorType) => type.dtype === "int32" || type.dtype === "int64" || isEmpty(type);
  if (node.outputs.every(follows)) return true;
  return node.inputs.every((ref) => ref === "" || b.producer(ref)?.op === "const" || isEmpty(b.type(ref)));
}

/** Whether it has no elements, whatever is computed. */
const isEmpty = ({dtype, shape}: TensorType): boolean =>
  isStatic(shape) && shape.includes(0) && isDType(dtype) && dtypes[dtype].bytes !== null;

const emptyOf = (type: TensorType): Tensor | undefined =>
  isEmpty(type) ? new Tensor(type.dtype as Tensor["dtype"], type.shape as number[], new Uint8Array(0)) : undefined;

function isBounded(type: TensorType, inputs: readonly Tensor[]): boolean {
  return sizeOfType(type) <= Math.max(maxFoldedBytes, ...inputs.map((input) => 2 * input.bytes.length));
}
