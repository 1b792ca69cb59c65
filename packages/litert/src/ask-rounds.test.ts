/** What a call asks the engine for: the side that a condition takes, and at most so many tensors. */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import type {Engine} from "./engine.ts";
import {type GraphSketch, makeModel, type NodeSketch, type TensorSketch} from "./testing/models.ts";
import {createWasmEngine} from "./wasm/engine.ts";

let engine: Engine;
before(async () => {
  engine = await createWasmEngine();
});
after(() => engine.close());

/** More elements than the engine looks at without asking. */
const size = 80;
const x: TensorSketch = {name: "x", type: "float32", shape: [size]};
const none = {fusedActivationFunction: "NONE"};

test("a condition whose sides give other sizes: each call gives the size of the side that it takes", async () => {
  const side = (node: NodeSketch, length: number): GraphSketch => ({
    tensors: [x, {name: "z", type: "float32", shape: [length]}],
    inputs: ["x"],
    outputs: ["z"],
    nodes: [node],
  });
  const model = await engine.load(
    makeModel(
      {
        tensors: [
          x,
          {name: "zero", type: "float32", shape: [], data: new Uint8Array(4)},
          {name: "axes", type: "int32", shape: [1], data: new Uint8Array(4)},
          {name: "positive", type: "bool", shape: [size]},
          {name: "any", type: "bool", shape: []},
          {name: "y", type: "float32", shape: [-1]},
        ],
        inputs: ["x"],
        outputs: ["y"],
        nodes: [
          {op: "GREATER", inputs: ["x", "zero"], outputs: ["positive"], options: ["GreaterOptions", {}]},
          {
            op: "REDUCE_ANY",
            inputs: ["positive", "axes"],
            outputs: ["any"],
            options: ["ReducerOptions", {keepDims: false}],
          },
          {
            op: "IF",
            inputs: ["any", "x"],
            outputs: ["y"],
            options: ["IfOptions", {thenSubgraphIndex: 1, elseSubgraphIndex: 2}],
          },
        ],
      },
      side(
        {
          op: "CONCATENATION",
          inputs: ["x", "x"],
          outputs: ["z"],
          options: ["ConcatenationOptions", {axis: 0, ...none}],
        },
        2 * size,
      ),
      side({op: "NEG", inputs: ["x"], outputs: ["z"], options: ["NegOptions", {}]}, size),
    ),
  );
  const [low, high] = [-3, 5].map((last) => Float32Array.from({length: size}, (_, i) => (i === size - 1 ? last : -i)));
  for (const row of [low!, high!, low!, high!]) {
    const {outputs} = await model.run("serving_default", {x: Tensor.from(row, {shape: [size]})});
    const values = Array.from(row);
    const wanted = row === high ? [...values, ...values] : values.map((value) => 0 - value);
    assert.deepEqual(outputs.y!.shape, [wanted.length]);
    assert.deepEqual(Array.from(outputs.y!.data as Float32Array), wanted);
  }
  await model.close();
});

/** y₀ = x; yₖ₊₁ = the distinct elements of 2·yₖ: every one of unknown size until it is asked for. */
function chain(stages: number): Uint8Array {
  const tensors: TensorSketch[] = [x];
  const nodes: NodeSketch[] = [];
  for (let k = 0; k < stages; k++) {
    const [from, shape] = [k === 0 ? "x" : `y${k}`, [k === 0 ? size : -1]];
    tensors.push({name: `double${k}`, type: "float32", shape}, {name: `at${k}`, type: "int32", shape});
    tensors.push({name: `y${k + 1}`, type: "float32", shape: [-1]});
    nodes.push(
      {op: "ADD", inputs: [from, from], outputs: [`double${k}`], options: ["AddOptions", none]},
      {
        op: "UNIQUE",
        inputs: [`double${k}`],
        outputs: [`y${k + 1}`, `at${k}`],
        options: ["UniqueOptions", {idxOutType: "INT32"}],
      },
    );
  }
  return makeModel({tensors, inputs: ["x"], outputs: [`y${stages}`], nodes});
}

test("a call asks for tensor after tensor, and is refused beyond 32", async () => {
  const row = Float32Array.from({length: size}, (_, i) => i % 5);
  const input = {x: Tensor.from(row, {shape: [size]})};
  const longest = await engine.load(chain(5));
  const {outputs} = await longest.run("serving_default", input);
  assert.deepEqual(
    Array.from(outputs.y5!.data as Float32Array),
    [0, 1, 2, 3, 4].map((value) => value * 2 ** 5),
  );
  await longest.close();
  const longer = await engine.load(chain(33));
  await assert.rejects(longer.run("serving_default", input), {code: "DYNAMIC_OUTPUT"});
  await longer.close();
});
