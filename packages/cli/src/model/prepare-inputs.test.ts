import assert from "node:assert/strict";
import {test} from "node:test";
import {Tensor, writeNpy, writeNpz} from "@tf-trusted/tensor";
import type {Port} from "./open-model.ts";
import {type InputFile, type InputWishes, prepareInputs} from "./prepare-inputs.ts";

const image: Port = {name: "image", dtype: "float32", shape: [-1, 2, 2, 1]};
const scale: Port = {name: "scale", dtype: "float32", shape: []};
const none: InputWishes = {inputNames: [], shapes: []};

const npy = (tensor: Tensor): InputFile => ({path: "x.npy", bytes: writeNpy(tensor)});
const npz = (entries: Record<string, Tensor>): InputFile => ({path: "x.npz", bytes: writeNpz(Object.entries(entries))});
const pixels = Tensor.from([0, 0.25, 0.5, 1], {shape: [1, 2, 2, 1]});

test("one input and one file need no name; a name may end in :0", () => {
  for (const inputNames of [[], ["image"], ["image:0"]]) {
    const {tensors, notes} = prepareInputs([image], [npy(pixels)], {...none, inputNames});
    assert.ok(tensors.image!.equals(pixels));
    assert.deepEqual(notes, []);
  }
  assert.throws(() => prepareInputs([image], [npy(pixels)], {...none, inputNames: ["imago"]}), {
    code: "CLI_INPUT_NAME",
    message: /no input "imago"; the model takes "image" float32 \[\?, 2, 2, 1\]/,
  });
});

test("several files go by the names in the same order", () => {
  const two = Tensor.from([2], {shape: []});
  const wishes = {...none, inputNames: ["scale:0", "image"]};
  const {tensors} = prepareInputs([image, scale], [npy(two), npy(pixels)], wishes);
  assert.ok(tensors.image!.equals(pixels));
  assert.ok(tensors.scale!.equals(two));
  const refusals: readonly (readonly [readonly InputFile[], readonly string[], RegExp])[] = [
    [[npy(two), npy(pixels)], [], /2 input files without --input-name/],
    [[npy(two), npy(pixels)], ["image"], /2 input files and 1 --input-name/],
    [[npy(two), npy(pixels)], ["image", "image:0"], /"image" is given twice/],
    [[npy(two), npy(pixels)], ["image", "other"], /no input "other"/],
    [[npy(pixels)], ["image"], /no array is given for "scale"/],
  ];
  for (const [files, inputNames, message] of refusals) {
    assert.throws(() => prepareInputs([image, scale], files, {...none, inputNames}), {code: "CLI_INPUT_NAME", message});
  }
});

test("an archive's names are the inputs'; with --input-name it may hold more", () => {
  const two = Tensor.from([2], {shape: []});
  const archive = npz({"image:0": pixels, scale: two});
  assert.ok(prepareInputs([image, scale], [archive], none).tensors.image!.equals(pixels));
  assert.throws(() => prepareInputs([image], [archive], none), {code: "CLI_INPUT_NAME", message: /no input "scale"/});
  assert.ok(prepareInputs([image], [archive], {...none, inputNames: ["image"]}).tensors.image!.equals(pixels));
  assert.ok(prepareInputs([image], [npz({arr_0: pixels})], none).tensors.image!.equals(pixels));
  assert.throws(() => prepareInputs([image], [archive, npy(pixels)], none), {code: "CLI_FILE_KIND"});
});

test("NumPy's float64 becomes float32, with a note that says whether something was rounded", () => {
  const exact = Tensor.from([0, 0.25, 0.5, 1], {dtype: "float64", shape: [1, 2, 2, 1]});
  const result = prepareInputs([image], [npy(exact)], none);
  assert.ok(result.tensors.image!.equals(pixels));
  assert.deepEqual(result.notes, ['"image": float64 converted to float32']);
  const inexact = Tensor.from([0.1, 0, 0, Number.NaN], {dtype: "float64", shape: [1, 2, 2, 1]});
  const rounded = prepareInputs([image], [npy(inexact)], none);
  assert.deepEqual(rounded.notes, ['"image": float64 converted to float32, rounded to its precision']);
  assert.deepEqual(rounded.tensors.image!.values(), [Math.fround(0.1), 0, 0, Number.NaN]);
  const huge = Tensor.from([1e300, 0, 0, 0], {dtype: "float64", shape: [1, 2, 2, 1]});
  assert.throws(() => prepareInputs([image], [npy(huge)], none), {code: "CLI_INPUT_DTYPE", message: /too large/});
});

test("other dtypes are converted only where nothing is lost", () => {
  const port = (dtype: string, quantized = false): Port => ({name: "x", dtype, shape: [-1], quantized});
  const run = (to: Port, tensor: Tensor) => prepareInputs([to], [npy(tensor)], none).tensors.x!.values();
  assert.deepEqual(run(port("float32"), Tensor.from([1n, 2n])), [1, 2]);
  assert.deepEqual(run(port("int32"), Tensor.from([1, 2], {dtype: "float64"})), [1, 2]);
  assert.deepEqual(run(port("uint8"), Tensor.from([0n, 255n])), [0, 255]);
  assert.deepEqual(run(port("bool"), Tensor.from([0, 1], {dtype: "uint8"})), [false, true]);
  const refusals: readonly (readonly [Port, Tensor])[] = [
    [port("float32"), Tensor.from([16_777_217n])],
    [port("int32"), Tensor.from([1.5], {dtype: "float64"})],
    [port("int32"), Tensor.from([Number.NaN])],
    [port("uint8"), Tensor.from([256n])],
    [port("uint8"), Tensor.from([-1n])],
    [port("bool"), Tensor.from([2], {dtype: "uint8"})],
    [port("float32"), Tensor.from(["1"])],
    [port("float32"), Tensor.from([{re: 1, im: 0}])],
    [port("uint8", true), Tensor.from([1])],
  ];
  for (const [to, tensor] of refusals) {
    assert.throws(() => run(to, tensor), {code: "CLI_INPUT_DTYPE"}, `${tensor.dtype} to ${to.dtype}`);
  }
});

test("missing dimensions of one are added where they fit in one way only", () => {
  const cases: readonly (readonly [readonly number[], readonly number[], readonly number[]])[] = [
    [
      [-1, 2, 2, 1],
      [2, 2, 1],
      [1, 2, 2, 1],
    ],
    [
      [-1, 2, 2, 1],
      [2, 2],
      [1, 2, 2, 1],
    ],
    [[1, 4], [4], [1, 4]],
    [[-1, 4], [4], [1, 4]],
    [[-1, 1], [1], [1, 1]],
  ];
  for (const [declared, found, expected] of cases) {
    const tensor = Tensor.from(new Float32Array(found.reduce((a, b) => a * b, 1)), {shape: found});
    const {tensors, notes} = prepareInputs([{...image, shape: declared}], [npy(tensor)], none);
    assert.deepEqual(tensors.image!.shape, expected);
    assert.equal(notes.length, 1);
  }
  const refuse = (declared: readonly number[], found: readonly number[], message: RegExp) => {
    const tensor = Tensor.from(new Float32Array(found.reduce((a, b) => a * b, 1)), {shape: found});
    assert.throws(() => prepareInputs([{...image, shape: declared}], [npy(tensor)], none), {
      code: "CLI_INPUT_SHAPE",
      message,
    });
  };
  refuse([-1, -1], [4], /could be meant as \[1, 4\] or \[4, 1\]|could be meant as \[4, 1\] or \[1, 4\]/);
  refuse([-1, 2, 2, 1], [4], /takes \[\?, 2, 2, 1\], the array has the shape \[4\]/);
  refuse([-1, 2, 2, 1], [1, 2, 2, 3], /takes/);
  refuse([4], [1, 4], /takes/);
});

test("--input-shape says how a flat array is meant; --batch-size is checked", () => {
  const flat = Tensor.from([0, 0.25, 0.5, 1]);
  const asked = prepareInputs([image], [npy(flat)], {...none, shapes: [{shape: [1, 2, 2, 1]}]});
  assert.ok(asked.tensors.image!.equals(pixels));
  prepareInputs([image], [npy(pixels)], {...none, batchSize: 1});
  assert.throws(() => prepareInputs([image], [npy(pixels)], {...none, batchSize: 2}), {
    code: "CLI_BATCH",
    message: /--batch-size is 2, but the array for "image" has the shape \[1, 2, 2, 1\]/,
  });
});
