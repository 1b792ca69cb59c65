/**
 * Damaged files that still pass the front run in the engine without harm: an answer or a coded error, in time, and the
 * engine's other models go on (specs/litert.md §10.6).
 */
import assert from "node:assert/strict";
import {test} from "node:test";
import {dtypes, elementCount, Tensor} from "@tf-trusted/tensor";
import {admitModel} from "./admission.ts";
import type {LoadedModel} from "./engine.ts";
import {defaultLimits} from "./limits.ts";
import {LitertError} from "./litert-error.ts";
import {corpusMissing, corpusModel} from "./testing/corpus.ts";
import {describeEngines} from "./testing/engines.ts";
import {binaryModel, counterModel, countingModel, denseModel, floats, gatherModel} from "./testing/models.ts";

/** Files that are mutated, and how many of those that pass the front are run in the engine. */
const mutationsPerFile = 150;
const runsPerFile = 8;

describeEngines((kind) => {
  test("mutated files: refused, failed with a code, or run; never a crash of anything else", async () => {
    const engine = await kind.create();
    const witness = await engine.load(binaryModel("ADD", "float32", [2], floats(1)));
    const random = lcg(20_261_123);
    const own = [countingModel(0.5), counterModel(), denseModel(4, 2), gatherModel()];
    const corpus =
      corpusMissing === undefined ? ["conv2d_bias_relu_int8", "while_v2_dynamic_trip", "top_k", "cond_v2"] : [];
    const outcomes = new Map<string, number>();
    const count = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    for (const file of [...own, ...corpus.map((name) => corpusModel(name).bytes)]) {
      let runs = 0;
      for (let mutation = 0; mutation < mutationsPerFile && runs < runsPerFile; mutation++) {
        const bytes = file.slice();
        for (let changes = 1 + (random() % 3); changes > 0; changes--) bytes[random() % bytes.length] = random() % 256;
        const refusal = codeOf(() => admitModel(bytes, defaultLimits, kind.name));
        if (refusal !== undefined) {
          count(`refused ${refusal}`);
          continue;
        }
        runs++;
        count(await runMutation(() => engine.load(bytes, {deadlineMs: 20_000})));
        const {outputs} = await witness.run("serving_default", {x: Tensor.from([1, 2])});
        assert.deepEqual(outputs.y!.bytes, floats(2, 3));
      }
    }
    console.log(`mutations: ${JSON.stringify(Object.fromEntries(outcomes))}`);
    assert.ok((outcomes.get("ran") ?? 0) > 0);
    await engine.close();
  });
});

async function runMutation(load: () => Promise<LoadedModel>): Promise<string> {
  let model: LoadedModel | undefined;
  try {
    model = await load();
    const [signature] = model.signatures;
    const inputs = signature!.inputs.map(({name, dtype, shape}) => {
      const dims = shape.map((dim) => (dim === -1 ? 2 : dim));
      return [name, new Tensor(dtype, dims, new Uint8Array(elementCount(dims) * (dtypes[dtype].bytes ?? 0)))] as const;
    });
    await model.run(signature!.name, Object.fromEntries(inputs), {deadlineMs: 2_000});
    return "ran";
  } catch (error) {
    if (!(error instanceof LitertError)) throw error;
    return `failed ${error.code}`;
  } finally {
    await model?.close();
  }
}

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!(error instanceof LitertError)) throw error;
    return error.code;
  }
}

/** The same numbers each time: a failure can be repeated (Numerical Recipes' constants). */
function lcg(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}
