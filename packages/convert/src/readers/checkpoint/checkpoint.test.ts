/** Every variable of every checkpoint, bit for bit what TensorFlow reads; damaged ones are refused. */
import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {existsSync, readFileSync} from "node:fs";
import {dirname, join, resolve} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {TfTrustedError} from "@tf-trusted/core";
import {decodeStrings, type Tensor} from "@tf-trusted/tensor";
import {openFolder} from "../../node/folder.ts";
import {mutants} from "../../testing/mutate.ts";
import {filesInMemory} from "../model-files.ts";
import {Checkpoint} from "./checkpoint.ts";
import {pieceKey} from "./ordered-code.ts";
import {decompressSnappy} from "./snappy.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../../../..");
const fixtures = join(root, "fixtures/checkpoints");
const models = join(process.env.TF_TRUSTED_CORPUS ?? resolve(root, "../shared"), "models");

interface Golden {
  readonly model: string;
  readonly key: string;
  /** dtype, shape, digest */
  readonly facts: readonly string[];
}

const goldensOf = (name: string): readonly Golden[] =>
  readFileSync(join(fixtures, name), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split("\t"))
    .map(([model, key, ...facts]) => ({model: model!, key: key!, facts}));

function factsOf(value: Tensor): readonly string[] {
  const hash = createHash("sha256");
  if (value.dtype === "string") {
    for (const each of decodeStrings(value.bytes, value.size)) hash.update(Uint32Array.of(each.length)).update(each);
  } else hash.update(value.bytes);
  return [value.dtype, value.shape.join("x") || "scalar", hash.digest("hex").slice(0, 16)];
}

async function compare(goldens: readonly Golden[], open: (model: string) => Promise<Checkpoint>): Promise<number> {
  for (const model of new Set(goldens.map((golden) => golden.model))) {
    const variables = goldens.filter((golden) => golden.model === model);
    const checkpoint = await open(model);
    assert.deepEqual([...checkpoint.keys].sort(), variables.map(({key}) => key).sort());
    for (const {key, facts} of variables)
      assert.deepEqual(factsOf(await checkpoint.read(key)), facts, `${model} ${key}`);
  }
  return goldens.length;
}

const openSmall = async () => Checkpoint.open(await openFolder(join(fixtures, "small")), "variables");

test("partitioned variables, strings and every dtype", async () => {
  await compare(goldensOf("small.tsv"), openSmall);
});

test("all checkpoints of the corpus", {
  skip: existsSync(models) ? false : "the model corpus isn't there",
}, async (t) => {
  const count = await compare(goldensOf("corpus.tsv"), async (model) =>
    Checkpoint.open(await openFolder(join(models, model)), "variables/variables"),
  );
  t.diagnostic(`${count} variables are what TensorFlow reads`);
});

test("a key that isn't there", async () => {
  const checkpoint = await openSmall();
  assert.equal(checkpoint.has("scalar"), true);
  assert.equal(checkpoint.has("nothing"), false);
  assert.equal(checkpoint.has(""), false);
  await assert.rejects(checkpoint.read("nothing"), {code: "CONVERT_CHECKPOINT", message: /has no "nothing"/});
});

test("damaged files: each flipped bit of the data is found, mutants of the index are refused or harmless", async () => {
  const files = await openFolder(join(fixtures, "small"));
  const [dataPath, indexPath] = files.paths as [string, string];
  const index = await files.read(indexPath, 0, await files.size(indexPath));
  const data = await files.read(dataPath, 0, await files.size(dataPath));
  const readAll = async (index: Uint8Array, data: Uint8Array): Promise<"read" | "refused"> => {
    const start = performance.now();
    try {
      const checkpoint = await Checkpoint.open(filesInMemory({"v.index": index, "v.data-00000-of-00001": data}), "v");
      for (const key of checkpoint.keys) await checkpoint.read(key);
      return "read";
    } catch (error) {
      assert.ok(error instanceof TfTrustedError, error instanceof Error ? error.stack : String(error));
      return "refused";
    } finally {
      assert.ok(performance.now() - start < 2000);
    }
  };
  assert.equal(await readAll(index, data), "read");
  for (let at = 0; at < data.length; at += 13) {
    const flipped = data.slice();
    flipped[at]! ^= 1 << (at % 8);
    assert.equal(await readAll(index, flipped), "refused", `byte ${at}`);
  }
  let refused = 0;
  for (const mutant of mutants(index, 500)) if ((await readAll(mutant, data)) === "refused") refused++;
  assert.ok(refused > 300, `${refused} mutants were refused`);
  for (let length = 0; length < index.length; length += 3) await readAll(index.subarray(0, length), data);
});

test("keys of pieces: numbers of one byte and more, negative ones, escapes", () => {
  const bytes = (key: string) => Array.from(key, (char) => char.charCodeAt(0));
  const name = [0, 0x61, 0, 1];
  assert.deepEqual(bytes(pieceKey("a", [])), [...name, 0]);
  assert.deepEqual(bytes(pieceKey("a", [{start: 0, length: -1}])), [...name, 1, 1, 0x80, 0x7f]);
  assert.deepEqual(bytes(pieceKey("a", [{start: 63, length: 64}])), [...name, 1, 1, 0xbf, 0xc0, 0x40]);
  assert.deepEqual(bytes(pieceKey("a", [{start: 8191, length: 8192}])), [...name, 1, 1, 0xdf, 0xff, 0xe0, 0x20, 0x00]);
  assert.deepEqual(bytes(pieceKey("\0\xff", [])), [0, 0, 0xff, 0xff, 0, 0, 1, 0]);
});

test("Snappy: literals, copies that overlap, and blocks that claim or hold too much", () => {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const pack = (...parts: readonly (number | string)[]) =>
    Uint8Array.from(parts.flatMap((part) => (typeof part === "number" ? [part] : [...new TextEncoder().encode(part)])));
  assert.equal(text(decompressSnappy(pack(5, (5 - 1) << 2, "hello"), 100)), "hello");
  assert.equal(text(decompressSnappy(pack(9, 0, "a", ((8 - 4) << 2) | 1, 1), 100)), "aaaaaaaaa");
  assert.equal(text(decompressSnappy(pack(6, 8, "abc", ((3 - 1) << 2) | 2, 3, 0), 100)), "abcabc");
  assert.equal(text(decompressSnappy(pack(70, 60 << 2, 69, "x".repeat(70)), 100)), "x".repeat(70));
  for (const broken of [
    pack(200, 1),
    pack(5, (5 - 1) << 2, "hell"),
    pack(3, (5 - 1) << 2, "hello"),
    pack(9, (5 - 1) << 2, "hello"),
    pack(9, 0, "a", ((8 - 4) << 2) | 1, 2),
    pack(9, 0, "a", ((8 - 4) << 2) | 1, 0),
    pack(0x80),
  ]) {
    assert.throws(() => decompressSnappy(broken, 100), {code: "CONVERT_CHECKPOINT"});
  }
});
