/** What the files of this folder say of an operator: its reference values, apart from its types. */
import type {Tensor} from "@tf-trusted/tensor";
import type {Operator} from "../../../ir/operators.ts";
import {broadcastStrides, indexMap} from "../../elements.ts";

/** `evaluate` of a row, with its `cost` where that isn't plain. */
export type Values = Pick<Operator, "evaluate" | "cost" | "sizedByValues">;

export type ValuesTable = Readonly<Record<string, Values>>;

/** One rule for several operators. */
export function forEach<T>(names: Readonly<Record<string, T>>, rule: (entry: T, name: string) => Values): ValuesTable {
  return Object.fromEntries(Object.entries(names).map(([name, entry]) => [name, rule(entry, name)]));
}

/** A tensor seen along one axis: element (o, i, k) is at (o·size + i)·inner + k. */
export interface AxisView {
  readonly outer: number;
  readonly size: number;
  readonly inner: number;
}

export function alongAxis(shape: readonly number[], axis: number): AxisView {
  return {outer: countOf(shape.slice(0, axis)), size: shape[axis]!, inner: countOf(shape.slice(axis + 1))};
}

export const countOf = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** Flat index in a broadcast result → flat index in each operand. */
export function broadcastMaps(operands: readonly Tensor[], shape: readonly number[]): ((index: number) => number)[] {
  return operands.map((each) =>
    each.shape.join() === shape.join()
      ? (index: number) => index
      : indexMap(shape, broadcastStrides(each.shape, shape)),
  );
}
