import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {normaliseArguments, oneOf, parseAddress, parseShapeRequest, wholeNumber} from "./arguments.ts";

const known = new Set(["--model-file", "--input-shape", "--input-name", "--json"]);

test("underscores become hyphens in known flags only, never in values", () => {
  assert.deepEqual(
    normaliseArguments(["run", "--model_file", "my_model.pb", "--model_file=a_b=c_d", "--no_such", "x_y"], known),
    ["run", "--model-file", "my_model.pb", "--model-file=a_b=c_d", "--no_such", "x_y"],
  );
  assert.deepEqual(normaliseArguments(["a", "--", "--model_file"], known), ["a", "--", "--model_file"]);
});

test("dimensions of the first version's --input_shape are joined, whatever follows them", () => {
  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [["--input_shape", "1", "8", "8", "1"], ["--input-shape=1,8,8,1"]],
    [
      ["--input_shape", "-1", "8", "--json"],
      ["--input-shape=-1,8", "--json"],
    ],
    [
      ["--input-shape", "1,", "8,", "8", "m.pb"],
      ["--input-shape=1,8,8", "m.pb"],
    ],
    [
      ["--input-shape", "x=1,8", "m.pb"],
      ["--input-shape", "x=1,8", "m.pb"],
    ],
    [
      ["--input-shape", "1,8,8,1", "m.pb"],
      ["--input-shape", "1,8,8,1", "m.pb"],
    ],
    [
      ["--input-shape=1,8", "3"],
      ["--input-shape=1,8", "3"],
    ],
    [["--input-shape"], ["--input-shape"]],
  ];
  for (const [words, expected] of cases) assert.deepEqual(normaliseArguments(words, known), expected);
});

test("normalising twice changes nothing more, and words are only lost to --input-shape", () => {
  const word = fc.oneof(fc.string(), fc.constantFrom(...known, "--model_file", "--input_shape", "1", "-1", "--"));
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const once = normaliseArguments(words, known);
      assert.deepEqual(normaliseArguments(once, known), once);
      assert.ok(once.length <= words.length);
    }),
  );
});

test("shapes: by name or alone, ? and -1 for any size", () => {
  assert.deepEqual(parseShapeRequest("image=1,224,224,3"), {name: "image", shape: [1, 224, 224, 3]});
  assert.deepEqual(parseShapeRequest("a=b:0=?,-1,3"), {name: "a=b:0", shape: [-1, -1, 3]});
  assert.deepEqual(parseShapeRequest("1, 8"), {shape: [1, 8]});
  assert.deepEqual(parseShapeRequest("scalar="), {name: "scalar", shape: []});
  for (const bad of ["", "image", "1,,2", "1.5", "-2", "image=1,x", "0x10", "1e3", "99999999999999999999"]) {
    assert.throws(() => parseShapeRequest(bad), /dimensions, such as/, bad);
  }
});

test("whole numbers within bounds, words of a list, addresses", () => {
  const parse = wholeNumber(1, 100);
  assert.equal(parse("100"), 100);
  for (const bad of ["0", "101", "-1", "1.5", "1e1", "", " 1", "0x1"]) assert.throws(() => parse(bad), /from 1 to 100/);
  assert.equal(oneOf("auto", "simulated")("auto"), "auto");
  assert.throws(() => oneOf("auto", "simulated")("sgx"), /one of auto, simulated/);
  assert.equal(parseAddress("host"), "host:50051");
  assert.equal(parseAddress("127.0.0.1:1"), "127.0.0.1:1");
  assert.equal(parseAddress("[::1]:7000"), "[::1]:7000");
  for (const bad of ["", "::1", "host:", "host:70000", "https://host", "a b"]) assert.throws(() => parseAddress(bad));
});
