/** What a list of times amounts to. */

export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly least: number;
  readonly mean: number;
}

/** By nearest rank: each is a time that was measured. `times` may not be empty. */
export function percentiles(times: readonly number[]): Percentiles {
  const sorted = times.toSorted((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  return {
    p50: rank(0.5),
    p90: rank(0.9),
    p99: rank(0.99),
    least: sorted[0]!,
    mean: times.reduce((sum, time) => sum + time, 0) / times.length,
  };
}
