/** How far a converted model's outputs are from the reference's. */
import {dtypes, type Tensor} from "@tf-trusted/tensor";
import {numbersOf} from "../ops/elements.ts";

export interface OutputDifference {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** The largest |found − reference|; infinite where only one of the two is NaN or infinite, or strings differ. */
  readonly largest: number;
  /** `largest` as part of the largest |reference|; 0 for equal outputs. */
  readonly relative: number;
  /** Where `largest` is; empty for scalars and equal outputs. */
  readonly at: readonly number[];
  /** Why the outputs can't be compared, if they can't: another dtype or shape, or a missing output. */
  readonly mismatch?: string;
}

/** Compares by name; every output of the reference is told of. Complex numbers count as pairs. */
export function compareOutputs(
  reference: ReadonlyMap<string, Tensor>,
  found: Readonly<Record<string, Tensor>>,
): readonly OutputDifference[] {
  return [...reference].map(([name, wanted]): OutputDifference => {
    const {dtype, shape} = wanted;
    const result = Object.hasOwn(found, name) ? found[name] : undefined;
    const mismatch = mismatchOf(wanted, result);
    if (mismatch !== undefined) {
      return {
        name,
        dtype,
        shape,
        largest: Number.POSITIVE_INFINITY,
        relative: Number.POSITIVE_INFINITY,
        at: [],
        mismatch,
      };
    }
    const {largest, index, magnitude} = measure(wanted, result!);
    const relative = largest === 0 ? 0 : magnitude === 0 ? Number.POSITIVE_INFINITY : largest / magnitude;
    return {name, dtype, shape, largest, relative, at: largest === 0 ? [] : placeOf(index, shape)};
  });
}

function mismatchOf(wanted: Tensor, found: Tensor | undefined): string | undefined {
  const tell = ({dtype, shape}: Tensor) => `${dtype} [${shape.join(", ")}]`;
  if (found === undefined) return "the converted model has no such output";
  const same = found.dtype === wanted.dtype && found.shape.join() === wanted.shape.join();
  return same ? undefined : `the converted model gives ${tell(found)}, expected ${tell(wanted)}`;
}

interface Measure {
  readonly largest: number;
  readonly index: number;
  readonly magnitude: number;
}

function measure(wanted: Tensor, found: Tensor): Measure {
  if (dtypes[wanted.dtype].kind === "string") {
    return {largest: found.equals(wanted) ? 0 : Number.POSITIVE_INFINITY, index: 0, magnitude: 1};
  }
  const [a, b] = [numbersOf(wanted), numbersOf(found)];
  const parts = dtypes[wanted.dtype].kind === "complex" ? 2 : 1;
  let [largest, index, magnitude] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]!, b[i]!];
    if (Number.isFinite(x)) magnitude = Math.max(magnitude, Math.abs(x));
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    const distance = Math.abs(x - y);
    const difference = Number.isFinite(distance) ? distance : Number.POSITIVE_INFINITY;
    if (difference > largest) [largest, index] = [difference, Math.floor(i / parts)];
  }
  return {largest, index, magnitude};
}

function placeOf(index: number, shape: readonly number[]): readonly number[] {
  const place = new Array<number>(shape.length).fill(0);
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    place[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return place;
}
