/**
 * Operators that TensorFlow's graph optimiser fused, spelled out again: `_FusedConv2D` with `fused_ops` BiasAdd and Relu
 * → Conv2D, BiasAdd, Relu. The last one has the fused node's name. Converters of TensorFlow.js write such graphs.
 */
import type {Message, MessageMap} from "../../bytes/wire.ts";
import {ConvertError} from "../../convert-error.ts";
import type {GraphDef, NodeDef} from "./graph-def.ts";

/** What a fused operator is without what is fused, and how many inputs that has. */
const bases: Readonly<Record<string, {readonly op: string; readonly inputs: number}>> = {
  _FusedConv2D: {op: "Conv2D", inputs: 2},
  _FusedMatMul: {op: "MatMul", inputs: 2},
  _FusedDepthwiseConv2dNative: {op: "DepthwiseConv2dNative", inputs: 2},
  FusedDepthwiseConv2dNative: {op: "DepthwiseConv2dNative", inputs: 2},
};

/** Attributes of the fused node that are about what is fused. */
const ownAttributes: ReadonlySet<string> = new Set([
  "fused_ops",
  "epsilon",
  "leakyrelu_alpha",
  "num_args",
  "TArgs",
  "num_host_args",
  "filter_format",
]);

/** Step → the operator that it is; operands are taken from the fused node's inputs in order. */
const steps: Readonly<Record<string, {readonly op: string; readonly operands: number}>> = {
  BiasAdd: {op: "BiasAdd", operands: 1},
  Add: {op: "AddV2", operands: 1},
  FusedBatchNorm: {op: "FusedBatchNorm", operands: 4},
  Relu: {op: "Relu", operands: 0},
  Relu6: {op: "Relu6", operands: 0},
  Elu: {op: "Elu", operands: 0},
  Tanh: {op: "Tanh", operands: 0},
  Sigmoid: {op: "Sigmoid", operands: 0},
  LeakyRelu: {op: "LeakyRelu", operands: 0},
  Prelu: {op: "Prelu", operands: 1},
};

/** Throws `CONVERT_OP_UNSUPPORTED` for a step that isn't known, `CONVERT_GRAPH_INVALID` where operands are missing. */
export function spellOutFused(graph: GraphDef): GraphDef {
  if (!graph.nodes.some(isFused) && !graph.functions.some((each) => holdsFused(each))) return graph;
  return {
    ...graph,
    nodes: graph.nodes.flatMap((node) => spellOut(node, "")),
    functions: graph.functions.map((each) => {
      const nodes = ((each.node_def ?? []) as Message[]).flatMap((node) => spellOut(nodeOf(node), ":output:0"));
      return {...each, node_def: nodes.map(messageOf)};
    }),
  };
}

const isFused = ({op}: {readonly op: string}): boolean => Object.hasOwn(bases, op) || op === "Prelu";

const holdsFused = (message: Message): boolean =>
  ((message.node_def ?? []) as Message[]).some(({op = ""}) => isFused({op: op as string}));

const nodeOf = (message: Message): NodeDef => ({
  name: (message.name ?? "") as string,
  op: (message.op ?? "") as string,
  inputs: (message.input ?? []) as string[],
  attributes: (message.attr ?? new Map()) as MessageMap,
});

const messageOf = ({name, op, inputs, attributes}: NodeDef): Message => ({
  name,
  op,
  input: inputs as string[],
  attr: attributes as MessageMap,
});

/** @param suffix how an output is referred to where the node is: in functions by the name of the result */
function spellOut(node: NodeDef, suffix: string): readonly NodeDef[] {
  if (node.op === "Prelu") return spellOutPrelu(node, node.name, node.inputs, suffix);
  const base = Object.hasOwn(bases, node.op) ? bases[node.op]! : undefined;
  if (base === undefined) return [node];
  const names = fusedSteps(node);
  const [data, control] = [0, 1].map((kind) => node.inputs.filter((input) => Number(input.startsWith("^")) === kind));
  const nameOf = (at: number, op: string) => (at === names.length ? node.name : `${node.name}/${op}`);
  const kept = [...node.attributes].filter(([key]) => !ownAttributes.has(key));
  const nodes: NodeDef[] = [
    {
      name: nameOf(0, base.op),
      op: base.op,
      inputs: [...data!.slice(0, base.inputs), ...control!],
      attributes: new Map(kept),
    },
  ];
  let next = base.inputs;
  names.forEach((step, i) => {
    const {op, operands} = steps[step]!;
    const own = data!.slice(next, next + operands);
    next += operands;
    if (own.length < operands) {
      throw new ConvertError("CONVERT_GRAPH_INVALID", `node "${node.name}" (${node.op}): ${step} lacks an operand`, {
        details: {node: node.name, operator: node.op},
      });
    }
    const inputs = [`${nodes.at(-1)!.name}${suffix && resultOf(nodes.at(-1)!.op)}`, ...own];
    const name = nameOf(i + 1, op);
    if (op === "Prelu") nodes.push(...spellOutPrelu(node, name, inputs, suffix));
    else nodes.push({name, op, inputs, attributes: attributesOf(op, node)});
  });
  if (next < data!.length) {
    throw new ConvertError(
      "CONVERT_GRAPH_INVALID",
      `node "${node.name}" (${node.op}) has ${data!.length} inputs, expected ${next} for what is fused`,
      {details: {node: node.name, operator: node.op}},
    );
  }
  return nodes;
}

function fusedSteps(node: NodeDef): readonly string[] {
  const list = (node.attributes.get("fused_ops")?.list as Message | undefined)?.s as readonly Uint8Array[] | undefined;
  const names = (list ?? []).map((each) => new TextDecoder().decode(each));
  const order = node.attributes.get("filter_format")?.s as Uint8Array | undefined;
  const filters = order === undefined ? "HWIO" : new TextDecoder().decode(order);
  const unknown =
    names.find((name) => !Object.hasOwn(steps, name)) ?? (filters === "HWIO" ? undefined : `filters in ${filters}`);
  if (unknown === undefined) return names;
  throw new ConvertError("CONVERT_OP_UNSUPPORTED", `node "${node.name}" (${node.op}) has ${unknown} fused`, {
    details: {nodes: [{node: node.name, operator: node.op, reason: `it has ${unknown} fused`}]},
  });
}

/** Results of functions' nodes go by name. */
const resultOf = (op: string): string => {
  const named: Readonly<Record<string, string>> = {
    MatMul: ":product:0",
    Relu: ":activations:0",
    Relu6: ":activations:0",
    Elu: ":activations:0",
    LeakyRelu: ":activations:0",
    Tanh: ":y:0",
    Sigmoid: ":y:0",
    Neg: ":y:0",
    Mul: ":z:0",
    AddV2: ":z:0",
    FusedBatchNorm: ":y:0",
  };
  return named[op] ?? ":output:0";
};

function attributesOf(op: string, node: NodeDef): MessageMap {
  const taken = (key: string): [string, Message][] => {
    const value = node.attributes.get(key);
    return value === undefined ? [] : [[key, value]];
  };
  const type: [string, Message] = ["T", node.attributes.get("T") ?? {type: 1}];
  if (op === "BiasAdd") return new Map([type, ...taken("data_format")]);
  if (op === "FusedBatchNorm") {
    return new Map([type, ...taken("data_format"), ...taken("epsilon"), ["is_training", {b: false}]]);
  }
  const alpha = node.attributes.get("leakyrelu_alpha");
  return op === "LeakyRelu" && alpha ? new Map([type, ["alpha", alpha]]) : new Map([type]);
}

/** relu(x) − α·relu(−x), as TensorFlow spells it. */
function spellOutPrelu(node: NodeDef, name: string, inputs: readonly string[], suffix: string): readonly NodeDef[] {
  const [x = "", alpha = "", ...control] = inputs;
  const attributes: MessageMap = new Map([["T", node.attributes.get("T") ?? {type: 1}]]);
  const make = (part: string, op: string, operands: readonly string[]): NodeDef => ({
    name: part === "" ? name : `${name}/${part}`,
    op,
    inputs: operands,
    attributes,
  });
  const out = ({name: source, op}: NodeDef) => `${source}${suffix && resultOf(op)}`;
  const positive = make("positive", "Relu", [x]);
  const minus = make("minus", "Neg", [x]);
  const negative = make("negative", "Relu", [out(minus)]);
  const slope = make("slope", "Neg", [alpha]);
  const scaled = make("scaled", "Mul", [out(slope), out(negative)]);
  return [positive, minus, negative, slope, scaled, make("", "AddV2", [out(positive), out(scaled), ...control])];
}
