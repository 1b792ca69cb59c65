/**
 * `quantize: "keep"`: operators between values on levels compute with int8. Here q is quantised, [q] is DEQUANTIZE(q),
 * and {x} is QUANTIZE(x).
 *
 *     {f([q])}          →  f(q) on the levels of { }          what comes after decides: ADD, CONV_2D, MEAN
 *     g([q])            →  [g(q)] on the levels of q          moves numbers: RESHAPE, MAX_POOL_2D, PAD
 *     {g(f([q]))}       →  g(f(q)), both on the levels of { }
 *     {concat([q], x)}  →  concat({[q]}, {x})
 *     {[q]}             →  q, or {q} where the levels differ
 *
 * What has no levels on all sides stays float. Products with weights are in products.ts.
 */

import {type IoType, isLevels} from "../io-type.ts";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Graph, mapRegions, type Node, originOf, type Quantisation, type Ref, refTo} from "../ir/graph.ts";
import type {OperatorTable} from "../ir/operators.ts";
import {type Note, type Pass, runPass, type Tally} from "../passes/pass.ts";
import {dequantised, emitQuantised, levelsAt, quantise, sameLevels, toLevels} from "./constants.ts";
import {fixed, joins, levelCount, levelled, maxScaleRatio, moves, orders, weighted} from "./kernel-table.ts";
import {affineInt8, type QuantisedTensor} from "./levels.ts";
import {quantiseProduct} from "./products.ts";
import {cutsNothing, wantedLevels} from "./wanted.ts";

const noOperators: OperatorTable = new Map();

/** Kernels of int8 that broadcast, or take several axes, take no more dimensions. */
const maxRank = 4;

export function quantiseOperators(ioType: IoType): Pass {
  // Only the outputs of the whole graph are of a type that is asked for.
  return {
    name: "quantise-operators",
    effect: "quantised",
    regions: "own",
    run: (graph, tally, note) => {
      const inner = mapRegions(graph, (region) => runPass(quantiseOperators("float32"), region, tally, note));
      return quantiseGraph(inner, isLevels(ioType), tally, note);
    },
  };
}

function quantiseGraph(graph: Graph, integerOutputs: boolean, tally: Tally, note: Note): Graph {
  const wanted = wantedLevels(graph, integerOutputs);
  return rewriteGraph(graph, noOperators, (node, b) => {
    if (node.op === "tfl.QUANTIZE") return requantise(node, b);
    const result = quantiseNode(node, wanted.get(refTo(node.name)), b, note);
    if (result !== undefined) tally("operators computed with int8", originOf(node));
    return result;
  });
}

function requantise(node: Node, b: Rewriter): readonly Ref[] | undefined {
  const {quantisation} = node.outputs[0]!;
  const source = levelsAt(node.inputs[0]!, b);
  if (source === undefined || quantisation === undefined) return undefined;
  return [toLevels(source, quantisation, b)];
}

function quantiseNode(
  node: Node,
  wanted: Quantisation | undefined,
  b: Rewriter,
  note: Note,
): readonly Ref[] | undefined {
  const source = node.inputs[0] === undefined ? undefined : levelsAt(node.inputs[0], b);
  if (source && cutsNothing(node, b.type(source).quantisation!)) return [node.inputs[0]!];
  if (moves[node.op]) return move(node, moves[node.op]!.input, b);
  if (joins.has(node.op)) return join(node, wanted, b);
  if (orders.has(node.op)) return order(node, b);
  if (wanted === undefined) return undefined;
  if (weighted[node.op]) return quantiseProduct(node, weighted[node.op]!, wanted, b, note);
  if (levelled[node.op]) return pointwise(node, levelled[node.op]!, wanted, b);
  return sameLevels(fixed[node.op], wanted) ? pointwise(node, 1, wanted, b) : undefined;
}

function move(node: Node, input: number, b: Rewriter): readonly Ref[] | undefined {
  const levels = levelsAt(node.inputs[input]!, b);
  if (levels === undefined) return undefined;
  const inputs = node.inputs.map((ref, i) => (i === input ? levels : ref));
  return emitQuantised(node, inputs, b.type(levels).quantisation!, b);
}

function join(node: Node, wanted: Quantisation | undefined, b: Rewriter): readonly Ref[] | undefined {
  const levels = node.inputs.map((ref) => levelsAt(ref, b));
  const first = levels.find((each) => each !== undefined);
  if (first === undefined) return undefined;
  const own = b.type(first).quantisation!;
  const isOne = levels.every((each) => each !== undefined && sameLevels(b.type(each).quantisation, own));
  const target = wanted ?? (isOne ? own : undefined);
  if (target === undefined || isTooWide(node, b)) return undefined;
  const inputs = levels.map((each, i) =>
    each === undefined ? quantise(node.inputs[i]!, target, b) : toLevels(each, target, b),
  );
  return emitQuantised(node, inputs, target, b);
}

function order(node: Node, b: Rewriter): readonly Ref[] | undefined {
  const levels = levelsAt(node.inputs[0]!, b);
  if (levels === undefined) return undefined;
  return b.emit(node.op, [levels, ...node.inputs.slice(1)], node.attributes, {types: node.outputs});
}

function pointwise(node: Node, count: number, wanted: Quantisation, b: Rewriter): readonly Ref[] | undefined {
  const data = node.inputs.slice(0, count);
  if (isTooWide(node, b) || isTooLong(node, b) || !data.some((ref) => levelsAt(ref, b))) return undefined;
  const operands = data.map((ref) => operandLevels(ref, b));
  if (!operands.every((each) => each !== undefined)) return undefined;
  if (!isFineEnough(node.op, operands, wanted.scale[0]!)) return undefined;
  const levels = operands.map((each, i) =>
    typeof each.levels === "string"
      ? each.levels
      : b.constant(each.levels.value, `${b.producer(data[i]!)!.name}/int8`, each.levels.quantisation),
  );
  return emitQuantised(node, [...levels, ...node.inputs.slice(count)], wanted, b);
}

interface OperandLevels {
  /** A value of the graph, or a constant that isn't in it yet. */
  readonly levels: Ref | QuantisedTensor;
  readonly scale: number;
  /** How far a number of it is from its level, at most. */
  readonly error: number;
}

/** The levels that a value is on; for a constant without, some that its numbers span. */
function operandLevels(ref: Ref, b: Rewriter): OperandLevels | undefined {
  const levels = levelsAt(ref, b);
  if (levels !== undefined) return {levels, scale: b.type(levels).quantisation!.scale[0]!, error: 0};
  const value = b.constantAt(ref);
  const own = value?.dtype === "float32" ? affineInt8(value) : undefined;
  if (own === undefined) return undefined;
  const numbers = value!.data as Float32Array;
  const rounded = dequantised(own).data as Float32Array;
  const error = numbers.reduce((most, number, i) => Math.max(most, Math.abs(number - rounded[i]!)), 0);
  return {levels: own, scale: own.quantisation.scale[0]!, error};
}

/**
 * Whether the result is right to a level of its own: what constants are rounded by moves it by itself in a sum, and by
 * the largest number of the other side in a product; and kernels take scales that are up to 2^8 of the result's.
 */
function isFineEnough(op: string, operands: readonly OperandLevels[], wanted: number): boolean {
  const isSum = op === "tfl.ADD" || op === "tfl.SUB";
  const reach = (i: number) => (isSum ? 1 : levelCount * (operands[1 - i]?.scale ?? 1));
  const scales = operands.map(({scale}) => scale);
  const combined = isSum ? Math.max(...scales) : scales.reduce((a, b) => a * b, 1);
  return combined < wanted * maxScaleRatio && operands.every(({error}, i) => error * reach(i) <= wanted);
}

/** Sums of so many products of levels don't fit in 32 bits. */
function isTooLong(node: Node, b: Rewriter): boolean {
  if (node.op !== "tfl.BATCH_MATMUL") return false;
  const length = b.type(node.inputs[0]!).shape?.at(node.attributes.adjX === true ? -2 : -1);
  return typeof length !== "number" || length * levelCount ** 2 >= 2 ** 31;
}

const isTooWide = (node: Node, b: Rewriter): boolean =>
  [...node.inputs.map((ref) => b.type(ref)), ...node.outputs].some(({shape}) => (shape?.length ?? 9) > maxRank);
