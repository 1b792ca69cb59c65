/** Files made to harm: each is refused by its code, quickly, and before anything large is made. */
import assert from "node:assert/strict";
import {readFile} from "node:fs/promises";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {unzipSync, zipSync} from "fflate";
import {ConvertError, type ConvertErrorCode} from "./convert-error.ts";
import {convertKeras, convertKerasConfig} from "./convert-keras.ts";
import {convertModel, type ModelSource} from "./convert-model.ts";
import {inspectModel} from "./inspect/inspect-model.ts";
import {openHdf5} from "./readers/keras/hdf5/hdf5-file.ts";
import {filesInMemory} from "./readers/model-files.ts";

const fixtures = fileURLToPath(new URL("../../../fixtures/", import.meta.url));
const read = async (path: string): Promise<Uint8Array> => new Uint8Array(await readFile(fixtures + path));
const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const isRefused =
  (code: ConvertErrorCode) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof ConvertError, error instanceof Error ? error.stack : String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };

/** By `convertModel` and by `inspectModel`, within two seconds and 200 MB. */
async function refusesBoth(source: ModelSource, code: ConvertErrorCode): Promise<void> {
  const limits = {maxBytes: 1 << 26, maxConstantBytes: 1 << 26, maxTensorBytes: 1 << 28};
  const before = process.memoryUsage().rss;
  const started = performance.now();
  await assert.rejects(() => convertModel(source, {limits}), isRefused(code));
  try {
    const {structure} = await inspectModel(source, {limits, maxGraphNodes: 1000});
    assert.deepEqual([...new Set(structure.problems.map((each) => each.code))], [code]);
  } catch (error) {
    isRefused(code)(error);
  }
  assert.ok(performance.now() - started < 2000, "took more than two seconds");
  assert.ok(process.memoryUsage().rss - before < 200 << 20, "took more than 200 MB");
}

/** 128 MB of zeros in 130 kB. */
const zeros = (): Uint8Array => new Uint8Array(1 << 27);

test("archives that expand without end", async () => {
  const config = text({class_name: "Sequential", config: {layers: []}});
  const weights = zipSync({"config.json": config, "model.weights.h5": zeros()}, {level: 1});
  await refusesBoth(weights, "CONVERT_NOT_A_GRAPH");
  assert.throws(() => convertKeras(weights, {limits: {maxConstantBytes: 1 << 26}}), isRefused("CONVERT_LIMIT"));
  await refusesBoth(zipSync({"saved_model.pb": zeros()}, {level: 1}), "CONVERT_NOT_A_GRAPH");
  await refusesBoth(zipSync({"model.json": text({}), "w.bin": zeros()}, {level: 1}), "CONVERT_NOT_A_GRAPH");
});

/** Of one member: the offset of the 4 bytes that say how large it is, in the central directory. */
const directoryOf = (zip: Uint8Array): DataView => {
  const view = new DataView(zip.buffer, zip.byteOffset, zip.length);
  return new DataView(zip.buffer, zip.byteOffset + view.getUint32(zip.length - 6, true));
};

test("archives that lie about their members", async () => {
  const honest = () => zipSync({"saved_model.pb": new Uint8Array(1000)}, {level: 9});
  const smaller = honest();
  directoryOf(smaller).setUint32(24, 10, true);
  await refusesBoth(smaller, "CONVERT_NOT_A_GRAPH");
  const elsewhere = honest();
  directoryOf(elsewhere).setUint32(42, 5, true);
  await refusesBoth(elsewhere, "CONVERT_NOT_A_GRAPH");
  const huge = honest();
  directoryOf(huge).setUint32(24, 0xfffffff0, true);
  await refusesBoth(huge, "CONVERT_NOT_A_GRAPH");
});

test("paths that lead out of an archive", async () => {
  for (const path of ["../saved_model.pb", "/saved_model.pb", "a/../../saved_model.pb", "a\\..\\saved_model.pb"]) {
    await refusesBoth(zipSync({[path]: new Uint8Array(10)}), "CONVERT_NOT_A_GRAPH");
  }
});

test("a link in an archive is a file of a few bytes, never what it points to", async () => {
  // The mode of a symbolic link, as Info-ZIP writes it.
  const link = zipSync({"saved_model.pb": [new TextEncoder().encode("/etc/hostname"), {os: 3, attrs: 0o120777 << 16}]});
  await refusesBoth(link, "CONVERT_WIRE");
});

/** A Sequential over [?, 4] with these layers behind its input. */
const net = (...layers: readonly (readonly [string, object])[]) => ({
  class_name: "Sequential",
  config: {
    name: "net",
    layers: [
      {class_name: "InputLayer", config: {name: "x", batch_shape: [null, 4], dtype: "float32"}},
      ...layers.map(([class_name, config], i) => ({class_name, config: {name: `l${i}`, ...config}})),
    ],
  },
});

const hugeLayers: readonly (readonly [what: string, config: unknown, code: ConvertErrorCode])[] = [
  ["a number of copies", net(["RepeatVector", {n: 2 ** 30}]), "CONVERT_LIMIT"],
  [
    "copies of copies",
    net(...Array.from({length: 6}, () => ["Flatten", {}] as const), ["RepeatVector", {n: 2 ** 29}]),
    "CONVERT_LIMIT",
  ],
  ["a padding", net(["RepeatVector", {n: 2}], ["ZeroPadding1D", {padding: [2 ** 30, 2 ** 30]}]), "CONVERT_LIMIT"],
  ["an upsampling", net(["RepeatVector", {n: 2}], ["UpSampling1D", {size: 2 ** 30}]), "CONVERT_LIMIT"],
  ["a depth of tokens", net(["CategoryEncoding", {num_tokens: 2 ** 30, output_mode: "multi_hot"}]), "CONVERT_LIMIT"],
  ["units without weights", net(["Dense", {units: 2 ** 31 - 1}]), "CONVERT_KERAS"],
  ["a negative count", net(["RepeatVector", {n: -1}]), "CONVERT_KERAS"],
  ["a count beyond integers", net(["RepeatVector", {n: 1e300}]), "CONVERT_KERAS"],
  ["a target shape", net(["Reshape", {target_shape: [2 ** 30, 2 ** 30, -1]}]), "CONVERT_KERAS"],
];

for (const [what, config, code] of hugeLayers) {
  test(`huge: ${what}`, async () => {
    const model = {format: "layers-model", modelTopology: {model_config: config}, weightsManifest: []};
    await refusesBoth(filesInMemory({"model.json": text(model)}), code);
  });
}

test("huge shapes in a manifest", async () => {
  const weights = (shape: readonly number[]) => [{paths: ["w.bin"], weights: [{name: "w", shape, dtype: "float32"}]}];
  const model = (shape: readonly number[]) =>
    filesInMemory({
      "model.json": text({modelTopology: {node: []}, weightsManifest: weights(shape)}),
      "w.bin": new Uint8Array(8),
    });
  await refusesBoth(model([2 ** 31, 2 ** 31]), "CONVERT_TENSOR");
  await refusesBoth(model([2 ** 52, 2 ** 52, 2 ** 52]), "CONVERT_TENSOR");
  await refusesBoth(model(Array.from({length: 100_000}, () => 1)), "CONVERT_JSON");
});

test("JSON that is nested without end", async () => {
  const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  const graph = new TextEncoder().encode(`{"modelTopology": {"node": ${deep}}, "weightsManifest": []}`);
  await refusesBoth(filesInMemory({"model.json": graph}), "CONVERT_LIMIT");
  const layers = new TextEncoder().encode(`{"modelTopology": {"model_config": ${deep}}}`);
  await refusesBoth(filesInMemory({"model.json": layers}), "CONVERT_LIMIT");
  assert.throws(() => convertKerasConfig(JSON.parse(deep), new Map()), isRefused("CONVERT_LIMIT"));
  const members = unzipSync(await read("keras/core.keras"));
  const config = new TextEncoder().encode(`{"class_name": "Sequential", "config": ${deep}}`);
  await refusesBoth(zipSync({...members, "config.json": config}), "CONVERT_LIMIT");
});

/** A file of the earliest layout, whose addresses are 8 bytes; every address in it is made one of the others. */
test("HDF5 whose addresses lead in circles", async () => {
  const bytes = await read("hdf5/earliest.h5");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const addresses: number[] = [];
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const value = view.getBigUint64(at, true);
    if (value > 0n && value < BigInt(bytes.length) && value % 8n === 0n) addresses.push(at);
  }
  assert.ok(addresses.length > 50);
  let refused = 0;
  for (const [i, at] of addresses.entries()) {
    for (const step of [1, 7, 31]) {
      const copy = bytes.slice();
      const target = addresses[(i + step) % addresses.length]!;
      copy.set(bytes.subarray(target, target + 8), at);
      const started = performance.now();
      try {
        const root = openHdf5(copy, 1 << 24);
        for (const name of root.names()) root.open(name)?.names();
        root.open("chunked")?.tensor();
      } catch (error) {
        assert.ok(error instanceof ConvertError, error instanceof Error ? error.stack : String(error));
        refused++;
      }
      assert.ok(performance.now() - started < 2000);
    }
  }
  assert.ok(refused > 20, `${refused} refused`);
});
