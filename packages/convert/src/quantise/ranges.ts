/**
 * `quantize: "keep"`, first step: fake quantisation by constant ranges becomes an operator that says on which levels of
 * int8 its result is. That isn't computed away where its input is constant, as the float arithmetic would be.
 *
 *     FakeQuantWithMinMax*(x; min, max)      →  OnLevels(x; scale, zero, first, last)
 *     QuantizeAndDequantizeV2…4(x; min, max) →  OnLevels(x; …)
 *     of a constant w                        →  OnLevels(w rounded to its levels)
 *
 * Values that are computed have one scale; only constants may have one for each channel.
 */
import type {Tensor} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {type Node, originOf, type Ref} from "../ir/graph.ts";
import {numberAttribute, type Site} from "../ir/operators.ts";
import {numbersOf} from "../ops/elements.ts";
import {tfTable} from "../ops/tf/index.ts";
import {channelRanges, dequantizedOptions, fakeQuantLevels, nudge, scaleRange} from "../ops/tf/quantisation.ts";
import {foldExcept} from "../passes/fold.ts";
import type {Note, Pass} from "../passes/pass.ts";

/** Levels of int8. `scale` and `zero` have one element, or one for each index along `axis`. */
interface Levels {
  readonly scale: readonly number[];
  readonly zero: readonly number[];
  readonly axis: number;
  readonly first: number;
  readonly last: number;
}

const leastScale = 2 ** -126;

const fakeQuants = ["FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel"];
const quantizeDequantizes = ["QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4"];
const readers: ReadonlyMap<string, (node: Node, site: Site) => Levels | string> = new Map([
  ...fakeQuants.map((name) => [`tf.${name}`, fakeQuantised] as const),
  ...quantizeDequantizes.map((name) => [`tf.${name}`, quantizedAndBack] as const),
]);

/** Ranges may be computed from constants; what they are ranges of stays. */
export const foldRanges: Pass = foldExcept("fold-ranges", new Set(readers.keys()));

export const keepRanges: Pass = {
  name: "keep-ranges",
  effect: "rewritten",
  run: (graph, tally, note) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      const read = readers.get(node.op);
      if (read === undefined) return undefined;
      const kept = keep(node, read, b, note);
      tally(kept === undefined ? "fake quantisations computed in float" : "fake quantisations kept", originOf(node));
      return kept === undefined ? undefined : [kept];
    }),
};

function keep(node: Node, read: (node: Node, site: Site) => Levels | string, b: Rewriter, note: Note): Ref | undefined {
  const name = originOf(node);
  const site = b.site(node.op, node.inputs, node.attributes, name);
  const [x] = site.constants;
  const levels = read(node, site);
  const reason =
    typeof levels === "string"
      ? levels
      : levels.scale.length > 1 && x === undefined
        ? "its input is computed, and has a range for each channel"
        : undefined;
  if (reason !== undefined) note(`"${name}" is computed in float: ${reason}`);
  if (typeof levels === "string" || reason !== undefined) return undefined;
  const {scale, zero, axis, first, last} = levels;
  const attributes = {scale, zero, axis, first, last};
  if (x === undefined) return b.op("tf.OnLevels", [node.inputs[0]!], attributes);
  const constants = site.constants as readonly Tensor[];
  const [rounded] = tfTable.get(node.op)!.evaluate!(site, constants, node.outputs) ?? [];
  return rounded && b.op("tf.OnLevels", [b.constant(rounded)], attributes);
}

function fakeQuantised(node: Node, site: Site): Levels | string {
  const {bits, narrow} = fakeQuantLevels(site);
  if (bits > 8) return `${bits} bits; int8 has 8`;
  const [, low, high] = site.constants;
  const isArgs = node.op === "tf.FakeQuantWithMinMaxArgs";
  if (!isArgs && (low === undefined || high === undefined)) return "its range is computed";
  const ends = (tensor: Tensor | undefined, key: string, fallback: number): number[] =>
    tensor === undefined ? [Math.fround(numberAttribute(site, key, fallback))] : Array.from(numbersOf(tensor));
  const [mins, maxs] = [ends(low, "min", -6), ends(high, "max", 6)];
  const half = 2 ** (bits - 1);
  const ranges = mins.map((min, c) => nudge(min, maxs[c]!, bits, narrow));
  const levels = {first: (narrow ? 1 : 0) - half, last: half - 1};
  return levelsOf(
    ranges.map((range) => range && {scale: range.scale, zero: range.zero + levels.first}),
    (site.inputs[0]!.shape?.length ?? 0) - 1,
    levels,
  );
}

function quantizedAndBack(_: Node, site: Site): Levels | string {
  const {levels, isGiven, axis, bits} = dequantizedOptions(site);
  if (bits > 8) return `${bits} bits; int8 has 8`;
  const {dtype} = site.inputs[0]!;
  if (dtype !== "float32") return `its numbers are ${dtype}`;
  const [x, low, high] = site.constants;
  if (isGiven ? low === undefined || high === undefined : x === undefined) return "its range is computed";
  const ends = isGiven
    ? {mins: Array.from(numbersOf(low!)), maxs: Array.from(numbersOf(high!))}
    : channelRanges(x!, axis);
  // Levels without a sign are moved down to those of int8.
  const zero = levels.first < 0 ? 0 : -(2 ** (bits - 1));
  return levelsOf(
    ends.mins.map((min, c) => ({scale: scaleRange(min, ends.maxs[c]!, levels).inverse, zero})),
    Math.max(axis, 0),
    {first: levels.first + zero, last: levels.last + zero},
  );
}

/** An empty range makes everything 0, on any levels: it gets the finest of the others', for what is added to it. */
function levelsOf(
  ranges: readonly ({readonly scale: number; readonly zero: number} | undefined)[],
  axis: number,
  ends: {readonly first: number; readonly last: number},
): Levels | string {
  const isUsable = (scale: number) => scale >= leastScale && Number.isFinite(scale);
  const scales = ranges.flatMap((range) => (range !== undefined && isUsable(range.scale) ? [range.scale] : []));
  if (scales.length === 0) return "its range is empty, or its steps beyond float32";
  const finest = Math.min(...scales);
  const scale = ranges.map((range) => (range && isUsable(range.scale) ? range.scale : finest));
  const zero = ranges.map((range) => range?.zero ?? 0);
  if (zero.some((each) => !(each >= ends.first && each <= ends.last))) return "its range doesn't hold 0";
  return {scale, zero, axis: scale.length === 1 ? 0 : axis, ...ends};
}
