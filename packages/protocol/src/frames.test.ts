import assert from "node:assert/strict";
import {test} from "node:test";
import {create, fromBinary, toBinary} from "@bufbuild/protobuf";
import {Tensor} from "@tf-trusted/tensor";
import fc from "fast-check";
import {FrameReader, framePredictRequest, framePredictResponse} from "./frames.ts";
import {PredictRequestSchema, PredictResponseSchema} from "./gen/tf_trusted/v1/prediction_pb.ts";
import {tensorsFromMessages, tensorsToMessages} from "./tensor-message.ts";

const prefixed = (message: Uint8Array): Uint8Array =>
  Uint8Array.of(0, ...new Uint8Array(Uint32Array.of(message.length).buffer).reverse(), ...message);

test("messages come out whole and in order, wherever the chunks are cut", () => {
  const messages = fc.array(fc.uint8Array({maxLength: 300}), {maxLength: 6});
  fc.assert(
    fc.property(messages, fc.array(fc.integer({min: 1, max: 200}), {minLength: 1}), (sent, cuts) => {
      const bytes = Uint8Array.from(sent.flatMap((message) => [...prefixed(message)]));
      const reader = new FrameReader({maxBytes: 300});
      const found: Uint8Array[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const chunk = bytes.subarray(at, at + cuts[i % cuts.length]!);
        at += reader.feed(chunk);
        if (reader.message === undefined) continue;
        assert.equal(reader.partial, false);
        found.push(reader.message.slice());
        reader.next();
      }
      assert.deepEqual(found, sent);
      assert.equal(reader.partial, false);
    }),
  );
});

test("memory follows what arrived, is counted, kept, wiped and given back", () => {
  let held = 0;
  const reader = new FrameReader({
    maxBytes: 2 ** 30,
    onMemory: (bytes) => {
      held += bytes;
    },
  });
  reader.feed(Uint8Array.of(0, 0x3f, 0xff, 0xff, 0xff, 1, 2, 3));
  assert.ok(reader.partial && held < 2 ** 17, "a gigabyte was announced, three bytes came");
  reader.release();
  assert.equal(held, 0);
  reader.feed(prefixed(new Uint8Array(1000).fill(7)));
  const {message} = reader;
  assert.deepEqual([message!.length, reader.capacity, held], [1000, 1000, 1000]);
  reader.next();
  assert.ok(message!.every((byte) => byte === 0));
  assert.equal(held, 1000, "kept for the next");
  reader.feed(prefixed(new Uint8Array(500).fill(8)));
  const given = reader.message!;
  reader.release({keepBytes: true});
  assert.ok(given.every((byte) => byte === 8));
  assert.deepEqual([held, reader.capacity], [0, 0]);
});

test("compressed, too long, no memory", () => {
  const reader = () => new FrameReader({maxBytes: 10});
  assert.throws(() => reader().feed(Uint8Array.of(1, 0, 0, 0, 1)), {code: "MESSAGE_INVALID"});
  assert.throws(() => reader().feed(Uint8Array.of(0, 0, 0, 0, 11)), {code: "MESSAGE_SIZE"});
  const full = new FrameReader({
    maxBytes: 10,
    onMemory: () => {
      throw new RangeError("full");
    },
  });
  assert.throws(() => full.feed(Uint8Array.of(0, 0, 0, 0, 1, 9)), {message: "full"});
});

test("the encoders write what protobuf reads: small and large tensors, strings, none", () => {
  const large = Tensor.from(
    Float32Array.from({length: 50_000}, (_, i) => i / 7),
    {shape: [5, 10_000]},
  );
  const small = Tensor.from(Int32Array.of(1, -2, 3), {shape: [3]});
  const strings = Tensor.from(["a", "", "ü"]);
  const cases: readonly Readonly<Record<string, Tensor>>[] = [{}, {small}, {large}, {small, large, strings}, {strings}];
  for (const tensors of cases) {
    const request = create(PredictRequestSchema, {
      model: "m",
      signature: "s",
      inputs: tensorsToMessages(tensors),
      deadlineMs: 9,
      wantTimings: true,
    });
    const pieces = framePredictRequest(request);
    const reader = new FrameReader({maxBytes: 2 ** 20});
    for (const piece of pieces) assert.equal(reader.feed(piece), piece.length);
    assert.deepEqual(fromBinary(PredictRequestSchema, reader.message!), request);
    assert.equal(reader.message!.length, toBinary(PredictRequestSchema, request).length);

    const response = create(PredictResponseSchema, {
      outputs: tensorsToMessages(tensors),
      modelSha256: new Uint8Array(32).fill(3),
    });
    reader.release();
    for (const piece of framePredictResponse(response)) reader.feed(piece);
    const read = fromBinary(PredictResponseSchema, reader.message!);
    assert.deepEqual(read, response);
    for (const [name, tensor] of Object.entries(tensorsFromMessages(read.outputs)))
      assert.ok(tensor.equals(tensors[name]!));
  }
});

test("elements of a large tensor aren't copied", () => {
  const large = Tensor.from(new Float32Array(50_000), {shape: [50_000]});
  const pieces = framePredictRequest(create(PredictRequestSchema, {inputs: tensorsToMessages({large})}));
  assert.ok(pieces.some(({buffer}) => buffer === large.bytes.buffer));
});
