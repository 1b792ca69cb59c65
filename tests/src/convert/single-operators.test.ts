/**
 * Single operators that the corpus has in a few forms only: in the engine and by the reference, against numbers that
 * TensorFlow 2.21 gave for the same operands.
 */
import assert from "node:assert/strict";
import {after, before, test} from "node:test";
import {convert} from "@tf-trusted/convert";
import {createWasmEngine, type Engine} from "@tf-trusted/litert";
import {Tensor} from "@tf-trusted/tensor";
import {plainNode, run} from "./graph-text.ts";

const dtypeNames = {float32: "DT_FLOAT", int32: "DT_INT32", int64: "DT_INT64"} as const;

/** An operand: a placeholder, or (with `constant`) a constant. */
interface Operand {
  readonly dtype?: keyof typeof dtypeNames;
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly constant?: true;
}

interface Case {
  readonly name: string;
  readonly op: string;
  readonly operands: readonly Operand[];
  /** As text; T is float if nothing else is said. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** By the outputs' place; each elements and, where it isn't that of a list, shape. */
  readonly outputs: Readonly<Record<number, {readonly shape?: readonly number[]; readonly values: readonly number[]}>>;
  /** Relative to 1 + |expected|. */
  readonly tolerance?: number;
}

const vector = (...values: readonly number[]): Operand => ({shape: [values.length], values});
const ints = (...values: readonly number[]): Operand => ({...vector(...values), dtype: "int32"});
const [int32, int64] = ["type: DT_INT32", "type: DT_INT64"];
const constant = (operand: Operand): Operand => ({...operand, constant: true});
const integer = (value: number, dtype: "int32" | "int64" = "int64"): Operand => ({dtype, shape: [], values: [value]});
/** Some numbers between −1 and 1. */
const waves = (shape: readonly number[], phase: number): Operand => {
  const count = shape.reduce((a, b) => a * b, 1);
  return {shape, values: Array.from({length: count}, (_, i) => Math.fround(Math.sin(i * 1.3 + phase)))};
};
const countTo12: Operand = {shape: [3, 4], values: Array.from({length: 12}, (_, i) => i + 1)};
const float = (value: number) => `f: ${value}`;

const peepholes = [4, 5, 6].map((phase) => constant(waves([2], phase)));
const lstm = [waves([2, 2], 1), waves([2, 2], 2), constant(waves([4, 8], 3)), ...peepholes, constant(waves([8], 9))];
const none = [0, 0, 0, 0];

const cases: readonly Case[] = [
  {
    name: "an LSTM of one step, with peepholes and a forget bias, without a bound",
    op: "LSTMBlockCell",
    operands: [waves([2, 2], 0), ...lstm],
    attributes: {forget_bias: float(0.5), cell_clip: float(-1), use_peephole: "b: true"},
    outputs: {
      0: {shape: [2, 2], values: [0.38932, 0.383307, 0.758668, 0.338725]},
      1: {shape: [2, 2], values: [0.314434, 0.424004, -1.118588, -0.508953]},
      2: {shape: [2, 2], values: [0.423919, 0.671741, 0.946135, 0.709857]},
      3: {shape: [2, 2], values: [0.505208, 0.553595, 0.196389, 0.146156]},
      4: {shape: [2, 2], values: [-0.108602, -0.200665, -0.922543, 0.556345]},
      5: {shape: [2, 2], values: [0.304466, 0.400299, -0.807077, -0.469129]},
      6: {shape: [2, 2], values: [0.153818, 0.221603, -0.158501, -0.068566]},
    },
  },
  ...[constant(integer(2)), integer(2)].map(
    (length): Case => ({
      name: `an LSTM over steps, of which ${length.constant ? "a known number" : "as many as an input says"} count`,
      op: "BlockLSTM",
      operands: [length, waves([3, 2, 2], 0), ...lstm],
      attributes: {forget_bias: float(0.5), cell_clip: float(0.4), use_peephole: "b: true"},
      outputs: {
        1: {
          shape: [3, 2, 2],
          values: [0.314434, 0.4, -0.4, -0.4, 0.013345, 0.182187, -0.4, -0.161023, ...none],
        },
        6: {
          shape: [3, 2, 2],
          values: [0.153818, 0.208419, -0.063306, -0.060071, 0.006557, 0.080579, -0.070172, -0.030385, ...none],
        },
      },
    }),
  ),
  {
    name: "an LSTM whose gates stand in the second order",
    op: "BlockLSTMV2",
    operands: [constant(integer(2)), waves([3, 2, 2], 0), ...lstm],
    outputs: {
      1: {
        shape: [3, 2, 2],
        values: [0.397931, 0.442713, 0.590314, -0.568654, 0.269636, 0.351264, 0.737673, -0.300559, ...none],
      },
      6: {
        shape: [3, 2, 2],
        values: [0.199354, 0.192856, 0.080403, -0.107395, 0.131101, 0.142645, 0.112009, -0.070825, ...none],
      },
    },
  },
  {
    name: "values once each: zeros of both signs are one, each NaN is its own",
    op: "UniqueWithCounts",
    operands: [vector(3, Number.NaN, -0, 3, 0, Number.NaN, 7, 3)],
    attributes: {out_idx: int64},
    outputs: {
      0: {values: [3, Number.NaN, -0, Number.NaN, 7]},
      1: {values: [0, 1, 2, 0, 2, 3, 4, 0]},
      2: {values: [3, 1, 2, 1, 1]},
    },
  },
  ...["UniqueV2", "UniqueWithCountsV2"].map(
    (op): Case => ({
      name: "along the one axis of a vector",
      op,
      operands: [ints(5, 2, 5, 9), constant({dtype: "int64", shape: [1], values: [0]})],
      attributes: {T: int32, Taxis: int64},
      outputs: {
        0: {values: [5, 2, 9]},
        1: {values: [0, 1, 0, 2]},
        ...(op === "UniqueWithCountsV2" && {2: {values: [2, 1, 1]}}),
      },
    }),
  ),
  {
    name: "what isn't among the others, as often as it is there; NaN is nowhere",
    op: "ListDiff",
    operands: [vector(1, 2, Number.NaN, 2, 5, -0, 1), vector(2, 0, 7, Number.NaN)],
    outputs: {0: {values: [1, Number.NaN, 5, 1]}, 1: {values: [0, 2, 4, 6]}},
  },
  {
    name: "nothing is left",
    op: "ListDiff",
    operands: [vector(1, 2), vector(2, 1)],
    attributes: {out_idx: int64},
    outputs: {0: {values: []}, 1: {values: []}},
  },
  {
    name: "nothing to take away",
    op: "ListDiff",
    operands: [vector(1, 2), constant({shape: [0], values: []})],
    outputs: {0: {values: [1, 2]}, 1: {values: [0, 1]}},
  },
  {
    name: "rows by a matrix of parts, of which one is empty",
    op: "DynamicPartition",
    operands: [
      {shape: [2, 3, 2], values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]},
      {dtype: "int32", shape: [2, 3], values: [0, 2, 0, 2, 2, 0]},
    ],
    attributes: {num_partitions: "i: 3"},
    outputs: {
      0: {shape: [3, 2], values: [0, 1, 4, 5, 10, 11]},
      1: {shape: [0, 2], values: []},
      2: {shape: [3, 2], values: [2, 3, 6, 7, 8, 9]},
    },
  },
  {
    name: "by indices that are computed: the last of equal ones counts, what none names is 0",
    op: "DynamicStitch",
    operands: [
      {dtype: "int32", shape: [1, 2], values: [0, 4]},
      ints(1),
      ints(4),
      {shape: [1, 2, 2], values: [1, 2, 3, 4]},
      {shape: [1, 2], values: [5, 6]},
      {shape: [1, 2], values: [7, 8]},
    ],
    attributes: {N: "i: 3"},
    outputs: {0: {shape: [5, 2], values: [1, 2, 5, 6, 0, 0, 0, 0, 7, 8]}},
  },
  {
    name: "a tensor on a diagonal",
    op: "Diag",
    operands: [{shape: [1, 2], values: [1, 2]}],
    outputs: {0: {shape: [1, 2, 1, 2], values: [1, 0, 0, 2]}},
  },
  {
    name: "the diagonal of a tensor",
    op: "DiagPart",
    operands: [{shape: [2, 2, 2, 2], values: Array.from({length: 16}, (_, i) => i)}],
    outputs: {0: {shape: [2, 2], values: [0, 5, 10, 15]}},
  },
  ...(
    [
      ["REFLECT", [6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5]],
      ["SYMMETRIC", [2, 1, 1, 2, 3, 3, 2, 1, 1, 2, 3, 3, 5, 4, 4, 5, 6, 6]],
    ] as const
  ).map(
    ([mode, values]): Case => ({
      name: `${mode} by paddings that are computed`,
      op: "MirrorPad",
      operands: [
        {shape: [2, 3], values: [1, 2, 3, 4, 5, 6]},
        {dtype: "int32", shape: [2, 2], values: [1, 0, 2, 1]},
      ],
      attributes: {mode: `s: "${mode}"`, Tpaddings: int32},
      outputs: {0: {shape: [3, 6], values}},
    }),
  ),
  {
    name: "arguments of all sizes, ends and what is outside",
    op: "Igamma",
    operands: [
      vector(0.5, 2.0, 20.0, 100.0, 10000.0, 0.001, 0.0, 1.0, -1.0, 3.0, 5.0, 1000.0, Number.POSITIVE_INFINITY, 0.0),
      vector(0.3, 3.0, 15.0, 120.0, 10100.0, 0.5, 1.0, 0.0, 2.0, -1.0, Number.POSITIVE_INFINITY, 900.0, 1.0, 0.0),
    ],
    outputs: {
      0: {
        values: [
          0.5614219739190001,
          0.8008517265285442,
          0.12478121503252494,
          0.9721362601094815,
          0.8413487504506938,
          0.9994399333435292,
          Number.NaN,
          0.0,
          Number.NaN,
          Number.NaN,
          1.0,
          0.0005499022657119149,
          0.0,
          0.0,
        ],
      },
    },
  },
  {
    name: "arguments of all sizes, ends and what is outside",
    op: "Igammac",
    operands: [
      vector(0.5, 2.0, 20.0, 100.0, 10000.0, 0.001, 0.0, 1.0, -1.0, 3.0, 5.0, 1000.0, Number.POSITIVE_INFINITY, 0.0),
      vector(0.3, 3.0, 15.0, 120.0, 10100.0, 0.5, 1.0, 0.0, 2.0, -1.0, Number.POSITIVE_INFINITY, 900.0, 1.0, 0.0),
    ],
    outputs: {
      0: {
        values: [
          0.43857802608099994,
          0.1991482734714558,
          0.8752187849674751,
          0.02786373989051851,
          0.15865124954930626,
          0.0005600666564707923,
          Number.NaN,
          1.0,
          Number.NaN,
          Number.NaN,
          0.0,
          0.9994500977342881,
          1.0,
          Number.NaN,
        ],
      },
    },
  },
  {
    name: "arguments of all sizes, ends and what is outside",
    op: "Betainc",
    operands: [
      vector(2.0, 0.5, 200.0, 0.01, 2.0, 5.0, 5.0, 0.0, 2.0, -1.0, 2.0, 2.0, 10000.0, 9141.603515625),
      vector(3.0, 0.5, 300.0, 5.0, 1000.0, 2.0, 2.0, 2.0, 0.0, 2.0, 3.0, 3.0, 10000.0, 0.015380027703940868),
      vector(0.4, 0.1, 0.4, 0.2, 0.001, 0.0, 1.0, 0.5, 0.5, 0.5, 1.5, -0.5, 0.5, 0.9999904036521912),
    ],
    outputs: {
      0: {
        values: [
          0.5248,
          0.2048327646991335,
          0.5024286163200112,
          0.9978180380770368,
          0.2646091504583116,
          0.0,
          1.0,
          Number.NaN,
          Number.NaN,
          Number.NaN,
          Number.NaN,
          Number.NaN,
          0.49999999998222,
          0.029598046882447496,
        ],
      },
    },
  },
  {
    name: "both sides of 0, poles, powers that vanish",
    op: "Zeta",
    operands: [
      vector(2.0, 1.1, 1.0, 0.5, 3.0, 2.0, 2.0, 2.0, 3.0, 50.0, 3.0, 2.5, 1000.0, Number.POSITIVE_INFINITY),
      vector(3.0, 0.5, 2.0, 2.0, -1.5, -1.5, 0.0, -1.0, -2.0, 0.5, 100000.0, -1.5, 2.0, 2.0),
    ],
    outputs: {
      0: {
        values: [
          0.39493406684822646,
          12.103811,
          Number.POSITIVE_INFINITY,
          Number.NaN,
          0.11810202582086413,
          9.379246644989124,
          Number.POSITIVE_INFINITY,
          Number.POSITIVE_INFINITY,
          Number.NaN,
          1125899906842624.0,
          5.00005000025e-11,
          Number.NaN,
          0.0,
          0.0,
        ],
      },
    },
  },
  {
    name: "orders that are whole and others, both sides of 0, poles",
    op: "Polygamma",
    operands: [
      vector(0.0, 1.0, 2.0, 5.0, 1.5, -1.0, 1.0, 2.0, 10.0, 0.0, 1.0, 1.0, 30.0),
      vector(3.0, 0.5, 2.0, 0.1, 2.0, 2.0, -1.5, 0.0, 1.0, -1.0, 0.0, -1.0, 1.5),
    ],
    outputs: {
      0: {
        values: [
          0.9227843350984675,
          4.93480220054468,
          -0.4041138063191886,
          120000069.30751088,
          Number.NaN,
          Number.NaN,
          9.379246644989124,
          Number.NaN,
          -3630593.3116066367,
          Number.NaN,
          Number.POSITIVE_INFINITY,
          Number.POSITIVE_INFINITY,
          -9.222127066162129e26,
        ],
      },
    },
  },
  {
    name: "a GRU of one step",
    op: "GRUBlockCell",
    operands: [
      waves([2, 2], 0),
      waves([2, 2], 2),
      ...[waves([4, 4], 3), waves([4, 2], 5), waves([4], 7), waves([2], 8)].map(constant),
    ],
    outputs: {
      0: {shape: [2, 2], values: [0.906837, 0.811827, 0.3634, 0.335541]},
      1: {shape: [2, 2], values: [0.183399, 0.09441, 0.548623, 0.687318]},
      2: {shape: [2, 2], values: [0.865598, -0.237989, 0.052967, -0.020692]},
      3: {shape: [2, 2], values: [0.873613, -0.230413, -0.521254, -0.263442]},
    },
  },
  {
    name: "floats towards zero",
    op: "TruncateDiv",
    operands: [vector(-0.36, 5.5, -5.5, 7, -0.5), vector(1, 2, 2, -2, Number.POSITIVE_INFINITY)],
    outputs: {0: {values: [-0, 2, -2, -3, -0]}},
  },
  ...(["ArgMax", "ArgMin"] as const).map(
    (op): Case => ({
      name: "the first of equals among 64-bit integers",
      op,
      operands: [
        {dtype: "int64", shape: [2, 4], values: [3, 2 ** 40, 2 ** 40, 1, -5, -7, -7, 0]},
        constant({dtype: "int32", shape: [], values: [1]}),
      ],
      attributes: {T: int64, Tidx: int32, output_type: int64},
      outputs: {0: {values: op === "ArgMax" ? [1, 3] : [3, 1]}},
    }),
  ),
  ...[false, true].map(
    (reverse): Case => ({
      name: `exclusive${reverse ? " and reverse" : ""}: the sum of nothing is −∞`,
      op: "CumulativeLogsumexp",
      operands: [vector(1, 2, -1), constant({dtype: "int32", shape: [], values: [0]})],
      attributes: {Tidx: int32, exclusive: "b: true", reverse: `b: ${reverse}`},
      outputs: {
        0: {values: reverse ? [2.048587, -1, Number.NEGATIVE_INFINITY] : [Number.NEGATIVE_INFINITY, 1, 2.313262]},
      },
    }),
  ),
  ...(
    [
      [[-1, 1], "RIGHT_LEFT", [3, 3], [2, 7, 12, 1, 6, 11, 5, 10, 9]],
      [[-1, 1], "LEFT_RIGHT", [3, 3], [2, 7, 12, 1, 6, 11, 9, 5, 10]],
      [[1, 2], "LEFT_LEFT", [2, 3], [3, 8, 9, 2, 7, 12]],
    ] as const
  ).map(
    ([k, align, shape, values]): Case => ({
      name: `diagonals ${k}, ${align}`,
      op: "MatrixDiagPartV3",
      operands: [countTo12, constant(ints(...k)), constant({shape: [], values: [9]})],
      attributes: {align: `s: "${align}"`},
      outputs: {0: {shape, values}},
    }),
  ),
  {
    name: "two diagonals among sevens",
    op: "MatrixDiagV3",
    operands: [
      {shape: [2, 3], values: [1, 2, 3, 4, 5, 6]},
      constant(ints(0, 1)),
      constant({dtype: "int32", shape: [], values: [-1]}),
      constant({dtype: "int32", shape: [], values: [-1]}),
      constant({shape: [], values: [7]}),
    ],
    attributes: {align: 's: "RIGHT_LEFT"'},
    outputs: {0: {shape: [3, 3], values: [4, 2, 7, 7, 5, 3, 7, 7, 6]}},
  },
  {
    name: "two diagonals of a matrix that isn't square",
    op: "MatrixSetDiagV3",
    operands: [countTo12, {shape: [2, 3], values: [100, 200, 300, 400, 500, 600]}, constant(ints(0, 1))],
    attributes: {align: 's: "RIGHT_LEFT"'},
    outputs: {0: {shape: [3, 4], values: [400, 100, 3, 4, 5, 500, 200, 8, 9, 10, 600, 300]}},
  },
];

let engine: Engine;
before(async () => {
  engine = await createWasmEngine();
});
after(() => engine.close());

for (const {name, op, operands, attributes = {}, outputs, tolerance = 1e-5} of cases) {
  test(`${op}: ${name}`, async () => {
    const tensors = operands.map(({dtype = "float32", shape, values}) => {
      const data = dtype === "int64" ? BigInt64Array.from(values, BigInt) : [...values];
      return Tensor.from(data, {dtype, shape: [...shape]});
    });
    const names = operands.map((_, i) => `in${i}`);
    const nodes = operands.map(({dtype = "float32", constant}, i) => {
      const type = dtypeNames[dtype];
      const shape = `shape { ${tensors[i]!.shape.map((size) => `dim { size: ${size} }`).join(" ")} }`;
      const content = [...tensors[i]!.bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
      return constant
        ? plainNode(names[i]!, "Const", [], {
            dtype: `type: ${type}`,
            value: `tensor { dtype: ${type} tensor_${shape} tensor_content: "${content}" }`,
          })
        : plainNode(names[i]!, "Placeholder", [], {dtype: `type: ${type}`, shape});
    });
    const graph = [...nodes, plainNode("y", op, names, {T: "type: DT_FLOAT", ...attributes})].join("\n");
    const result = convert(new TextEncoder().encode(graph), {
      outputs: Object.keys(outputs).map((place) => `y:${place}`),
      reference: true,
      verify: true,
    });
    const fed = Object.fromEntries(names.flatMap((each, i) => (operands[i]!.constant ? [] : [[each, tensors[i]!]])));
    const results = [
      ["the engine", await run(engine, result, fed)],
      ["the reference", Object.fromEntries(result.reference!(new Map(Object.entries(fed))))],
    ] as const;
    for (const [who, found] of results) {
      for (const [place, {values, shape = [values.length]}] of Object.entries(outputs)) {
        const tensor = found[place === "0" ? "y" : `y:${place}`]!;
        assert.deepEqual(tensor.shape, shape, `${who}: output ${place}`);
        const elements = Array.from(tensor.data as ArrayLike<number | bigint>, Number);
        for (const [i, wanted] of values.entries()) {
          const near =
            Object.is(elements[i], wanted) || Math.abs(elements[i]! - wanted) <= tolerance * (1 + Math.abs(wanted));
          assert.ok(
            near || elements[i] === wanted,
            `${who}: element ${i} of output ${place} is ${elements[i]}, expected ${wanted}`,
          );
        }
      }
    }
  });
}
