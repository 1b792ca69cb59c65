/**
 * Batches against separate calls: where a file is admitted for batches, each row of one gives what it gives in a call of its
 * own, in both engines; everything else is refused with the reason.
 */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {dtypes, Tensor} from "@tf-trusted/tensor";
import {admitModel} from "./admission.ts";
import type {Engine, LoadedModel, Signature} from "./engine.ts";
import {defaultLimits} from "./limits.ts";
import {LitertError} from "./litert-error.ts";
import {difference} from "./testing/compare.ts";
import {corpusCases, corpusMissing, readCorpusFile} from "./testing/corpus.ts";
import {describeEngines, type EngineKind} from "./testing/engines.ts";
import {type GraphSketch, makeModel} from "./testing/models.ts";

const rows = 8;
/** Kernels may add up in another order for another number of rows; int8 has no order, and half a step to lose. */
const tolerance = (dtype: Tensor["dtype"]) => (/float/.test(dtype) ? {abs: 1e-5, rel: 1e-4} : {abs: 0, rel: 0});

function batchingOf(graph: GraphSketch, maxBatch = 4): Signature["batching"] {
  return admitModel(makeModel(graph), {...defaultLimits, maxBatch}, "wasm").signatures[0]!.batching;
}

const ints = (...values: readonly number[]) => new Uint8Array(Int32Array.from(values).buffer);

/** One operator over `[-1, 4]` and what follows. */
function sketch(op: string, extra: Partial<GraphSketch> = {}, output: readonly number[] = [-1, 4]): GraphSketch {
  return {
    tensors: [
      {name: "x", type: "float32", shape: [-1, 4]},
      {name: "y", type: "float32", shape: output},
      ...(extra.tensors ?? []),
    ],
    inputs: ["x"],
    outputs: ["y"],
    nodes: extra.nodes ?? [{op, inputs: ["x"], outputs: ["y"]}],
  };
}

test("what mixes rows, keeps state or has no open batch is refused, and says why", () => {
  const refused = (graph: GraphSketch, reason: RegExp) => {
    const found = batchingOf(graph);
    assert.ok(found !== undefined && "refused" in found, "batches are allowed");
    assert.match(found.refused, reason);
  };
  const axes = (...values: readonly number[]) =>
    [{name: "axes", type: "int32", shape: [values.length], data: ints(...values)}] as const;
  const mean = {op: "MEAN", inputs: ["x", "axes"], options: ["ReducerOptions", {keepDims: true}]} as const;
  const centre = [
    {...mean, outputs: ["m"]},
    {op: "SUB", inputs: ["x", "m"], outputs: ["y"], options: ["SubOptions", {}]},
  ] as const;
  const m = (shape: readonly number[]) => ({name: "m", type: "float32", shape}) as const;
  // Normalised over its batch, as in training, and over its features.
  refused(sketch("", {tensors: [...axes(0), m([1, 4])], nodes: centre}), /MEAN .*: it goes along the batch/);
  refused(sketch("", {tensors: [...axes(-2), m([1, 4])], nodes: centre}), /MEAN .*: it goes along the batch/);
  assert.deepEqual(batchingOf(sketch("", {tensors: [...axes(1), m([-1, 1])], nodes: centre})), {maxRows: 4});
  const size = [
    {op: "SHAPE", inputs: ["x"], outputs: ["s"], options: ["ShapeOptions", {outType: "INT32"}]},
    {
      op: "CAST",
      inputs: ["s"],
      outputs: ["f"],
      options: ["CastOptions", {inDataType: "INT32", outDataType: "FLOAT32"}],
    },
  ] as const;
  // Divided by the size of the batch.
  const sized = [
    {name: "s", type: "int32", shape: [2]},
    {name: "f", type: "float32", shape: [2]},
  ] as const;
  const first = [
    {name: "zero", type: "int32", shape: [1], data: ints(0)},
    {name: "one", type: "int32", shape: [1], data: ints(1)},
  ] as const;
  const divided = [
    ...size,
    {op: "SLICE", inputs: ["f", "zero", "one"], outputs: ["b"], options: ["SliceOptions", {}]},
    {op: "DIV", inputs: ["x", "b"], outputs: ["y"], options: ["DivOptions", {}]},
  ] as const;
  refused(
    sketch("", {tensors: [...sized, ...first, {name: "b", type: "float32", shape: [1]}], nodes: divided}),
    /DIV .*something else to each row|isn't known before the run/,
  );
  refused(
    sketch("", {
      tensors: [
        {name: "perm", type: "int32", shape: [2], data: ints(1, 0)},
        {name: "t", type: "float32", shape: [4, -1]},
      ],
      nodes: [
        {op: "TRANSPOSE", inputs: ["x", "perm"], outputs: ["t"], options: ["TransposeOptions", {}]},
        {op: "TRANSPOSE", inputs: ["t", "perm"], outputs: ["y"], options: ["TransposeOptions", {}]},
      ],
    }),
    /TRANSPOSE .*: it moves the batch/,
  );
  refused(
    sketch("", {
      tensors: [{name: "axis", type: "int32", shape: [1], data: ints(0)}],
      nodes: [{op: "REVERSE_V2", inputs: ["x", "axis"], outputs: ["y"], options: ["ReverseV2Options", {}]}],
    }),
    /REVERSE_V2 .*: it goes along the batch/,
  );
  refused(
    sketch("", {
      tensors: [{name: "axis", type: "int32", shape: [], data: ints(0)}],
      nodes: [{op: "CUMSUM", inputs: ["x", "axis"], outputs: ["y"], options: ["CumsumOptions", {}]}],
    }),
    /CUMSUM .*: it goes along the batch/,
  );
  refused(
    {
      ...sketch("RELU"),
      tensors: [
        {name: "x", type: "float32", shape: [1, 4]},
        {name: "y", type: "float32", shape: [1, 4]},
      ],
    },
    /first dimension isn't open/,
  );
  refused(
    {
      ...sketch("RELU"),
      tensors: [
        {name: "x", type: "float32", shape: [-1, -1]},
        {name: "y", type: "float32", shape: [-1, -1]},
      ],
    },
    /a dimension beside the first is open/,
  );
  assert.deepEqual(batchingOf(sketch("RELU")), {maxRows: 4});
  // SOFTMAX goes along the last dimension.
  assert.deepEqual(
    batchingOf(
      sketch("", {nodes: [{op: "SOFTMAX", inputs: ["x"], outputs: ["y"], options: ["SoftmaxOptions", {beta: 1}]}]}),
    ),
    {maxRows: 4},
  );
  assert.equal(admitModel(makeModel(sketch("RELU")), defaultLimits, "wasm").signatures[0]!.batching, undefined);
});

describeEngines((kind) => {
  let engine: Engine;
  before(async () => {
    engine = await kind.create();
  });
  after(() => engine.close());

  test("corpus: what may be joined gives the same joined and apart", async (context) => {
    if (corpusMissing !== undefined) return context.skip(corpusMissing);
    const wrong: string[] = [];
    let checked = 0;
    for (const {id, file, expect_error} of corpusCases("tflite")) {
      if (expect_error !== undefined) continue;
      const bytes = readCorpusFile(file);
      const admitted = batchedSignatures(bytes, kind.name);
      if (admitted.length === 0) continue;
      const model = await engine.load(bytes);
      for (const signature of admitted) {
        checked++;
        const problem = await compare(model, signature);
        if (problem !== undefined) wrong.push(`${id}: ${problem}`);
      }
      await model.close();
    }
    assert.deepEqual(wrong, []);
    assert.ok(checked >= 20, `only ${checked} files are admitted for batches`);
  });
});

function batchedSignatures(file: Uint8Array, engine: EngineKind["name"]): readonly Signature[] {
  try {
    const {signatures} = admitModel(file, {...defaultLimits, maxBatch: rows}, engine);
    return signatures.filter(({batching}) => batching !== undefined && "maxRows" in batching);
  } catch (error) {
    // Files that an engine refuses have a test of their own.
    if (error instanceof LitertError) return [];
    throw error;
  }
}

/** A batch of random rows, against calls of 1, 2 and 5 of them. */
async function compare(model: LoadedModel, signature: Signature): Promise<string | undefined> {
  const tensors = signature.inputs.map((spec, at) => [spec.name, randomTensor(spec, at)] as const);
  const part = (tensor: Tensor, from: number, to: number) => {
    const width = tensor.bytes.length / tensor.shape[0]!;
    return new Tensor(
      tensor.dtype,
      [to - from, ...tensor.shape.slice(1)],
      tensor.bytes.slice(from * width, to * width),
    );
  };
  const joined = await model.run(signature.name, Object.fromEntries(tensors));
  for (const [from, to] of [
    [0, 1],
    [1, 3],
    [3, 8],
  ] as const) {
    const apart = await model.run(
      signature.name,
      Object.fromEntries(tensors.map(([name, tensor]) => [name, part(tensor, from, to)])),
    );
    for (const [name, tensor] of Object.entries(apart.outputs)) {
      const problem = difference(part(joined.outputs[name]!, from, to), tensor, tolerance(tensor.dtype));
      if (problem !== undefined) return `${name}, rows ${from} to ${to}: ${problem}`;
    }
  }
  return undefined;
}

/** Small numbers that differ from row to row; integers are indices at times. */
function randomTensor({dtype, shape}: Signature["inputs"][number], seed: number): Tensor {
  const full = [rows, ...shape.slice(1)];
  const count = full.reduce((product, dim) => product * dim, 1);
  const values = Array.from({length: count}, (_, i) => Math.sin((i + 1) * 12.9898 + seed) * 43758.5453).map(
    (x) => x - Math.floor(x),
  );
  if (/float/.test(dtype))
    return Tensor.from(
      values.map((x) => 2 * x - 1),
      {shape: full, dtype: dtype as "float32"},
    );
  assert.ok(dtypes[dtype].bytes !== undefined);
  return Tensor.from(
    dtype === "int64"
      ? values.map((x) => BigInt(Math.floor(4 * x)))
      : values.map((x) => Math.floor((dtype === "bool" ? 2 : 4) * x)),
    {shape: full, dtype: dtype as "int32"},
  );
}
