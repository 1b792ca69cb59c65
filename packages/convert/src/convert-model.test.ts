/** What a model is, told by its content; archives of folders, and those that lie. */
import assert from "node:assert/strict";
import {mkdir, mkdtemp, readFile, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {zipSync} from "fflate";
import {ConvertError} from "./convert-error.ts";
import {convertModel, recogniseModel} from "./convert-model.ts";
import {openModelSource} from "./node/index.ts";

const fixtures = fileURLToPath(new URL("../../../fixtures/", import.meta.url));
const digits = await readFile(join(fixtures, "digits/digits.pb"));
const savedModel = join(fixtures, "saved-model/model");
const members = {
  "saved_model.pb": await readFile(join(savedModel, "saved_model.pb")),
  "variables/variables.index": await readFile(join(savedModel, "variables/variables.index")),
  "variables/variables.data-00000-of-00001": await readFile(
    join(savedModel, "variables/variables.data-00000-of-00001"),
  ),
};
const text = (content: string) => new TextEncoder().encode(content);

test("files by their first bytes, whatever they are called", async () => {
  assert.equal(recogniseModel(digits).kind, "graphdef");
  assert.equal(recogniseModel(text("# a graph\nnode { name: 'x' op: 'Placeholder' }")).kind, "graphdef-text");
  const {model} = await convertModel(digits);
  assert.equal(recogniseModel(model).kind, "tflite");
});

test("folders, files that stand for theirs, and archives give the same", async () => {
  const {model} = await convertModel(await openModelSource(savedModel));
  assert.deepEqual((await convertModel(await openModelSource(join(savedModel, "saved_model.pb")))).model, model);
  assert.deepEqual((await convertModel(zipSync(members))).model, model);
  const inFolder = Object.fromEntries(Object.entries(members).map(([path, bytes]) => [`a model/${path}`, bytes]));
  assert.deepEqual((await convertModel(zipSync(inFolder, {level: 9}))).model, model);
});

test("a TensorFlow.js model by its model.json of any name", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  try {
    const node = [
      {name: "x", op: "Placeholder", attr: {dtype: {type: 1}, shape: {shape: {dim: [{size: 2}]}}}},
      {name: "y", op: "Neg", input: ["x"], attr: {T: {type: 1}}},
    ];
    await writeFile(join(folder, "graph.txt"), JSON.stringify({modelTopology: {node}, weightsManifest: []}));
    // What else lies there isn't looked at.
    await writeFile(join(folder, "saved_model.pb"), members["saved_model.pb"]);
    await mkdir(join(folder, "other"));
    const {report} = await convertModel(await openModelSource(join(folder, "graph.txt")));
    assert.deepEqual([report.format, report.operators], ["tfjs", {NEG: 1}]);
  } finally {
    await rm(folder, {recursive: true});
  }
});

const refusals: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["nothing", new Uint8Array(0), /the file is empty/],
  ["an array", Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1), /a NumPy array/],
  ["ONNX", Uint8Array.of(0x08, 0x08, 0x12, 0x07), /an ONNX model.*expected a frozen graph .* \.keras or \.h5/],
  ["an image", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10), /a PNG image/],
  ["prose", text("Dear reader"), /text that begins with "Dear reader"; expected/],
  ["bytes", Uint8Array.of(0xc3, 0x28, 0, 1), /its first bytes are c3280001; expected/],
  ["gzip", Uint8Array.of(0x1f, 0x8b, 8), /compressed with gzip/],
  ["JSON alone", text('{"a": 1}'), /this is JSON/],
  ["saved_model.pb alone", members["saved_model.pb"], /needs its folder/],
  [
    "an archive of something else",
    zipSync({"a.txt": text("a")}),
    /neither saved_model.pb nor model.json; it has a.txt/,
  ],
  ["an empty archive", zipSync({}), /it has nothing/],
  ["a damaged archive", zipSync(members).slice(0, 500), /the archive can't be read/],
  ["a member above its folder", zipSync({"../saved_model.pb": text("a")}), /has a member "\.\.\/saved_model\.pb"/],
  ["a member of the root", zipSync({"/saved_model.pb": text("a")}), /has a member "\/saved_model\.pb"/],
];

for (const [name, bytes, message] of refusals) {
  test(`${name} is refused`, () => {
    assert.throws(
      () => recogniseModel(bytes),
      (error) => error instanceof ConvertError && error.code === "CONVERT_NOT_A_GRAPH" && message.test(error.message),
    );
  });
}

test("an archive that expands beyond the limit is refused before it does", () => {
  const bomb = zipSync({"saved_model.pb": new Uint8Array(1 << 22)}, {level: 9});
  assert.throws(() => recogniseModel(bomb, 1 << 20), /can't be read: .*expected at most 1048576/);
});
