/** The checks at the door: exact, complete, and before any copy. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import fc from "fast-check";
import {elementTypes, engineBytes, packInt4, unpackInt4} from "./element-types.ts";
import type {Signature} from "./engine.ts";
import {checkInputs} from "./inputs.ts";
import {defaultLimits} from "./limits.ts";
import {LitertError} from "./litert-error.ts";

const signature: Signature = {
  name: "serving_default",
  inputs: [
    {name: "image", dtype: "float32", shape: [-1, 2, 2]},
    {name: "flag", dtype: "bool", shape: []},
  ],
  outputs: [],
  stateful: false,
};
const image = Tensor.from([
  [
    [1, 2],
    [3, 4],
  ],
]);
const flag = Tensor.from(true);

const problemsOf = (inputs: Readonly<Record<string, Tensor>>) => {
  try {
    checkInputs(signature, inputs, defaultLimits);
    return [];
  } catch (error) {
    assert.ok(error instanceof LitertError);
    assert.equal(error.code, "INVALID_INPUT");
    return error.details.problems as readonly string[];
  }
};

test("right inputs come in the signature's order, as copies", () => {
  const checked = checkInputs(signature, {flag, image}, defaultLimits);
  assert.deepEqual(checked.shapes, [[1, 2, 2], []]);
  assert.deepEqual(checked.bytes, [new Uint8Array(image.bytes), new Uint8Array([1])]);
  assert.notEqual(checked.bytes[0]!.buffer, image.bytes.buffer);
});

test("each kind of wrong input is told", () => {
  const rows: readonly (readonly [Readonly<Record<string, Tensor>>, RegExp])[] = [
    [{image}, /"flag": missing, expected bool \[\]/],
    [{image, flag, other: flag}, /no input "other"/],
    [
      {
        image: Tensor.from(
          [
            [
              [1, 2],
              [3, 4],
            ],
          ],
          {dtype: "float64"},
        ),
        flag,
      },
      /"image": found float64, expected float32/,
    ],
    [
      {
        image: Tensor.from([
          [1, 2],
          [3, 4],
        ]),
        flag,
      },
      /found shape \[2, 2\], expected \[-1, 2, 2\]/,
    ],
    [
      {
        image: Tensor.from([
          [
            [1, 2, 3],
            [3, 4, 5],
          ],
        ]),
        flag,
      },
      /found shape \[1, 2, 3\]/,
    ],
    [{image: new Tensor("float32", [0, 2, 2], new Uint8Array(0)), flag}, /found shape \[0, 2, 2\]/],
    [{image: {...image} as Tensor, flag}, /is not a Tensor/],
    [Object.create({image, flag}) as Readonly<Record<string, Tensor>>, /missing/],
  ];
  for (const [inputs, pattern] of rows) assert.match(problemsOf(inputs).join("; "), pattern);
  assert.deepEqual(problemsOf({image, flag}), []);
});

test("all problems of a call are told at once", () => {
  assert.equal(problemsOf({image: flag, flag: image, other: flag}).length, 3);
});

test("bytes that changed since the tensor was made are found", () => {
  const changed = new Tensor("bool", [], Uint8Array.of(1));
  changed.bytes[0] = 2;
  assert.match(problemsOf({image, flag: changed}).join(), /neither 0 nor 1/);
  const gone = new Tensor("float32", [1, 2, 2], new Uint8Array(16));
  structuredClone(gone.bytes.buffer, {transfer: [gone.bytes.buffer as ArrayBuffer]});
  assert.match(problemsOf({image: gone, flag}).join(), /found 0 bytes, expected 16/);
});

test("more than the limit is TOO_LARGE before a copy is made", () => {
  assert.throws(() => checkInputs(signature, {image, flag}, {...defaultLimits, maxTensorBytes: 16}), {
    code: "TOO_LARGE",
  });
});

test("any name and shape gives a coded error or none", () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.nat(4), {maxLength: 5}), (name, shape) => {
      const size = shape.reduce((product, dim) => product * dim, 1);
      problemsOf({[name]: new Tensor("float32", shape, new Uint8Array(4 * size)), flag});
    }),
  );
});

test("int4 packs two to a byte, the first in the low half, and comes back", () => {
  assert.deepEqual(packInt4(Uint8Array.of(1, 0xff, 7)), Uint8Array.of(0xf1, 0x07));
  fc.assert(
    fc.property(fc.array(fc.integer({min: -8, max: 7})), (values) => {
      const elements = Uint8Array.from(Int8Array.from(values), (value) => value & 0xff);
      const packed = packInt4(elements);
      assert.equal(packed.length, engineBytes(elementTypes.int4!, values.length));
      assert.deepEqual(unpackInt4(packed, values.length), elements);
    }),
  );
});
