/** TensorFlow's own answers for the test split of the digits, and how to compare with them. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {dirname, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {readNpz, type Tensor} from "@tf-trusted/tensor";

export const fixture = (name: string): Uint8Array =>
  readFileSync(resolve(dirname(fileURLToPath(import.meta.url)), "../../../fixtures/digits", name));

const goldens = readNpz(fixture("test-split.npz"));
const column = (name: string) => goldens.get(name)!;

/** [450, 8, 8, 1] */
export const images: Tensor = column("images");
/** The digits that were written. */
export const labels: readonly number[] = Array.from(column("labels").data as BigInt64Array, Number);

/**
 * Probabilities within rounding and each prediction equal. Gives the number of right ones.
 *
 * @param probabilities [450, 10]
 */
export function compareWithGoldens({data}: Tensor): number {
  const probabilities = data as Float32Array;
  const wanted = column("probabilities").data as Float32Array;
  assert.equal(probabilities.length, wanted.length);
  const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - probabilities[i]!)), 0);
  assert.ok(worst < 1e-5, `probabilities differ by up to ${worst}`);
  const predictions = labels.map((_, row) => {
    const scores = probabilities.subarray(row * 10, row * 10 + 10);
    return scores.indexOf(Math.max(...scores));
  });
  assert.deepEqual(predictions, Array.from(column("predictions").data as BigInt64Array, Number));
  return predictions.filter((digit, row) => digit === labels[row]).length;
}
