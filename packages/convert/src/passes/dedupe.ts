/** Equal constants are kept once, and equal computations done once (specs/convert.md §4.20). */

import type {Tensor} from "@tf-trusted/tensor";
import {hashBytes, sameBytes} from "../bytes/hash.ts";
import {rewriteGraph} from "../ir/builder.ts";
import {type Node, originOf, refTo} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import type {Pass} from "./pass.ts";

/** Operators that give something else each time. */
const random = /Random|Multinomial|Truncated/i;

/** Types stay as they are: no table of operators is needed. */
const noOperators: OperatorTable = new Map();

export const dedupe: Pass = {
  name: "dedupe",
  effect: "removed",
  run: (graph, tally) => {
    const constants = new Map<string, {readonly node: Node; readonly value: Tensor}[]>();
    const computations = new Map<string, Node>();
    return rewriteGraph(graph, noOperators, (node) => {
      if (node.op === "input" || node.regions || random.test(node.op)) return undefined;
      if (node.op === "const") {
        const value = node.attributes.value as Tensor;
        const key = `${value.dtype}[${value.shape}]${hashBytes(value.lazyBytes)}${scalesOf(node)}`;
        const same = constants.get(key);
        const found = same?.find((each) => sameBytes(each.value.lazyBytes, value.lazyBytes));
        if (found) {
          tally("duplicates removed", originOf(node));
          return [refTo(found.node.name)];
        }
        if (same) same.push({node, value});
        else constants.set(key, [{node, value}]);
        return undefined;
      }
      const key = `${JSON.stringify([node.op, node.inputs, node.attributes])}${scalesOf(node)}`;
      const found = computations.get(key);
      if (found === undefined) {
        computations.set(key, node);
        return undefined;
      }
      tally("duplicates removed", originOf(node));
      return node.outputs.map((_, i) => refTo(found.name, i));
    });
  },
};

/** What the integers that a node gives stand for is part of what it computes. */
function scalesOf({outputs}: Node): string {
  return outputs.some((type) => type.quantisation) ? JSON.stringify(outputs.map((type) => type.quantisation)) : "";
}
