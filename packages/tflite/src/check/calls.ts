/** Which subgraphs operators call, that calls end, and that both sides agree on what is passed. */
import type {TfliteModel, TfliteOperator} from "../model.ts";
import type {Findings, Place} from "./finding.ts";

/** Fields of options tables that hold indices of subgraphs: all of the schema's. */
export const subgraphFields: Readonly<Record<string, readonly string[]>> = {
  CallOptions: ["subgraph"],
  CallOnceOptions: ["initSubgraphIndex"],
  IfOptions: ["thenSubgraphIndex", "elseSubgraphIndex"],
  WhileOptions: ["condSubgraphIndex", "bodySubgraphIndex"],
  StablehloCaseOptions: ["branchSubgraphIndices"],
  StablehloCustomCallOptions: ["calledComputations"],
  StableHLOCompositeOptions: ["decompositionSubgraphIndex"],
  StablehloReduceOptions: ["bodySubgraphIndex"],
  StablehloReduceWindowOptions: ["bodySubgraphIndex"],
  StablehloScatterOptions: ["updateComputationSubgraphIndex"],
  StablehloSortOptions: ["comparatorSubgraphIndex"],
  StablehloWhileOptions: ["condSubgraphIndex", "bodySubgraphIndex"],
};

/** Engines call subgraphs by recursion on the native stack. */
const MAX_CALL_DEPTH = 64;
/** Each call site prepares its subgraph again: chains of double calls grow exponentially. */
const MAX_CALLS = 10_000;

/** Indices of the subgraphs that an operator calls, as stored. */
export function calledSubgraphs({
  optionsType,
  options,
}: Pick<TfliteOperator, "optionsType" | "options">): readonly number[] {
  const fields = optionsType === undefined ? undefined : subgraphFields[optionsType];
  if (fields === undefined) return [];
  return fields.flatMap((field) => (options?.[field] ?? []) as number | readonly number[]);
}

export function checkCalls(model: TfliteModel, findings: Findings): void {
  if (!checkEnds(model, findings)) return;
  model.subgraphs.forEach(({operators}, subgraph) => {
    operators.forEach((each, operator) => {
      checkPassed(model, each, {subgraph, operator}, findings);
    });
  });
}

/** Depth first without recursion; `depth` and `calls` of a subgraph are known once all that it calls are. */
function checkEnds(model: TfliteModel, findings: Findings): boolean {
  const callees = model.subgraphs.map(({operators}) => operators.flatMap(calledSubgraphs));
  const state = new Map<number, {depth: number; calls: number} | "open">();
  for (let start = 0; start < callees.length; start++) {
    const path = state.has(start) ? [] : [{subgraph: start, next: 0}];
    while (path.length > 0) {
      const top = path.at(-1)!;
      state.set(top.subgraph, "open");
      const callee = callees[top.subgraph]![top.next++];
      if (callee === undefined) {
        path.pop();
        const below = callees[top.subgraph]!.map((index) => state.get(index) as {depth: number; calls: number});
        const depth = below.reduce((most, each) => Math.max(most, each.depth + 1), 0);
        const calls = below.reduce((total, each) => Math.min(total + each.calls, Number.MAX_SAFE_INTEGER), 1);
        state.set(top.subgraph, {depth, calls});
        if (depth > MAX_CALL_DEPTH || calls > MAX_CALLS) {
          const found = `calls nest ${depth} deep and add up to ${calls}`;
          findings.add(
            model,
            "LIMIT",
            {subgraph: top.subgraph},
            `${found}; the limits are ${MAX_CALL_DEPTH} and ${MAX_CALLS}`,
          );
          return false;
        }
      } else if (state.get(callee) === "open") {
        findings.add(
          model,
          "CALL",
          {subgraph: top.subgraph},
          `calls subgraph ${callee}, which is calling it: it never ends`,
        );
        return false;
      } else if (!state.has(callee)) path.push({subgraph: callee, next: 0});
    }
  }
  return true;
}

/** Tensors of one subgraph, by position. */
interface Passed {
  readonly subgraph: number;
  readonly tensors: readonly number[];
}

/** Control flow passes tensors by position; an engine copies them without looking. */
function checkPassed(
  model: TfliteModel,
  {optionsType, options, inputs, outputs}: TfliteOperator,
  place: Place,
  findings: Findings,
): void {
  const subgraph = place.subgraph!;
  const given = {subgraph, tensors: inputs};
  const taken = {subgraph, tensors: outputs};
  const index = (field: string) => options![field] as number;
  const expect = (callee: number, what: "inputs" | "outputs", wanted: Passed) => {
    const problem = mismatch(model, {subgraph: callee, tensors: model.subgraphs[callee]![what]}, wanted);
    if (problem !== undefined) findings.add(model, "CALL", place, `${what} of subgraph ${callee}: ${problem}`);
  };
  switch (optionsType) {
    case "IfOptions":
    case "StablehloCaseOptions": {
      // A branch may be listed any number of times: comparing it once is enough.
      for (const branch of new Set(calledSubgraphs({optionsType, options: options!}))) {
        expect(branch, "inputs", {subgraph, tensors: inputs.slice(1)});
        expect(branch, "outputs", taken);
      }
      return;
    }
    case "WhileOptions": {
      expect(index("condSubgraphIndex"), "inputs", given);
      expect(index("bodySubgraphIndex"), "inputs", given);
      expect(index("bodySubgraphIndex"), "outputs", given);
      const results = model.subgraphs[index("condSubgraphIndex")]!;
      const types = results.outputs.map((tensor) => results.tensors[tensor]!.type);
      if (types.length !== 1 || types[0] !== "bool") {
        findings.add(model, "CALL", place, `the condition gives ${types.length} tensors; expected one of type bool`);
      }
      const problem = mismatch(model, taken, given);
      if (problem !== undefined) findings.add(model, "CALL", place, `outputs of the loop: ${problem}`);
      return;
    }
    case "CallOnceOptions":
      expect(index("initSubgraphIndex"), "inputs", {subgraph, tensors: []});
      expect(index("initSubgraphIndex"), "outputs", {subgraph, tensors: []});
      return;
    case "StableHLOCompositeOptions":
      expect(index("decompositionSubgraphIndex"), "inputs", given);
      expect(index("decompositionSubgraphIndex"), "outputs", taken);
  }
}

/** Counts are compared first, so that the work is bounded by the operator's own lists. */
function mismatch(model: TfliteModel, found: Passed, wanted: Passed): string | undefined {
  if (found.tensors.length !== wanted.tensors.length) {
    return `there are ${found.tensors.length}; expected ${wanted.tensors.length}`;
  }
  const type = ({subgraph, tensors}: Passed, at: number) =>
    model.subgraphs[subgraph]!.tensors[tensors[at]!]?.type ?? "none";
  const at = found.tensors.findIndex((_, position) => type(found, position) !== type(wanted, position));
  return at === -1 ? undefined : `number ${at} is ${type(found, at)}; expected ${type(wanted, at)}`;
}
