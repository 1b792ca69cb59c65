/** SavedModels of the corpus: every signature, old and new layouts, and the networks that are there in this format too. */
import assert from "node:assert/strict";
import {existsSync} from "node:fs";
import {readFile} from "node:fs/promises";
import {join} from "node:path";
import {test} from "node:test";
import {ConvertError, type Cut, convertSavedModel, type SavedModelOptions} from "@tf-trusted/convert";
import {openFolder} from "@tf-trusted/convert/node";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import {readNpz, Tensor} from "@tf-trusted/tensor";
import {type Case, casesOf, type Goldens, judgeModel, models, type Outcome, readGoldens, skipReason} from "./corpus.ts";

type SavedModelCase = Omit<Case, "io"> & {
  readonly io: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
};

async function judgeFolder(
  engine: Engine,
  testCase: Pick<Case, "io" | "inputs" | "outputs" | "tol" | "compare">,
  folder: string,
  options: SavedModelOptions,
): Promise<Outcome> {
  const goldens = await readGoldens(testCase);
  return judgeModel(engine, testCase, goldens, async () =>
    convertSavedModel(await openFolder(join(models!, folder)), {verify: true, ...options}),
  );
}

/** Signatures that are refused: strings at the interface, tables of strings, state that calls change. */
const notYet: readonly string[] = [
  "savedmodels/tf1_table_asset:serving_default",
  "savedmodels/table_values:serving_default",
  "savedmodels/table_asset:serving_default",
  "savedmodels/string_inputs:serving_default",
  "savedmodels/mutable_state:serving_default",
  "savedmodels/mutable_table:serving_default",
];

test("every signature of the SavedModels of the corpus", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  const outcomes = new Map<string, Outcome>();
  const cases = casesOf("savedmodels") as readonly unknown[] as readonly SavedModelCase[];
  for (const each of cases) {
    for (const [signature, io] of Object.entries(each.io)) {
      const options = {signature, tags: each.tags};
      outcomes.set(`${each.id}:${signature}`, await judgeFolder(engine, {...each, io}, each.file, options));
    }
  }
  await engine.close();
  const of = (kind: string) => [...outcomes].filter(([, outcome]) => outcome.kind === kind);
  const [right, refused, wrong] = [of("right"), of("refused"), of("wrong")];
  for (const [id, outcome] of refused) t.diagnostic(`${id} ${JSON.stringify(outcome)}`);
  t.diagnostic(
    `SavedModels: ${right.length} of ${outcomes.size} signatures right, ${refused.length} refused, ${wrong.length} wrong`,
  );
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    refused.map(([id]) => id),
    notYet,
  );
});

test("state that calls change is kept where that is asked for", {skip: models ? false : skipReason}, async () => {
  const engine = await createWasmEngine();
  const cases = casesOf("savedmodels") as readonly unknown[] as readonly SavedModelCase[];
  const state = cases.find(({id}) => id === "savedmodels/mutable_state")!;
  const options = {signature: "serving_default", tags: state.tags, keepState: true};
  const outcome = await judgeFolder(engine, {...state, io: state.io.serving_default!}, state.file, options);
  await engine.close();
  assert.equal(outcome.kind, "right");
});

test("networks as SavedModels", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  const cases = casesOf("nets").filter(({id}) => existsSync(join(models!, id, "saved_model")));
  const outcomes = new Map<string, Outcome>();
  for (const each of cases) {
    const goldens = await readGoldens({...each, io: `${each.id}/io.npz`});
    const converted = await convertSavedModel(await openFolder(join(models!, each.id, "saved_model")), {verify: true});
    // The goldens have the frozen graph's names; a SavedModel of Keras has others, in the same order.
    const renamed = (tensors: Goldens["inputs"], ports: readonly {readonly name: string}[]): Goldens["inputs"] =>
      new Map(
        [...tensors].map(([name, tensor], i) => [
          ports.some((port) => port.name === name) ? name : ports[i]!.name,
          tensor,
        ]),
      );
    const {inputs, outputs} = converted.signature;
    const named = {inputs: renamed(goldens.inputs, inputs), outputs: renamed(goldens.outputs, outputs)};
    outcomes.set(each.id, await judgeModel(engine, each, named, () => converted));
  }
  await engine.close();
  const other = [...outcomes].filter(([, outcome]) => outcome.kind !== "right");
  t.diagnostic(`networks as SavedModels: ${outcomes.size - other.length} of ${outcomes.size} right`);
  assert.deepEqual(other, []);
});

test("all signatures of a SavedModel in one file", {skip: models ? false : skipReason}, async (t) => {
  const engine = await createWasmEngine();
  try {
    const cases = casesOf("savedmodels") as readonly unknown[] as readonly SavedModelCase[];
    const several = cases.filter(({io}) => Object.keys(io).length > 1);
    assert.ok(several.length >= 4);
    for (const each of several) {
      const files = await openFolder(join(models!, each.file));
      const names = Object.keys(each.io);
      const all = await convertSavedModel(files, {tags: each.tags, verify: true});
      const found = new Set(all.signatures.map(({name}) => name));
      assert.deepEqual(
        names.filter((name) => !found.has(name)),
        [],
      );
      let apart = 0;
      for (const signature of names) {
        const goldens = await readGoldens({...each, io: each.io[signature]!});
        const outcome = await judgeModel(engine, each, goldens, () => ({
          ...all,
          signature: {...all.signature, name: signature},
        }));
        assert.deepEqual(outcome, {kind: "right"}, `${each.id}: ${signature}`);
        apart += (await convertSavedModel(files, {tags: each.tags, signature})).model.length;
      }
      t.diagnostic(`${each.id}: ${names.length} signatures in ${all.model.length} bytes, ${apart} apart`);
      const [, last] = names;
      const picked = await convertSavedModel(files, {tags: each.tags, signature: [last!]});
      assert.deepEqual(
        picked.signatures.map(({name}) => name),
        [last],
      );
    }
  } finally {
    await engine.close();
  }
});

test("what Keras exports twice is stored once", {skip: models ? false : skipReason}, async () => {
  const engine = await createWasmEngine();
  try {
    const files = await openFolder(join(models!, "nets/mlp/saved_model"));
    const all = await convertSavedModel(files, {verify: true});
    const one = await convertSavedModel(files, {signature: "serving_default"});
    assert.deepEqual(
      all.signatures.map(({name}) => name),
      ["serving_default", "serve"],
    );
    assert.ok(all.model.length < one.model.length + 1000, `${all.model.length} bytes, ${one.model.length} with one`);
    // Both can be called, in either order, with open batches.
    const loaded = await engine.load(all.model);
    const {name, shape} = loaded.signatures[0]!.inputs[0]!;
    const sizes = shape.map((size) => (size < 0 ? 3 : size));
    const count = sizes.reduce((product, size) => product * size, 1);
    const x = Tensor.from(
      Float32Array.from({length: count}, (_, i) => Math.sin(i)),
      {shape: sizes},
    );
    const first = await loaded.run("serve", {[name]: x}, {deadlineMs: 60_000});
    const second = await loaded.run("serving_default", {[name]: x}, {deadlineMs: 60_000});
    for (const [output, tensor] of Object.entries(first.outputs)) assert.ok(tensor.equals(second.outputs[output]!));
    await loaded.close();
  } finally {
    await engine.close();
  }
});

test("the cut that a refusal offers behind tables of strings works", {skip: models ? false : skipReason}, async () => {
  const folder = join(models!, "savedmodels/table_asset");
  const files = await openFolder(folder);
  const refusal = await convertSavedModel(files).catch((error: unknown) => error as ConvertError);
  assert.ok(refusal instanceof ConvertError && refusal.code === "CONVERT_OP_UNSUPPORTED");
  const {inputs} = refusal.details.cut as unknown as Cut;
  const {model, signature} = await convertSavedModel(files, {inputs: inputs!});
  assert.deepEqual(
    signature.inputs.map(({name, dtype}) => [name.split("/").at(-1), dtype]),
    [
      ["LookupTableFindV2", "int64"],
      ["LookupTableFindV2", "int64"],
    ],
  );
  const goldens = readNpz(await readFile(join(folder, "serving_default.npz")));
  // What the table gives for the golden's words is one of its outputs.
  const ids = goldens.get("out:ids")!;
  const engine = await createWasmEngine();
  try {
    const loaded = await engine.load(model);
    const given = Object.fromEntries(signature.inputs.map(({name}) => [name, ids]));
    const {outputs} = await loaded.run(signature.name, given);
    for (const name of ["ids", "vectors"]) assert.ok(outputs[name]!.equals(goldens.get(`out:${name}`)!), name);
  } finally {
    await engine.close();
  }
  await assert.rejects(convertSavedModel(files, {outputs: ["no such node"]}), {
    code: "CONVERT_NAME_UNKNOWN",
    message: /has no output "no such node", nor its graph such a node; its outputs are "ids", "vectors"/,
  });
});
