/** A subgraph without what its outputs don't need. */
import type {Subgraph, TfliteModel} from "@tf-trusted/tflite";

/** Operators of the subgraph that `outputs` need, and no others. The values are not changed. */
export function pruned(model: TfliteModel, subgraph: number, outputs: readonly number[]): TfliteModel {
  const graph = model.subgraphs[subgraph]!;
  const needed = new Set(outputs);
  const operators = graph.operators
    .slice()
    .reverse()
    .filter((operator) => {
      const isNeeded = operator.outputs.some((tensor) => needed.has(tensor));
      if (isNeeded) for (const tensor of operator.inputs) needed.add(tensor);
      return isNeeded;
    })
    .reverse();
  return withGraph(model, subgraph, {...graph, operators, outputs});
}

/** The model with another subgraph in that place. */
export function withGraph(model: TfliteModel, subgraph: number, graph: Subgraph): TfliteModel {
  return {...model, subgraphs: model.subgraphs.map((each, at) => (at === subgraph ? graph : each))};
}
