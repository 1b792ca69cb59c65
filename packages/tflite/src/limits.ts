/** How much a file may claim. Every reader and check takes these as an argument; the defaults fit the largest real models. */

export interface TfliteLimits {
  /** Bytes of the whole file. */
  readonly maxFileBytes: number;
  /** Bytes of tables, lists and strings (weights not counted) that reading may produce. */
  readonly maxDecodedBytes: number;
  readonly maxSubgraphs: number;
  /** Tensors of all subgraphs together. */
  readonly maxTensors: number;
  /** Bytes of a single tensor at its declared shape. */
  readonly maxTensorBytes: number;
  /** Bytes of all tensors at their declared shapes: what running the model may take. */
  readonly maxTotalTensorBytes: number;
}

export const defaultLimits: TfliteLimits = {
  maxFileBytes: 0x7fff_ffff,
  maxDecodedBytes: 1 << 28,
  maxSubgraphs: 10_000,
  maxTensors: 1_000_000,
  maxTensorBytes: 0x7fff_ffff,
  maxTotalTensorBytes: 2 ** 34,
};
