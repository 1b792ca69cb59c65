/** Which version of an operator a node needs: what a writer states, so that the oldest engine that can run it does. */
import {versionRules} from "../gen/rules-data.ts";
import type {Options, Subgraph, TfliteOperator, TfliteTensor} from "../model.ts";
import {defaultOptions, optionsTableOf} from "../schema/schema.ts";
import {type Condition, parseCondition} from "./condition.ts";

/** A node as the rules see it: its tensors, `undefined` for an optional input left out. */
export interface OperatorNode {
  readonly inputs: readonly (TfliteTensor | undefined)[];
  readonly outputs: readonly TfliteTensor[];
  readonly options?: Options | undefined;
}

const rules: ReadonlyMap<string, readonly (readonly [number, Condition])[]> = new Map(
  Object.entries(versionRules).map(([builtin, list]) => [
    builtin,
    list.map(([version, condition]) => [version, parseCondition(condition)]),
  ]),
);

/** The lowest version of `builtin` that has what the node uses; 1 for operators without rules. */
export function operatorVersion(builtin: string, {inputs, outputs, options}: OperatorNode): number {
  const list = rules.get(builtin);
  if (list === undefined) return 1;
  const node = {inputs, outputs, options: {...defaultOptions(optionsTableOf(builtin) ?? ""), ...options}};
  return list.find(([, condition]) => condition(node))?.[0] ?? 1;
}

/** A stored operator with its tensors looked up. */
export function operatorNode({tensors}: Subgraph, {inputs, outputs, options}: TfliteOperator): OperatorNode {
  return {inputs: inputs.map((index) => tensors[index]), outputs: outputs.map((index) => tensors[index]!), options};
}
