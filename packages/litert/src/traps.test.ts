/** The traps of specs/litert.md §6, for each engine (T9, T12: native options; T13: corpus; T11 and a part of T1: `wasm/instance.test.ts`). */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {Tensor} from "@tf-trusted/tensor";
import {writeModel} from "@tf-trusted/tflite";
import type {Engine, LoadedModel} from "./engine.ts";
import {LitertError} from "./litert-error.ts";
import {corpusMissing, corpusModel, readCorpusFile} from "./testing/corpus.ts";
import {describeEngines} from "./testing/engines.ts";
import {
  binaryModel,
  counterModel,
  countingModel,
  denseModel,
  floats,
  gatherModel,
  makeModel,
  makeModelValue,
  nodeModel,
  reshapeModel,
} from "./testing/models.ts";

const run = async (model: LoadedModel, inputs: Readonly<Record<string, Tensor>>) =>
  (await model.run("serving_default", inputs)).outputs;
const numbersOf = (tensor: Tensor | undefined) => Array.from(tensor!.data as Float32Array);

describeEngines((kind) => {
  let engine: Engine;
  before(async () => {
    engine = await kind.create();
  });
  after(() => engine.close());

  test("T1: growing and shrinking batches give each row its own result", async () => {
    const width = 4;
    const model = await engine.load(denseModel(width, 1));
    const weights = Array.from({length: width * width}, (_, i) => ((i % 7) - 3) / width);
    for (const batch of [1, 64, 3, 64, 7, 1]) {
      const x = Float32Array.from({length: batch * width}, (_, i) => (i % 11) - 5);
      const {x1} = await run(model, {x0: Tensor.from(x, {shape: [batch, width]})});
      const expected = Array.from({length: batch * width}, (_, at) => {
        const [row, column] = [Math.floor(at / width), at % width];
        let sum = 0;
        for (let k = 0; k < width; k++) sum += x[row * width + k]! * weights[column * width + k]!;
        return sum;
      });
      assert.deepEqual(x1!.shape, [batch, width]);
      assert.deepEqual(numbersOf(x1), expected);
    }
    await model.close();
  });

  test("T2: an ERROR line is a failure, never numbers, and the next call is right", async () => {
    const model = await engine.load(gatherModel());
    for (let round = 0; round < 3; round++) {
      await assert.rejects(run(model, {i: Tensor.from([1, 99], {dtype: "int32"})}), {
        code: "ENGINE_ERROR",
        message: /gather index out of bounds/,
      });
      const {y} = await run(model, {i: Tensor.from([3, 0], {dtype: "int32"})});
      assert.deepEqual(numbersOf(y), [13, 10]);
    }
    await model.close();
  });

  test("T3: an output whose shape depends on data has the rows of each call's data, none too", async () => {
    const where = nodeModel(
      {op: "WHERE", options: ["WhereOptions", {}]},
      {name: "x", type: "bool", shape: [4]},
      {name: "y", type: "int64", shape: [-1, 1]},
    );
    const model = await engine.load(where);
    for (const x of [
      [true, false, true, true],
      [false, true, false, false],
      [false, false, false, false],
    ]) {
      const {y} = await run(model, {x: Tensor.from(x)});
      const rows = x.flatMap((each, at) => (each ? [at] : []));
      assert.deepEqual(y!.shape, [rows.length, 1]);
      assert.deepEqual(numbersOf(y), rows.map(BigInt));
    }
    await model.close();
  });

  test("T4: custom operators that crash without options are refused", async () => {
    for (const customCode of [
      "TFLite_Detection_PostProcess",
      "Mfcc",
      "AudioSpectrogram",
      "NumericVerify",
      "odml.scaled_dot_product_attention",
    ]) {
      const file = nodeModel(
        {op: "CUSTOM", customCode},
        {name: "x", type: "float32", shape: [1, 4]},
        {name: "y", type: "float32", shape: [1, 4]},
      );
      await assert.rejects(engine.load(file), {code: "INVALID_MODEL"}, customCode);
    }
  });

  test("T5: state is a loaded model's own, starts anew with each, and warming up leaves none", async () => {
    const [one, other] = [await engine.load(counterModel()), await engine.load(counterModel())];
    assert.equal(one.signatures[0]!.stateful, true);
    const x = Tensor.from([0, 10]);
    for (const count of [0, 1, 2]) assert.deepEqual(numbersOf((await run(one, {x})).y), [count, 10 + count]);
    assert.deepEqual(numbersOf((await run(other, {x})).y), [0, 10]);
    await assert.rejects(run(one, {x: Tensor.from([0])}), {code: "INVALID_INPUT", message: /keeps state/});
    assert.deepEqual(numbersOf((await run(one, {x})).y), [3, 13]);
    await one.close();
    await other.close();
  });

  test("T5: a call that costs the state says so", async () => {
    const model = await engine.load(counterModel());
    const x = Tensor.from([0]);
    await run(model, {x});
    const error: unknown = await model.run("serving_default", {x}, {signal: abortSoon()}).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    // The call may have been quicker than the signal; then nothing was lost.
    if (error === undefined) assert.deepEqual(numbersOf((await run(model, {x})).y), [2]);
    else {
      assert.ok(error instanceof LitertError && error.code === "CANCELLED");
      assert.deepEqual(numbersOf((await run(model, {x})).y), error.details.stateLost === true ? [0] : [1]);
    }
    await model.close();
  });

  test("T6: names, dtypes, shapes and sizes are compared before the engine sees them, all at once", async () => {
    const model = await engine.load(binaryModel("ADD", "float32", [2]));
    await assert.rejects(
      run(model, {x: Tensor.from([1, 2], {dtype: "int32"}), z: Tensor.from([1])}),
      (error: LitertError) => {
        assert.equal(error.code, "INVALID_INPUT");
        assert.equal((error.details.problems as unknown[]).length, 3);
        assert.match(error.message, /no input "z".*input "x": found int32, expected float32.*input "c": missing/);
        return true;
      },
    );
    await model.close();
  });

  test("T7: a deadline ends an endless loop, and the next call is right", async () => {
    const model = await engine.load(countingModel(0));
    const late: number[] = [];
    for (let round = 0; round < 3; round++) {
      const {y} = await run(model, {x: Tensor.from([5])});
      assert.deepEqual(numbersOf(y), [5]);
      const start = performance.now();
      await assert.rejects(model.run("serving_default", {x: Tensor.from([0])}, {deadlineMs: 200}), {code: "DEADLINE"});
      late.push(performance.now() - start - 200);
    }
    assert.ok(Math.min(...late) < 100, `the call ended ${late} ms after its deadline`);
    await model.close();
  });

  test("T8: cancelling ends a call in the middle of one long delegated graph", async () => {
    const model = await engine.load(denseModel(512, 200));
    const x0 = Tensor.from(new Float32Array(512 * 512), {shape: [512, 512]});
    const start = performance.now();
    await assert.rejects(model.run("serving_default", {x0}, {signal: AbortSignal.timeout(100)}), {code: "CANCELLED"});
    const ended = performance.now() - start;
    const {engineMs} = await model.run("serving_default", {x0: Tensor.from(new Float32Array(512), {shape: [1, 512]})});
    assert.ok(ended < 2_000 && engineMs < 2_000, `cancelled after ${ended} ms`);
    await model.close();
  });

  test("T10: overlapping calls are queued, and each gets its own answer", async () => {
    const model = await engine.load(binaryModel("ADD", "float32", [256]));
    const c = Tensor.from(Float32Array.from({length: 256}, (_, i) => i));
    const results = await Promise.all(
      Array.from({length: 60}, (_, call) => run(model, {x: Tensor.from(new Float32Array(256).fill(call * 1000)), c})),
    );
    results.forEach(({y}, call) => {
      assert.deepEqual(
        numbersOf(y),
        Array.from({length: 256}, (_, i) => call * 1000 + i),
      );
    });
    await model.close();
  });

  test("T14: subnormal numbers are kept in WASM, flushed to zero natively", async () => {
    const model = await engine.load(binaryModel("ADD", "float32", [2], floats(0)));
    const {y} = await run(model, {x: Tensor.from(Float32Array.of(1e-40, -3e-45))});
    const kept = [...Float32Array.of(1e-40, -3e-45)];
    const found = numbersOf(y);
    if (kind.name === "wasm") assert.deepEqual(found, kept);
    else
      assert.ok(
        found.every((value, at) => value === 0 || value === kept[at]),
        String(found),
      );
    await model.close();
  });

  test("T15: operators that the engine doesn't have are refused at loading, all of them", async () => {
    const x = {type: "float32", shape: [1]} as const;
    const file = makeModel({
      tensors: [
        {name: "x", ...x},
        {name: "y", ...x},
        {name: "z", ...x},
      ],
      inputs: ["x"],
      outputs: ["z"],
      nodes: [
        {op: "CUSTOM", customCode: "FlexErf", customOptions: Uint8Array.of(1), inputs: ["x"], outputs: ["y"]},
        {op: "CUSTOM", customCode: "FlexLgamma", customOptions: Uint8Array.of(1), inputs: ["y"], outputs: ["z"]},
      ],
    });
    await assert.rejects(engine.load(file), {code: "UNSUPPORTED_OP", message: /Erf.*Lgamma/});
  });

  test("T16: files that LiteRT takes on trust are refused", async () => {
    await assert.rejects(engine.load(makeModel()), {code: "INVALID_MODEL", message: /subgraph/});
    const model = makeModelValue({
      tensors: [
        {name: "x", type: "float32", shape: [2]},
        {name: "c", type: "float32", shape: [2], data: floats(1, 2, 3, 4)},
        {name: "y", type: "float32", shape: [2]},
      ],
      inputs: ["x"],
      outputs: ["y"],
      nodes: [
        {
          op: "ADD",
          inputs: ["x", "c"],
          outputs: ["y"],
          options: ["AddOptions", {fusedActivationFunction: "NONE", potScaleInt16: true}],
        },
      ],
    });
    await assert.rejects(engine.load(writeModel(model)), {code: "INVALID_MODEL", message: /"c".*16 bytes/});
  });

  test("T16: a buffer outside of the file is refused", async (context) => {
    if (corpusMissing !== undefined) return context.skip(corpusMissing);
    await assert.rejects(engine.load(readCorpusFile("tflite/bad_huge_external_buffer.tflite")), {
      code: "INVALID_MODEL",
    });
  });

  test("a crash fails one call of one model with ENGINE_CRASHED; that model and others go on", async (context) => {
    if (kind.name === "native")
      return context.skip("this quotient wraps natively; native/model-process.test.ts crashes");
    const int32 = (...values: number[]) => Tensor.from(values, {dtype: "int32"});
    const model = await engine.load(binaryModel("DIV", "int32", [1]));
    const other = await engine.load(binaryModel("ADD", "int32", [1]));
    for (let round = 0; round < 2; round++) {
      // The quotient doesn't fit: i32.div_s traps.
      const crash = run(model, {x: int32(-(2 ** 31)), c: int32(-1)});
      const meanwhile = run(other, {x: int32(20), c: int32(22)});
      await assert.rejects(crash, {code: "ENGINE_CRASHED"});
      assert.deepEqual(numbersOf((await meanwhile).y), [42]);
      assert.deepEqual(numbersOf((await run(model, {x: int32(84), c: int32(2)})).y), [42]);
    }
    await model.close();
    await other.close();
  });

  test("a graph with shapes computed in it repeats (LiteRT alone goes wrong from the second run on)", async (context) => {
    if (corpusMissing !== undefined) return context.skip(corpusMissing);
    const {bytes, calls} = corpusModel("bert");
    const [call] = calls;
    const model = await engine.load(bytes);
    const first = await run(model, call!.inputs);
    for (let round = 0; round < 4; round++) {
      const again = await run(model, call!.inputs);
      for (const [name, tensor] of Object.entries(first)) assert.deepEqual(again[name]!.bytes, tensor.bytes, name);
    }
    await model.close();
  });

  test("every element type crosses unchanged", async () => {
    const values = [
      [1, 0, 1],
      [0, 0, 1],
    ];
    for (const dtype of [
      ...(["float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "int4"] as const),
      ...(["uint8", "uint16", "uint32", "uint64", "bool", "complex64"] as const),
    ]) {
      const model = await engine.load(reshapeModel(dtype));
      const x = Tensor.from(values, {dtype});
      const {y} = await run(model, {x});
      assert.deepEqual([y!.dtype, y!.shape, y!.bytes], [dtype, [3, 2], x.bytes]);
      await model.close();
    }
    for (const dtype of kind.name === "wasm" ? (["string", "complex128"] as const) : (["complex128"] as const)) {
      await assert.rejects(engine.load(reshapeModel(dtype)), {code: "UNSUPPORTED_TYPE"}, dtype);
    }
  });
});

function abortSoon(): AbortSignal {
  const controller = new AbortController();
  setImmediate(() => controller.abort());
  return controller.signal;
}
