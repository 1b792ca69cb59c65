/** Recurrent cells that TensorFlow computes in one operator each: LSTM and GRU, and an LSTM over all steps. */
import type {Tensor} from "@tf-trusted/tensor";
import {type Shape, unknownDim} from "../../ir/dims.ts";
import {booleanAttribute, numberAttribute, type Operator, type Site} from "../../ir/operators.ts";
import {makeTensor, numbersOf} from "../elements.ts";
import {integers} from "../shapes.ts";

/** What makes an LSTM of the three operators. */
export interface LstmForm {
  /** Where the gates stand in the weights' columns: input, new, forget, output. */
  readonly order: readonly [i: number, c: number, f: number, o: number];
  readonly forgetBias: number;
  /** The state's bound; none where it isn't positive. */
  readonly clip: number;
  readonly peephole: boolean;
}

/** Throws `CONVERT_ATTRIBUTE`. */
export function lstmForm(site: Site): LstmForm {
  const isSecond = site.op.endsWith("V2");
  return {
    order: isSecond ? [0, 2, 1, 3] : [0, 1, 2, 3],
    forgetBias: isSecond ? 0 : numberAttribute(site, "forget_bias", 1),
    clip: numberAttribute(site, "cell_clip", isSecond ? 0 : 3),
    peephole: booleanAttribute(site, "use_peephole"),
  };
}

const states = (count: number, state: number, shape: (site: Site) => Shape | undefined) => (site: Site) =>
  Array.from({length: count}, () => ({dtype: site.inputs[state]!.dtype, shape: shape(site)}));

const lstmOverSteps = (name: string): Operator => ({
  name: `tf.${name}`,
  infer: states(7, 2, ({inputs: [, x, state]}) => [
    x!.shape?.[0] ?? unknownDim,
    x!.shape?.[1] ?? state!.shape?.[0] ?? unknownDim,
    state!.shape?.[1] ?? unknownDim,
  ]),
  evaluate: (site, [length, x, state, output, ...rest]) => {
    const [steps, rows] = x!.shape as [number, number, number];
    const form = lstmForm(site);
    const count = Math.max(0, Math.min(steps, integers(length!)[0]!));
    const units = state!.shape[1]!;
    const parts = [0, 1, 2, 3, 4, 5, 6].map(() => new Float64Array(steps * rows * units));
    const width = x!.size / steps;
    let [cell, hidden]: readonly ArrayLike<number>[] = [numbersOf(state!), numbersOf(output!)];
    for (let step = 0; step < count; step++) {
      const input = Array.prototype.slice.call(numbersOf(x!), step * width, (step + 1) * width) as number[];
      const results = lstmStep(form, rows, units, input, cell!, hidden!, rest.map(numbersOf));
      results.forEach((values, i) => {
        parts[i]!.set(values, step * rows * units);
      });
      [cell, hidden] = [results[1]!, results[6]!];
    }
    return parts.map((values) => makeTensor(x!.dtype, [steps, rows, units], (i) => values[i]!));
  },
  cost: (_, [, x, , , weights]) => (x!.size / Math.max(1, x!.shape[2]!)) * weights!.size,
});

export const cells: readonly Operator[] = [
  {
    name: "tf.LSTMBlockCell",
    infer: states(7, 1, ({inputs}) => inputs[1]!.shape),
    evaluate: (site, [x, state, output, ...rest]) => {
      const [rows, units] = state!.shape as [number, number];
      const operands = [x!, state!, output!].map(numbersOf) as [
        ArrayLike<number>,
        ArrayLike<number>,
        ArrayLike<number>,
      ];
      const results = lstmStep(lstmForm(site), rows, units, ...operands, rest.map(numbersOf));
      return results.map((values) => makeTensor(x!.dtype, [rows, units], (i) => values[i]!));
    },
    cost: (_, [, state, , weights]) => state!.shape[0]! * weights!.size,
  },
  lstmOverSteps("BlockLSTM"),
  lstmOverSteps("BlockLSTMV2"),
  {
    name: "tf.GRUBlockCell",
    infer: states(4, 1, ({inputs}) => inputs[1]!.shape),
    evaluate: (_, inputs) => gru(inputs),
    cost: (_, [, state, gates]) => 2 * state!.shape[0]! * gates!.size,
  },
];

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Row `row` of [x, h]·w + b, in column `column`. */
function affine(
  [x, h]: readonly [ArrayLike<number>, ArrayLike<number>],
  [width, units]: readonly [number, number],
  row: number,
  [weights, bias]: readonly [ArrayLike<number>, ArrayLike<number>],
  column: number,
): number {
  const columns = bias.length;
  let sum = bias[column]!;
  for (let k = 0; k < width; k++) sum += x[row * width + k]! * weights[k * columns + column]!;
  for (let k = 0; k < units; k++) sum += h[row * units + k]! * weights[(width + k) * columns + column]!;
  return sum;
}

/** i, cs, f, o, ci, co, h of one step. `rest`: weights, the peepholes of i, f and o, bias. */
function lstmStep(
  form: LstmForm,
  rows: number,
  units: number,
  x: ArrayLike<number>,
  state: ArrayLike<number>,
  output: ArrayLike<number>,
  rest: readonly ArrayLike<number>[],
): Float64Array[] {
  const [weights, peepI, peepF, peepO, bias] = rest as readonly ArrayLike<number>[] & {readonly length: 5};
  const results = [0, 1, 2, 3, 4, 5, 6].map(() => new Float64Array(rows * units));
  const peep = (values: ArrayLike<number>, unit: number) => (form.peephole ? values[unit]! : 0);
  for (let row = 0; row < rows; row++) {
    for (let unit = 0; unit < units; unit++) {
      const at = row * units + unit;
      const gate = (k: number) =>
        affine([x, output], [x.length / rows, units], row, [weights!, bias!], form.order[k]! * units + unit);
      const before = state[at]!;
      const i = sigmoid(gate(0) + before * peep(peepI!, unit));
      const ci = Math.tanh(gate(1));
      const f = sigmoid(gate(2) + form.forgetBias + before * peep(peepF!, unit));
      const free = ci * i + before * f;
      const cs = form.clip > 0 ? Math.min(Math.max(free, -form.clip), form.clip) : free;
      const o = sigmoid(gate(3) + cs * peep(peepO!, unit));
      const co = Math.tanh(cs);
      [i, cs, f, o, ci, co, co * o].forEach((value, k) => {
        results[k]![at] = value;
      });
    }
  }
  return results;
}

/** r, u, c, h. */
function gru([x, state, gates, candidate, gatesBias, candidateBias]: readonly Tensor[]): Tensor[] {
  const [rows, units] = state!.shape as [number, number];
  const [input, before] = [numbersOf(x!), numbersOf(state!)];
  const sizes = [input.length / rows, units] as const;
  const results = [0, 1, 2, 3].map(() => new Float64Array(rows * units));
  const [r, u, c, h] = results as [Float64Array, Float64Array, Float64Array, Float64Array];
  const [forGates, forCandidate] = [
    [numbersOf(gates!), numbersOf(gatesBias!)],
    [numbersOf(candidate!), numbersOf(candidateBias!)],
  ] as const;
  for (let at = 0; at < rows * units; at++) {
    const [row, unit] = [Math.floor(at / units), at % units];
    r[at] = sigmoid(affine([input, before], sizes, row, forGates, unit));
    u[at] = sigmoid(affine([input, before], sizes, row, forGates, units + unit));
  }
  const reset = Float64Array.from(r, (value, at) => value * before[at]!);
  for (let at = 0; at < rows * units; at++) {
    c[at] = Math.tanh(affine([input, reset], sizes, Math.floor(at / units), forCandidate, at % units));
    h[at] = (1 - u[at]!) * c[at]! + u[at]! * before[at]!;
  }
  return results.map((values) => makeTensor(state!.dtype, [rows, units], (i) => values[i]!));
}
