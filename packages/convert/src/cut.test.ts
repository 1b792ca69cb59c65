/** What a report says of changes, and of graphs that can't be converted whole: the cut that is offered converts. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {convert} from "./convert.ts";
import {ConvertError} from "./convert-error.ts";
import type {Cut} from "./cut.ts";
import {inspectGraph} from "./inspect.ts";
import {float, floats, int32, ints, node, placeholder, shape} from "./testing/graphs.ts";

const bytesOf = (...nodes: readonly string[]) => new TextEncoder().encode(nodes.join("\n"));

function refusalOf(source: Uint8Array): ConvertError {
  try {
    convert(source);
  } catch (error) {
    if (error instanceof ConvertError) return error;
    throw error;
  }
  throw new Error("it converted");
}

const string = "type: DT_STRING";
const frontEnd = [
  node("text", "Placeholder", [], {dtype: string, shape: shape([4])}),
  node("number", "StringToNumber", ["text"], {out_type: float}),
  placeholder("scale", [4]),
  node("scaled", "Mul", ["number", "scale"], {T: float}),
  node("y", "Relu", ["scaled"], {T: float}),
];

test("behind a front end: its results become inputs, beside those that are left", () => {
  const error = refusalOf(bytesOf(...frontEnd));
  const {cut} = error.details as {cut: Cut};
  assert.deepEqual(cut, {inputs: [{name: "scale"}, {name: "number", shape: [4]}], operators: 2});
  assert.match(error.message, /--input-name scale --input-name number --input-shape number=4/);
  const {signature} = convert(bytesOf(...frontEnd), {inputs: cut.inputs!});
  assert.deepEqual(
    signature.inputs.map(({name, dtype}) => `${name} ${dtype}`),
    ["scale float32", "number float32"],
  );
});

const backEnd = [
  placeholder("x", [4]),
  node("y", "Relu", ["x"], {T: float}),
  node("z", "Exp", ["y"], {T: float}),
  node("words", "AsString", ["z"], {T: float}),
];

test("before a back end: its operands become outputs", () => {
  const error = refusalOf(bytesOf(...backEnd));
  assert.deepEqual((error.details as {cut: Cut}).cut, {outputs: ["z"], operators: 2});
  assert.match(error.message, /1 node can't be converted/);
  assert.deepEqual(convert(bytesOf(...backEnd), {outputs: ["z"]}).report.operators, {EXP: 1, RELU: 1});
});

test("inspect offers the same cut without converting", () => {
  const {cut, unsupported} = inspectGraph(bytesOf(...backEnd));
  assert.deepEqual(cut, {outputs: ["z"], operators: 2});
  assert.deepEqual(
    unsupported.map(({node: name}) => name),
    ["words"],
  );
});

test("where sizes are all that is missing they are offered, those of the batch first", () => {
  const inverse = (...dims: readonly number[]) =>
    bytesOf(
      placeholder("x", dims),
      node("inverse", "MatrixInverse", ["x"], {T: float}),
      node("y", "Abs", ["inverse"], {T: float}),
    );
  const error = refusalOf(inverse(-1, 3, 3));
  const {cut} = error.details as {cut: Cut};
  assert.deepEqual(cut, {inputs: [{name: "x", shape: [1, 3, 3]}], operators: 2, whole: true});
  assert.match(error.message, /With sizes that are given it converts, for example: --input-shape x=1,3,3/);
  assert.deepEqual(convert(inverse(-1, 3, 3), {inputs: cut.inputs!}).signature.inputs[0]!.shape, [1, 3, 3]);
  assert.deepEqual(inspectGraph(inverse(-1, 3, 3)).cut, cut);
  // Of matrices that may not be square no example is right.
  assert.equal((refusalOf(inverse(-1, -1, 3)).details as {cut?: Cut}).cut?.whole, undefined);
});

test("no cut is offered where nothing would be left", () => {
  const error = refusalOf(bytesOf(placeholder("x", [4]), node("words", "AsString", ["x"], {T: float})));
  assert.equal((error.details as {cut?: Cut}).cut, undefined);
  assert.match(error.message, /Cut the graph before them with/);
});

test("changes name what was folded, fused and decomposed", () => {
  const source = bytesOf(
    placeholder("x", [2, 3]),
    floats("w", [3, 2], [1, 2, 3, 4, 5, 6]),
    node("product", "MatMul", ["x", "w"], {T: float}),
    floats("b", [2], [1, 2]),
    node("sum", "BiasAdd", ["product", "b"], {T: float}),
    node("positive", "Relu", ["sum"], {T: float}),
    ints("two", [], [2]),
    ints("one", [], [1]),
    node("three", "AddV2", ["two", "one"], {T: int32}),
    node("tiles", "Pack", ["three", "one"], {T: int32, N: "i: 2"}),
    node("tiled", "Tile", ["positive", "tiles"], {T: float, Tmultiples: int32}),
    node("y", "Softsign", ["tiled"], {T: float}),
  );
  const found = new Map(convert(source).report.changes.map(({effect, what, nodes}) => [`${effect}: ${what}`, nodes]));
  assert.deepEqual(found.get("folded: constants folded"), ["three", "tiles"]);
  assert.deepEqual(found.get("fused: biases fused"), ["sum"]);
  assert.deepEqual(found.get("fused: activations fused"), ["positive"]);
  assert.deepEqual(found.get("decomposed: Softsign → ABS, ADD, DIV"), ["y"]);
});
