/** The dtypes that callers see, by `ioType`: each file in the engine beside the reference on the same inputs. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {compareOutputs, convert} from "@tf-trusted/convert";
import {Tensor} from "@tf-trusted/tensor";
import {plainNode, run, withEngine} from "./graph-text.ts";

const names = {float64: "DT_DOUBLE", float16: "DT_HALF", bfloat16: "DT_BFLOAT16", complex128: "DT_COMPLEX128"} as const;

/** tanh(x), x itself, and where each row is largest. */
function graphOf(dtype: keyof typeof names): Uint8Array {
  const T = `type: ${names[dtype]}`;
  const int64 = "type: DT_INT64";
  const axis = "tensor { dtype: DT_INT32 tensor_shape { } int_val: 1 }";
  return new TextEncoder().encode(
    [
      plainNode("x", "Placeholder", [], {dtype: T, shape: "shape { dim { size: 2 } dim { size: 3 } }"}),
      plainNode("axis", "Const", [], {dtype: "type: DT_INT32", value: axis}),
      plainNode("y", "Tanh", ["x"], {T}),
      plainNode("at", "ArgMax", ["x", "axis"], {T, Tidx: "type: DT_INT32", output_type: int64}),
    ].join("\n"),
  );
}

/** Halves, which all of the dtypes hold. */
const x = Tensor.from([0.5, -1, 2, -0.25, 1.5, 0], {dtype: "float32", shape: [2, 3]});

for (const dtype of ["float64", "float16", "bfloat16"] as const) {
  test(`a graph of ${dtype}: its own dtype outside, or float32`, () =>
    withEngine(async (engine) => {
      for (const [ioType, outside] of [
        ["source", dtype],
        ["float32", "float32"],
      ] as const) {
        const result = convert(graphOf(dtype), {
          outputs: ["y", "x", "at"],
          ioType,
          reference: true,
          verify: true,
        });
        assert.deepEqual(
          [...result.signature.inputs, ...result.signature.outputs].map((each) => each.dtype),
          [outside, outside, outside, "int64"],
        );
        const inputs = {x: x.cast(outside)};
        const outputs = await run(engine, result, inputs);
        assert.deepEqual(outputs.x!.cast("float32").values(), x.values());
        assert.deepEqual(outputs.at!.values(), [2n, 1n]);
        for (const {name, mismatch, relative} of compareOutputs(
          result.reference!(new Map(Object.entries(inputs))),
          outputs,
        )) {
          assert.equal(mismatch, undefined);
          assert.ok(relative < (dtype === "float64" ? 1e-6 : 2 ** -8), `${name}: ${relative}`);
        }
        const casts = result.report.operators.CAST ?? 0;
        assert.equal(casts, ioType === "source" ? 2 : 0);
      }
    }));
}

test("complex128: complex64 outside if all floats are float32, else refused with that hint", () =>
  withEngine(async (engine) => {
    const T = "type: DT_COMPLEX128";
    const graph = new TextEncoder().encode(
      [
        plainNode("x", "Placeholder", [], {dtype: T, shape: "shape { dim { size: 2 } }"}),
        plainNode("y", "Square", ["x"], {T}),
        plainNode("size", "ComplexAbs", ["x"], {T, Tout: "type: DT_DOUBLE"}),
      ].join("\n"),
    );
    assert.throws(() => convert(graph, {outputs: ["y"]}), {code: "CONVERT_OP_UNSUPPORTED", message: /io-type float32/});
    const result = convert(graph, {outputs: ["y", "size"], ioType: "float32", reference: true, verify: true});
    assert.deepEqual(
      [...result.signature.inputs, ...result.signature.outputs].map((each) => each.dtype),
      ["complex64", "complex64", "float32"],
    );
    const values = new Tensor("complex64", [2], new Uint8Array(Float32Array.of(3, 4, -1, 0.5).buffer));
    const outputs = await run(engine, result, {x: values});
    assert.deepEqual([...(outputs.y!.data as Float32Array)], [-7, 24, 0.75, -1]);
    for (const {mismatch, relative} of compareOutputs(result.reference!(new Map([["x", values]])), outputs)) {
      assert.equal(mismatch, undefined);
      assert.ok(relative < 1e-6);
    }
  }));
