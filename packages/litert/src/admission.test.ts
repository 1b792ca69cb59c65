/** The front: what passes, what it is called, and that no bytes whatever give anything but a coded error. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {writeModel} from "@tf-trusted/tflite";
import fc from "fast-check";
import {admitModel} from "./admission.ts";
import {defaultLimits} from "./limits.ts";
import {LitertError} from "./litert-error.ts";
import {counterModel, countingModel, floats, makeModel, makeModelValue, reshapeModel} from "./testing/models.ts";

test("signatures of the file keep their names; a file without has serving_default with the tensors' names", () => {
  const plain = makeModelValue({
    tensors: [
      {name: "a", type: "float32", shape: [2]},
      {name: "b", type: "float32", shape: [2]},
    ],
    inputs: ["a"],
    outputs: ["b"],
    nodes: [{op: "EXP", inputs: ["a"], outputs: ["b"], options: ["ExpOptions", {}]}],
  });
  const named = {
    ...plain,
    signatures: [{key: "predict", subgraph: 0, inputs: [{name: "x", tensor: 0}], outputs: [{name: "y", tensor: 1}]}],
  };
  const spec = (name: string) => ({name, dtype: "float32", shape: [2]});
  assert.deepEqual(admitModel(writeModel(plain), defaultLimits, "wasm").signatures, [
    {name: "serving_default", inputs: [spec("a")], outputs: [spec("b")], stateful: false},
  ]);
  assert.deepEqual(admitModel(writeModel(named), defaultLimits, "wasm").signatures, [
    {name: "predict", inputs: [spec("x")], outputs: [spec("y")], stateful: false},
  ]);
});

test("tensors without a name, or with one name for two, are told apart by position", () => {
  const x = {type: "float32", shape: [2]} as const;
  const value = makeModelValue({
    tensors: [
      {name: "p", ...x},
      {name: "q", ...x},
      {name: "r", ...x},
    ],
    inputs: ["p", "q"],
    outputs: ["r"],
    nodes: [
      {
        op: "ADD",
        inputs: ["p", "q"],
        outputs: ["r"],
        options: ["AddOptions", {fusedActivationFunction: "NONE", potScaleInt16: true}],
      },
    ],
  });
  const rename = (names: readonly string[]) => {
    const [graph] = value.subgraphs;
    const tensors = graph!.tensors.map((tensor, at) => ({...tensor, name: names[at]!}));
    return writeModel({...value, subgraphs: [{...graph!, tensors}]});
  };
  const inputNames = (names: readonly string[]) =>
    admitModel(rename(names), defaultLimits, "wasm").signatures[0]!.inputs.map(({name}) => name);
  assert.deepEqual(inputNames(["same", "same", "r"]), ["same:0", "same:1"]);
  assert.deepEqual(inputNames(["", "q", "r"]), ["input:0", "q"]);
});

test("types at the interface: the engine's own, strings only natively, handles never", () => {
  assert.throws(() => admitModel(reshapeModel("string"), defaultLimits, "wasm"), {
    code: "UNSUPPORTED_TYPE",
    message: /"x" is string/,
  });
  assert.equal(admitModel(reshapeModel("string"), defaultLimits, "native").signatures[0]!.inputs[0]!.dtype, "string");
  const handle = makeModel({
    tensors: [
      {name: "h", type: "resource", shape: []},
      {name: "y", type: "float32", shape: [1]},
    ],
    inputs: ["h"],
    outputs: ["y"],
    nodes: [{op: "READ_VARIABLE", inputs: ["h"], outputs: ["y"], options: ["ReadVariableOptions", {}]}],
  });
  assert.throws(() => admitModel(handle, defaultLimits, "wasm"), {
    code: "UNSUPPORTED_TYPE",
    message: /"h" is resource/,
  });
});

test("a model with variables is stateful", () => {
  assert.equal(admitModel(counterModel(), defaultLimits, "wasm").signatures[0]!.stateful, true);
  assert.equal(admitModel(countingModel(1), defaultLimits, "wasm").signatures[0]!.stateful, false);
});

test("any change of a file's bytes gives a model or a coded error", () => {
  const files = [
    countingModel(1),
    counterModel(),
    reshapeModel("int4"),
    makeModel({
      tensors: [{name: "c", type: "float32", shape: [1], data: floats(1)}],
      inputs: [],
      outputs: ["c"],
      nodes: [],
    }),
  ];
  const change = fc.array(fc.tuple(fc.nat(), fc.nat(255)), {minLength: 1, maxLength: 4});
  fc.assert(
    fc.property(fc.constantFrom(...files), change, fc.option(fc.nat()), (file, changes, cut) => {
      const bytes = file.slice(0, cut === null ? file.length : cut % file.length);
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
      try {
        admitModel(bytes, defaultLimits, "wasm");
      } catch (error) {
        if (!(error instanceof LitertError)) throw error;
      }
    }),
    {numRuns: 2_000},
  );
});
