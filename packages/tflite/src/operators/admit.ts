/** Does an engine have a kernel for each operator of a model? (specs/litert.md §7) */
import {type Finding, Findings} from "../check/finding.ts";
import {builtinRanges, customOperators, customXnnpackOnly} from "../gen/operator-data.ts";
import type {OperatorCode, TfliteModel} from "../model.ts";

export type EngineName = "wasm" | "native";

/** Versions of a builtin operator that an engine resolves, `undefined` if none. */
export function versionRange(
  builtin: string,
  engine: EngineName,
): {readonly min: number; readonly max: number} | undefined {
  const range = Object.hasOwn(builtinRanges, builtin) ? builtinRanges[builtin] : undefined;
  return range && {min: range[0], max: engine === "wasm" ? range[1] : range[2]};
}

/**
 * Operators that the engine can't run: one finding a code, with the nodes that use it. Codes that no node uses count
 * too, because engines refuse those as well. XNNPACK-only custom operators are admitted: the delegate decides at load.
 */
export function admitOperators(model: TfliteModel, engine: EngineName): readonly Finding[] {
  const findings = new Findings();
  const users = usersByCode(model);
  model.operatorCodes.forEach((code, index) => {
    const [subgraph, operator] = users.get(index)?.[0] ?? [];
    const place = subgraph === undefined || operator === undefined ? {} : {subgraph, operator};
    const problem = problemOf(code, engine);
    if (problem === undefined) return;
    const count = users.get(index)?.length ?? 0;
    findings.add(model, problem.code, place, `${problem.message} (${count === 1 ? "one node" : `${count} nodes`})`);
  });
  return findings.all;
}

function problemOf(
  {builtin, version, customCode}: OperatorCode,
  engine: EngineName,
): {readonly code: "OPERATOR_UNSUPPORTED" | "OPERATOR_VERSION"; readonly message: string} | undefined {
  if (builtin === "CUSTOM") {
    const name = customCode ?? "";
    if (customOperators.includes(name) || customXnnpackOnly.includes(name)) return undefined;
    const flex = name.startsWith("Flex") ? `TensorFlow's own ${name.slice(4)}` : `the custom operator "${name}"`;
    return {code: "OPERATOR_UNSUPPORTED", message: `the ${engine} engine doesn't have ${flex}`};
  }
  const range = versionRange(builtin, engine);
  if (range === undefined)
    return {code: "OPERATOR_UNSUPPORTED", message: `the ${engine} engine doesn't have ${builtin}`};
  if (version >= range.min && version <= range.max) return undefined;
  const has = range.min === range.max ? `version ${range.min}` : `versions ${range.min} to ${range.max}`;
  return {code: "OPERATOR_VERSION", message: `found ${builtin} version ${version}; the ${engine} engine has ${has}`};
}

function usersByCode({subgraphs}: TfliteModel): ReadonlyMap<number, readonly (readonly [number, number])[]> {
  const users = new Map<number, (readonly [number, number])[]>();
  subgraphs.forEach(({operators}, subgraph) => {
    operators.forEach(({opcodeIndex}, operator) => {
      const list = users.get(opcodeIndex) ?? [];
      list.push([subgraph, operator]);
      users.set(opcodeIndex, list);
    });
  });
  return users;
}
