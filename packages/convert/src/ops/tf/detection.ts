/** Non-maximum suppression in all versions: which boxes stay, best first. */
import type {DType, Tensor} from "@tf-trusted/tensor";
import {type Dim, isKnown, unknownDim} from "../../ir/dims.ts";
import {booleanAttribute, failAt, numberAttribute, type Operator, type Site} from "../../ir/operators.ts";
import {makeTensor, numbersOf} from "../elements.ts";
import {integersOf} from "../shapes.ts";

interface Wanted {
  readonly count: number;
  /** A box that overlaps a chosen one by more goes. */
  readonly overlap: number;
  readonly score: number;
  /** Of soft suppression; 0 is hard. */
  readonly sigma: number;
}

interface Chosen {
  readonly index: number;
  readonly score: number;
}

/** Intersection over union of two boxes by corners, in either order; 0 where one of them is empty. */
function overlapOf(boxes: ArrayLike<number>, i: number, j: number): number {
  const box = (at: number) => {
    const [a, b, c, d] = [0, 1, 2, 3].map((k) => boxes[4 * at + k]!) as [number, number, number, number];
    return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)] as const;
  };
  const [p, q] = [box(i), box(j)];
  const areaOf = (each: readonly [number, number, number, number]) => (each[2] - each[0]) * (each[3] - each[1]);
  const [first, second] = [areaOf(p), areaOf(q)];
  if (first <= 0 || second <= 0) return 0;
  const height = Math.max(0, Math.min(p[2], q[2]) - Math.max(p[0], q[0]));
  const width = Math.max(0, Math.min(p[3], q[3]) - Math.max(p[1], q[1]));
  return (height * width) / (first + second - height * width);
}

/** Takes the best candidate, lowers what overlaps it, again and again. Equal scores: the lower index first. */
function suppress(boxes: ArrayLike<number>, scores: readonly number[], wanted: Wanted): Chosen[] {
  const isSoft = wanted.sigma > 0;
  const scale = isSoft ? -0.5 / wanted.sigma : 0;
  // `seen` is how many of the chosen boxes a candidate's score has been lowered by already.
  let candidates = scores
    .map((score, index) => ({index, score, seen: 0}))
    .filter(({score}) => score > wanted.score)
    .sort((a, b) => b.score - a.score || a.index - b.index);
  const chosen: Chosen[] = [];
  while (chosen.length < wanted.count && candidates.length > 0) {
    const [best, ...rest] = candidates;
    let {score} = best!;
    let isGone = false;
    for (let k = chosen.length - 1; k >= best!.seen && !isGone; k--) {
      const overlap = overlapOf(boxes, best!.index, chosen[k]!.index);
      if (isSoft) score *= Math.exp(scale * overlap * overlap);
      else isGone = overlap > wanted.overlap;
      if (score <= wanted.score) isGone = true;
    }
    candidates = rest;
    if (isGone) continue;
    if (score === best!.score) {
      chosen.push({index: best!.index, score});
      continue;
    }
    const at = rest.findIndex((each) => each.score < score || (each.score === score && each.index > best!.index));
    candidates.splice(at < 0 ? rest.length : at, 0, {index: best!.index, score, seen: chosen.length});
  }
  return chosen;
}

const scalarOf = (tensor: Tensor | undefined, fallback: number): number => (tensor ? numbersOf(tensor)[0]! : fallback);

/** How many results an operator has: a fixed number where they are padded. */
function resultCount(site: Site): Dim {
  const count = integersOf(site, 2)?.[0];
  if (!booleanAttribute(site, "pad_to_max_output_size")) {
    return site.inputs[0]!.shape?.[0] === 0 || count === 0 ? 0 : unknownDim;
  }
  if (count !== undefined && count < 0) throw failAt(site, "CONVERT_SHAPE", `max_output_size ${count}`);
  return count ?? unknownDim;
}

const suppression = (name: string, outputs: (site: Site) => readonly {dtype: DType; shape: Dim[]}[]): Operator => ({
  name: `tf.${name}`,
  infer: (site) => outputs(site),
  evaluate: (site, [boxes, scores, count, overlap, score, sigma]) => {
    const wanted: Wanted = {
      count: scalarOf(count, 0),
      overlap: scalarOf(overlap, numberAttribute(site, "iou_threshold", 0.5)),
      score: scalarOf(score, Number.NEGATIVE_INFINITY),
      sigma: scalarOf(sigma, 0),
    };
    const chosen = suppress(numbersOf(boxes!), Array.from(numbersOf(scores!)), wanted);
    const size = booleanAttribute(site, "pad_to_max_output_size") ? wanted.count : chosen.length;
    const indices = makeTensor("int32", [size], (i) => chosen[i]?.index ?? 0);
    const found = makeTensor(scores!.dtype, [size], (i) => chosen[i]?.score ?? 0);
    const valid = makeTensor("int32", [], () => chosen.length);
    if (name.endsWith("V5")) return [indices, found, valid];
    return name.endsWith("V4") ? [indices, valid] : [indices];
  },
  sizedByValues: true,
  cost: (_, [boxes, , count]) => boxes!.shape[0]! * Math.max(boxes!.shape[0]!, scalarOf(count, 0)),
});

const indicesOnly = (site: Site) => [{dtype: "int32" as const, shape: [resultCount(site)]}];

/** How many results an image has, and the most that a class gives. */
export function combinedSizes(site: Site): {readonly perClass: number | undefined; readonly total: Dim} {
  const [perClass, most] = [integersOf(site, 2)?.[0], integersOf(site, 3)?.[0]];
  const classes = site.inputs[1]!.shape?.[2] ?? unknownDim;
  if (perClass === undefined || most === undefined) return {perClass, total: unknownDim};
  if (perClass <= 0 || most <= 0) throw failAt(site, "CONVERT_SHAPE", `sizes ${perClass} and ${most}`);
  if (!booleanAttribute(site, "pad_per_class")) return {perClass, total: most};
  return {perClass, total: isKnown(classes) ? Math.min(most, perClass * classes) : unknownDim};
}

function evaluateCombined(site: Site, inputs: readonly Tensor[], total: number): Tensor[] {
  const [boxes, scores, perClass, , overlap, score] = inputs;
  const [batch, count, kinds] = boxes!.shape as [number, number, number, number];
  const classes = scores!.shape[2]!;
  const [corners, all] = [numbersOf(boxes!), numbersOf(scores!)];
  const clips = booleanAttribute(site, "clip_boxes", true);
  const wanted: Wanted = {
    count: scalarOf(perClass, 0),
    overlap: scalarOf(overlap, 0.5),
    score: scalarOf(score, Number.NEGATIVE_INFINITY),
    sigma: 0,
  };
  const results = Array.from({length: batch}, (_, n) =>
    Array.from({length: classes}, (_, c) => {
      const own = Float64Array.from({length: 4 * count}, (_, i) => {
        const at = (n * count + Math.floor(i / 4)) * kinds + (kinds === 1 ? 0 : c);
        return corners[4 * at + (i % 4)]!;
      });
      const scored = Array.from({length: count}, (_, i) => all[(n * count + i) * classes + c]!);
      return suppress(own, scored, wanted).map((each) => ({
        ...each,
        c,
        box: own.slice(4 * each.index, 4 * each.index + 4),
      }));
    })
      .flat()
      .sort((a, b) => b.score - a.score)
      .slice(0, total),
  );
  const clip = (x: number) => (clips ? Math.min(Math.max(x, 0), 1) : x);
  return [
    makeTensor("float32", [batch, total, 4], (i) => {
      const found = results[Math.floor(i / (4 * total))]![Math.floor(i / 4) % total];
      return found ? clip(found.box[i % 4]!) : 0;
    }),
    makeTensor("float32", [batch, total], (i) => results[Math.floor(i / total)]![i % total]?.score ?? 0),
    makeTensor("float32", [batch, total], (i) => results[Math.floor(i / total)]![i % total]?.c ?? 0),
    makeTensor("int32", [batch], (n) => results[n]!.length),
  ];
}

export const detection: readonly Operator[] = [
  suppression("NonMaxSuppression", indicesOnly),
  suppression("NonMaxSuppressionV2", indicesOnly),
  suppression("NonMaxSuppressionV3", indicesOnly),
  suppression("NonMaxSuppressionV4", (site) => [
    {dtype: "int32", shape: [resultCount(site)]},
    {dtype: "int32", shape: []},
  ]),
  suppression("NonMaxSuppressionV5", (site) => [
    {dtype: "int32", shape: [resultCount(site)]},
    {dtype: site.inputs[1]!.dtype as DType, shape: [resultCount(site)]},
    {dtype: "int32", shape: []},
  ]),
  {
    name: "tf.CombinedNonMaxSuppression",
    infer: (site) => {
      const batch = site.inputs[0]!.shape?.[0] ?? unknownDim;
      const {total} = combinedSizes(site);
      return [
        {dtype: "float32", shape: [batch, total, 4]},
        {dtype: "float32", shape: [batch, total]},
        {dtype: "float32", shape: [batch, total]},
        {dtype: "int32", shape: [batch]},
      ];
    },
    evaluate: (site, inputs, [type]) => evaluateCombined(site, inputs, type!.shape![1] as number),
    cost: (_, [, scores]) => scores!.size * scores!.shape[1]!,
  },
];
