/**
 * Traps of mathematical operators, converted and run: each against what the operator's documentation says it is, computed
 * here in double precision.
 */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {convert} from "@tf-trusted/convert";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import {Tensor} from "@tf-trusted/tensor";

let engine: Engine;
before(async () => {
  engine = await createWasmEngine();
});
after(() => engine.close());

const dtypeNames = {float32: "DT_FLOAT", int32: "DT_INT32", int64: "DT_INT64", complex64: "DT_COMPLEX64"} as const;
type Input = readonly [dtype: keyof typeof dtypeNames, shape: readonly number[], values: readonly (number | bigint)[]];

const node = (name: string, op: string, inputs: readonly string[], attributes: Readonly<Record<string, string>> = {}) =>
  `node { name: "${name}" op: "${op}" ${inputs.map((each) => `input: "${each}"`).join(" ")} ${Object.entries(attributes)
    .map(([key, value]) => `attr { key: "${key}" value { ${value} } }`)
    .join(" ")} }`;

/** Runs nodes over placeholders a, b, …; the node y is the result. */
async function run(inputs: readonly Input[], ...nodes: readonly string[]): Promise<Tensor> {
  const names = ["a", "b", "c"];
  const placeholders = inputs.map(([dtype, shape], i) =>
    node(names[i]!, "Placeholder", [], {
      dtype: `type: ${dtypeNames[dtype]}`,
      shape: `shape { ${shape.map((size) => `dim { size: ${size} }`).join(" ")} }`,
    }),
  );
  const graph = new TextEncoder().encode([...placeholders, ...nodes].join("\n"));
  const loaded = await engine.load(convert(graph, {outputs: ["y"], verify: true}).model);
  try {
    const tensors = inputs.map(([dtype, shape, values], i) => {
      const data = dtype === "int64" ? BigInt64Array.from(values as bigint[]) : [...(values as number[])];
      return [names[i]!, Tensor.from(data, {dtype, shape})] as const;
    });
    return (await loaded.run("serving_default", Object.fromEntries(tensors))).outputs.y!;
  } finally {
    await loaded.close();
  }
}

function assertClose(found: Tensor, wanted: readonly number[], tolerance = 1e-5): void {
  const values = Array.from(found.data as Float32Array);
  assert.equal(values.length, wanted.length);
  wanted.forEach((value, i) => {
    const near = Object.is(values[i], value) || Math.abs(values[i]! - value) <= tolerance * (1 + Math.abs(value));
    assert.ok(near || values[i] === value, `element ${i} is ${values[i]}, expected ${value}`);
  });
}

const T = "type: DT_FLOAT";
const pairOf = (re: string, im: string) => node("z", "Complex", [re, im], {T, Tout: "type: DT_COMPLEX64"});
const real = [3, -1, 0.5, 2, -4, 1, 0.25];
const imaginary = [1, 2, -3, 0.5, 0, -1, 4];

test("a transform of a length that is no power of two, and its sign", async () => {
  const found = await run(
    [
      ["float32", [7], real],
      ["float32", [7], imaginary],
    ],
    pairOf("a", "b"),
    node("y", "FFT", ["z"], {Tcomplex: "type: DT_COMPLEX64"}),
  );
  assert.equal(found.dtype, "complex64");
  const wanted = real.flatMap((_, k) => {
    const [re, im] = [0, 0].map((__, part) =>
      real.reduce((sum, value, i) => {
        const angle = (-2 * Math.PI * i * k) / 7;
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        return sum + (part === 0 ? value * cos - imaginary[i]! * sin : value * sin + imaginary[i]! * cos);
      }, 0),
    );
    return [re!, im!];
  });
  assertClose(found, wanted);
});

test("an inverse real transform of odd length: each bin but the first is two, its imaginary part is ignored", async () => {
  const found = await run(
    [
      ["float32", [4], real.slice(0, 4)],
      ["float32", [4], imaginary.slice(0, 4)],
    ],
    pairOf("a", "b"),
    node("n", "Const", [], {
      dtype: "type: DT_INT32",
      value: "tensor { dtype: DT_INT32 tensor_shape { dim { size: 1 } } int_val: 7 }",
    }),
    node("y", "IRFFT", ["z", "n"], {Tcomplex: "type: DT_COMPLEX64", Treal: T}),
  );
  const wanted = Array.from({length: 7}, (_, t) => {
    let sum = real[0]!;
    for (let k = 1; k < 4; k++) {
      const angle = (2 * Math.PI * k * t) / 7;
      sum += 2 * (real[k]! * Math.cos(angle) - imaginary[k]! * Math.sin(angle));
    }
    return sum / 7;
  });
  assertClose(found, wanted);
});

test("the size of a complex number overflows only where it does itself", async () => {
  const found = await run(
    [
      ["float32", [4], [3e30, 0, -3e-30, Number.NEGATIVE_INFINITY]],
      ["float32", [4], [4e30, 0, 4e-30, Number.POSITIVE_INFINITY]],
    ],
    pairOf("a", "b"),
    node("y", "ComplexAbs", ["z"], {T: "type: DT_COMPLEX64", Tout: T}),
  );
  assertClose(found, [5e30, 0, 0, Number.POSITIVE_INFINITY]);
  const small = (found.data as Float32Array)[2]!;
  assert.ok(Math.abs(small - 5e-30) < 1e-35, `${small}`);
});

test("an inverse whose pivots are 0 where they stand", async () => {
  const found = await run([["float32", [3, 3], [0, 1, 0, 0, 0, 2, 4, 0, 0]]], node("y", "MatrixInverse", ["a"], {T}));
  assertClose(found, [0, 0, 0.25, 1, 0, 0, 0, 0.5, 0]);
});

test("determinants: the sign of exchanged rows, and 0 for a column of zeros", async () => {
  const matrices = [0, 2, 3, 0, /**/ 0, 1, 0, 5];
  assertClose(await run([["float32", [2, 2, 2], matrices]], node("y", "MatrixDeterminant", ["a"], {T})), [-6, 0]);
});

test("a triangular system ignores the other triangle, whatever it holds", async () => {
  const matrix: Input = ["float32", [2, 2], [2, Number.NaN, 3, 4]];
  const right: Input = ["float32", [2, 1], [4, 18]];
  const attributes = {T, lower: "b: true", adjoint: "b: false"};
  assertClose(await run([matrix, right], node("y", "MatrixTriangularSolve", ["a", "b"], attributes)), [2, 3]);
});

test("segments by computed ids: as many as the last id says, those without rows are 0, negative maxima stay", async () => {
  const data: Input = ["float32", [4], [-5, -3, 7, 1]];
  const attributes = {T, Tindices: "type: DT_INT32"};
  const found = async (op: string, ids: readonly number[]) =>
    Array.from((await run([data, ["int32", [4], ids]], node("y", op, ["a", "b"], attributes))).data as Float32Array);
  assert.deepEqual(await found("SegmentMax", [0, 0, 2, 2]), [-3, 0, 7]);
  assert.deepEqual(await found("SegmentMean", [0, 0, 0, 3]), [-1 / 3, 0, 0, 1].map(Math.fround));
  assert.deepEqual(await found("SegmentProd", [1, 1, 2, 2]), [1, 15, 7]);
});

test("bits of 64", async () => {
  const [a, b] = [
    [(1n << 40n) | 5n, -1n, -(1n << 33n) + 7n],
    [-1n, (1n << 35n) | 3n, 0x7fffffffffffn],
  ] as const;
  for (const [op, f] of [
    ["BitwiseAnd", (x: bigint, y: bigint) => x & y],
    ["BitwiseOr", (x: bigint, y: bigint) => x | y],
    ["BitwiseXor", (x: bigint, y: bigint) => x ^ y],
  ] as const) {
    const attributes = {T: "type: DT_INT64"};
    const inputs: readonly Input[] = [
      ["int64", [3], a],
      ["int64", [3], b],
    ];
    const found = await run(inputs, node("y", op, ["a", "b"], attributes));
    assert.deepEqual(
      Array.from(found.data as BigInt64Array),
      a.map((x, i) => f(x, b[i]!)),
      op,
    );
  }
});

test("log Γ and ψ on both sides of 0, and at their poles", async () => {
  const of = (op: string, values: readonly number[]) =>
    run([["float32", [values.length], values]], node("y", op, ["a"], {T}));
  const root = Math.sqrt(Math.PI);
  assertClose(await of("Lgamma", [0.5, -0.5, 1, 2, 11, 0, -3]), [
    Math.log(root),
    Math.log(2 * root),
    0,
    0,
    Math.log(3628800),
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ]);
  const euler = 0.5772156649015329;
  const half = -euler - 2 * Math.log(2);
  assertClose(await of("Digamma", [1, 2, 0.5, -0.5, -2]), [-euler, 1 - euler, half, half + 2, Number.NaN]);
});
