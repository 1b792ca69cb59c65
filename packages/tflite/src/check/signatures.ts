/** Signatures: names for the inputs and outputs of a subgraph, each once, all inputs covered. */
import type {TfliteModel} from "../model.ts";
import type {Findings} from "./finding.ts";

export function checkSignatures(model: TfliteModel, findings: Findings): void {
  const keys = new Set<string>();
  for (const {key, subgraph, inputs, outputs} of model.signatures) {
    const add = (message: string) => findings.add(model, "SIGNATURE", {}, `signature "${key}": ${message}`);
    if (keys.has(key)) add("there are two of that name");
    keys.add(key);
    const graph = model.subgraphs[subgraph]!;
    for (const [what, entries, tensors] of [
      ["input", inputs, new Set(graph.inputs)],
      ["output", outputs, new Set(graph.outputs)],
    ] as const) {
      const names = new Set<string>();
      for (const {name, tensor} of entries) {
        if (names.has(name)) add(`${what} "${name}" is there twice`);
        names.add(name);
        if (!tensors.has(tensor))
          add(`${what} "${name}" is tensor ${tensor}, which is no ${what} of subgraph ${subgraph}`);
      }
    }
    const named = new Set(inputs.map(({tensor}) => tensor));
    if (named.size !== inputs.length) add("two names stand for one input");
    const missing = graph.inputs.filter((tensor) => !named.has(tensor));
    if (missing.length > 0) add(`the inputs [${missing.slice(0, 8)}] of subgraph ${subgraph} have no name`);
  }
}
