/**
 * Sizes that depend on unknown integers, kept as sums. Loops over lists cut one at their counter i and join it again:
 * SLICE [:i], SLICE [i+1:], CONCATENATION. Each part's size depends on i, the whole's doesn't: i + 1 + (n − (i + 1)) = n.
 * These rules are asked only where the ordinary ones don't know.
 */
import {axisOf, flagOption, type Node, numberOption, type Shape, Unknown} from "./rule.ts";
import {ranged} from "./slices.ts";

/** An unknown integer; two of them are the same number only if they are the same object. */
export interface Indeterminate {
  readonly unknown: string;
}

/** A constant plus multiples of symbols. */
export interface Sum {
  readonly constant: number;
  readonly terms: ReadonlyMap<Indeterminate, number>;
}
export type SymbolicShape = readonly Sum[];

/** A node whose operands may be symbolic. */
export interface SymbolicNode extends Node {
  /** Throws {@link Unknown} if not even symbols stand for the dimensions. */
  sizes(index: number): SymbolicShape;
  /** Row-major elements of a small integer tensor; unknown ones are symbols. */
  sums(index: number): readonly Sum[];
}

interface SymbolicRule {
  /** Shape of output 0. */
  readonly shape?: (node: SymbolicNode) => SymbolicShape;
  /** Elements of output 0, whose shape is known. */
  readonly value?: (node: SymbolicNode, shape: Shape) => readonly Sum[];
}

export const symbolicRules: Readonly<Record<string, SymbolicRule>> = {
  RESHAPE: {value: (node) => node.sums(0)},
  SQUEEZE: {value: (node) => node.sums(0)},
  EXPAND_DIMS: {value: (node) => node.sums(0)},
  CAST: {value: (node) => node.sums(0)},
  ADD: {value: (node) => combined(node, 1)},
  SUB: {value: (node) => combined(node, -1)},
  PACK: {value: (node, shape) => (shape.length === 1 ? listed(node) : notList())},
  SLICE: {
    shape: (node) => {
      const size = node.sums(2);
      return node.sizes(0).map((whole, axis) => {
        const count = nth(size, axis);
        return isConstant(count, -1) ? plus(whole, nth(node.sums(1), axis), -1) : count;
      });
    },
  },
  STRIDED_SLICE: {
    shape: (node) => {
      const [begin, end, strides] = [node.sums(1), node.sums(2), node.value(3)];
      const bit = (mask: string, axis: number) => ((numberOption(node, mask) >> axis) & 1) === 1;
      if (
        numberOption(node, "ellipsisMask") !== 0 ||
        numberOption(node, "newAxisMask") !== 0 ||
        flagOption(node, "offset")
      ) {
        throw new Unknown("STRIDED_SLICE at unknown places with new axes");
      }
      return node.sizes(0).flatMap((whole, axis) => {
        const [from, to] = [begin[axis], end[axis]];
        if (from === undefined || to === undefined) return [whole];
        if (bit("shrinkAxisMask", axis)) return [];
        if (strides[axis] === 1 && bit("beginMask", axis) && bit("endMask", axis)) return [whole];
        const ends = from.terms.size === 0 && to.terms.size === 0 && whole.terms.size === 0;
        if (!ends) throw new Unknown("STRIDED_SLICE between unknown places");
        const slice = ranged(
          whole.constant,
          from.constant,
          to.constant,
          strides[axis]!,
          bit("beginMask", axis),
          bit("endMask", axis),
        );
        return [constantSum(slice.count)];
      });
    },
  },
  CONCATENATION: {
    value: (node, shape) => (shape.length === 1 ? listed(node) : notList()),
    shape: (node) => {
      const parts = Array.from({length: node.inputCount}, (_, index) => node.sizes(index));
      const [first, ...others] = parts as [SymbolicShape, ...SymbolicShape[]];
      const axis = axisOf(numberOption(node, "axis"), first.length);
      return first.map((size, at) => {
        if (at === axis) return others.reduce((total, part) => plus(total, nth(part, at), 1), size);
        // Parts agree on the other axes, or the engine fails: any part that knows the size will do.
        return parts.map((part) => nth(part, at)).find((each) => each.terms.size === 0) ?? size;
      });
    },
  },
};

export const constantSum = (constant: number): Sum => ({constant, terms: new Map()});

export const symbolSum = (unknown: string): Sum => ({constant: 0, terms: new Map([[{unknown}, 1]])});

/** The shape, if no symbol is left in it. */
export function resolved(shape: SymbolicShape): Shape | undefined {
  const known = shape.every(({terms, constant}) => terms.size === 0 && constant >= 0);
  return known ? shape.map(({constant}) => constant) : undefined;
}

const isConstant = ({constant, terms}: Sum, value: number): boolean => terms.size === 0 && constant === value;

/** a + factor · b. */
function plus(a: Sum, b: Sum, factor: number): Sum {
  const terms = new Map(a.terms);
  for (const [symbol, times] of b.terms) {
    const total = (terms.get(symbol) ?? 0) + factor * times;
    if (total === 0) terms.delete(symbol);
    else terms.set(symbol, total);
  }
  return {constant: a.constant + factor * b.constant, terms};
}

/** Elementwise sum or difference; a single element goes with all. */
function combined(node: SymbolicNode, factor: number): readonly Sum[] {
  const [a, b] = [node.sums(0), node.sums(1)];
  if (a.length !== b.length && a.length !== 1 && b.length !== 1) throw new Unknown("a broadcast of symbols");
  return Array.from({length: Math.max(a.length, b.length)}, (_, at) =>
    plus(nth(a, a.length === 1 ? 0 : at), nth(b, b.length === 1 ? 0 : at), factor),
  );
}

function listed(node: SymbolicNode): readonly Sum[] {
  return Array.from({length: node.inputCount}, (_, index) => node.sums(index)).flat();
}

function nth(list: readonly Sum[], index: number): Sum {
  const found = list[index];
  if (found === undefined) throw new Unknown(`element ${index} of a list of ${list.length}`);
  return found;
}

function notList(): never {
  throw new Unknown("a symbolic tensor of several dimensions");
}
