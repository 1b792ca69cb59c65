/**
 * Operators that treat the rows of a batch apart, and what has to hold for that. Rules stand in one table; an operator that
 * isn't in it mixes rows, or nobody looked.
 *
 * A tensor "of rows" for a batch of n lies in memory as n equal parts, the i-th of which depends on row i of the inputs
 * only. So what keeps memory as it is (RESHAPE) keeps rows whatever the dimensions; most others need the batch to be in
 * the first dimension: n, or a multiple of it where a RESHAPE put another dimension into it.
 */
import type {Options, TfliteType} from "../model.ts";
import {each, type Shape, type Value} from "../shapes/rule.ts";

/** What a tensor is made of: of constants only; of the sizes of tensors, of which the batch is one; of the rows. */
export type Content = "constant" | "sizes" | "rows";

/** Thrown by rules: why the rows of this operator can't be told apart. */
export class Mixed {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

/** An operator of which at least one input has rows, or which makes rows out of sizes. */
export interface RowNode {
  readonly options: Options;
  readonly inputCount: number;
  readonly outputCount: number;
  /** Rows of the batch. */
  readonly batch: number;
  has(index: number): boolean;
  content(index: number): Content;
  shape(index: number): Shape;
  outputShape(index: number): Shape;
  type(index: number): TfliteType;
  /** Elements of an operand that is no row; the same for every batch, or else {@link Mixed} is thrown later. */
  value(index: number): Value;
  /** Writes down what the operator does to a row: it has to be the same for every batch. */
  note(...facts: readonly (string | number | readonly number[])[]): void;
}

/** Throws {@link Mixed}. Every output is of rows then. */
export type RowRule = (node: RowNode) => void;

function must(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new Mixed(reason);
}

const number = ({options}: RowNode, name: string): number => Number(options[name] ?? 0);
const count = (shape: Shape): number => shape.reduce((product, dim) => product * dim, 1);
const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, axis) => dim === b[axis]);

/** The dimensions of one row's part. */
function part(node: RowNode, shape: Shape, what: string): Shape {
  const [first = 0, ...rest] = shape;
  must(first > 0 && first % node.batch === 0, `${what} is [${shape}], whose first dimension isn't the batch`);
  return [first / node.batch, ...rest];
}

/** Input `index` has rows, the batch first. */
function rows(node: RowNode, index = 0): Shape {
  must(node.content(index) === "rows", `input ${index} has no rows`);
  const shape = part(node, node.shape(index), `input ${index}`);
  node.note(shape);
  return shape;
}

/** Output `index` has the batch first. */
function rowsOut(node: RowNode, index = 0): Shape {
  const shape = part(node, node.outputShape(index), `output ${index}`);
  node.note(shape);
  return shape;
}

/** Operands that every row meets alike: constants, or sizes of which the batch is none. */
function alike(node: RowNode, ...indices: readonly number[]): void {
  for (const index of indices) {
    if (!node.has(index)) continue;
    must(node.content(index) !== "rows", `input ${index} has rows`);
    if (node.content(index) === "sizes") node.note(node.value(index));
    node.note(node.shape(index));
  }
}

/** All but input 0. */
const othersAlike = (node: RowNode): void => {
  alike(node, ...Array.from({length: node.inputCount - 1}, (_, at) => at + 1));
};

function axis(value: number, rank: number): number {
  return value < 0 ? value + rank : value;
}

/** An axis that isn't the batch's. */
function besideBatch(value: number, rank: number): void {
  must(axis(value, rank) > 0, "it goes along the batch");
}

/** Memory stays as it is: rows stay rows, wherever the batch is. */
const view: RowRule = (node) => {
  must(node.content(0) === "rows", "input 0 has no rows");
  must(count(node.shape(0)) === count(node.outputShape(0)), "the number of elements changes");
  node.note(count(node.shape(0)) / node.batch);
};

/** Element by element: with operands of the same shape, of one element, or broadcast beside the batch. */
const elementwise: RowRule = (node) => {
  const output = node.outputShape(0);
  const indices = Array.from({length: node.inputCount}, (_, at) => at).filter((at) => node.has(at));
  const isPlain = indices.every((at) =>
    node.content(at) === "rows" ? sameShape(node.shape(at), output) : count(node.shape(at)) === 1,
  );
  for (const at of indices) if (node.content(at) === "sizes") node.note(node.value(at));
  if (isPlain) {
    must(count(output) % node.batch === 0, "the elements aren't a multiple of the batch");
    node.note("plain", count(output) / node.batch);
    return;
  }
  const [parts] = rowsOut(node);
  for (const at of indices) {
    const shape = node.shape(at);
    if (node.content(at) === "rows") {
      must(shape.length === output.length && rows(node, at)[0] === parts, `input ${at} broadcasts along the batch`);
    } else {
      must(shape.length < output.length || shape[0] === 1, `input ${at} has a part for each row`);
      node.note(shape);
    }
  }
};

/** Input 0 by rows, the others alike, the batch stays first. */
const byRow: RowRule = (node) => {
  const [parts] = rows(node);
  othersAlike(node);
  for (let at = 0; at < node.outputCount; at++) must(rowsOut(node, at)[0] === parts, "the batch doesn't stay first");
};

/** The same, along the last dimension or all but the first. */
const byRowWithin: RowRule = (node) => {
  must(node.shape(0).length >= 2, "there is no dimension beside the batch");
  byRow(node);
};

/** The axes are input 1. */
const overAxes: RowRule = (node) => {
  for (const each of node.value(1)) besideBatch(each, node.shape(0).length);
  must(node.value(1).length > 0, "it takes no axis");
  byRow(node);
};

/** The axis is an option. */
const alongOption: RowRule = (node) => {
  besideBatch(number(node, "axis"), node.shape(0).length);
  byRow(node);
};

/** Several inputs of rows side by side. */
const joined =
  (rank: (node: RowNode) => number): RowRule =>
  (node) => {
    besideBatch(number(node, "axis"), rank(node));
    const [parts] = rowsOut(node);
    for (let at = 0; at < node.inputCount; at++) must(rows(node, at)[0] === parts, "the batches differ");
  };

/** Something alike for all rows, repeated for each. */
const repeated = (node: RowNode, from: number): void => {
  const output = rowsOut(node);
  const shape = node.shape(from);
  must(shape.length < output.length || shape[0] === 1, "it gives each row something else");
  if (node.content(from) === "sizes") node.note(node.value(from));
  node.note(shape);
};

/** Every row keeps all of its first dimension. */
const keepsFirst = (node: RowNode): void => {
  must(rows(node)[0] === rowsOut(node)[0], "the batch is cut");
};

export const rowRules: Readonly<Record<string, RowRule>> = {
  ...each(
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGICAL_NOT LOGISTIC NEG RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 " +
      "ROUND RSQRT SIGN SIN SQRT SQUARE TANH ZEROS_LIKE CAST QUANTIZE DEQUANTIZE " +
      "ADD SUB MUL DIV POW MAXIMUM MINIMUM SQUARED_DIFFERENCE FLOOR_DIV FLOOR_MOD EQUAL NOT_EQUAL LESS LESS_EQUAL GREATER " +
      "GREATER_EQUAL LOGICAL_AND LOGICAL_OR PRELU SELECT_V2",
    elementwise,
  ),
  ...each("ADD_N ATAN2", (node: RowNode) => {
    for (let at = 0; at < node.inputCount; at++) must(node.content(at) === "rows", `input ${at} has no rows`);
    elementwise(node);
  }),
  // Its condition may be of rank 1 and pick rows.
  SELECT: (node) => {
    for (let at = 0; at < 3; at++) must(sameShape(node.shape(at), node.outputShape(0)), "the shapes differ");
    for (let at = 0; at < 3; at++) must(node.content(at) === "rows", `input ${at} has no rows`);
    elementwise(node);
  },
  ...each("RESHAPE SQUEEZE EXPAND_DIMS", view),
  ...each("SOFTMAX LOG_SOFTMAX L2_NORMALIZATION LOCAL_RESPONSE_NORMALIZATION", byRowWithin),
  ...each("AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE SPACE_TO_DEPTH", byRow),
  ...each("RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR", byRow),
  ...each(
    "SUM MEAN REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL ARG_MAX ARG_MIN CUMSUM REVERSE_V2",
    overAxes,
  ),
  TOPK_V2: byRowWithin,
  /** Rows of weights' width, of which a part has a whole number; quantised ones get a scale each. */
  FULLY_CONNECTED: (node) => {
    must(node.content(0) === "rows", "input 0 has no rows");
    othersAlike(node);
    const width = node.shape(1)[1] ?? 0;
    const elements = count(node.shape(0)) / node.batch;
    must(width > 0 && Number.isInteger(elements) && elements % width === 0, "a row isn't a whole number of its inputs");
    node.note(elements, count(node.outputShape(0)) / node.batch);
  },
  TRANSPOSE_CONV: (node) => {
    const [parts] = rows(node, 2);
    must(node.type(1) === node.type(2), "its weights are of another type");
    alike(node, 1, 3);
    must(node.content(0) !== "rows", "its shape depends on data");
    must(rowsOut(node)[0] === parts, "the batch doesn't stay first");
  },
  BATCH_MATMUL: (node) => {
    const [left, right] = [node.shape(0), node.shape(1)];
    const rank = node.outputShape(0).length;
    const [parts] = rowsOut(node);
    for (const [at, shape] of [left, right].entries()) {
      if (node.content(at) === "rows") {
        // A matrix has its rows in the first dimension, unless it is transposed.
        const isMatrix = at === 0 && rank === 2 && node.options.adjX !== true;
        must(shape.length === rank && (rank >= 3 || isMatrix), `input ${at} has the batch within its matrices`);
        must(rows(node, at)[0] === parts, `input ${at} broadcasts along the batch`);
      } else {
        must(shape.length < rank || shape[0] === 1 || rank === 2, `input ${at} has a matrix for each row`);
        alike(node, at);
      }
    }
  },
  TRANSPOSE: (node) => {
    must(node.value(1)[0] === 0, "it moves the batch");
    byRow(node);
  },
  CONCATENATION: joined((node) => node.outputShape(0).length),
  PACK: joined((node) => node.outputShape(0).length),
  UNPACK: alongOption,
  SPLIT: (node) => {
    besideBatch(node.value(0)[0] ?? 0, node.shape(1).length);
    const [parts] = rows(node, 1);
    alike(node, 0);
    for (let at = 0; at < node.outputCount; at++) must(rowsOut(node, at)[0] === parts, "the batch is cut");
  },
  SPLIT_V: (node) => {
    besideBatch(node.value(2)[0] ?? 0, node.shape(0).length);
    byRow(node);
  },
  SLICE: (node) => {
    keepsFirst(node);
    must(node.value(1)[0] === 0, "it cuts the batch");
    // Sizes are told by the output.
    node.note(node.value(1).slice(1));
  },
  STRIDED_SLICE: (node) => {
    keepsFirst(node);
    const mask = (name: string) => number(node, name);
    must(node.value(3)[0] === 1, "it steps through the batch");
    must((mask("beginMask") & 1) === 1 || node.value(1)[0] === 0, "it cuts the batch");
    must((mask("shrinkAxisMask") & 1) === 0 && mask("ellipsisMask") === 0 && mask("newAxisMask") === 0, "its masks");
    node.note(node.value(1).slice(1), node.value(2).slice(1), node.value(3).slice(1));
  },
  ...each("PAD PADV2 MIRROR_PAD", (node: RowNode) => {
    const [before, after] = node.value(1);
    must(before === 0 && after === 0, "it pads the batch");
    byRow(node);
  }),
  TILE: (node) => {
    if (node.content(0) !== "rows") return repeated(node, 0);
    keepsFirst(node);
    must(node.value(1)[0] === 1, "it repeats the batch");
  },
  BROADCAST_TO: (node) => {
    if (node.content(0) !== "rows") return repeated(node, 0);
    must(node.shape(0).length === node.outputShape(0).length, "the batch moves");
    keepsFirst(node);
  },
  FILL: (node) => {
    must(node.content(0) !== "rows" && node.content(1) !== "rows", "its value or shape depends on data");
    repeated(node, 1);
  },
  EMBEDDING_LOOKUP: (node) => {
    rows(node);
    othersAlike(node);
    rowsOut(node);
  },
  GATHER: (node) => {
    const along = axis(number(node, "axis"), node.shape(0).length);
    const batchDims = axis(number(node, "batchDims"), node.shape(1).length);
    if (node.content(0) !== "rows") {
      must(node.content(1) === "rows", "its indices have no rows");
      must(along === 0 && batchDims === 0, "it takes another part of a table for each row");
      alike(node, 0);
      node.note(count(node.shape(1)) / node.batch, count(node.outputShape(0)) / node.batch);
      return;
    }
    const [parts] = rows(node);
    must(along > 0 && rowsOut(node)[0] === parts, "it picks rows");
    if (node.content(1) !== "rows") {
      must(batchDims === 0, "its indices are of each row");
      alike(node, 1);
    } else must(batchDims >= 1 && rows(node, 1)[0] === parts, "every row picks by the indices of all");
  },
  GATHER_ND: (node) => {
    alike(node, 0);
    must(node.shape(1).length >= 2, "its indices are one vector");
    rows(node, 1);
    rowsOut(node);
  },
  ONE_HOT: (node) => {
    must(node.content(0) === "rows", "its indices have no rows");
    othersAlike(node);
    const at = axis(number(node, "axis"), node.outputShape(0).length);
    if (at < node.shape(0).length) {
      besideBatch(at, node.outputShape(0).length);
      rows(node);
    }
    node.note(count(node.shape(0)) / node.batch, count(node.outputShape(0)) / node.batch);
  },
};

/** Give what follows from their operands alone; with constant ones a constant, with sizes sizes. */
export const pureOperators: ReadonlySet<string> = new Set([...Object.keys(rowRules), "RANGE", "SHAPE", "RANK"]);
