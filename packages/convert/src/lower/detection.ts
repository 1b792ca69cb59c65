/** Lowerings of non-maximum suppression: the kernels give a fixed number of results and how many of them count. */
import {isKnown, isStatic, unknownDim} from "../ir/dims.ts";
import type {Ref} from "../ir/graph.ts";
import {booleanAttribute, numberAttribute} from "../ir/operators.ts";
import {combinedSizes} from "../ops/tf/detection.ts";
import type {Lowerer, Lowering, LoweringTable} from "./lowerer.ts";

/** More suppressions than that, one for each class of each image, are refused. */
const maxSuppressions = 256;

/** Indices, (with a sigma: scores,) and the count. */
function kernel(
  b: Lowerer,
  operands: readonly Ref[],
  count: number | undefined,
  sigma: Ref | undefined,
): readonly Ref[] {
  const shape = [count ?? unknownDim];
  return b.raw(
    sigma === undefined ? "NON_MAX_SUPPRESSION_V4" : "NON_MAX_SUPPRESSION_V5",
    sigma === undefined ? operands : [...operands, sigma],
    {},
    [
      {dtype: "int32", shape},
      ...(sigma === undefined ? [] : [{dtype: "float32" as const, shape}]),
      {dtype: "int32", shape: []},
    ],
  );
}

const suppression: Lowering = ({op, inputs, types, site}, b) => {
  const [boxes, scores, size, overlap, threshold, sigma] = inputs;
  const [count] = b.known(size!) ?? [];
  const found = kernel(
    b,
    [
      boxes!,
      scores!,
      b.operand(b.reshape(size!, [])),
      overlap ?? b.scalar(numberAttribute(site, "iou_threshold", 0.5)),
      threshold ?? b.scalar(-3.4028234663852886e38),
    ],
    count,
    sigma,
  );
  if (booleanAttribute(site, "pad_to_max_output_size")) return found.slice(0, types.length);
  // Only what counts: a number of results that the data decide.
  const valid = b.reshape(found.at(-1)!, [1]);
  const cut = found.slice(0, -1).map((ref) => {
    const type = {dtype: b.dtype(ref), shape: [unknownDim]};
    return b.raw("SLICE", [ref, b.ints([0]), valid], {}, [type])[0]!;
  });
  return /V[45]$/.test(op) ? [...cut, found.at(-1)!] : [cut[0]!];
};

/** The best of all classes of an image: suppressed class by class, then sorted together. */
const combined: Lowering = ({inputs, site}, b) => {
  const [boxes, scores, , , overlap, threshold] = inputs;
  const [boxShape, scoreShape] = [b.shape(boxes!), b.shape(scores!)];
  const {perClass, total} = combinedSizes(site);
  if (perClass === undefined || !isKnown(total)) return b.refuse("its sizes are computed, expected constants");
  if (!isStatic(boxShape) || !isStatic(scoreShape)) return b.refuse("the shape of its boxes or scores isn't known");
  const [batch, count, kinds] = boxShape as readonly [number, number, number, number];
  const classes = scoreShape[2]!;
  if (batch * classes > maxSuppressions) return b.refuse(`${batch * classes} suppressions, for images and classes`);
  const range = (n: number) => b.ints(Array.from({length: b.bounded(n)}, (_, i) => i));
  const kept = Math.min(total, perClass * classes);
  const clips = booleanAttribute(site, "clip_boxes", true);
  // [batch, kinds, count, 4] and [batch, classes, count]
  const byClass = b.reshape(b.transpose(boxes!, [0, 2, 1, 3]), [batch * kinds * count, 4]);
  const scored = b.transpose(scores!, [0, 2, 1]);

  const images = Array.from({length: batch}, (_, n) => {
    const results = Array.from({length: classes}, (_, c) => {
      const first = (n * kinds + (kinds === 1 ? 0 : c)) * count;
      const own = b.slice(byClass, [first, 0], [count, 4]);
      const points = b.reshape(b.slice(scored, [n, c, 0], [1, 1, count]), [count]);
      const operands = [own, points, b.ints([perClass], []), overlap!, threshold!];
      const [indices, found, valid] = kernel(b, operands, perClass, b.scalar(0));
      return {at: b.add(indices!, b.ints([first], [])), found: found!, valid: b.reshape(valid!, [1])};
    });
    const valid = b.reshape(
      b.concat(
        results.map((each) => each.valid),
        0,
      ),
      [classes, 1],
    );
    const counts = b.raw("LESS", [b.reshape(range(perClass), [1, perClass]), valid])[0]!;
    const all = b.reshape(
      b.concat(
        results.map((each) => each.found),
        0,
      ),
      [classes, perClass],
    );
    const masked = b.reshape(b.select(counts, all, b.scalar(Number.NEGATIVE_INFINITY)), [classes * perClass]);
    const [best, order] = b.raw("TOPK_V2", [masked, b.ints([kept], [])], {}, [
      {dtype: "float32", shape: [kept]},
      {dtype: "int32", shape: [kept]},
    ]);
    const places = b.gather(
      b.concat(
        results.map((each) => each.at),
        0,
      ),
      order!,
      0,
    );
    const classOf = b.floats(Array.from({length: b.bounded(classes * perClass)}, (_, i) => Math.floor(i / perClass)));
    const number = b.binary("MINIMUM", b.reduce("SUM", b.reshape(valid, [classes]), [0], true), b.ints([kept]));
    const isValid = b.raw("LESS", [range(kept), number])[0]!;
    const corners = b.gather(byClass, places, 0);
    const clipped = clips ? b.binary("MINIMUM", b.binary("MAXIMUM", corners, b.scalar(0)), b.scalar(1)) : corners;
    const zero = b.scalar(0);
    return {
      boxes: b.select(b.reshape(isValid, [kept, 1]), clipped, zero),
      scores: b.select(isValid, best!, zero),
      classes: b.select(isValid, b.gather(classOf, order!, 0), zero),
      number,
    };
  });
  const stacked = (refs: readonly Ref[], tail: readonly number[]): Ref => {
    const whole = b.concat(
      refs.map((ref) => b.reshape(ref, [1, kept, ...tail])),
      0,
    );
    if (kept === total) return whole;
    const widths = b.ints([0, 0, 0, total - kept, ...tail.flatMap(() => [0, 0])], [2 + tail.length, 2]);
    return b.op("PAD", [whole], {}, {operands: [widths]});
  };
  return [
    stacked(
      images.map((each) => each.boxes),
      [4],
    ),
    stacked(
      images.map((each) => each.scores),
      [],
    ),
    stacked(
      images.map((each) => each.classes),
      [],
    ),
    b.concat(
      images.map((each) => each.number),
      0,
    ),
  ];
};

export const detectionLowerings: LoweringTable = {
  NonMaxSuppression: suppression,
  NonMaxSuppressionV2: suppression,
  NonMaxSuppressionV3: suppression,
  NonMaxSuppressionV4: suppression,
  NonMaxSuppressionV5: suppression,
  CombinedNonMaxSuppression: combined,
};
