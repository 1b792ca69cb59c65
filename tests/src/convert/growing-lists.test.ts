/** Lists that grow as they are written (fixtures/growing-lists): TensorFlow's rows, or a refusal; never a list cut off. */
import assert from "node:assert/strict";
import {readdirSync, readFileSync} from "node:fs";
import {dirname, join, resolve} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {ConvertError, convert} from "@tf-trusted/convert";
import {readNpz, type Tensor} from "@tf-trusted/tensor";
import {largestDifference, run, withEngine} from "./graph-text.ts";

const folder = join(resolve(dirname(fileURLToPath(import.meta.url)), "../../.."), "fixtures/growing-lists");
/** Where the length isn't told ahead: rows that a counter doesn't name, and writes that may not happen. */
const refused: readonly string[] = ["filter", "stride"];

for (const file of readdirSync(folder).filter((name) => name.endsWith(".pb"))) {
  const name = file.replace(".pb", "");
  test(`a list that grows: ${name}`, async () => {
    const graph = new Uint8Array(readFileSync(join(folder, file)));
    if (refused.includes(name)) {
      const isGrowth = (error: unknown) =>
        error instanceof ConvertError && /TensorListSetItem: .*longer/.test(error.message);
      assert.throws(() => convert(graph, {outputs: ["Identity"]}), isGrowth);
      return;
    }
    const goldens = readNpz(readFileSync(join(folder, `${name}.npz`)));
    const inputs = [...goldens].flatMap(([key, value]) => (key === "out" ? [] : [[key, value] as [string, Tensor]]));
    const converted = convert(graph, {outputs: ["Identity"], verify: true, reference: true});
    await withEngine(async (engine) => {
      const [found] = Object.values(await run(engine, converted, Object.fromEntries(inputs)));
      assert.ok(largestDifference(found!, goldens.get("out")!) < 1e-6);
    });
    const [reference] = converted.reference!(new Map(inputs)).values();
    assert.ok(largestDifference(reference!, goldens.get("out")!) < 1e-6);
  });
}
