/** One shape of document for every kind of model, and views that hold together. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {TfTrustedError} from "@tf-trusted/core";
import {zipSync} from "fflate";
import {convert} from "../convert.ts";
import type {ModelSource} from "../convert-model.ts";
import {openFolder} from "../node/folder.ts";
import {encodeGraphText} from "../testing/graph-bytes.ts";
import {node, placeholder, smallNet} from "../testing/graphs.ts";
import {mutants} from "../testing/mutate.ts";
import {inspectModel} from "./inspect-model.ts";
import type {GraphView, ModelKind} from "./structure.ts";

const fixtures = fileURLToPath(new URL("../../../../fixtures/", import.meta.url));
const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(fixtures + path));
const digits = bytesOf("digits/digits.pb");
const text = (nodes: string): Uint8Array => new TextEncoder().encode(nodes);

const layersModel = {
  modelTopology: {
    model_config: {
      class_name: "Sequential",
      config: {
        name: "net",
        layers: [
          {class_name: "Dense", config: {name: "d", units: 2, batch_input_shape: [null, 3], use_bias: false}},
          {class_name: "ReLU", config: {name: "r"}},
        ],
      },
    },
  },
  weightsManifest: [{paths: ["w.bin"], weights: [{name: "d/kernel", shape: [3, 2], dtype: "float32"}]}],
};

const models: Readonly<Record<ModelKind, () => ModelSource | Promise<ModelSource>>> = {
  graphdef: () => digits,
  "graphdef-text": () => text(smallNet),
  "saved-model": () => openFolder(`${fixtures}saved-model/model`),
  keras: () => bytesOf("keras/core.keras"),
  h5: () => bytesOf("keras/core.h5"),
  tfjs: () =>
    zipSync({
      "model.json": text(
        JSON.stringify({
          modelTopology: {
            node: [
              {name: "x", op: "Placeholder", attr: {dtype: {type: "DT_FLOAT"}, shape: {shape: {dim: [{size: "2"}]}}}},
              {name: "y", op: "Relu", input: ["x"], attr: {T: {type: "DT_FLOAT"}}},
            ],
          },
          weightsManifest: [],
        }),
      ),
    }),
  "tfjs-layers": () => zipSync({"model.json": text(JSON.stringify(layersModel)), "w.bin": new Uint8Array(24)}),
  tflite: () => convert(digits).model,
};

function checkViews(graphs: readonly GraphView[]): void {
  const names = new Set(graphs.map(({name}) => name));
  assert.equal(names.size, graphs.length, "two views of one name");
  for (const {name, nodes} of graphs) {
    for (const [i, each] of nodes.entries()) {
      for (const {from, constant} of each.inputs) {
        assert.ok(from === -1 || from < i || each.op === "Merge", `${name}: ${each.name} takes what comes later`);
        assert.ok(constant === undefined || from === -1);
      }
      for (const graph of each.graphs ?? []) assert.ok(names.has(graph), `${graph} has no view`);
    }
  }
}

for (const [kind, make] of Object.entries(models)) {
  test(`${kind}: the same fields as any other, and views whose lines lead somewhere`, async () => {
    const {structure, graphs} = await inspectModel(await make(), {maxGraphNodes: 10_000});
    assert.equal(structure.format, kind);
    const other = await inspectModel(digits);
    assert.deepEqual(Object.keys(structure).sort(), Object.keys(other.structure).sort());
    assert.deepEqual(structure.problems, []);
    assert.deepEqual(structure.unsupported, []);
    assert.ok(structure.signatures.length > 0 && structure.signatures.every(({outputs}) => outputs.length > 0));
    assert.ok(Object.keys(structure.operators).length > 0 && structure.fileBytes > 0);
    assert.ok(graphs.length > 0 && graphs[0]!.nodes.some(({op}) => op === "input"));
    checkViews(graphs);
    assert.deepEqual(other.graphs, []);
  });
}

test("what can't be converted is marked where it stands, with the cut", async () => {
  const model = text(`${placeholder("x", [4])}
${node("r", "Relu", ["x"], {T: "type: DT_FLOAT"})}
${node("u", "OperatorOfTheAuthor", ["r"], {T: "type: DT_FLOAT"})}`);
  const {structure, graphs} = await inspectModel(model, {maxGraphNodes: 100});
  assert.deepEqual(
    structure.unsupported.map(({node: name, operator}) => [name, operator]),
    [["u", "OperatorOfTheAuthor"]],
  );
  assert.deepEqual(structure.cut?.outputs, ["r"]);
  const marked = graphs[0]!.nodes.filter(({unsupported}) => unsupported !== undefined);
  assert.deepEqual(
    marked.map(({name}) => name),
    ["u"],
  );
});

test("a custom layer is told among the others, not instead of them", async () => {
  const [dense, relu] = layersModel.modelTopology.model_config.config.layers;
  const custom = {class_name: "Lambda", config: {name: "mine", function: "code"}};
  const config = {...layersModel.modelTopology.model_config.config, layers: [dense, custom, relu]};
  const json = {...layersModel, modelTopology: {model_config: {class_name: "Sequential", config}}};
  const files = zipSync({"model.json": text(JSON.stringify(json)), "w.bin": new Uint8Array(24)});
  const {structure, graphs} = await inspectModel(files, {maxGraphNodes: 100});
  assert.deepEqual(
    structure.layers.map(({name}) => name),
    ["d_input", "d", "mine", "r"],
  );
  assert.deepEqual(
    structure.unsupported.map(({node: name, operator}) => [name, operator]),
    [["mine", "Lambda"]],
  );
  assert.ok(graphs[0]!.nodes.find(({name}) => name === "mine")!.unsupported);
});

test("views stay within what they may take, also where shared models multiply", async () => {
  const {graphs} = await inspectModel(digits, {maxGraphNodes: 5});
  assert.equal(graphs[0]!.nodes.length, 5);
  assert.ok(graphs[0]!.leftOut > 20);
  // Each model calls the one in it twice: 2^20 calls of the innermost.
  let inner: object = {
    class_name: "Functional",
    config: {
      name: "m0",
      layers: [{class_name: "InputLayer", name: "i", config: {name: "i", batch_shape: [null, 2]}, inbound_nodes: []}],
      input_layers: [["i", 0, 0]],
      output_layers: [["i", 0, 0]],
    },
  };
  for (let level = 1; level <= 20; level++) {
    inner = {
      class_name: "Functional",
      config: {
        name: `m${level}`,
        layers: [
          {class_name: "InputLayer", name: "i", config: {name: "i", batch_shape: [null, 2]}, inbound_nodes: []},
          {...inner, name: "m", inbound_nodes: [[["i", 0, 0, {}]], [["m", 0, 0, {}]]]},
        ],
        input_layers: [["i", 0, 0]],
        output_layers: [["m", 1, 0]],
      },
    };
  }
  const files = zipSync({"model.json": text(JSON.stringify({modelTopology: {model_config: inner}}))});
  const started = performance.now();
  const {structure} = await inspectModel(files, {maxGraphNodes: 1000});
  assert.ok(performance.now() - started < 2000);
  assert.deepEqual(
    structure.problems.map(({code}) => code),
    ["CONVERT_LIMIT"],
  );
});

test("inspecting mutants gives a description or a coded error", async () => {
  const seeds = [encodeGraphText(smallNet), bytesOf("keras/core.keras"), convert(digits).model];
  for (const seed of seeds) {
    for (const mutant of mutants(seed, 60, 7)) {
      try {
        await inspectModel(mutant, {maxGraphNodes: 1000, limits: {maxConstantBytes: 1 << 24}});
      } catch (error) {
        assert.ok(error instanceof TfTrustedError, error instanceof Error ? error.stack : String(error));
      }
    }
  }
});
