/** Lowering: every node of the `tf` dialect into nodes of the `tfl` dialect, by a table keyed by operator. */
import {isDType} from "@tf-trusted/tensor";
import {rewriteGraph} from "../ir/builder.ts";
import {type Graph, originOf, type TensorType} from "../ir/graph.ts";
import {mixedTable} from "../ops/tfl/index.ts";
import {arrayLowerings} from "./arrays.ts";
import {audioLowerings} from "./audio.ts";
import {complexLowerings} from "./complex.ts";
import {detectionLowerings} from "./detection.ts";
import {diagonalLowerings} from "./diagonals.ts";
import {elementwiseLowerings} from "./elementwise.ts";
import {imageLowerings} from "./images.ts";
import {incompleteLowerings} from "./incomplete.ts";
import {linearAlgebraLowerings} from "./linear-algebra.ts";
import {Lowerer, type LoweringTable, Refusal} from "./lowerer.ts";
import {neuralLowerings} from "./neural.ts";
import {productLowerings} from "./products.ts";
import {quantisationLowerings} from "./quantisation.ts";
import {reduceLowerings} from "./reduce.ts";
import {selectionLowerings} from "./selection.ts";
import {specialLowerings} from "./special.ts";
import {stitchingLowerings} from "./stitching.ts";
import {windowLowerings} from "./windows.ts";

export const lowerings: LoweringTable = {
  ...elementwiseLowerings,
  ...arrayLowerings,
  ...diagonalLowerings,
  ...neuralLowerings,
  ...productLowerings,
  ...reduceLowerings,
  ...selectionLowerings,
  ...windowLowerings,
  ...imageLowerings,
  ...detectionLowerings,
  ...quantisationLowerings,
  ...audioLowerings,
  ...complexLowerings,
  ...linearAlgebraLowerings,
  ...stitchingLowerings,
  ...specialLowerings,
  ...incompleteLowerings,
};

/** A node that can't be lowered. */
export interface UnsupportedNode {
  readonly node: string;
  readonly operator: string;
  readonly reason: string;
  readonly inputs: readonly TensorType[];
}

export interface Lowered {
  readonly graph: Graph;
  readonly unsupported: readonly UnsupportedNode[];
  /** Where numbers are computed in another dtype than the source's. */
  readonly notes: readonly string[];
}

/** Whether there is a lowering at all; a node may still be refused for its shapes or attributes. */
export const isLowerable = (op: string): boolean => Object.hasOwn(lowerings, op);

export function lowerGraph(graph: Graph): Lowered {
  const unsupported: UnsupportedNode[] = [];
  const notes = new Set<string>();
  const lowerRegion = (region: Graph): Graph => {
    const inner = lowerGraph(region);
    unsupported.push(...inner.unsupported);
    for (const note of inner.notes) notes.add(note);
    return inner.graph;
  };
  const lowered = rewriteGraph(graph, mixedTable, (node, rewriter) => {
    if (!node.op.startsWith("tf.")) return undefined;
    const op = node.op.slice(3);
    const name = originOf(node);
    const refuse = (reason: string) => {
      const inputs = node.inputs.map((ref) => rewriter.type(ref));
      unsupported.push({node: name, operator: op, reason, inputs});
      return undefined;
    };
    if (node.regions) {
      const regions = Object.entries(node.regions).map(([part, region]) => [part, lowerRegion(region)] as const);
      const open = node.outputs.find((type) => type.shape === undefined || !isDType(type.dtype));
      if (open) return refuse(`a variable is ${open.dtype} of unknown rank, which TensorFlow Lite has no tensors of`);
      const options = {types: node.outputs, regions: Object.fromEntries(regions)};
      return rewriter.emit("tfl.WHILE", node.inputs, {}, options);
    }
    if (!isLowerable(op)) return refuse(hintFor(op));
    // What comes after a node that stays has types that nobody knows: telling of the first is enough.
    if (node.inputs.some((ref) => rewriter.producer(ref)!.op.startsWith("tf."))) return undefined;
    const foreign = node.inputs.map((ref) => rewriter.type(ref).dtype).find((dtype) => !isDType(dtype));
    if (foreign !== undefined) return refuse(`an input is ${foreign}, which TensorFlow Lite has no tensors of`);
    const b = new Lowerer(rewriter, (note) => notes.add(note));
    const site = rewriter.site(node.op, node.inputs, node.attributes, name);
    try {
      const result = lowerings[op]!(
        {name, op, inputs: node.inputs, attributes: node.attributes, types: node.outputs, site},
        b,
      );
      return typeof result === "string" ? [result] : result;
    } catch (error) {
      if (error instanceof Refusal) return refuse(error.reason);
      throw error;
    }
  });
  return {graph: lowered, unsupported, notes: [...notes]};
}

/** Why there is no lowering, as far as the name tells. */
function hintFor(op: string): string {
  if (/^(Switch|Merge|Enter|Exit|NextIteration|LoopCond)/.test(op)) return "this control flow is no loop or condition";
  if (op === "TensorListSetItem")
    return "what its list holds isn't known, or by how much this makes it longer; give input shapes, and lists their size";
  if (/^(TensorList|EmptyTensorList)/.test(op))
    return "the shape of what its list holds isn't known; give input shapes";
  if (/^TensorArray/.test(op)) return "it has no lowering to TensorFlow Lite";
  if (/^(Decode|Encode|Parse|String|Regex|Substr|AsString|StaticRegex)/.test(op))
    return "do this before the model, and cut the graph behind it";
  if (/Table(Find|Size|Import|Insert|Remove|Export)?(V2)?$/.test(op))
    return "a table of strings, from a file, or one that is written to; cut the graph behind it";
  if (/Call$/.test(op)) return "function calls aren't inlined yet";
  return "it has no lowering to TensorFlow Lite";
}
