/** Every index points to something. Runs first: the other checks follow indices. */
import type {TfliteLimits} from "../limits.ts";
import type {TfliteModel} from "../model.ts";
import {calledSubgraphs} from "./calls.ts";
import type {Findings, Place} from "./finding.ts";

export function checkIndices(model: TfliteModel, limits: TfliteLimits, findings: Findings): void {
  const {subgraphs, buffers, operatorCodes} = model;
  if (subgraphs.length === 0)
    findings.add(model, "NO_SUBGRAPH", {}, "the model holds no subgraph; expected at least one");
  if (subgraphs.length > limits.maxSubgraphs) {
    findings.add(model, "LIMIT", {}, `found ${subgraphs.length} subgraphs; the limit is ${limits.maxSubgraphs}`);
  }
  const tensorCount = subgraphs.reduce((total, {tensors}) => total + tensors.length, 0);
  if (tensorCount > limits.maxTensors) {
    findings.add(model, "LIMIT", {}, `found ${tensorCount} tensors; the limit is ${limits.maxTensors}`);
  }
  if ((buffers[0]?.length ?? 0) > 0) {
    findings.add(model, "INDEX", {}, `buffer 0 means "no data", but holds ${buffers[0]!.length} bytes`);
  }
  const within = (index: number, count: number, what: string, place: Place) => {
    if (index >= 0 && index < count) return;
    findings.add(model, "INDEX", place, `${what} ${index} doesn't exist; there are ${count}`);
  };
  subgraphs.forEach(({tensors, inputs, outputs, operators}, subgraph) => {
    tensors.forEach(({buffer}, tensor) => {
      within(buffer, buffers.length, "buffer", {subgraph, tensor});
    });
    for (const index of inputs) within(index, tensors.length, "input tensor", {subgraph});
    for (const index of outputs) within(index, tensors.length, "output tensor", {subgraph});
    operators.forEach((each, operator) => {
      const place = {subgraph, operator};
      within(each.opcodeIndex, operatorCodes.length, "operator code", place);
      // Which inputs may be left out (-1) is the arity table's.
      for (const index of each.inputs) if (index !== -1) within(index, tensors.length, "input tensor", place);
      for (const index of each.outputs) within(index, tensors.length, "output tensor", place);
      for (const index of each.intermediates ?? []) within(index, tensors.length, "intermediate tensor", place);
      for (const index of calledSubgraphs(each)) within(index, subgraphs.length, "subgraph", place);
    });
  });
  model.signatures.forEach(({key, subgraph, inputs, outputs}) => {
    within(subgraph, subgraphs.length, `signature "${key}": subgraph`, {});
    const count = subgraphs[subgraph]?.tensors.length ?? 0;
    for (const {name, tensor} of [...inputs, ...outputs])
      within(tensor, count, `signature "${key}", "${name}": tensor`, {});
  });
  for (const {name, buffer} of model.metadata) within(buffer, buffers.length, `metadata "${name}": buffer`, {});
}
