/** Shapes: lists of dimensions, outermost first. */
import {TensorError} from "./errors.ts";

/** Dimensions, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** As many dimensions as NumPy 2 allows. It bounds every loop and recursion over dimensions here. */
export const maxRank = 64;

/** Product of the dimensions; 1 for a scalar. Throws `TENSOR_SHAPE`. */
export function elementCount(shape: Shape): number {
  const problem = findShapeProblem(shape);
  if (problem !== undefined) throw new TensorError("TENSOR_SHAPE", problem);
  return shape.reduce((count, dimension) => count * dimension, 1);
}

/**
 * What is wrong with a shape, for a message. Dimensions may not be too large together even where one of them is 0, so
 * that products of some of them are safe as well.
 */
export function findShapeProblem(shape: Shape): string | undefined {
  if (shape.length > maxRank) return `found ${shape.length} dimensions, expected at most ${maxRank}`;
  const bad = shape.find((dimension) => !Number.isSafeInteger(dimension) || dimension < 0);
  if (bad !== undefined) return `found dimension ${bad} in ${formatShape(shape)}, expected a whole number >= 0`;
  const product = shape.reduce((count, dimension) => count * (dimension || 1), 1);
  return Number.isSafeInteger(product) ? undefined : `${formatShape(shape)} has more than 2^53 elements`;
}

/** `[1, 224, 224, 3]`, as shapes are written in messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}
