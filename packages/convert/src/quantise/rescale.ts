/**
 * `quantize: "keep"`: factors per channel after a product go into the scales of its weights, which leaves the levels as
 * they are. That is how a batch normalisation behind fake-quantised weights folds.
 *
 *     conv(x, [w], b)·m  →  conv(x, [w'], b·m),  scale' = scale·|m|, levels negated where m < 0
 */
import {Tensor} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Node, originOf, type Ref} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import {float32Tensor} from "../ops/elements.ts";
import type {Pass} from "../passes/pass.ts";
import {emitConstant, quantisedConstant, symmetricLevels} from "./constants.ts";
import {weighted} from "./kernel-table.ts";
import {type QuantisedTensor, splitAt} from "./levels.ts";

const noOperators: OperatorTable = new Map();

export const rescaleWeights: Pass = {
  name: "rescale-weights",
  effect: "fused",
  run: (graph, tally) =>
    rewriteGraph(graph, noOperators, (node, b) => {
      const scaled = node.op === "tfl.MUL" ? foldFactor(node, b) : undefined;
      if (scaled !== undefined) tally("factors folded into scales of weights", originOf(node));
      return scaled === undefined ? undefined : [scaled];
    }),
};

function foldFactor(node: Node, b: Rewriter): Ref | undefined {
  const [left, right] = node.inputs as [Ref, Ref];
  const [x, factor] = b.constantAt(right) ? [left, right] : [right, left];
  const factors = b.constantAt(factor);
  const producer = b.uses(x) === 1 && !b.isOutput(x) ? b.producer(x) : undefined;
  const row = producer && weighted[producer.op];
  if (row === undefined || factors?.dtype !== "float32" || node.attributes.fusedActivationFunction !== "NONE")
    return undefined;
  const {inputs, attributes} = producer!;
  const constant = quantisedConstant(inputs[row.weights]!, b);
  const channels = constant?.value.shape[row.axis];
  const bias = row.bias < inputs.length && inputs[row.bias] !== "" ? b.constantAt(inputs[row.bias]!) : undefined;
  const hasBias = row.bias < inputs.length && inputs[row.bias] !== "";
  if (constant === undefined || channels === undefined || (hasBias && bias?.dtype !== "float32")) return undefined;
  if (
    attributes.fusedActivationFunction !== "NONE" ||
    node.outputs[0]!.shape?.length !== producer!.outputs[0]!.shape?.length
  )
    return undefined;
  const multipliers = perChannel(factors, channels);
  const weights = multipliers && rescaled(constant, row.axis, multipliers);
  if (weights === undefined) return undefined;
  const changed = [...inputs];
  changed[row.weights] = emitConstant(weights, b, `${originOf(node)}/weights`);
  if (bias) {
    const numbers = bias.data as Float32Array;
    const products = multipliers!.map((each, c) => each * numbers[numbers.length === 1 ? 0 : c]!);
    changed[row.bias] = b.constant(float32Tensor(products));
  }
  return b.op(producer!.op, changed, attributes, {types: node.outputs});
}

function perChannel(factors: Tensor, channels: number): number[] | undefined {
  const last = factors.shape.at(-1) ?? 1;
  if (factors.size !== last || (last !== channels && last !== 1)) return undefined;
  const values = Array.from(factors.data as Float32Array);
  const spread = last === channels ? values : Array.from({length: channels}, () => values[0]!);
  return spread.every((each) => Number.isFinite(each)) ? spread : undefined;
}

function rescaled(constant: QuantisedTensor, axis: number, factors: readonly number[]): QuantisedTensor | undefined {
  const symmetric = symmetricLevels(constant);
  if (symmetric === undefined) return undefined;
  const {scale, axis: own} = symmetric.quantisation;
  if (scale.length > 1 && own !== axis) return undefined;
  const {channels, inner} = splitAt(symmetric.value.shape, axis);
  const levels = (symmetric.value.data as Int8Array).slice();
  for (let i = 0; i < levels.length; i++) {
    const factor = factors[Math.floor(i / inner) % channels]!;
    if (factor < 0 && levels[i] === -128) return undefined;
    levels[i] = Math.sign(factor) * levels[i]!;
  }
  const products = factors.map((factor, c) => Math.fround(Math.abs(factor) * scale[scale.length === 1 ? 0 : c]!));
  const usable = products.filter((each) => each >= 2 ** -126);
  if (usable.length < factors.filter((factor) => factor !== 0).length || products.some((each) => each > 2 ** 126))
    return undefined;
  // A channel of zeros only may have any scale.
  const finest = usable.length === 0 ? 1 : Math.min(...usable);
  return {
    value: new Tensor("int8", symmetric.value.shape, new Uint8Array(levels.buffer)),
    quantisation: {
      scale: products.map((each) => (each === 0 ? finest : each)),
      zero: products.map(() => 0),
      axis,
    },
  };
}
