/** All `.tflite` files of the shared corpus: good ones pass everything, broken ones are refused for the right reason. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {readNpz} from "@tf-trusted/tensor";
import {checkModel} from "./check-model.ts";
import {inferShapes, isDynamic} from "./infer-shapes.ts";
import type {SignatureDef, TfliteModel} from "./model.ts";
import {admitOperators} from "./operators/admit.ts";
import {checkKernels} from "./operators/kernels.ts";
import {operatorNode, operatorVersion} from "./operators/versions.ts";
import {readModel} from "./read-model.ts";
import {namedShapes, specialise, specialiseModel} from "./specialise.ts";
import {readCorpus, skipWithoutCorpus, tfliteCases, tfliteFiles} from "./testing/corpus.ts";
import {printModel} from "./text.ts";
import {TfliteError} from "./tflite-error.ts";
import {writeModel} from "./write-model.ts";

const skip = skipWithoutCorpus;

test("good files: written and read again, nothing changes; writing is deterministic", {skip}, () => {
  for (const file of tfliteFiles("good")) {
    const model = readModel(readCorpus(file));
    const written = writeModel(model);
    assert.deepEqual(readModel(written), model, file);
    assert.deepEqual(writeModel(readModel(written)), written, file);
  }
});

test("good files have no findings, and both engines have their operators", {skip}, () => {
  for (const file of tfliteFiles("good")) {
    const model = readModel(readCorpus(file));
    assert.deepEqual(checkModel(model), [], file);
    assert.deepEqual(checkKernels(model), [], file);
    assert.deepEqual(admitOperators(model, "native"), [], file);
    assert.deepEqual(admitOperators(model, "wasm"), [], file);
  }
});

/** What the front says of each broken file: a code of reading, or of a finding. */
const refusals: Readonly<Record<string, string>> = {
  bad_body_index: "INDEX",
  bad_buffer_index: "INDEX",
  bad_cycle: "ORDER",
  bad_empty: "TFLITE_TRUNCATED",
  bad_flipped_0: "TFLITE_TRUNCATED",
  bad_flipped_1: "TFLITE_TRUNCATED",
  bad_flipped_2: "TFLITE_OFFSET",
  bad_flipped_3: "TFLITE_OFFSET",
  bad_huge_external_buffer: "TFLITE_BUFFER",
  bad_huge_shape: "LIMIT",
  bad_identifier: "TFLITE_IDENTIFIER",
  bad_input_index: "INDEX",
  bad_missing_buffers: "INDEX",
  bad_negative_input: "INDEX",
  bad_negative_shape: "SHAPE",
  bad_no_subgraphs: "NO_SUBGRAPH",
  bad_opcode_index: "INDEX",
  bad_output_index: "INDEX",
  bad_recursive_while: "CALL",
  bad_root_offset: "TFLITE_OFFSET",
  bad_schema_version: "TFLITE_VERSION",
  bad_short_constant: "CONSTANT",
  bad_truncated_half: "TFLITE_OFFSET",
  bad_truncated_last: "TFLITE_OFFSET",
  bad_truncated_tiny: "TFLITE_OFFSET",
  bad_unknown_builtin: "TFLITE_UNKNOWN_VALUE",
  bad_unknown_type: "TFLITE_UNKNOWN_VALUE",
};

test("broken files are refused, each for its reason", {skip}, (context) => {
  const found = Object.fromEntries(
    tfliteFiles("bad").map((file) => {
      const {code, message} = refusal(readCorpus(file));
      context.diagnostic(`${file}: ${code}: ${message}`);
      return [file.replace(/^tflite\/|\.tflite$/g, ""), code];
    }),
  );
  assert.deepEqual(found, refusals);
});

/** Outputs whose shape only running the model tells (specs/litert.md §1.4). */
const dataDependent: readonly string[] = ["tflite/unique", "tflite/where_indices", "tflite/while_v2_growing"];

test("inferred output shapes are those of the goldens", {skip}, (context) => {
  const dynamic: string[] = [];
  let graphs = 0;
  for (const {model, id, signature, shapes} of goldenShapes()) {
    const graph = model.subgraphs[signature.subgraph]!;
    const wanted = namedShapes(model, signature, shapes("in:"), shapes("out:"));
    const {outputs} = inferShapes(model, signature.subgraph, wanted.inputs);
    graphs++;
    if (outputs.some(isDynamic)) dynamic.push(id);
    else assert.deepEqual(outputs, wanted.outputs, `${id} ${graph.name}`);
  }
  context.diagnostic(`${graphs} graphs, ${dynamic.length} of them with shapes that depend on data`);
  assert.deepEqual(dynamic.sort(), dataDependent);
});

test("a specialised file has the shapes of the call, and nothing else changed", {skip}, () => {
  for (const {model, id, signature, shapes} of goldenShapes()) {
    const wanted = namedShapes(model, signature, shapes("in:"), shapes("out:"));
    const back = readModel(specialise(model, wanted));
    assert.deepEqual(back, specialiseModel(model, wanted), id);
    assert.deepEqual(checkModel(back), [], id);
    const graph = back.subgraphs[signature.subgraph]!;
    assert.deepEqual(
      graph.outputs.map((tensor) => graph.tensors[tensor]!.shape),
      wanted.outputs,
      id,
    );
    assert.ok(
      graph.inputs.every((tensor) => !graph.tensors[tensor]!.shapeSignature?.includes(-1)),
      id,
    );
  }
});

test("operator versions are those that the official converter states", {skip}, () => {
  for (const file of tfliteFiles("good")) {
    // It leaves the versions of the 8-bit kernels in files that it quantised to 16 bits.
    if (file.includes("int16x8")) continue;
    const model = readModel(readCorpus(file));
    const lowest = model.operatorCodes.map(() => 1);
    for (const graph of model.subgraphs) {
      for (const operator of graph.operators) {
        const {builtin} = model.operatorCodes[operator.opcodeIndex]!;
        const version = operatorVersion(builtin, operatorNode(graph, operator));
        lowest[operator.opcodeIndex] = Math.max(lowest[operator.opcodeIndex]!, version);
      }
    }
    assert.deepEqual(
      lowest.map((version, index) => [model.operatorCodes[index]!.builtin, version]),
      model.operatorCodes.map(({builtin, version}) => [builtin, version]),
      file,
    );
  }
});

test("every good file has a text form that names its operators", {skip}, () => {
  for (const file of tfliteFiles("good")) {
    const model = readModel(readCorpus(file));
    const text = printModel(model);
    for (const {builtin, version} of model.operatorCodes)
      assert.ok(text.includes(`${builtin}.${version}(`), `${file}: ${builtin}`);
  }
});

/** Each golden call: its signature (one over all inputs where the file has none) and the shapes by name. */
function* goldenShapes() {
  for (const {id, file, io} of tfliteCases()) {
    const model = readModel(readCorpus(file));
    for (const [key, path] of typeof io === "string" ? [["", io] as const] : Object.entries(io ?? {})) {
      const tensors = [...readNpz(readCorpus(path))];
      const shapes = (prefix: string) =>
        Object.fromEntries(
          tensors.flatMap(([name, {shape}]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), shape]] : [])),
        );
      yield {model, id, signature: model.signatures.find((each) => each.key === key) ?? byTensorNames(model), shapes};
    }
  }
}

function byTensorNames(model: TfliteModel): SignatureDef {
  const {tensors, inputs, outputs} = model.subgraphs[0]!;
  const entries = (list: readonly number[]) => list.map((tensor) => ({name: tensors[tensor]!.name, tensor}));
  return {key: "", subgraph: 0, inputs: entries(inputs), outputs: entries(outputs)};
}

function refusal(bytes: Uint8Array): {readonly code: string; readonly message: string} {
  try {
    return checkModel(readModel(bytes))[0] ?? {code: "ADMITTED", message: ""};
  } catch (error) {
    assert.ok(error instanceof TfliteError, `${error}`);
    return {code: error.code, message: error.message};
  }
}
