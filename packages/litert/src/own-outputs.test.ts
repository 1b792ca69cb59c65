/** Outputs that no operator writes: LiteRT alone gives what lies in the buffer; the engine gives the values. */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import {readModel, type TfliteModel, writeModel} from "@tf-trusted/tflite";
import type {Engine} from "./engine.ts";
import {ownOutputs} from "./own-outputs.ts";
import {floats, type GraphSketch, ints, makeModel, makeModelValue, type TensorSketch} from "./testing/models.ts";
import {createWasmEngine} from "./wasm/engine.ts";

let engine: Engine;
before(async () => {
  engine = await createWasmEngine();
});
after(() => engine.close());

const pair = (name: string): TensorSketch => ({name, type: "float32", shape: [2]});
const abs = (from: string, to: string) => ({op: "ABS", inputs: [from], outputs: [to]});
const shapeOf = (from: string, to: string) =>
  ({op: "SHAPE", inputs: [from], outputs: [to], options: ["ShapeOptions", {outType: "INT32"}]}) as const;

interface Case {
  readonly graph: GraphSketch;
  /** For x = [-1, 2]. */
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

const cases: Readonly<Record<string, Case>> = {
  "an input": {
    graph: {tensors: [pair("x")], inputs: ["x"], outputs: ["x"], nodes: []},
    outputs: {x: [-1, 2]},
  },
  "an input, beside what is computed": {
    graph: {tensors: [pair("x"), pair("y")], inputs: ["x"], outputs: ["x", "y"], nodes: [abs("x", "y")]},
    outputs: {x: [-1, 2], y: [1, 2]},
  },
  "a constant": {
    graph: {
      tensors: [pair("x"), {...pair("c"), data: floats(7, 8)}, pair("y")],
      inputs: ["x"],
      outputs: ["c", "y"],
      nodes: [abs("x", "y")],
    },
    outputs: {c: [7, 8], y: [1, 2]},
  },
  "a scalar constant": {
    graph: {
      tensors: [pair("x"), {name: "c", type: "float32", shape: [], data: floats(7)}, pair("y")],
      inputs: ["x"],
      outputs: ["c", "y"],
      nodes: [abs("x", "y")],
    },
    outputs: {c: [7], y: [1, 2]},
  },
  "one value twice": {
    graph: {tensors: [pair("x"), pair("y")], inputs: ["x"], outputs: ["y", "y"], nodes: [abs("x", "y")]},
    outputs: {"y:0": [1, 2], "y:1": [1, 2]},
  },
  "a shape": {
    graph: {
      tensors: [
        {name: "x", type: "float32", shape: [-1]},
        {name: "s", type: "int32", shape: [1]},
      ],
      inputs: ["x"],
      outputs: ["s"],
      nodes: [shapeOf("x", "s")],
    },
    outputs: {s: [2]},
  },
  "what follows from a shape": {
    graph: {
      tensors: [
        {name: "x", type: "float32", shape: [-1]},
        {name: "s", type: "int32", shape: [1]},
        {name: "n", type: "int32", shape: [1]},
        {name: "y", type: "float32", shape: [-1]},
      ],
      inputs: ["x"],
      outputs: ["n", "y"],
      nodes: [shapeOf("x", "s"), {op: "NEG", inputs: ["s"], outputs: ["n"]}, abs("x", "y")],
    },
    outputs: {n: [-2], y: [1, 2]},
  },
};

for (const [name, {graph, outputs}] of Object.entries(cases)) {
  test(`an output that is ${name}`, async () => {
    const model = await engine.load(makeModel(graph));
    for (let run = 0; run < 3; run++) {
      const result = await model.run("serving_default", {x: Tensor.from([-1, 2])});
      const found = Object.entries(result.outputs).map(([key, value]) => [key, value.values()]);
      assert.deepEqual(Object.fromEntries(found), outputs);
    }
    await model.close();
  });
}

test("what comes out of a loop that sizes tensors during the run", async () => {
  const loop = [
    {name: "k", type: "int32", shape: [1]},
    {name: "sum", type: "float32", shape: [1, 2]},
    {name: "x", type: "float32", shape: [3, 2]},
  ] as const;
  const add = (inputs: readonly string[], output: string) =>
    ({
      op: "ADD",
      inputs,
      outputs: [output],
      options: ["AddOptions", {fusedActivationFunction: "NONE", potScaleInt16: true}],
    }) as const;
  const slice = {beginMask: 0, endMask: 0, ellipsisMask: 0, newAxisMask: 0, shrinkAxisMask: 0, offset: false};
  const file = makeModel(
    {
      tensors: [
        loop[2],
        {name: "zero", type: "int32", shape: [1], data: ints(0)},
        {name: "zeros", type: "float32", shape: [1, 2], data: floats(0, 0)},
        loop[0],
        loop[1],
        {name: "same", type: "float32", shape: [3, 2]},
      ],
      inputs: ["x"],
      outputs: ["sum"],
      nodes: [
        {
          op: "WHILE",
          inputs: ["zero", "zeros", "x"],
          outputs: ["k", "sum", "same"],
          options: ["WhileOptions", {condSubgraphIndex: 1, bodySubgraphIndex: 2}],
        },
      ],
    },
    {
      tensors: [
        ...loop,
        {name: "three", type: "int32", shape: [1], data: ints(3)},
        {name: "more", type: "bool", shape: [1]},
      ],
      inputs: ["k", "sum", "x"],
      outputs: ["more"],
      nodes: [{op: "LESS", inputs: ["k", "three"], outputs: ["more"], options: ["LessOptions", {}]}],
    },
    {
      tensors: [
        ...loop,
        {name: "one", type: "int32", shape: [1], data: ints(1)},
        {name: "next", type: "int32", shape: [1]},
        {name: "row", type: "float32", shape: [1, 2]},
        {name: "more", type: "float32", shape: [1, 2]},
      ],
      inputs: ["k", "sum", "x"],
      outputs: ["next", "more", "x"],
      nodes: [
        add(["k", "one"], "next"),
        {
          op: "STRIDED_SLICE",
          inputs: ["x", "k", "next", "one"],
          outputs: ["row"],
          options: ["StridedSliceOptions", slice],
        },
        add(["sum", "row"], "more"),
      ],
    },
  );
  const model = await engine.load(file);
  const x = Tensor.from([
    [1, 2],
    [10, 20],
    [100, 200],
  ]);
  for (let run = 0; run < 3; run++) {
    const {outputs} = await model.run("serving_default", {x});
    assert.deepEqual(outputs.sum!.values(), [111, 222]);
  }
  await model.close();
});

test("signatures follow their outputs, each name to a tensor of its own", async () => {
  const plain = makeModelValue({
    tensors: [pair("x"), pair("y")],
    inputs: ["x"],
    outputs: ["y", "x", "y"],
    nodes: [abs("x", "y")],
  });
  const model: TfliteModel = {
    ...plain,
    signatures: [
      {
        key: "serving_default",
        subgraph: 0,
        inputs: [{name: "image", tensor: 0}],
        outputs: [
          {name: "first", tensor: 1},
          {name: "same", tensor: 0},
          {name: "again", tensor: 1},
        ],
      },
    ],
  };
  const changed = readModel(writeModel(ownOutputs(model, new Set([0])).model));
  assert.equal(new Set(changed.subgraphs[0]!.outputs).size, 3);
  assert.deepEqual(
    changed.signatures[0]!.outputs.map(({tensor}) => tensor),
    changed.subgraphs[0]!.outputs,
  );
  const loaded = await engine.load(writeModel(model));
  const {outputs} = await loaded.run("serving_default", {image: Tensor.from([-1, 2])});
  assert.deepEqual(
    ["first", "same", "again"].map((name) => outputs[name]!.values()),
    [
      [1, 2],
      [-1, 2],
      [1, 2],
    ],
  );
  await loaded.close();
});

test("a model whose outputs are all written by operators stays as it is", () => {
  const model = makeModelValue({
    tensors: [pair("x"), pair("y")],
    inputs: ["x"],
    outputs: ["y"],
    nodes: [abs("x", "y")],
  });
  assert.equal(ownOutputs(model, new Set([0])).model, model);
});

test("a constant that no input can delay waits for one of the engine's own", async () => {
  const sketch: GraphSketch = {
    tensors: [
      {name: "x", type: "complex64", shape: [2]},
      {...pair("c"), data: floats(7, 8)},
    ],
    inputs: ["x"],
    outputs: ["c"],
    nodes: [],
  };
  assert.deepEqual(ownOutputs(makeModelValue(sketch), new Set([0])).delayed, new Set([0]));
  for (const inputs of [["x"], []]) {
    const model = await engine.load(makeModel({...sketch, inputs}));
    const x = new Tensor("complex64", [2], new Uint8Array(16));
    for (let run = 0; run < 3; run++) {
      const {outputs} = await model.run("serving_default", inputs.length === 0 ? {} : {x});
      assert.deepEqual(outputs.c!.values(), [7, 8]);
    }
    await model.close();
  }
});
