/**
 * Structure of a model beyond the flatbuffer's: everything that an engine takes on trust (specs/litert.md §10.2). Which
 * operators an engine has is `admitOperators`'; whether shapes fit, `inferShapes`'.
 */
import {checkCalls} from "./check/calls.ts";
import {type Finding, Findings} from "./check/finding.ts";
import {checkIndices} from "./check/indices.ts";
import {checkOperators} from "./check/operators.ts";
import {checkOrder} from "./check/order.ts";
import {checkSignatures} from "./check/signatures.ts";
import {checkTensors} from "./check/tensors.ts";
import {defaultLimits, type TfliteLimits} from "./limits.ts";
import type {TfliteModel} from "./model.ts";

/** In this order; the others follow indices, so they run only if these are all right. */
const checks = [checkTensors, checkOperators, checkOrder, checkSignatures, checkCalls] as const;

/**
 * What is wrong with a model that `readModel` gave (or that is about to be written): empty if nothing. At most 100
 * findings, in time proportional to the model.
 */
export function checkModel(
  model: TfliteModel,
  options: {readonly limits?: Partial<TfliteLimits>} = {},
): readonly Finding[] {
  const limits = {...defaultLimits, ...options.limits};
  const findings = new Findings();
  checkIndices(model, limits, findings);
  if (findings.none) {
    for (const check of checks) check(model, findings, limits);
  }
  return findings.all;
}
