import assert from "node:assert/strict";
import {test} from "node:test";
import {create, fromBinary, toBinary} from "@bufbuild/protobuf";
import {TfTrustedError} from "@tf-trusted/core";
import {type DType, dtypes, Tensor} from "@tf-trusted/tensor";
import fc from "fast-check";
import {PredictRequestSchema} from "./gen/tf_trusted/v1/prediction_pb.ts";
import {DataType, NamedTensorSchema} from "./gen/tf_trusted/v1/tensor_pb.ts";
import {dtypeFromMessage, dtypeToMessage, tensorsFromMessages, tensorsToMessages} from "./tensor-message.ts";

test("every dtype has a data type of its own, and back", () => {
  const names = Object.keys(dtypes) as DType[];
  assert.deepEqual(
    names.map((dtype) => dtypeFromMessage(dtypeToMessage(dtype))),
    names,
  );
  assert.equal(new Set(names.map(dtypeToMessage)).size, names.length);
  assert.equal(Object.values(DataType).filter((value) => typeof value === "number").length, names.length + 1);
});

test("tensors survive the wire, without a copy of their elements on either side", () => {
  const tensors = {
    a: Tensor.from([
      [1, 2],
      [3, 4],
    ]),
    b: Tensor.from([1n, -1n]),
    c: Tensor.from([
      ["x", "yz"],
      ["", "ü"],
    ]),
    d: new Tensor("uint8", [0, 3], new Uint8Array(0)),
    __proto__x: Tensor.from(true),
  };
  const messages = tensorsToMessages(tensors);
  assert.equal(messages[0]!.data.buffer, tensors.a.bytes.buffer);
  const wire = toBinary(PredictRequestSchema, create(PredictRequestSchema, {inputs: messages}));
  const read = tensorsFromMessages(fromBinary(PredictRequestSchema, wire).inputs);
  assert.equal(read.a!.bytes.buffer, wire.buffer);
  assert.deepEqual(Object.keys(read), Object.keys(tensors));
  for (const [name, tensor] of Object.entries(tensors)) assert.ok(read[name]!.equals(tensor), name);
});

test("names: empty, repeated, __proto__", () => {
  const tensor = {dataType: DataType.UINT8, shape: [1n], data: Uint8Array.of(1)};
  const read = (...names: string[]) =>
    tensorsFromMessages(names.map((name) => create(NamedTensorSchema, {...tensor, name})));
  assert.deepEqual(Object.keys(read("__proto__", "constructor")), ["__proto__", "constructor"]);
  assert.throws(() => read("a", "a"), {code: "TENSOR_MESSAGE"});
  assert.throws(() => read(""), {code: "TENSOR_MESSAGE"});
  assert.throws(() => read(...Array.from({length: 1025}, (_, i) => `t${i}`)), {code: "TENSOR_MESSAGE"});
});

test("whatever a message says, it is a tensor or a coded error", () => {
  fc.assert(
    fc.property(
      fc.record({
        name: fc.string(),
        dataType: fc.integer({min: -1, max: 20}),
        shape: fc.array(fc.bigInt({min: -(2n ** 63n), max: 2n ** 63n - 1n}), {maxLength: 70}),
        data: fc.uint8Array({maxLength: 40}),
        strings: fc.array(fc.uint8Array({maxLength: 4}), {maxLength: 4}),
      }),
      (value) => {
        try {
          tensorsFromMessages([create(NamedTensorSchema, value as object)]);
        } catch (error) {
          assert.ok(error instanceof TfTrustedError, String(error));
        }
      },
    ),
  );
});
