/** HDF5 against what h5py wrote, in both of its formats, and against damage. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {ConvertError} from "../../../convert-error.ts";
import {mutants} from "../../../testing/mutate.ts";
import {type Hdf5Object, openHdf5} from "./hdf5-file.ts";

const fixtures = join(dirname(fileURLToPath(import.meta.url)), "../../../../../../fixtures/hdf5");
const maxBytes = 1 << 24;
const range = (count: number, first = 0) => Array.from({length: count}, (_, i) => first + i);

for (const version of ["earliest", "latest"]) {
  const bytes = new Uint8Array(readFileSync(join(fixtures, `${version}.h5`)));
  const root = openHdf5(bytes, maxBytes);
  const values = (path: string) => root.open(path)!.tensor().values();

  test(`datasets (${version})`, () => {
    assert.deepEqual(root.open("big_endian")!.tensor().toNested(), [range(4), range(4, 4), range(4, 8)]);
    assert.equal(root.open("big_endian")!.tensor().dtype, "float64");
    assert.deepEqual(values("half"), range(5));
    assert.deepEqual(values("bytes"), range(6, -3));
    assert.deepEqual(values("flags"), [1, 0]);
    assert.deepEqual(values("scalar"), [3.5]);
    assert.deepEqual(root.open("scalar")!.shape(), []);
    assert.deepEqual(values("longs"), [0n, 1n, 2n]);
    assert.deepEqual(root.open("empty")!.tensor().shape, [0, 3]);
    assert.deepEqual(values("whole"), range(60));
  });

  test(`groups and attributes (${version})`, () => {
    assert.deepEqual(root.strings("model_config"), ["é".repeat(3000)]);
    assert.deepEqual(root.strings("fixed"), ["hé"]);
    assert.deepEqual(root.strings("names"), ["ab", "cde"]);
    assert.throws(() => root.strings("numbers"), {code: "CONVERT_HDF5"});
    assert.equal(root.strings("nothing"), undefined);
    for (let i = 0; i < 30; i++) assert.deepEqual(root.strings(`a${i}`), [`value ${i}`]);
    assert.equal(root.open("many")!.names().length, 60);
    for (let i = 0; i < 60; i++) assert.deepEqual(values(`many/layer_${i}`), [i]);
    for (let i = 0; i < 12; i++) {
      assert.deepEqual(values(`tracked/q${i}`), [i]);
      assert.deepEqual(root.open("tracked")!.strings(`w${i}`), ["z".repeat(i)]);
    }
    assert.equal(root.open("many/nothing"), undefined);
    assert.equal(root.open("half")!.isDataset, true);
    assert.equal(root.open("many")!.isDataset, false);
  });

  const walk = (object: Hdf5Object, depth: number): void => {
    if (object.isDataset) {
      object.tensor();
      return;
    }
    if (depth > 4) return;
    for (const name of object.names().slice(0, 100)) {
      const child = object.open(name);
      if (child !== undefined) walk(child, depth + 1);
    }
  };
  const survive = (damaged: Uint8Array): "read" | "refused" => {
    const start = performance.now();
    try {
      const opened = openHdf5(damaged, maxBytes);
      for (const name of ["model_config", "fixed", "names", "a7"]) opened.strings(name);
      for (const name of opened.names()) {
        try {
          const child = opened.open(name);
          if (child !== undefined) walk(child, 0);
        } catch (error) {
          // One damaged member doesn't spare the others.
          if (!(error instanceof ConvertError)) throw error;
        }
      }
      return "read";
    } catch (error) {
      assert.ok(error instanceof ConvertError, `raw ${error instanceof Error ? error.stack : String(error)}`);
      return "refused";
    } finally {
      assert.ok(performance.now() - start < 2000, "took more than two seconds");
    }
  };

  test(`1000 mutants and every cut (${version})`, (t) => {
    const outcomes = {read: 0, refused: 0};
    for (const mutant of mutants(bytes, 1000)) outcomes[survive(mutant)]++;
    t.diagnostic(JSON.stringify(outcomes));
    for (let length = 0; length < bytes.length; length += 501)
      assert.equal(survive(bytes.subarray(0, length)), "refused");
  });
}

test("chunks, and what is refused", () => {
  const bytes = new Uint8Array(readFileSync(join(fixtures, "earliest.h5")));
  const root = openHdf5(bytes, maxBytes);
  assert.deepEqual(root.open("chunked")!.tensor().values(), range(7 * 11 * 3));
  assert.throws(() => root.open("soft"), {code: "CONVERT_HDF5", message: /soft or external link/});
  assert.throws(() => openHdf5(bytes, 100).open("chunked")!.tensor(), {code: "CONVERT_LIMIT"});
  assert.throws(() => openHdf5(new Uint8Array(100), maxBytes), {code: "CONVERT_HDF5"});
});
