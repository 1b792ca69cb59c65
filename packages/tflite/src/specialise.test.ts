/** Shapes of a call, set in the file. */
import assert from "node:assert/strict";
import {test} from "node:test";
import type {TfliteModel} from "./model.ts";
import {readModel} from "./read-model.ts";
import {namedShapes, type Specialisation, specialise, specialiseModel} from "./specialise.ts";
import {oneOperator} from "./testing/build.ts";
import {throwsCode} from "./testing/throws-code.ts";

const model: TfliteModel = {
  ...oneOperator({builtin: "ADD", inputs: [{shape: [-1, 3]}, {shape: [3]}], outputs: [{shape: [-1, 3]}]}),
  signatures: [
    {
      key: "sum",
      subgraph: 0,
      inputs: [
        {name: "a", tensor: 0},
        {name: "b", tensor: 1},
      ],
      outputs: [{name: "c", tensor: 2}],
    },
  ],
};
const wanted: Specialisation = {subgraph: 0, inputs: [[5, 3], [3]], outputs: [[5, 3]]};

test("shapes and signatures of inputs and outputs are those of the call", () => {
  const {tensors} = readModel(specialise(model, wanted)).subgraphs[0]!;
  assert.deepEqual(
    tensors.map(({shape, shapeSignature}) => [shape, shapeSignature]),
    [
      [
        [5, 3],
        [5, 3],
      ],
      [[3], undefined],
      [
        [5, 3],
        [5, 3],
      ],
    ],
  );
  assert.deepEqual(model.subgraphs[0]!.tensors[0]!.shapeSignature, [-1, 3], "the model itself stays as it was");
  assert.deepEqual(specialise(model, wanted), specialise(specialiseModel(model, wanted), wanted));
});

test("shapes that don't fit are refused", () => {
  const refused = (change: Partial<Specialisation>, message: RegExp) =>
    throwsCode(() => specialise(model, {...wanted, ...change}), "TFLITE_SPECIALISE", message);
  refused({subgraph: 1}, /subgraph 1 doesn't exist/);
  refused({inputs: [[5, 3]]}, /found 1 input shapes; subgraph 0 has 2/);
  refused({inputs: [[5, 3, 1], [3]]}, /input 0 .*found shape \[5,3,1\]; expected \[-1,3\]/);
  refused({inputs: [[5, 4], [3]]}, /expected \[-1,3\]/);
  refused({outputs: [[-1, 3]]}, /output 0 /);
  refused({outputs: [[1.5, 3]]}, /output 0 /);
  refused({outputs: [[2 ** 31, 3]]}, /output 0 /);
  const same = {...model, subgraphs: [{...model.subgraphs[0]!, outputs: [0]}]};
  throwsCode(() => specialise(same, {...wanted, outputs: [[6, 3]]}), "TFLITE_SPECIALISE", /\[5,3\] and \[6,3\]/);
});

test("shapes by name", () => {
  const [signature] = model.signatures;
  assert.deepEqual(namedShapes(model, signature!, {a: [5, 3]}, {c: [5, 3]}), wanted);
  throwsCode(
    () => namedShapes(model, signature!, {}, {c: [5, 3]}),
    "TFLITE_SPECIALISE",
    /no shape is given for tensor 0 of \[-1,3\]/,
  );
});
