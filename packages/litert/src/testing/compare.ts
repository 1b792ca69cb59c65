/** Tensors against goldens. */
import {bfloat16ToNumber, float16ToNumber, type Tensor} from "@tf-trusted/tensor";

export interface Tolerance {
  readonly abs: number;
  readonly rel: number;
}

/** Why `found` isn't `expected` within `tolerance`, or `undefined`. Integers and bools count in steps. */
export function difference(found: Tensor | undefined, expected: Tensor, {abs, rel}: Tolerance): string | undefined {
  if (found === undefined) return "is missing";
  if (found.dtype !== expected.dtype) return `is ${found.dtype}, expected ${expected.dtype}`;
  if (`${found.shape}` !== `${expected.shape}`) return `has the shape [${found.shape}], expected [${expected.shape}]`;
  const ours = numbers(found);
  const theirs = numbers(expected);
  let worst = 0;
  let at = -1;
  ours.forEach((value, index) => {
    const wanted = theirs[index]!;
    if (Object.is(value, wanted) || value === wanted || (Number.isNaN(value) && Number.isNaN(wanted))) return;
    const excess = Math.abs(value - wanted) - abs - rel * Math.abs(wanted);
    // Infinity and NaN against a number are never close.
    if (Number.isNaN(excess) || excess > worst) {
      worst = Number.isNaN(excess) ? Number.POSITIVE_INFINITY : excess;
      at = index;
    }
  });
  if (at === -1) return undefined;
  return `differs at element ${at}: ${ours[at]}, expected ${theirs[at]} ± ${abs} ± ${rel} relative`;
}

/** float16 and bfloat16 are stored as bits; 64-bit integers of the goldens are below 2^53. */
function numbers({dtype, data}: Tensor): readonly number[] {
  const elements = Array.from(data as ArrayLike<number | bigint>, Number);
  if (dtype === "float16") return elements.map(float16ToNumber);
  if (dtype === "bfloat16") return elements.map(bfloat16ToNumber);
  return elements;
}
