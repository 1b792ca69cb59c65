/** The converter in a browser gives the same bytes, and the same refusals, as in Node. */
import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {existsSync, readdirSync, readFileSync} from "node:fs";
import {join, relative} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import * as converter from "@tf-trusted/convert";
import {zipSync} from "fflate";
import {models} from "../convert/corpus.ts";
import {bundle, executable, inPage, skipReason} from "./browser.ts";

const fixture = fileURLToPath(new URL("../../../fixtures/digits/digits.pb", import.meta.url));
const net = models && join(models, "nets/mobilenet_v2/model.pb");
const files = [fixture, ...(net && existsSync(net) ? [net] : [])];

/** What is done on either side; the page gets it as text. */
function convertHere({convert}: Pick<typeof converter, "convert">, base64: string): {model: string; code: string} {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const {model} = convert(bytes);
  let code = "none";
  try {
    convert(bytes.subarray(0, 1000));
  } catch (error) {
    code = (error as {code?: string}).code ?? String(error);
  }
  let text = "";
  for (const byte of model) text += String.fromCharCode(byte);
  return {model: btoa(text), code};
}

const sha256 = (base64: string) => createHash("sha256").update(base64).digest("hex");

test("Chromium converts models to the same bytes as Node", {skip: executable ? false : skipReason}, async (t) => {
  const bundled = await bundle("convert");
  t.diagnostic(`bundle of convert: ${bundled.bytes} bytes, ${bundled.gzipped} gzipped`);
  await inPage(bundled, async (page) => {
    for (const file of files) {
      const base64 = readFileSync(file).toString("base64");
      const wanted = convertHere(converter, base64);
      const found = (await page.evaluate(`(${convertHere})(bundled, ${JSON.stringify(base64)})`)) as typeof wanted;
      assert.equal(sha256(found.model), sha256(wanted.model));
      assert.equal(found.code, wanted.code);
      assert.match(found.code, /^CONVERT_/);
    }
  });
});

/** The same by the front door, which takes every format. */
async function convertAnyHere(
  {convertModel}: Pick<typeof converter, "convertModel">,
  base64: string,
): Promise<{model: string; code: string}> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const {model} = await convertModel(bytes);
  let code = "none";
  try {
    await convertModel(bytes.slice(0, bytes.length - 40));
  } catch (error) {
    code = (error as {code?: string}).code ?? String(error);
  }
  let text = "";
  for (const byte of model) text += String.fromCharCode(byte);
  return {model: btoa(text), code};
}

/** A folder as somebody would drop it into a page. */
function zipOf(folder: string): Uint8Array {
  const paths = readdirSync(folder, {recursive: true, withFileTypes: true}).filter((entry) => entry.isFile());
  const named = paths.map((entry) => join(entry.parentPath, entry.name));
  return zipSync(Object.fromEntries(named.map((path) => [relative(folder, path), new Uint8Array(readFileSync(path))])));
}

const repository = fileURLToPath(new URL("../../../", import.meta.url));
const inRepository = (path: string): Uint8Array => readFileSync(join(repository, path));

/** A TensorFlow.js layers model in two shards. */
function layersModel(): Uint8Array {
  const layers = [
    {class_name: "Dense", config: {name: "d", units: 3, batch_input_shape: [null, 4], activation: "relu"}},
    {class_name: "Dense", config: {name: "e", units: 2, activation: "softmax"}},
  ];
  const shapes = {"d/kernel": [4, 3], "d/bias": [3], "e/kernel": [3, 2], "e/bias": [2]};
  const weights = Object.entries(shapes).map(([name, shape]) => ({name, shape, dtype: "float32"}));
  const model = {
    format: "layers-model",
    modelTopology: {model_config: {class_name: "Sequential", config: {name: "net", layers}}},
    weightsManifest: [{paths: ["1of2.bin", "2of2.bin"], weights}],
  };
  const values = new Uint8Array(Float32Array.from({length: 23}, (_, i) => Math.sin(i)).buffer);
  return zipSync({
    "model.json": new TextEncoder().encode(JSON.stringify(model)),
    "1of2.bin": values.slice(0, 50),
    "2of2.bin": values.slice(50),
  });
}

test("every format converts in Chromium to the same bytes as in Node", {
  skip: executable ? false : skipReason,
}, async (t) => {
  const web = models && join(models, "real/antispoof");
  const sources: Readonly<Record<string, Uint8Array>> = {
    "Keras file": inRepository("fixtures/keras/core.keras"),
    "Keras file with loops": inRepository("fixtures/keras/recurrent.keras"),
    "old Keras file": inRepository("fixtures/keras/core.h5"),
    "zipped SavedModel": zipOf(join(repository, "fixtures/saved-model/model")),
    "TensorFlow.js layers model": layersModel(),
    ...(web && existsSync(web) && {"TensorFlow.js graph model": zipOf(web)}),
    "TensorFlow Lite file": converter.convert(inRepository("fixtures/digits/digits.pb")).model,
  };
  if (!web) t.diagnostic("no TensorFlow.js graph model: the corpus isn't there");
  await inPage(await bundle("convert"), async (page) => {
    for (const [name, bytes] of Object.entries(sources)) {
      const base64 = Buffer.from(bytes).toString("base64");
      const wanted = await convertAnyHere(converter, base64);
      const found = (await page.evaluate(`(${convertAnyHere})(bundled, ${JSON.stringify(base64)})`)) as typeof wanted;
      assert.equal(sha256(found.model), sha256(wanted.model), name);
      assert.equal(found.code, wanted.code, name);
      assert.match(found.code, /^(CONVERT|TFLITE)_/, name);
    }
  });
});
