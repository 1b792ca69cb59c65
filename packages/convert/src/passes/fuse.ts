/**
 * On the `tfl` dialect (specs/convert.md §4.14): constants added per channel become the bias of what they are added to,
 * and activations the `fusedActivationFunction` of what they follow; legal with one consumer that isn't an output.
 */
import type {Tensor} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Node, originOf, type Ref} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import {float32Tensor, makeTensor, numbersOf} from "../ops/elements.ts";
import type {Pass} from "./pass.ts";

const noOperators: OperatorTable = new Map();

/** Operators whose input 2 is a bias per output channel, and where in their weights the channels are. */
const biased: Readonly<Record<string, number>> = {
  "tfl.CONV_2D": 0,
  "tfl.DEPTHWISE_CONV_2D": 3,
  "tfl.FULLY_CONNECTED": 0,
  "tfl.CONV_3D": 4,
};

/** TRANSPOSE_CONV takes its bias as input 3. */
const transposeConv = "tfl.TRANSPOSE_CONV";

const activations: Readonly<Record<string, string>> = {
  "tfl.RELU": "RELU",
  "tfl.RELU6": "RELU6",
  "tfl.RELU_N1_TO_1": "RELU_N1_TO_1",
};

/** What can have an activation fused: CONCATENATION can't, and TANH and SIGN_BIT are ignored silently. */
const fusable = new Set(
  ["ADD", "SUB", "MUL", "DIV", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "AVERAGE_POOL_2D"].map(
    (name) => `tfl.${name}`,
  ),
);

export const fuseBias: Pass = {
  name: "fuse-bias",
  effect: "fused",
  run: (graph, tally) =>
    rewriteGraph(graph, noOperators, (node, b) => {
      if (node.op !== "tfl.ADD" && node.op !== "tfl.SUB") return undefined;
      const fused = foldBias(node, b);
      if (fused !== undefined) tally("biases fused", originOf(node));
      return fused === undefined ? undefined : [fused];
    }),
};

export const fuseActivations: Pass = {
  name: "fuse-activations",
  effect: "fused",
  run: (graph, tally) =>
    rewriteGraph(graph, noOperators, (node, b) => {
      const activation = activations[node.op];
      if (activation === undefined) return undefined;
      const [x] = node.inputs;
      const producer = soleProducer(x!, b);
      if (!producer || !fusable.has(producer.op) || producer.attributes.fusedActivationFunction !== "NONE")
        return undefined;
      if (producer.outputs[0]!.dtype !== "float32") return undefined;
      tally("activations fused", originOf(node));
      const attributes = {...producer.attributes, fusedActivationFunction: activation};
      return b.emit(producer.op, producer.inputs, attributes, {types: node.outputs});
    }),
};

function soleProducer(ref: Ref, b: Rewriter): Node | undefined {
  return b.uses(ref) === 1 && !b.isOutput(ref) ? b.producer(ref) : undefined;
}

function foldBias(node: Node, b: Rewriter): Ref | undefined {
  if (node.attributes.fusedActivationFunction !== "NONE") return undefined;
  const [left, right] = node.inputs as [Ref, Ref];
  const [x, offset] = b.constantAt(right) ? [left, right] : [right, left];
  const constant = b.constantAt(offset);
  const subtracts = node.op === "tfl.SUB";
  if (constant?.dtype !== "float32" || (subtracts && offset !== right)) return undefined;
  const producer = soleProducer(x, b);
  const channels = producer?.outputs[0]?.shape?.at(-1);
  if (producer === undefined || typeof channels !== "number" || producer.attributes.fusedActivationFunction !== "NONE")
    return undefined;
  // A constant that widens the result is no bias.
  if (node.outputs[0]!.shape?.length !== producer.outputs[0]!.shape?.length) return undefined;
  const offsets = channelValues(constant, channels);
  if (offsets === undefined) return undefined;
  const sign = subtracts ? -1 : 1;
  if (producer.op === transposeConv && producer.inputs.length === 3) {
    const bias = b.constant(float32Tensor(offsets.map((each) => sign * each)));
    return b.op(producer.op, [...producer.inputs, bias], producer.attributes, {types: node.outputs});
  }
  if (biased[producer.op] === undefined) return undefined;
  const bias = b.constantAt(producer.inputs[2]!);
  if (bias === undefined) return undefined;
  const before = numbersOf(bias);
  const after = b.constant(makeTensor("float32", [channels], (i) => before[i]! + sign * offsets[i]!));
  return b.op(producer.op, [producer.inputs[0]!, producer.inputs[1]!, after], producer.attributes, {
    types: node.outputs,
  });
}

function channelValues(constant: Tensor, channels: number): number[] | undefined {
  const last = constant.shape.at(-1) ?? 1;
  if (constant.size !== last || (last !== channels && last !== 1)) return undefined;
  const values = numbersOf(constant);
  return Array.from({length: channels}, (_, i) => values[last === 1 ? 0 : i]!);
}
