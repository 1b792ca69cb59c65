/**
 * Where collateral comes from. A source gets evidence and gives it back with more or fresher collateral; nothing that it
 * brings is trusted, since verification checks every byte. Evidence of a kind that a source doesn't know passes unchanged.
 */
import type {Evidence} from "@tf-trusted/attestation";

export type CollateralSource = (evidence: Evidence, signal?: AbortSignal) => Promise<Evidence>;

/** What came with the evidence, and nothing else. */
export const carriedCollateral: CollateralSource = async (evidence) => evidence;

/** One after the other, each seeing what the ones before it brought. */
export function collateralFrom(...sources: readonly CollateralSource[]): CollateralSource {
  return async (evidence, signal) => {
    let complete = evidence;
    for (const source of sources) complete = await source(complete, signal);
    return complete;
  };
}
