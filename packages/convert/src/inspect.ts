/** What is in a graph, without converting it. */
import {type ConvertOptions, readGraph, recogniseFormat} from "./convert.ts";
import {ConvertError} from "./convert-error.ts";
import {countBy} from "./counts.ts";
import {type Cut, findCut} from "./cut.ts";
import {toNumbers} from "./ir/dims.ts";
import {allNodes, constantOf, type Graph, indexOf, nodeOf, type Port, type ValueDType} from "./ir/graph.ts";
import {defaultLimits} from "./limits.ts";
import {lowerGraph, type UnsupportedNode} from "./lower/index.ts";
import {runPass, sourcePasses} from "./passes/index.ts";
import {type GraphDef, operatorsOf, parseGraphDef} from "./readers/graphdef/graph-def.ts";

export interface GraphStructure {
  readonly format: "graphdef" | "graphdef-text" | "tfjs";
  /** Nodes in the file, and how many of them the outputs need. */
  readonly nodes: number;
  readonly liveNodes: number;
  readonly inputs: readonly PortDescription[];
  readonly outputs: readonly PortDescription[];
  /** Live operators with their numbers. */
  readonly operators: Readonly<Record<string, number>>;
  /** Bytes of the live constants. */
  readonly constantBytes: number;
  /** What `convert` would refuse. */
  readonly unsupported: readonly Pick<UnsupportedNode, "node" | "operator" | "reason">[];
  /** Where to cut so that the rest converts, if something is unsupported and there is such a place. */
  readonly cut?: Cut;
  /** Loops, conditions and calls in the file and its functions, as they are there, with their numbers. */
  readonly controlFlow: Readonly<Record<string, number>>;
  readonly functions: number;
  readonly notes: readonly string[];
}

export interface PortDescription {
  readonly name: string;
  readonly dtype: ValueDType;
  /** -1 where unknown; `undefined` = unknown rank. */
  readonly shape: readonly number[] | undefined;
}

/**
 * Describes a GraphDef. Throws {@link ConvertError} for what isn't one, contradicts itself or isn't frozen; operators
 * that can't be converted are listed instead.
 */
export function inspectGraph(bytes: Uint8Array, options: ConvertOptions = {}): GraphStructure {
  const limits = {...defaultLimits, ...options.limits};
  const format = recogniseFormat(bytes, options.format, limits);
  if (format === "tflite") {
    throw new ConvertError("CONVERT_NOT_A_GRAPH", "this is a TensorFlow Lite file; expected a GraphDef (.pb, .pbtxt)");
  }
  const definition = parseGraphDef(bytes, format);
  return describeGraph(format, definition, readGraph(definition, options, limits));
}

/** Of a definition and what of it is wanted. */
export function describeGraph(
  format: GraphStructure["format"],
  definition: GraphDef,
  {graph, notes}: {readonly graph: Graph; readonly notes: readonly string[]},
): GraphStructure {
  const operators = [...allNodes(graph)].filter((node) => node.op !== "const" && node.op !== "input");
  const constants = [...allNodes(graph)].map((node) => constantOf(node)?.bytes.length ?? 0);
  const {unsupported} = lowerGraph(sourcePasses.reduce((at, pass) => runPass(pass, at, () => {}), graph));
  const cut = unsupported.length > 0 ? findCut(graph, new Set(unsupported.map(({node}) => node))) : undefined;
  return {
    format,
    nodes: definition.nodes.length,
    liveNodes: graph.nodes.length,
    inputs: graph.inputs.map((port) => describe(graph, port)),
    outputs: graph.outputs.map((port) => describe(graph, port)),
    operators: countBy(operators.map((node) => node.op.replace(/^tf\./, ""))),
    constantBytes: constants.reduce((sum, size) => sum + size, 0),
    unsupported: unsupported.map(({node, operator, reason}) => ({node, operator, reason})),
    ...(cut && {cut}),
    controlFlow: controlFlowOf(definition),
    functions: definition.functions.length,
    notes,
  };
}

/** Loops, conditions and calls in the file and its functions. */
export const controlFlowOf = (definition: GraphDef): Readonly<Record<string, number>> =>
  countBy(operatorsOf(definition).filter((op) => controlFlow.test(op)));

const controlFlow =
  /^((Stateless)?(While|If|Case)|For|Switch|Merge|Enter|Exit|NextIteration|LoopCond|(Stateful)?PartitionedCall|StatelessPartitionedCall)$/;

function describe(graph: Graph, {name, ref}: Port): PortDescription {
  const {dtype, shape} = graph.nodes.find((node) => node.name === nodeOf(ref))!.outputs[indexOf(ref)]!;
  return {name, dtype, shape: shape && toNumbers(shape)};
}
