/** Bounds on what a graph may claim. Each can be raised by the caller who trusts the file. */
export interface ConvertLimits {
  /** Bytes of the file. */
  readonly maxBytes: number;
  /** Bytes that the constants may take once they are expanded: a few bytes can claim a tensor of any size. */
  readonly maxConstantBytes: number;
  /** Bytes of any one value that the graph computes, where its shape is known: no engine holds more. */
  readonly maxTensorBytes: number;
  /** Nodes between inputs and outputs. */
  readonly maxNodes: number;
}

export const defaultLimits: ConvertLimits = {
  maxBytes: 2 ** 31 - 1,
  maxConstantBytes: 2 ** 31 - 1,
  maxTensorBytes: 2 ** 31 - 1,
  maxNodes: 1_000_000,
};
