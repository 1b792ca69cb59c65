import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {type DType, dtypes} from "./dtype.ts";
import type {Element} from "./element.ts";
import {elementCount} from "./shape.ts";
import {Tensor, type TensorInput} from "./tensor.ts";
import {anyTensor} from "./testing/arbitraries.ts";
import {throwsCode} from "./testing/throws-code.ts";

test("construction: bytes are kept as a view, the shape is a frozen copy", () => {
  const bytes = new Uint8Array(16);
  const shape = [2, 2];
  const tensor = new Tensor("float32", shape, bytes);
  assert.equal(tensor.bytes, bytes);
  assert.equal(tensor.size, 4);
  shape[0] = 9;
  assert.deepEqual(tensor.shape, [2, 2]);
  assert.ok(Object.isFrozen(tensor.shape) && Object.isFrozen(tensor));
});

test("construction: a Buffer, whose slice doesn't copy, is seen as a plain Uint8Array", () => {
  const buffer = Buffer.from(new ArrayBuffer(9), 1, 8);
  const tensor = new Tensor("float32", [2], buffer);
  assert.equal(Object.getPrototypeOf(tensor.bytes), Uint8Array.prototype);
  assert.equal(tensor.bytes.buffer, buffer.buffer);
  assert.deepEqual(tensor.data, Float32Array.of(0, 0));
  assert.notEqual(tensor.cast("float32").bytes.buffer, buffer.buffer);
});

test("construction: refuses what isn't a tensor", () => {
  throwsCode("TENSOR_DTYPE", () => new Tensor("float8" as DType, [1], new Uint8Array(1)));
  throwsCode("TENSOR_DTYPE", () => new Tensor("toString" as DType, [1], new Uint8Array(1)));
  throwsCode("TENSOR_SIZE", () => new Tensor("int16", [2], new Uint8Array(3)));
  throwsCode("TENSOR_SIZE", () => new Tensor("int16", [2 ** 52], new Uint8Array(2)));
  throwsCode("TENSOR_VALUE", () => new Tensor("bool", [2], Uint8Array.of(1, 2)));
  throwsCode("TENSOR_VALUE", () => new Tensor("int4", [1], Uint8Array.of(8)));
  throwsCode("TENSOR_VALUE", () => new Tensor("int4", [1], Uint8Array.of(0xf7)));
  throwsCode("TENSOR_STRINGS", () => new Tensor("string", [1], new Uint8Array(0)));
});

test("elementCount: a scalar has one element; refuses absurd shapes, also behind a 0", () => {
  assert.equal(elementCount([]), 1);
  assert.equal(elementCount([2, 0, 3]), 0);
  assert.equal(elementCount([2, 3, 4]), 24);
  for (const shape of [[-1], [1.5], [Number.NaN], [2 ** 53], [2 ** 30, 2 ** 30], [0, 2 ** 30, 2 ** 30]]) {
    throwsCode("TENSOR_SHAPE", () => elementCount(shape));
  }
  throwsCode("TENSOR_SHAPE", () => elementCount(new Array(65).fill(1)));
});

test("data: a view where aligned, a copy where not, of the dtype's array", () => {
  const buffer = new ArrayBuffer(17);
  const aligned = new Tensor("float32", [4], new Uint8Array(buffer, 0, 16));
  const data: Float32Array = aligned.data;
  data[0] = 1.5;
  assert.deepEqual(aligned.values(), [1.5, 0, 0, 0]);
  const misaligned = new Tensor("float32", [4], new Uint8Array(buffer, 1, 16));
  assert.notEqual(misaligned.data.buffer, buffer);
  assert.equal(misaligned.data.length, 4);
  for (const dtype of Object.keys(dtypes) as DType[]) {
    const tensor = Tensor.from([], {dtype});
    assert.ok((tensor.data as unknown) instanceof dtypes[dtype].array, dtype);
  }
});

const inferred: readonly [TensorInput, DType, readonly number[], readonly Element[]][] = [
  [1, "float32", [], [1]],
  [[1, 2.5], "float32", [2], [1, 2.5]],
  [[[1, 2, 3]], "float32", [1, 3], [1, 2, 3]],
  [[], "float32", [0], []],
  [[[], []], "float32", [2, 0], []],
  [[1n, -(2n ** 63n)], "int64", [2], [1n, -(2n ** 63n)]],
  [[true, false], "bool", [2], [true, false]],
  ["text", "string", [], ["text"]],
  [["a", "é", ""], "string", [3], ["a", "é", ""]],
  [[new Uint8Array([0x61])], "string", [1], ["a"]],
  [{re: 1, im: -2}, "complex64", [], [{re: 1, im: -2}]],
  [Float32Array.of(1, 2), "float32", [2], [1, 2]],
  [Float64Array.of(0.1), "float64", [1], [0.1]],
  [Int8Array.of(-1), "int8", [1], [-1]],
  [Int16Array.of(-1), "int16", [1], [-1]],
  [Int32Array.of(-1), "int32", [1], [-1]],
  [BigInt64Array.of(-1n), "int64", [1], [-1n]],
  [Uint8Array.of(255), "uint8", [1], [255]],
  [Uint8ClampedArray.of(255), "uint8", [1], [255]],
  [Uint16Array.of(65535), "uint16", [1], [65535]],
  [Uint32Array.of(2 ** 32 - 1), "uint32", [1], [2 ** 32 - 1]],
  [BigUint64Array.of(2n ** 64n - 1n), "uint64", [1], [2n ** 64n - 1n]],
];
for (const [values, dtype, shape, elements] of inferred) {
  test(`from: ${dtype} [${shape.join(", ")}] is inferred from ${Object.prototype.toString.call(values)}`, () => {
    const tensor = Tensor.from(values);
    assert.deepEqual([tensor.dtype, tensor.shape, tensor.values()], [dtype, shape, elements]);
  });
}

test("from: copies typed arrays, of which it sees only their part of a buffer", () => {
  const part = new Float32Array(4).fill(7).subarray(1, 3);
  const tensor = Tensor.from(part, {shape: [2, 1]});
  part[0] = 0;
  assert.deepEqual(tensor.toNested(), [[7], [7]]);
});

test("from: Float16Array, where there is one, is float16", () => {
  const like = Object.defineProperty(Uint16Array.of(0x3c00), Symbol.toStringTag, {value: "Float16Array"});
  assert.deepEqual(Tensor.from(like).values(), [1]);
  assert.equal(Tensor.from(like).dtype, "float16");
});

const refusedValues: readonly [string, TensorInput, DType | undefined][] = [
  ["TENSOR_RAGGED", [[1, 2], [3]], undefined],
  ["TENSOR_RAGGED", [[1], 2], undefined],
  ["TENSOR_RAGGED", [1, [2]], undefined],
  ["TENSOR_VALUE", [1, 2n], undefined],
  ["TENSOR_VALUE", [true, 1], undefined],
  ["TENSOR_VALUE", ["a", 1], "string"],
  ["TENSOR_VALUE", ["\ud800"], undefined],
  ["TENSOR_VALUE", [null as unknown as number], undefined],
  ["TENSOR_VALUE", new Array<number>(2), "float32"],
  ["TENSOR_VALUE", [{} as unknown as number], undefined],
  ["TENSOR_VALUE", [1.5], "int32"],
  ["TENSOR_VALUE", [Number.NaN], "int32"],
  ["TENSOR_VALUE", [Number.POSITIVE_INFINITY], "int64"],
  ["TENSOR_VALUE", [2 ** 53], "int64"],
  ["TENSOR_VALUE", [2n ** 63n], "int64"],
  ["TENSOR_VALUE", [-1n], "uint64"],
  ["TENSOR_VALUE", [128], "int8"],
  ["TENSOR_VALUE", [-129], "int8"],
  ["TENSOR_VALUE", [8], "int4"],
  ["TENSOR_VALUE", [-1], "uint8"],
  ["TENSOR_VALUE", [256n], "uint8"],
  ["TENSOR_VALUE", [true], "int8"],
  ["TENSOR_VALUE", ["1"], "float32"],
  ["TENSOR_VALUE", [true], "float16"],
  ["TENSOR_VALUE", [2], "bool"],
  ["TENSOR_VALUE", ["true"], "bool"],
  ["TENSOR_VALUE", Float32Array.of(0.5), "int8"],
  ["TENSOR_DTYPE", [1], "float" as DType],
];
test("from: refuses what a dtype can't hold, and what has no shape", () => {
  for (const [code, values, dtype] of refusedValues) {
    throwsCode(code, () => Tensor.from(values, dtype === undefined ? {} : {dtype}));
  }
  throwsCode("TENSOR_SIZE", () => Tensor.from([1, 2, 3], {shape: [2, 2]}));
  const endless: unknown[] = [];
  endless.push(endless);
  throwsCode("TENSOR_SHAPE", () => Tensor.from(endless as TensorInput));
});

test("from: errors say what is wrong where, and never tell values", () => {
  const error = throwsCode("TENSOR_VALUE", () => Tensor.from([98765.5], {dtype: "int32"}));
  assert.match(
    error.message,
    /element 0 is not a whole number; int32 takes whole numbers from -2147483648 to 2147483647/,
  );
  assert.doesNotMatch(error.message + JSON.stringify(error.details), /98765/);
});

test("from: floats are rounded once, also from bigints", () => {
  assert.deepEqual(Tensor.from([0.1, 1e300], {dtype: "float32"}).values(), [
    Math.fround(0.1),
    Number.POSITIVE_INFINITY,
  ]);
  // The float64 nearest to this is the middle of two float32s, but the integer itself is above it.
  const value = 2n ** 60n + 2n ** 36n + 1n;
  assert.deepEqual(Tensor.from([value, -value], {dtype: "float32"}).values(), [
    2 ** 60 + 2 ** 37,
    -(2 ** 60 + 2 ** 37),
  ]);
  assert.deepEqual(Tensor.from([2049n, 2051n], {dtype: "float16"}).values(), [2048, 2052]);
  assert.deepEqual(Tensor.from([2n ** 53n + 1n, 10n ** 400n], {dtype: "float64"}).values(), [2 ** 53, Infinity]);
  assert.deepEqual(Tensor.from([1, 2n], {dtype: "complex64"}).values(), [
    {re: 1, im: 0},
    {re: 2, im: 0},
  ]);
});

test("toNested: the inverse of from; refuses millions of empty arrays", () => {
  const nested = [
    [[1], [2]],
    [[3], [4]],
  ];
  assert.deepEqual(Tensor.from(nested).toNested(), nested);
  assert.equal(Tensor.from(5).toNested(), 5);
  assert.deepEqual(new Tensor("int8", [2, 0, 9], new Uint8Array()).toNested(), [[], []]);
  throwsCode("TENSOR_SHAPE", () => new Tensor("int8", [2 ** 40, 0], new Uint8Array()).toNested());
});

test("property: from(values()) is the same tensor, for every dtype", () => {
  fc.assert(
    fc.property(anyTensor(), (tensor) => {
      const {dtype, shape} = tensor;
      assert.ok(Tensor.from(tensor.values() as TensorInput, {dtype, shape}).equals(tensor));
    }),
  );
});

test("strings: bytes that aren't text have no value, but bytes", () => {
  const tensor = Tensor.from([Uint8Array.of(0xff, 0xd8), "\ufeffé"], {dtype: "string"});
  throwsCode("TENSOR_UTF8", () => tensor.values());
  assert.deepEqual(tensor.stringBytes()[0], Uint8Array.of(0xff, 0xd8));
  assert.deepEqual(Tensor.from(["\ufeffé"]).values(), ["\ufeffé"]);
  assert.deepEqual(Tensor.from(Uint8Array.of(0xff), {dtype: "string"}).stringBytes(), [Uint8Array.of(0xff)]);
  throwsCode("TENSOR_DTYPE", () => Tensor.from([1]).stringBytes());
});

test("reshape: the same bytes, as many elements", () => {
  const tensor = Tensor.from([1, 2, 3, 4, 5, 6]);
  assert.equal(tensor.reshape([2, 3]).bytes, tensor.bytes);
  assert.deepEqual(tensor.reshape([2, 3]).toNested(), [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  throwsCode("TENSOR_SIZE", () => tensor.reshape([4]));
  throwsCode("TENSOR_SIZE", () => Tensor.from(["a", "b"]).reshape([3]));
  throwsCode("TENSOR_SHAPE", () => tensor.reshape([-1]));
});

test("equals: dtype, shape and bits", () => {
  const tensor = Tensor.from([Number.NaN, 0]);
  assert.ok(tensor.equals(Tensor.from([Number.NaN, 0])));
  assert.ok(!tensor.equals(Tensor.from([Number.NaN, -0])));
  assert.ok(!tensor.equals(tensor.reshape([2, 1])));
  assert.ok(!tensor.equals(tensor.reshape([1, 2])));
  assert.ok(!Tensor.from([0]).equals(Tensor.from([0], {dtype: "int32"})));
});

const casts: readonly [DType, TensorInput, DType, readonly Element[]][] = [
  ["float64", [1.9, -1.9, -0.5], "int32", [1, -1, 0]],
  ["float64", [2 ** 60, -(2 ** 63)], "int64", [2n ** 60n, -(2n ** 63n)]],
  ["float64", [2 ** 63], "uint64", [2n ** 63n]],
  ["float64", [0.1, 1e300, Number.NaN], "float32", [Math.fround(0.1), Number.POSITIVE_INFINITY, Number.NaN]],
  ["float32", [65504, 65520], "float16", [65504, Number.POSITIVE_INFINITY]],
  ["float32", [0, -0, 0.5, Number.NaN], "bool", [false, false, true, true]],
  ["bool", [true, false], "uint8", [1, 0]],
  ["bool", [true, false], "float16", [1, 0]],
  ["bool", [true], "int64", [1n]],
  ["int64", [5n, -6n], "int4", [5, -6]],
  ["int64", [0n, -6n], "bool", [false, true]],
  ["uint8", [7], "complex128", [{re: 7, im: 0}]],
  ["complex128", [{re: 0.1, im: 2}], "complex64", [{re: Math.fround(0.1), im: 2}]],
  ["complex64", [0, {re: 0, im: 1}], "bool", [false, true]],
  ["string", ["same"], "string", ["same"]],
];
for (const [from, values, to, wanted] of casts) {
  test(`cast: ${from} to ${to}`, () => {
    const tensor = Tensor.from(values, {dtype: from}).cast(to);
    assert.deepEqual([tensor.dtype, tensor.values()], [to, wanted]);
  });
}

test("cast: refuses what TensorFlow leaves to the machine, wraps or drops", () => {
  const refused: readonly [string, DType, TensorInput, DType][] = [
    ["TENSOR_VALUE", "float32", [Number.NaN], "int32"],
    ["TENSOR_VALUE", "float32", [3e9], "int32"],
    ["TENSOR_VALUE", "float32", [-1], "uint8"],
    ["TENSOR_VALUE", "float64", [2 ** 64], "uint64"],
    ["TENSOR_VALUE", "int32", [128], "int8"],
    ["TENSOR_CAST", "complex64", [1], "float32"],
    ["TENSOR_CAST", "string", ["1"], "float32"],
    ["TENSOR_CAST", "float32", [1], "string"],
    ["TENSOR_DTYPE", "float32", [1], "half" as DType],
  ];
  for (const [code, from, values, to] of refused) {
    throwsCode(code, () => Tensor.from(values, {dtype: from}).cast(to));
  }
});

test("types: a tensor's dtype decides the type of its data", () => {
  const float: Float32Array = Tensor.from([1]).cast("float32").data;
  const wide: BigInt64Array = new Tensor("int64", [0], new Uint8Array()).data;
  const any: Tensor = new Tensor("uint8", [0], new Uint8Array());
  assert.deepEqual([float[0], wide.length, any.size], [1, 0, 0]);
});
