/** Operators on dimensions that only a call tells: in the engine, at several sizes, against the reference. */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {convert} from "@tf-trusted/convert";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import {Tensor} from "@tf-trusted/tensor";
import {ints, largestDifference, node, noise, placeholder, plainNode, run} from "./graph-text.ts";

let engine: Engine;
before(async () => {
  engine = await createWasmEngine();
});
after(() => engine.close());

const types = {Treal: "type: DT_FLOAT", Tcomplex: "type: DT_COMPLEX64"};
const band = (below: number, above: number): readonly string[] => [
  ints("below", [below], []),
  ints("above", [above], []),
  node("y", "MatrixBandPart", ["x", "below", "above"], 'attr { key: "Tindex" value { type: DT_INT32 } }'),
];
const spectrum = [ints("length", [8]), plainNode("z", "RFFT", ["x", "length"], types)];
const part = (op: string) => plainNode("y", op, ["z"], {T: "type: DT_COMPLEX64", Tout: "type: DT_FLOAT"});

const cases: readonly (readonly [name: string, nodes: readonly string[], sizes: readonly (readonly number[])[]])[] = [
  [
    "a causal mask",
    band(-1, 0),
    [
      [2, 5, 5],
      [3, 4, 7],
    ],
  ],
  [
    "a band",
    band(1, 2),
    [
      [1, 6, 4],
      [2, 3, 9],
    ],
  ],
  [
    "the upper triangle",
    band(0, -1),
    [
      [1, 4, 4],
      [2, 3, 2],
    ],
  ],
  [
    "a band that is all",
    band(-1, -1),
    [
      [1, 4, 4],
      [2, 3, 2],
    ],
  ],
  [
    "diagonal matrices",
    [node("y", "MatrixDiag", ["x"])],
    [
      [1, 2, 3],
      [4, 1, 5],
    ],
  ],
  [
    "a real transform",
    [...spectrum, part("Real")],
    [
      [1, 3, 8],
      [2, 1, 8],
    ],
  ],
  [
    "the imaginary part of one",
    [...spectrum, part("Imag")],
    [
      [1, 3, 8],
      [2, 1, 8],
    ],
  ],
  ...(["Sum", "Mean", "Max", "Min", "Prod"] as const).map(
    (op) =>
      [
        `sorted segments, ${op}`,
        [
          ints("second", [1], []),
          plainNode("sizes", "Shape", ["x"], {T: "type: DT_FLOAT", out_type: "type: DT_INT32"}),
          ints("first", [0], []),
          plainNode("rows", "GatherV2", ["sizes", "first", "first"], {
            Tparams: "type: DT_INT32",
            Tindices: "type: DT_INT32",
            Taxis: "type: DT_INT32",
          }),
          plainNode("range", "Range", ["first", "rows", "second"], {Tidx: "type: DT_INT32"}),
          ints("two", [2], []),
          plainNode("ids", "FloorDiv", ["range", "two"], {T: "type: DT_INT32"}),
          plainNode("y", `Segment${op}`, ["x", "ids"], {T: "type: DT_FLOAT", Tindices: "type: DT_INT32"}),
        ],
        [
          [4, 3],
          [7, 3],
        ],
      ] as const,
  ),
];

for (const [name, nodes, sizes] of cases) {
  test(`${name}, of sizes that aren't known`, async () => {
    const open = sizes[0]!.map((size, axis) => (sizes.every((shape) => shape[axis] === size) ? size : -1));
    const graph = new TextEncoder().encode([placeholder("x", open), ...nodes].join("\n"));
    const converted = convert(graph, {outputs: ["y"], verify: true, reference: true});
    for (const [i, shape] of sizes.entries()) {
      const x = noise(shape, i, [-2, 2]);
      const {y} = await run(engine, converted, {x});
      const wanted = converted.reference!(new Map([["x", x]])).get("y")!;
      assert.ok(largestDifference(y!, wanted) < 1e-5, `at [${shape}]`);
    }
  });
}

test("the transform of negative constants has the angle π, not −π", async () => {
  const graph = [placeholder("x", [-1, 8]), ...spectrum, part("Angle")].join("\n");
  const converted = convert(new TextEncoder().encode(graph), {outputs: ["y"], verify: true});
  const x = Tensor.from(
    Array.from({length: 16}, () => -1),
    {dtype: "float32", shape: [2, 8]},
  );
  const {y} = await run(engine, converted, {x});
  const firsts = (y!.toNested() as number[][]).map(([first]) => first);
  assert.deepEqual(firsts, [Math.fround(Math.PI), Math.fround(Math.PI)]);
});

test("sizes that are known stay known where the shape is taken apart", () => {
  const integer = "type: DT_INT32";
  const nodes = [
    placeholder("x", [-1, 2, 6]),
    plainNode("shape", "Shape", ["x"], {T: "type: DT_FLOAT", out_type: integer}),
    ints("sizes", [1, 1, 1]),
    ints("axis", [0], []),
    plainNode("parts", "SplitV", ["shape", "sizes", "axis"], {num_split: "i: 3", T: integer, Tlen: integer}),
    plainNode("turned", "ConcatV2", ["parts", "parts:2", "parts:1", "axis"], {N: "i: 3", T: integer, Tidx: integer}),
    plainNode("y", "Reshape", ["x", "turned"], {T: "type: DT_FLOAT", Tshape: integer}),
  ];
  const {signature, report} = convert(new TextEncoder().encode(nodes.join("\n")), {outputs: ["y"], verify: true});
  assert.deepEqual(signature.outputs[0]!.shape, [-1, 6, 2]);
  assert.deepEqual(report.operators, {RESHAPE: 1});
});
