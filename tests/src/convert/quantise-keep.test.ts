/**
 * `quantize: "keep"` in the engine: fake-quantised nets against TensorFlow's results. A result may be one level away: a
 * kernel rounds once more, or ties the other way.
 */
import assert from "node:assert/strict";
import {readdirSync, readFileSync} from "node:fs";
import {dirname, join, resolve} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {convert} from "@tf-trusted/convert";
import {readNpz, Tensor} from "@tf-trusted/tensor";
import {casesOf, judge, models, readGoldens, readModelFile, skipReason} from "./corpus.ts";
import {largestDifference, run, withEngine} from "./graph-text.ts";

const fixtures = join(resolve(dirname(fileURLToPath(import.meta.url)), "../../.."), "fixtures/fake-quant");

interface Net {
  /** Largest difference of each output: one level of what it is rounded to, and what becomes of that. */
  readonly error: readonly number[];
  readonly operators: Readonly<Record<string, number>>;
  readonly notes?: readonly string[];
}

const level = (low: number, high: number) => ((high - low) / 255) * 1.001;

const nets: Readonly<Record<string, Net>> = {
  net: {
    error: [0.02],
    operators: {ADD: 1, CONV_2D: 3, DEPTHWISE_CONV_2D: 1, FULLY_CONNECTED: 1, MAX_POOL_2D: 1, MEAN: 1},
  },
  normalised: {error: [level(0, 9)], operators: {CONV_2D: 2}},
  asymmetric: {error: [level(0, 6)], operators: {CONV_2D: 1}},
  moved: {
    error: [level(-1, 6), level(-1, 6) / 4],
    operators: {CONCATENATION: 1, CONV_2D: 1, PAD: 1, RESIZE_NEAREST_NEIGHBOR: 1, SLICE: 1, TRANSPOSE: 1},
  },
  upwards: {error: [level(0, 6)], operators: {TRANSPOSE_CONV: 1}},
  "round-trip": {error: [20 / 127 + 0.001], operators: {CONV_2D: 1}},
  mixed: {
    error: [1 / 127 + 1e-5, level(0, 1), 1e-4],
    operators: {MAXIMUM: 2, MINIMUM: 1, MUL: 1},
    notes: ['"FakeQuantWithMinMaxArgs_4" is computed in float: 16 bits; int8 has 8'],
  },
};

test("fake-quantised nets are what TensorFlow computes", async (t) => {
  const names = readdirSync(fixtures).filter((file) => file.endsWith(".pb"));
  assert.deepEqual(names.map((file) => file.slice(0, -3)).sort(), Object.keys(nets).sort());
  await withEngine(async (engine) => {
    for (const [name, {error, operators, notes = []}] of Object.entries(nets)) {
      const bytes = readFileSync(join(fixtures, `${name}.pb`));
      const arrays = [...(await readNpz(readFileSync(join(fixtures, `${name}.npz`))))];
      const wanted = arrays
        .filter(([key]) => key.startsWith("out:"))
        .map(([key, value]) => [key.slice(4), value] as const);
      const inputs = Object.fromEntries(
        arrays.filter(([key]) => key.startsWith("in:")).map(([key, value]) => [key.slice(3), value]),
      );
      const options = {outputs: wanted.map(([key]) => key), verify: true};
      const result = convert(bytes, {...options, quantize: "keep"});
      assert.deepEqual(result.report.quantisation!.operators, operators, name);
      assert.deepEqual(result.report.notes, notes, name);
      const found = await run(engine, result, inputs);
      const errors = wanted.map(([key, golden]) => largestDifference(found[key.replace(/:0$/, "")]!, golden));
      t.diagnostic(`${name}: ${errors.map((each) => each.toPrecision(2)).join(", ")}`);
      for (const [i, each] of errors.entries()) assert.ok(each <= error[i]!, `${name}, output ${i}: ${each}`);
      assert.deepEqual(convert(bytes, {...options, quantize: "keep"}).model, result.model, "same input, same bytes");
    }
  });
});

test("a batch of any size", async () => {
  const arrays = await readNpz(readFileSync(join(fixtures, "net.npz")));
  const [x, y] = [arrays.get("in:x0")!, arrays.get("out:Identity:0")!];
  const result = convert(readFileSync(join(fixtures, "net.pb")), {quantize: "keep"});
  assert.deepEqual(result.signature.inputs[0]!.shape, [-1, 16, 16, 3]);
  await withEngine(async (engine) => {
    for (const size of [1, 2, 3]) {
      const found = await run(engine, result, {x0: rows(x, size)});
      assert.ok(largestDifference(found.Identity!, rows(y, size)) <= nets.net!.error[0]!, `${size}`);
    }
  });
});

test("inputs and outputs as integers", async () => {
  const bytes = readFileSync(join(fixtures, "normalised.pb"));
  const arrays = await readNpz(readFileSync(join(fixtures, "normalised.npz")));
  const [x, y] = [arrays.get("in:x0")!, arrays.get("out:Identity:0")!];
  await withEngine(async (engine) => {
    for (const ioType of ["int8", "uint8"] as const) {
      const result = convert(bytes, {quantize: "keep", ioType, verify: true});
      const [input, output] = [result.signature.inputs[0]!, result.signature.outputs[0]!];
      assert.deepEqual([input.dtype, output.dtype], [ioType, ioType]);
      const [scale, zero] = [input.quantisation!.scale[0]!, input.quantisation!.zero[0]!];
      assert.equal(zero, ioType === "int8" ? 0 : 128);
      const range = ioType === "int8" ? [-128, 127] : [0, 255];
      const levels = Array.from(x.data as Float32Array, (each) =>
        Math.max(range[0]!, Math.min(range[1]!, Math.round(each / scale) + zero)),
      );
      const found = await run(engine, result, {x0: Tensor.from(levels, {dtype: ioType, shape: x.shape})});
      const {scale: steps, zero: zeros} = output.quantisation!;
      const real = Float32Array.from(
        found.Identity!.data as ArrayLike<number>,
        (each) => steps[0]! * (each - zeros[0]!),
      );
      assert.ok(largestDifference(Tensor.from(real, {shape: y.shape}), y) <= level(0, 9), ioType);
    }
  });
});

test("fake-quantised operators of the corpus", {skip: models ? false : skipReason}, async (t) => {
  const cases = casesOf("ops").filter((each) => /fake_quant|quantize_de/.test(each.id));
  assert.ok(cases.length >= 6);
  await withEngine(async (engine) => {
    for (const each of cases) {
      const goldens = await readGoldens(each);
      // A tie may go to the other level: its size is what two of the results are apart.
      const step = Math.max(...[...goldens.outputs.values()].map((golden) => smallestStep(golden)));
      const testCase = {...each, tol: {abs: Math.max(each.tol.abs, step * 1.01), rel: each.tol.rel}};
      assert.deepEqual(await judge(engine, testCase, {quantize: "keep", verify: true}), {kind: "right"}, each.id);
      const {report} = convert(readModelFile(each.file), {quantize: "keep", outputs: [...goldens.outputs.keys()]});
      t.diagnostic(`${each.id}: ${JSON.stringify(report.operators)}`);
    }
  });
});

/** The smallest difference between two numbers of a tensor. */
function smallestStep(tensor: Tensor): number {
  const sorted = [...new Set(tensor.data as Float32Array)].sort((p, q) => p - q);
  return Math.min(...sorted.slice(1).map((each, i) => each - sorted[i]!));
}

/** The first rows of a tensor, over and over. */
function rows(tensor: Tensor, count: number): Tensor {
  const [batch, ...rest] = tensor.shape as [number, ...number[]];
  const size = tensor.size / batch;
  const values = Array.from({length: count * size}, (_, i) => (tensor.data as Float32Array)[i % tensor.size]!);
  return Tensor.from(values, {dtype: "float32", shape: [count, ...rest]});
}
