/** An assertion for refusals: the right class and the right code, never a raw TypeError or RangeError. */
import assert from "node:assert/strict";
import {TensorError} from "../errors.ts";

/** Runs `action`, which has to throw a TensorError of `code`, and returns that. */
export function throwsCode(code: string, action: () => unknown): TensorError {
  try {
    action();
  } catch (error) {
    if (error instanceof TensorError && error.code === code) return error;
    throw new assert.AssertionError({message: `expected ${code}, found ${error}`, actual: error});
  }
  throw new assert.AssertionError({message: `expected ${code}, but nothing was thrown`});
}
