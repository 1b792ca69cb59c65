/** The comparison itself, with two files of the same model; its figures are another matter (`npm run bench:convert`). */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {convert} from "@tf-trusted/convert";
import {createWasmEngine} from "@tf-trusted/litert";
import {Tensor} from "@tf-trusted/tensor";
import {compareNet} from "./compare.ts";

const file = fileURLToPath(new URL("../../../fixtures/digits/digits.pb", import.meta.url));

test("a file beside itself has the same size and operators, and both are run", async () => {
  const {model} = convert(readFileSync(file), {outputs: ["probabilities"]});
  const engine = await createWasmEngine();
  try {
    const inputs = {image: Tensor.from(new Float32Array(64), {shape: [1, 8, 8, 1]})};
    const net = {name: "digits", file, outputs: ["probabilities"], inputs, officialBytes: 0, officialOperators: 0};
    const rounds = {least: 2, most: 3, enoughMs: 0};
    const {bytes, operators, byOperator, engineMs} = await compareNet(engine, {...net, official: model}, rounds);
    assert.deepEqual(bytes, {ours: model.length, official: model.length});
    assert.equal(operators.ours, operators.official);
    assert.deepEqual(byOperator, {});
    assert.ok(engineMs !== undefined && engineMs.ours > 0 && engineMs.official > 0);
    const untold = await compareNet(
      engine,
      {...net, officialBytes: 7, officialOperators: 9, official: undefined},
      rounds,
    );
    assert.deepEqual([untold.bytes.official, untold.operators.official, untold.engineMs], [7, 9, undefined]);
  } finally {
    await engine.close();
  }
});
