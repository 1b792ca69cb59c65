/** Small GraphDefs as text, and running them: for tests of kernels. */
import assert from "node:assert/strict";
import type {ConvertResult} from "@tf-trusted/convert";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import {Tensor} from "@tf-trusted/tensor";

/** A node of float32; further attributes as text. */
export function node(name: string, op: string, inputs: readonly string[], attributes = ""): string {
  const edges = inputs.map((input) => `input: "${input}"`).join(" ");
  return `node { name: "${name}" op: "${op}" ${edges} attr { key: "T" value { type: DT_FLOAT } } ${attributes} }`;
}

/** A node of any operator; attributes by their name, as text. */
export function plainNode(
  name: string,
  op: string,
  inputs: readonly string[],
  attributes: Readonly<Record<string, string>> = {},
): string {
  const edges = inputs.map((each) => `input: "${each}"`).join(" ");
  const attrs = Object.entries(attributes).map(([key, value]) => `attr { key: "${key}" value { ${value} } }`);
  return `node { name: "${name}" op: "${op}" ${edges} ${attrs.join(" ")} }`;
}

export function placeholder(name: string, shape: readonly number[]): string {
  return `node { name: "${name}" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { ${dims(shape)} } } }`;
}

function constant(name: string, dtype: string, shape: readonly number[], values: string): string {
  return `node { name: "${name}" op: "Const" attr { key: "dtype" value { type: ${dtype} } } attr { key: "value" value { tensor { dtype: ${dtype} tensor_${dims(shape)} ${values} } } } }`;
}

function dims(shape: readonly number[]): string {
  return `shape { ${shape.map((size) => `dim { size: ${size} }`).join(" ")} }`;
}

export const ints = (name: string, values: readonly number[], shape: readonly number[] = [values.length]) =>
  constant(name, "DT_INT32", shape, values.map((value) => `int_val: ${value}`).join(" "));
export const floats = (name: string, shape: readonly number[], at: (i: number) => number) => {
  const values = Array.from({length: shape.reduce((p, q) => p * q, 1)}, (_, i) => `float_val: ${Math.fround(at(i))}`);
  return constant(name, "DT_FLOAT", shape, values.join(" "));
};
export const wave = (i: number) => Math.sin(i * 1.7) * 0.5;
export const strides = (h: number, w: number) => `attr { key: "strides" value { list { i: [1, ${h}, ${w}, 1] } } }`;
export const padding = (value: string) => `attr { key: "padding" value { s: "${value}" } }`;
export const ksize = 'attr { key: "ksize" value { list { i: [1, 3, 3, 1] } } }';
export const types = (...keys: readonly string[]) =>
  keys.map((key) => `attr { key: "${key}" value { type: DT_INT32 } }`).join(" ");
export const nchw = 'attr { key: "data_format" value { s: "NCHW" } }';

export async function withEngine(use: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await createWasmEngine();
  try {
    await use(engine);
  } finally {
    await engine.close();
  }
}

export async function run(
  engine: Engine,
  {model, signature}: ConvertResult,
  inputs: Readonly<Record<string, Tensor>>,
): Promise<Readonly<Record<string, Tensor>>> {
  const loaded = await engine.load(model);
  try {
    return (await loaded.run(signature.name, inputs, {deadlineMs: 60_000})).outputs;
  } finally {
    await loaded.close();
  }
}

export function largestDifference(found: Tensor, wanted: Tensor): number {
  assert.deepEqual([found.dtype, found.shape], [wanted.dtype, wanted.shape]);
  const [a, b] = [found.data as Float32Array, wanted.data as Float32Array];
  return a.reduce((most, each, i) => {
    const difference = Math.abs(each - b[i]!);
    return difference <= most ? most : Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }, 0);
}

/** Numbers a bit beyond a range, the same ones each time. */
export function noise(shape: readonly number[], seed: number, [low, high]: readonly [number, number]): Tensor {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const values = Array.from(
    {length: shape.reduce((p, q) => p * q, 1)},
    () => low + (high - low) * (1.1 * next() - 0.05),
  );
  return Tensor.from(values, {dtype: "float32", shape: [...shape]});
}

export const zeros = (like: Tensor): Tensor => new Tensor("float32", like.shape, new Uint8Array(like.bytes.length));
