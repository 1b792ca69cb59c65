/**
 * What is done to a GraphDef before it is imported: fused operators are spelled out, calls inlined, lookups resolved,
 * TensorFlow 1's arrays, conditions and loops raised.
 */
import {raiseConditions} from "./conditions.ts";
import {spellOutFused} from "./fused.ts";
import type {GraphDef} from "./graph-def.ts";
import {inlineCalls} from "./inline.ts";
import {raiseLoops} from "./loops.ts";
import {indexNodes} from "./select.ts";
import {resolveTables} from "./tables.ts";
import {raiseTensorArrays} from "./tensor-arrays.ts";

/** Throws what its steps throw. Bodies of loops stay functions, and are prepared in their turn. */
export function prepareGraph(graph: GraphDef): GraphDef {
  const inlined = raiseTensorArrays(resolveTables(inlineCalls(spellOutFused(graph))));
  return raiseLoops(raiseConditions(inlined, indexNodes(inlined)));
}
