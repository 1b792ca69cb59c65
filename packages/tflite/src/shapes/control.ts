/** Operators that run subgraphs: what goes in and comes out, by inferring the subgraphs. */
import type {TfliteOperator} from "../model.ts";
import type {Shape, Value} from "./rule.ts";
import type {Sum, SymbolicShape} from "./symbolic.ts";

/** A shape that only running the model can tell, and why. */
export interface DynamicShape {
  readonly dynamic: string;
}
export type InferredShape = Shape | DynamicShape;

/** What is known of a tensor before running: its shape, and for small ones perhaps the elements. */
export interface Known {
  readonly shape: InferredShape;
  readonly value?: Value;
  /** Where `shape` is dynamic, what is known of it nevertheless. */
  readonly sizes?: SymbolicShape;
  /** Where `value` isn't known, what is known of it nevertheless. */
  readonly sums?: readonly Sum[];
}

export function isDynamic(shape: InferredShape): shape is DynamicShape {
  return !Array.isArray(shape);
}

/** The subgraphs that a control operator calls. */
export interface Callees {
  /** Infers a subgraph from what is known of its inputs: what is known of its outputs. */
  infer(subgraph: number, inputs: readonly Known[]): readonly Known[];
  /** For each output of a subgraph, the input that it is passed through from, -1 if it is computed. */
  passed(subgraph: number): readonly number[];
}

export type ControlRule = (operator: TfliteOperator, inputs: readonly Known[], callees: Callees) => readonly Known[];

const indexOption = (operator: TfliteOperator, name: string): number => Number(operator.options![name]);

export const controlRules: Readonly<Record<string, ControlRule>> = {
  IF: (operator, [condition, ...inputs], {infer}) => {
    const branches = ["thenSubgraphIndex", "elseSubgraphIndex"].map((name) => indexOption(operator, name));
    const taken = condition!.value === undefined ? branches : [branches[condition!.value[0] ? 0 : 1]!];
    return agreed(taken.map((branch) => infer(branch, inputs)));
  },
  STABLEHLO_CASE: (operator, [, ...inputs], {infer}) =>
    agreed(
      [...new Set(operator.options!.branchSubgraphIndices as readonly number[])].map((branch) => infer(branch, inputs)),
    ),
  STABLEHLO_COMPOSITE: (operator, inputs, {infer}) =>
    infer(indexOption(operator, "decompositionSubgraphIndex"), inputs),
  CALL_ONCE: () => [],
  // Each round that finds a tensor whose shape changes makes one more of them dynamic, so the rounds end.
  WHILE: (operator, inputs, {infer, passed}) => {
    const body = indexOption(operator, "bodySubgraphIndex");
    const through = passed(body);
    let carried = inputs.map((known, index): Known => (through[index] === index ? known : {shape: known.shape}));
    for (;;) {
      const outputs = infer(body, carried);
      const next = carried.map((known, index): Known => {
        const {shape} = outputs[index]!;
        if (through[index] === index || isDynamic(known.shape)) return known;
        if (isDynamic(shape) || sameShape(shape, known.shape)) return {shape};
        return {shape: {dynamic: `a loop changes its shape from [${known.shape}] to [${shape}]`}};
      });
      if (next.every(({shape}, index) => isDynamic(shape) === isDynamic(carried[index]!.shape))) return next;
      carried = next;
    }
  },
};

const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((size, axis) => size === b[axis]);

/** What all branches have in common. */
function agreed(branches: readonly (readonly Known[])[]): readonly Known[] {
  const [first = [], ...others] = branches;
  return first.map((known, index) => {
    if (others.length === 0 || isDynamic(known.shape)) return known;
    for (const other of others) {
      const {shape} = other[index]!;
      if (isDynamic(shape)) return {shape};
      if (!sameShape(shape, known.shape)) {
        return {shape: {dynamic: `one branch gives [${known.shape}], another [${shape}]`}};
      }
    }
    return {shape: known.shape};
  });
}
