/** Small graphs in the text format, for tests. */

/** A node; attributes as written in the text format, such as `T: float` or `shape: [2, 3]`. */
export function node(
  name: string,
  op: string,
  inputs: readonly string[] = [],
  attributes: Readonly<Record<string, string>> = {},
): string {
  const attrs = Object.entries(attributes).map(([key, value]) => `  attr { key: "${key}" value { ${value} } }`);
  return [
    `node {`,
    `  name: "${name}" op: "${op}"`,
    ...inputs.map((input) => `  input: "${input}"`),
    ...attrs,
    "}",
  ].join("\n");
}

export const float = "type: DT_FLOAT";
export const int32 = "type: DT_INT32";

export function shape(dims: readonly number[]): string {
  return `shape { ${dims.map((size) => `dim { size: ${size} }`).join(" ")} }`;
}

export function placeholder(name: string, dims: readonly number[], type = float): string {
  return node(name, "Placeholder", [], {dtype: type, shape: shape(dims)});
}

export function floats(name: string, dims: readonly number[], values: readonly number[]): string {
  const tensor = `tensor { dtype: DT_FLOAT tensor_${shape(dims)} ${values.map((value) => `float_val: ${value}`).join(" ")} }`;
  return node(name, "Const", [], {dtype: float, value: tensor});
}

export function ints(name: string, dims: readonly number[], values: readonly number[]): string {
  const tensor = `tensor { dtype: DT_INT32 tensor_${shape(dims)} ${values.map((value) => `int_val: ${value}`).join(" ")} }`;
  return node(name, "Const", [], {dtype: int32, value: tensor});
}

/** relu(batch-norm(conv(x)) + bias) → mean → matmul: one of each kind of thing that a vision net has. */
export const smallNet = [
  placeholder("x", [-1, 6, 6, 2]),
  floats(
    "filter",
    [3, 3, 2, 4],
    Array.from({length: 72}, (_, i) => ((i * 7) % 11) / 8 - 0.5),
  ),
  node("conv", "Conv2D", ["x", "filter"], {
    T: float,
    strides: "list { i: [1, 2, 2, 1] }",
    padding: 's: "SAME"',
  }),
  ...["gamma", "beta", "mean", "variance"].map((name, k) =>
    floats(
      name,
      [4],
      [1, 2, 3, 4].map((i) => i / 4 + k),
    ),
  ),
  node("norm", "FusedBatchNormV3", ["conv", "gamma", "beta", "mean", "variance"], {
    T: float,
    U: float,
    is_training: "b: false",
    epsilon: "f: 0.001",
  }),
  node("relu", "Relu", ["norm"], {T: float}),
  ints("axes", [2], [1, 2]),
  node("pooled", "Mean", ["relu", "axes"], {T: float, Tidx: int32, keep_dims: "b: false"}),
  floats(
    "weights",
    [4, 3],
    Array.from({length: 12}, (_, i) => i / 10 - 0.6),
  ),
  node("logits", "MatMul", ["pooled", "weights"], {T: float}),
  floats("bias", [3], [0.1, 0.2, 0.3]),
  node("sum", "BiasAdd", ["logits", "bias"], {T: float}),
  node("probabilities", "Softmax", ["sum"], {T: float}),
].join("\n");
