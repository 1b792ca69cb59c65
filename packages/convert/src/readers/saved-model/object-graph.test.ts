/** A model whose restore function restores copies of its variables (fixtures/saved-model/keras); values that don't fit. */
import assert from "node:assert/strict";
import {readdirSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {readNpz} from "@tf-trusted/tensor";
import {convertSavedModel} from "../../convert-saved-model.ts";
import {filesInMemory} from "../model-files.ts";

const fixtures = fileURLToPath(new URL("../../../../../fixtures/saved-model", import.meta.url));

function bytesOf(model: string): Record<string, Uint8Array> {
  const paths = [
    "saved_model.pb",
    ...readdirSync(join(fixtures, model, "variables")).map((name) => `variables/${name}`),
  ];
  return Object.fromEntries(paths.map((path) => [path, new Uint8Array(readFileSync(join(fixtures, model, path)))]));
}

/** With `from` replaced by `to` wherever it stands. */
function replaced(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  assert.ok(text.includes(from));
  return new Uint8Array(Buffer.from(text.replaceAll(from, to), "latin1"));
}

test("variables are found by the trees of objects", async () => {
  const goldens = readNpz(readFileSync(join(fixtures, "keras.npz")));
  const {reference} = await convertSavedModel(filesInMemory(bytesOf("keras")), {reference: true});
  const found = reference!(new Map([["x", goldens.get("x")!]]))
    .get("y")!
    .values() as number[];
  const wanted = goldens.get("y")!.values() as number[];
  assert.ok(wanted.every((value, i) => Math.abs(value - found[i]!) < 1e-6));
});

test("objects of other names are no variables of this model", async () => {
  const files = bytesOf("keras");
  files["saved_model.pb"] = replaced(files["saved_model.pb"]!, "_kernel", "_kernal");
  await assert.rejects(convertSavedModel(filesInMemory(files)), /CONVERT_NOT_FROZEN.*has no value for variable/s);
});

test("a value of another shape than the variable's is refused", async () => {
  const files = bytesOf("model");
  const dims = (rows: number) => `\x12\x02\x08${String.fromCharCode(rows)}\x12\x02\x08\x03`;
  files["saved_model.pb"] = replaced(files["saved_model.pb"]!, dims(4), dims(5));
  await assert.rejects(
    convertSavedModel(filesInMemory(files)),
    /CONVERT_CHECKPOINT.*float32 \[4,3\] for the variable ".+", expected float32 \[5,3\]/s,
  );
});
