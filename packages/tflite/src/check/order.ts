/** Operators are stored in the order in which they run: what one reads must be there by then, and written once. */
import {elements} from "../element-bytes.ts";
import type {Subgraph, TfliteModel} from "../model.ts";
import type {Findings} from "./finding.ts";

export function checkOrder(model: TfliteModel, findings: Findings): void {
  model.subgraphs.forEach((graph, subgraph) => {
    const {inputs, outputs, operators} = graph;
    const ready = readyAtStart(model, graph);
    const inputSet = new Set(inputs);
    if (inputSet.size !== inputs.length)
      findings.add(model, "SIGNATURE", {subgraph}, "the graph has one tensor as two inputs");
    for (const tensor of inputSet) {
      if (ready.has(tensor))
        findings.add(model, "WRITTEN", {subgraph, tensor}, "is an input of the graph and a constant");
      ready.add(tensor);
    }
    operators.forEach((each, operator) => {
      for (const tensor of each.inputs) {
        if (tensor === -1 || ready.has(tensor)) continue;
        findings.add(model, "ORDER", {subgraph, operator, tensor}, "is read, but nothing has computed it by then");
      }
      for (const tensor of each.outputs) {
        if (ready.has(tensor))
          findings.add(model, "WRITTEN", {subgraph, operator, tensor}, "is written, but holds a value already");
        ready.add(tensor);
      }
    });
    for (const tensor of outputs) {
      if (!ready.has(tensor))
        findings.add(model, "ORDER", {subgraph, tensor}, "is an output of the graph that nothing computes");
    }
  });
}

/** Constants and variables. A tensor without elements that nothing writes is a constant, too. */
function readyAtStart({buffers}: TfliteModel, {tensors, inputs, operators}: Subgraph): Set<number> {
  const written = new Set([...inputs, ...operators.flatMap(({outputs}) => outputs)]);
  const ready = new Set<number>();
  tensors.forEach(({buffer, isVariable, shape}, index) => {
    const constant = buffer !== 0 && buffers[buffer]!.length > 0;
    const empty = !written.has(index) && elements(shape) === 0;
    if (constant || empty || isVariable === true) ready.add(index);
  });
  return ready;
}
