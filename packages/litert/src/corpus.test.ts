/**
 * Every file of the corpus: the golden's numbers, or a refusal with a reason; never other numbers. Broken files are
 * refused and do no harm to the engine's other models.
 */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import {readModel, type TfliteModel} from "@tf-trusted/tflite";
import {admitModel} from "./admission.ts";
import type {Engine, LoadedModel} from "./engine.ts";
import {defaultLimits} from "./limits.ts";
import {LitertError} from "./litert-error.ts";
import {difference, type Tolerance} from "./testing/compare.ts";
import {
  type CorpusCase,
  corpusCases,
  corpusMissing,
  type GoldenCall,
  goldenCalls,
  readCorpusFile,
} from "./testing/corpus.ts";
import {describeEngines, type EngineKind} from "./testing/engines.ts";

/** Files that LiteRT runs, and that an engine refuses: their reasons (specs/litert.md §1.4, §4). */
const refusals: Readonly<Record<EngineKind["name"], Readonly<Record<string, string>>>> = {
  wasm: {"tflite/string_reshape": "UNSUPPORTED_TYPE", "tflite/while_v2_growing": "DYNAMIC_OUTPUT"},
  native: {"tflite/while_v2_growing": "DYNAMIC_OUTPUT"},
};

describeEngines((kind) => {
  const refusedCodes = refusals[kind.name];
  let engine: Engine;
  before(async () => {
    engine = await kind.create();
  });
  after(() => engine.close());

  test("corpus: each file gives its golden or is refused with a reason", async (context) => {
    if (corpusMissing !== undefined) return context.skip(corpusMissing);
    const cases = corpusCases("tflite");
    const witnessCase = cases.find(({id}) => id === "tflite/conv2d_same")!;
    const witness = await engine.load(readCorpusFile(witnessCase.file));
    const refused: string[] = [];
    const wrong: string[] = [];
    let right = 0;
    let badRefused = 0;
    for (const each of cases) {
      const bytes = readCorpusFile(each.file);
      const outcome = await runCase(engine, each, bytes);
      if (each.expect_error !== undefined) {
        if (outcome instanceof LitertError) badRefused++;
        else wrong.push(`${each.id}: ran, although ${each.expect_error}`);
        await assertGolden(witness, witnessCase, `after ${each.id}`);
      } else if (outcome instanceof LitertError) {
        refused.push(`${each.id.slice("tflite/".length)} ${outcome.code}`);
        if (outcome.code !== refusedCodes[each.id]) wrong.push(`${each.id}: refused with ${outcome.message}`);
      } else if (outcome === undefined) right++;
      else wrong.push(`${each.id}: ${outcome}`);
    }
    await witness.close();
    console.log(
      `tflite corpus (${engine.id}): ${right} right, ${refused.length} refused at admission (${refused.join(", ")}), ${badRefused} bad refused`,
    );
    assert.deepEqual(wrong, []);
    assert.equal(refused.length, Object.keys(refusedCodes).length);
    assert.equal(right + refused.length + badRefused, cases.length);
  });

  test("corpus: models loaded side by side don't disturb each other", async (context) => {
    if (corpusMissing !== undefined) return context.skip(corpusMissing);
    const names = ["conv2d_same", "mlp", "squeezenet_int8", "text_lstm", "multi_signature", "unet"];
    const cases = corpusCases("tflite").filter(({id}) => names.includes(id.slice("tflite/".length)));
    const models = await Promise.all(cases.map(({file}) => engine.load(readCorpusFile(file))));
    // Interleaved: every model runs while others do.
    for (let round = 0; round < 3; round++) {
      await Promise.all(models.map((model, index) => assertGolden(model, cases[index]!, `round ${round}`)));
    }
    await Promise.all(models.map((model) => model.close()));
  });

  test("corpus: a batch gives what its rows give alone", async (context) => {
    if (corpusMissing !== undefined) return context.skip(corpusMissing);
    const tested: string[] = [];
    for (const each of corpusCases("tflite")) {
      if (each.expect_error !== undefined || each.id in refusedCodes) continue;
      const bytes = readCorpusFile(each.file);
      const [signature] = admitModel(bytes, defaultLimits, kind.name).signatures;
      if (![...signature!.inputs, ...signature!.outputs].every(({shape}) => shape[0] === -1)) continue;
      const model = await engine.load(bytes);
      await assertBatches(model, each, goldenCalls(each)[0]!);
      tested.push(each.id);
      await model.close();
    }
    console.log(`tflite corpus: ${tested.length} dynamic files at batch sizes 1, 2, golden and twice golden`);
    assert.ok(tested.length >= 20, `only ${tested.length} files have a batch dimension`);
  });
});

/** `undefined` if right, a text if wrong, the error if refused. */
async function runCase(engine: Engine, each: CorpusCase, bytes: Uint8Array): Promise<string | LitertError | undefined> {
  let model: LoadedModel | undefined;
  try {
    model = await engine.load(bytes);
    const calls = goldenCalls(each);
    // Twice: LiteRT alone gives some files' numbers in the first run only. State may go on, so once where there is some.
    const stateful = model.signatures.some((signature) => signature.stateful);
    for (const call of stateful ? calls : [...calls, ...calls]) {
      const problem = await compareCall(model, call, toleranceOf(each, bytes));
      if (problem !== undefined) return problem;
    }
    return undefined;
  } catch (error) {
    if (error instanceof LitertError) return error;
    throw error;
  } finally {
    await model?.close();
  }
}

async function assertGolden(model: LoadedModel, each: CorpusCase, when: string): Promise<void> {
  for (const call of goldenCalls(each)) {
    const problem = await compareCall(model, call, toleranceOf(each, readCorpusFile(each.file)));
    assert.equal(problem, undefined, `${each.id} ${when}`);
  }
}

async function compareCall(model: LoadedModel, call: GoldenCall, tolerance: Tolerance): Promise<string | undefined> {
  const {outputs} = await model.run(call.signature ?? "serving_default", call.inputs);
  for (const [name, expected] of Object.entries(call.outputs)) {
    const problem = difference(outputs[name], expected, tolerance);
    if (problem !== undefined) return `output "${name}" ${problem}`;
  }
  return undefined;
}

/** Rows of the golden alone, in twos, all, and all twice. */
async function assertBatches(model: LoadedModel, each: CorpusCase, {inputs, outputs}: GoldenCall): Promise<void> {
  const size = Object.values(inputs)[0]!.shape[0]!;
  const tolerance = toleranceOf(each, readCorpusFile(each.file));
  for (const rows of [[0], [0, size - 1], [...Array(size).keys()], [...Array(2 * size).keys()]]) {
    const pick = (tensors: Readonly<Record<string, Tensor>>) =>
      Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [
          name,
          takeRows(
            tensor,
            rows.map((row) => row % size),
          ),
        ]),
      );
    const problem = await compareCall(
      model,
      {signature: undefined, inputs: pick(inputs), outputs: pick(outputs)},
      tolerance,
    );
    assert.equal(problem, undefined, `${each.id} at batch ${rows.length}`);
  }
}

function takeRows(tensor: Tensor, rows: readonly number[]): Tensor {
  const each = tensor.bytes.length / tensor.shape[0]!;
  const bytes = new Uint8Array(each * rows.length);
  rows.forEach((row, at) => {
    bytes.set(tensor.bytes.subarray(each * row, each * (row + 1)), each * at);
  });
  return new Tensor(tensor.dtype, [rows.length, ...tensor.shape.slice(1)], bytes);
}

/**
 * The case's tolerance. For `quantum` an integer output counts in steps; a float output of a quantised net is held to
 * one step of the quantisation it came from, or to 1.5 times what native kernels differ by, as the index does for others.
 */
function toleranceOf({tol, native_differences}: CorpusCase, bytes: Uint8Array): Tolerance {
  const {abs, rel, unit} = tol!;
  if (unit !== "quantum") return {abs, rel};
  const quantum = floatQuantum(readModel(bytes));
  if (quantum === undefined) return {abs, rel};
  const native = Math.max(native_differences?.xnnpack ?? 0, native_differences?.reference ?? 0);
  return {abs: Math.max(quantum, 1.5 * native), rel: 0};
}

/** The step of the quantised tensors from which a float output is dequantised; `undefined` for integer outputs. */
function floatQuantum({subgraphs, operatorCodes}: TfliteModel): number | undefined {
  const graph = subgraphs[0]!;
  const scales = graph.operators.flatMap(({opcodeIndex, inputs, outputs}) => {
    const ends = operatorCodes[opcodeIndex]!.builtin === "DEQUANTIZE" && graph.outputs.includes(outputs[0]!);
    return ends ? [graph.tensors[inputs[0]!]!.quantization!.scale[0]!] : [];
  });
  return scales.length === 0 ? undefined : Math.max(...scales);
}
