/**
 * Recurrent cells that are one operator in TensorFlow, in the operators that they are defined by:
 *
 *     LSTMBlockCell   i = σ([x, h]·wᵢ + bᵢ + pᵢ·c)         f likewise, plus the forget bias      c̃ = tanh([x, h]·w꜀ + b꜀)
 *                     c′ = clip(i·c̃ + f·c)                o = σ([x, h]·wₒ + bₒ + pₒ·c′)          h′ = o·tanh(c′)
 *     BlockLSTM, V2   that for each step, in which the gates of the second stand in another order
 *     GRUBlockCell    r, u = σ([x, h]·w + b)              c = tanh([x, r·h]·w꜀ + b꜀)             h′ = (1 − u)·c + u·h
 */
import type {DType} from "@tf-trusted/tensor";
import {type Rewriter, rewriteGraph} from "../ir/builder.ts";
import {isKnown} from "../ir/dims.ts";
import {type Node, originOf, type Ref} from "../ir/graph.ts";
import {int32Tensor, makeTensor} from "../ops/elements.ts";
import {integersOf} from "../ops/shapes.ts";
import {type LstmForm, lstmForm} from "../ops/tf/cells.ts";
import {tfTable} from "../ops/tf/index.ts";
import type {Pass} from "./pass.ts";

/** More steps than this stay as they are, and are refused: each is a dozen operators. */
const maxSteps = 512;

export const cells: Pass = {
  name: "cells",
  effect: "rewritten",
  run: (graph, tally) =>
    rewriteGraph(graph, tfTable, (node, b) => {
      const results = expansions[node.op]?.(node, new Cell(b, node.outputs[0]!.dtype as DType));
      if (results !== undefined) tally("recurrent cells spelled out", originOf(node));
      return results;
    }),
};

/** Operators on values of one dtype, by short names. */
class Cell {
  readonly b: Rewriter;
  readonly #dtype: DType;
  constructor(b: Rewriter, dtype: DType) {
    this.b = b;
    this.#dtype = dtype;
  }
  op = (name: string, ...inputs: readonly Ref[]): Ref => this.b.op(`tf.${name}`, inputs);
  number = (value: number): Ref => this.b.constant(makeTensor(this.#dtype, [], () => value));
  index = (value: number): Ref => this.b.constant(int32Tensor([value], []));
  add = (x: Ref, y: Ref): Ref => this.op("AddV2", x, y);
  mul = (x: Ref, y: Ref): Ref => this.op("Mul", x, y);

  /** [x, h]·w + bias, in `count` equal parts. */
  gates(x: Ref, h: Ref, [weights, bias]: readonly [Ref, Ref], count: number): readonly Ref[] {
    const joined = this.op("ConcatV2", x, h, this.index(1));
    const product = this.b.op("tf.MatMul", [joined, weights], {transpose_a: false, transpose_b: false});
    const sum = this.b.op("tf.BiasAdd", [product, bias], {data_format: "NHWC"});
    return this.b.emit("tf.Split", [this.index(1), sum], {num_split: count});
  }

  /** i, cs, f, o, ci, co, h of one step. */
  lstm(form: LstmForm, x: Ref, state: Ref, h: Ref, rest: readonly Ref[]): readonly Ref[] {
    const [weights, peepI, peepF, peepO, bias] = rest as readonly [Ref, Ref, Ref, Ref, Ref];
    const parts = this.gates(x, h, [weights, bias], 4);
    const gate = (k: number) => parts[form.order[k]!]!;
    const peep = (sum: Ref, cell: Ref, by: Ref) => (form.peephole ? this.add(sum, this.mul(cell, by)) : sum);
    const biased = form.forgetBias === 0 ? gate(2) : this.add(gate(2), this.number(form.forgetBias));
    const i = this.op("Sigmoid", peep(gate(0), state, peepI));
    const f = this.op("Sigmoid", peep(biased, state, peepF));
    const ci = this.op("Tanh", gate(1));
    const free = this.add(this.mul(ci, i), this.mul(state, f));
    const bound = (value: number) => this.number(value);
    const cs = form.clip > 0 ? this.op("Minimum", this.op("Maximum", free, bound(-form.clip)), bound(form.clip)) : free;
    const o = this.op("Sigmoid", peep(gate(3), cs, peepO));
    const co = this.op("Tanh", cs);
    return [i, cs, f, o, ci, co, this.mul(co, o)];
  }
}

type Expansion = (node: Node, cell: Cell) => readonly Ref[] | undefined;

const formOf = (node: Node, {b}: Cell): LstmForm =>
  lstmForm(b.site(node.op, node.inputs, node.attributes, originOf(node)));

const overSteps: Expansion = (node, cell) => {
  const [length, x, state, output, ...rest] = node.inputs as readonly [Ref, Ref, Ref, Ref, ...Ref[]];
  const {b} = cell;
  const steps = b.type(x).shape?.[0];
  if (steps === undefined || !isKnown(steps) || steps === 0 || steps > maxSteps) return undefined;
  const form = formOf(node, cell);
  const known = integersOf(b.site(node.op, node.inputs, node.attributes, originOf(node)), 0)?.[0];
  const rows = b.emit("tf.Unpack", [x], {num: steps, axis: 0});
  const results: (readonly Ref[])[] = [];
  let [c, h] = [state, output];
  for (const [step, row] of rows.entries()) {
    const all = cell.lstm(form, row, c, h, rest);
    [c, h] = [all[1]!, all[6]!];
    results.push(known !== undefined && step < known ? all : all.map((each) => whileLasting(each, step)));
  }
  return Array.from({length: 7}, (_, k) =>
    b.op(
      "tf.Pack",
      results.map((each) => each[k]!),
      {axis: 0},
    ),
  );

  /** What is after the sequence's end is 0, and follows from nothing that is before it. */
  function whileLasting(value: Ref, step: number): Ref {
    if (known !== undefined) return cell.op("ZerosLike", value);
    const {dtype} = b.type(length);
    const lasts = cell.op("Less", b.constant(makeTensor(dtype as DType, [], () => step)), length);
    return cell.op("SelectV2", lasts, value, cell.number(0));
  }
};

const expansions: Readonly<Record<string, Expansion>> = {
  "tf.LSTMBlockCell": (node, cell) => {
    const [x, state, h, ...rest] = node.inputs as readonly [Ref, Ref, Ref, ...Ref[]];
    return cell.lstm(formOf(node, cell), x, state, h, rest);
  },
  "tf.BlockLSTM": overSteps,
  "tf.BlockLSTMV2": overSteps,
  "tf.GRUBlockCell": (node, cell) => {
    const [x, state, weights, candidate, bias, candidateBias] = node.inputs as readonly [Ref, Ref, Ref, Ref, Ref, Ref];
    const [r, u] = cell.gates(x, state, [weights, bias], 2).map((gate) => cell.op("Sigmoid", gate)) as [Ref, Ref];
    const [sum] = cell.gates(x, cell.mul(r, state), [candidate, candidateBias], 1) as [Ref];
    const c = cell.op("Tanh", sum);
    const rest = cell.op("Sub", cell.number(1), u);
    return [r, u, c, cell.add(cell.mul(rest, c), cell.mul(u, state))];
  },
};
