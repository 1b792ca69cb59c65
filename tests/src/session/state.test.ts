/** Models that keep state: TensorFlow's numbers call by call, and each session its own. */
import assert from "node:assert/strict";
import {readFile} from "node:fs/promises";
import {dirname, resolve} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {connect, type EnclaveConnection, launchSimulated, type Model} from "@tf-trusted/client";
import {convertSavedModel} from "@tf-trusted/convert";
import {openFolder} from "@tf-trusted/convert/node";
import {isNativeInstalled} from "@tf-trusted/litert";
import {Tensor} from "@tf-trusted/tensor";

const fixtures = resolve(dirname(fileURLToPath(import.meta.url)), "../../../fixtures/saved-model");
type Call = readonly [signature: string, inputs: {readonly x?: number[]}, outputs: Readonly<Record<string, unknown>>];
const calls = JSON.parse(await readFile(`${fixtures}/state.json`, "utf8")) as readonly Call[];
const {model: file, reference} = await convertSavedModel(await openFolder(`${fixtures}/state`), {
  keepState: true,
  reference: true,
});

async function predict(model: Model, [signature, inputs]: Call): Promise<Record<string, unknown>> {
  const tensors = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, Tensor.from(values!)]));
  const outputs = await model.predict(tensors, {signature});
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.toNested()]));
}

async function withEnclave(
  engine: "wasm" | "native",
  configuration: NonNullable<Parameters<typeof launchSimulated>[0]>["configuration"],
  use: (open: (renewAfterMs?: number) => Promise<EnclaveConnection>) => Promise<void>,
): Promise<void> {
  const server = await launchSimulated({engine, ...(configuration && {configuration})});
  const opened: EnclaveConnection[] = [];
  try {
    await use(async (renewAfterMs) => {
      const {address, policy} = server;
      const enclave = await connect({address, policy, ...(renewAfterMs !== undefined && {renewAfterMs})});
      opened.push(enclave);
      return enclave;
    });
  } finally {
    for (const enclave of opened) await enclave.close();
    await server.stop();
  }
}

const missing = isNativeInstalled() ? false : "the native engine is not installed (tf-trusted engine install native)";

for (const engine of ["wasm", "native"] as const) {
  test(`${engine}: two sessions, call by call, each with TensorFlow's numbers of its own calls`, {
    skip: engine === "native" && missing,
  }, async () => {
    await withEnclave(engine, undefined, async (open) => {
      const [one, other] = [await open(), await open()];
      const mine = await one.load(file, {name: "counting"});
      assert.ok(mine.signatures.every(({stateful}) => stateful));
      const theirs = other.model("counting");
      for (const [i, call] of calls.entries()) {
        assert.deepEqual(await predict(mine, call), call[2]);
        // The other session is three calls behind.
        if (i >= 3) assert.deepEqual(await predict(theirs, calls[i - 3]!), calls[i - 3]![2]);
      }
      assert.equal((await mine.describe()).figures!.workers, 2);
      // A session that ends takes its state with it; the next begins anew.
      await one.close();
      const third = (await open()).model("counting");
      assert.deepEqual(await predict(third, calls[0]!), calls[0]![2]);
      assert.deepEqual(await predict(theirs, calls[3]!), calls[3]![2]);
    });
  });
}

test("a session that is renewed says once that the state is gone", async () => {
  await withEnclave("wasm", undefined, async (open) => {
    const model = await (await open(300)).load(file, {name: "counting"});
    assert.deepEqual(await predict(model, calls[0]!), calls[0]![2]);
    await new Promise((resolve) => setTimeout(resolve, 350));
    await assert.rejects(predict(model, calls[1]!), {
      code: "STATE_LOST",
      message: /"counting" was called before ended/,
    });
    assert.deepEqual(await predict(model, calls[0]!), calls[0]![2]);
  });
});

test("sessions beyond the memory of the enclave are refused, and the others go on", async () => {
  await withEnclave("wasm", {memoryBudgetBytes: 3 * 2 ** 20}, async (open) => {
    const first = await (await open()).load(file, {name: "counting"});
    assert.deepEqual(await predict(first, calls[0]!), calls[0]![2]);
    const refused: string[] = [];
    for (let i = 0; i < 8 && refused.length === 0; i++) {
      const enclave = await open();
      await predict(enclave.model("counting"), calls[0]!).catch(({code}: {code: string}) => refused.push(code));
    }
    assert.deepEqual(refused, ["MODEL_BUDGET"]);
    assert.deepEqual(await predict(first, calls[1]!), calls[1]![2]);
  });
});

test("the reference goes on from call to call as well", () => {
  for (const [, inputs, outputs] of calls.filter(([signature]) => signature === "serving_default").slice(0, 1)) {
    const found = reference!(new Map([["x", Tensor.from(inputs.x!)]]));
    assert.deepEqual(Object.fromEntries([...found].map(([name, tensor]) => [name, tensor.toNested()])), outputs);
  }
  const again = reference!(new Map([["x", Tensor.from([0, 0])]]));
  assert.equal(again.get("calls")!.toNested(), 2);
});
