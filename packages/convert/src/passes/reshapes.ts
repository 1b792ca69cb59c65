/**
 * On the `tfl` dialect: of reshapes one after the other only the last counts, and one to the shape that is there already
 * none at all.
 *
 *     RESHAPE(RESHAPE(x))  →  RESHAPE(x)
 *     RESHAPE(x)           →  x, where the shapes are surely equal
 */
import {rewriteGraph} from "../ir/builder.ts";
import {isStatic} from "../ir/dims.ts";
import {originOf} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import {sameShapes} from "../ops/shapes.ts";
import type {Pass} from "./pass.ts";

const noOperators: OperatorTable = new Map();

export const reshapes: Pass = {
  name: "reshapes",
  effect: "removed",
  run: (graph, tally) =>
    rewriteGraph(graph, noOperators, (node, b) => {
      if (node.op !== "tfl.RESHAPE") return undefined;
      const [x, shape] = node.inputs;
      if (sameShapes(b.type(x!).shape, node.outputs[0]!.shape)) {
        tally("reshapes removed", originOf(node));
        return [x!];
      }
      const inner = b.producer(x!);
      // A -1 in the target stands for the same size whatever was reshaped before.
      if (inner?.op !== "tfl.RESHAPE" || (b.constantAt(shape!) === undefined && !isStatic(node.outputs[0]!.shape)))
        return undefined;
      tally("reshapes removed", originOf(node));
      const [source] = inner.inputs;
      if (sameShapes(b.type(source!).shape, node.outputs[0]!.shape)) return [source!];
      return b.emit(node.op, [source!, shape!], node.attributes, {types: node.outputs});
    }),
};
