/** The dtypes that a model's callers see, where they aren't those of the source graph. */
import type {Tensor} from "@tf-trusted/tensor";
import {evaluateGraph} from "./evaluate/evaluate-graph.ts";
import {type Graph, indexOf, nodeOf, type Port, type ValueDType} from "./ir/graph.ts";
import {narrowDType, recast} from "./passes/narrow.ts";

/**
 * `source`: inputs and outputs have the dtypes of the source. `float32`: float64, float16 and bfloat16 become float32,
 * complex128 complex64; integers, truth values and strings stay. `int8`, `uint8`: besides, what the graph rounds to levels
 * is passed as such (with `quantize: "keep"`).
 */
export type IoType = "source" | "float32" | "int8" | "uint8";

export const isLevels = (ioType: IoType): ioType is "int8" | "uint8" => ioType === "int8" || ioType === "uint8";

/** The source graph's outputs for inputs in the dtypes of the file, and in those. Throws what `evaluateGraph` throws. */
export function evaluateSource(
  graph: Graph,
  ioType: IoType,
  inputs: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, Tensor> {
  if (ioType === "source") return evaluateGraph(graph, inputs);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const dtypeOf = ({ref}: Port): ValueDType => nodes.get(nodeOf(ref))!.outputs[indexOf(ref)]!.dtype;
  const own = [...inputs].map(([name, tensor]) => {
    const port = graph.inputs.find((each) => each.name === name);
    const wanted = port && dtypeOf(port);
    const isNarrowed = wanted !== undefined && wanted !== tensor.dtype && narrowDType(wanted) === tensor.dtype;
    return [name, isNarrowed ? recast(tensor, wanted as Tensor["dtype"]) : tensor] as const;
  });
  const outputs = evaluateGraph(graph, new Map(own));
  return new Map([...outputs].map(([name, each]) => [name, recast(each, narrowDType(each.dtype) as Tensor["dtype"])]));
}
