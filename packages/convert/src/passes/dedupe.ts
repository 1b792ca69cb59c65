/** Equal constants are kept once, and equal computations done once (specs/convert.md §4.20). */

import {equalBytes} from "@tf-trusted/core";
import type {Tensor} from "@tf-trusted/tensor";
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
        const key = `${value.dtype}[${value.shape}]${hash(value.bytes)}`;
        const same = constants.get(key);
        const found = same?.find((each) => equalBytes(each.value.bytes, value.bytes));
        if (found) {
          tally("duplicates removed", originOf(node));
          return [refTo(found.node.name)];
        }
        if (same) same.push({node, value});
        else constants.set(key, [{node, value}]);
        return undefined;
      }
      const key = JSON.stringify([node.op, node.inputs, node.attributes]);
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

/** FNV-1a over at most a few thousand bytes: only to tell apart; equality is checked. */
function hash(bytes: Uint8Array): number {
  let value = 0x811c9dc5 ^ bytes.length;
  const step = Math.max(1, Math.floor(bytes.length / 2048));
  for (let i = 0; i < bytes.length; i += step) value = Math.imul(value ^ bytes[i]!, 0x01000193);
  return value >>> 0;
}
