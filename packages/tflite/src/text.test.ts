/** The text form of a model, in full. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {ints, oneOperator} from "./testing/build.ts";
import {printModel} from "./text.ts";

test("signatures, constants, options, unknown dimensions, quantisation, custom operators", () => {
  const model = oneOperator({
    builtin: "STRIDED_SLICE",
    inputs: [
      {
        shape: [-1, 8],
        type: "int8",
        quantization: {scale: [Math.fround(0.1)], zeroPoint: [-3n], quantizedDimension: 0},
      },
      ints([0]),
      ints([1]),
      ints([1]),
    ],
    outputs: [{shape: [8], type: "int8"}],
    options: {shrinkAxisMask: 1},
  });
  const [graph] = model.subgraphs;
  const text = printModel({
    ...model,
    description: "made here",
    operatorCodes: [...model.operatorCodes, {builtin: "CUSTOM", version: 2, customCode: "Mfcc"}],
    subgraphs: [
      {
        ...graph!,
        tensors: [
          ...graph!.tensors,
          {name: "w", type: "float32", shape: [2, 2], buffer: 4},
          {name: "y", type: "float32", shape: [], buffer: 0},
        ],
        operators: [
          ...graph!.operators,
          {opcodeIndex: 1, inputs: [4, 5, -1], outputs: [6], customOptions: new Uint8Array(7)},
        ],
        outputs: [6],
      },
    ],
    buffers: [...model.buffers, new Uint8Array(16)],
    metadata: [{name: "min_runtime_version", buffer: 4}],
    signatures: [{key: "k", subgraph: 0, inputs: [{name: "x", tensor: 0}], outputs: [{name: "y", tensor: 6}]}],
  });
  assert.equal(
    text,
    `tflite version 3 "made here"
signature "k" graph 0 (x=%0) -> (y=%6)

graph 0 "main" (%0 "in0": int8[?,8]{0.1, -3})
  %4: int8[8] = STRIDED_SLICE.1(%0, int32[1](0), int32[1](1), int32[1](1)) {shrinkAxisMask: 1}
  %6: float32[] = CUSTOM:Mfcc.2(%4, const float32[2,2], none) <7 bytes>
  return %6

metadata "min_runtime_version" 16 bytes
`,
  );
});

test("models with broken indices print, too", () => {
  const model = oneOperator({builtin: "ABS", inputs: [{shape: [1]}]});
  const graph = {...model.subgraphs[0]!, inputs: [9], operators: [{opcodeIndex: 5, inputs: [7], outputs: [8]}]};
  assert.match(printModel({...model, subgraphs: [graph]}), /%8: \? = \?\.\?\(%7\)/);
});
