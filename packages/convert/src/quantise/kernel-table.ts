/**
 * Which kernels compute with int8, and what they demand of the levels (scale and zero) of what goes in and comes out
 * (specs/litert.md, data/tflite-op-versions.json: acceptsQuantized; measured in both engines).
 */
import type {Quantisation} from "../ir/graph.ts";

/** Products with weights: int8 input and weights, int32 bias on the levels of their product. */
export interface WeightedRow {
  readonly input: number;
  readonly weights: number;
  readonly bias: number;
  /** The axis of the weights that may have a scale for each index. */
  readonly axis: number;
}

export const weighted: Readonly<Record<string, WeightedRow>> = {
  "tfl.CONV_2D": {input: 0, weights: 1, bias: 2, axis: 0},
  "tfl.DEPTHWISE_CONV_2D": {input: 0, weights: 1, bias: 2, axis: 3},
  "tfl.FULLY_CONNECTED": {input: 0, weights: 1, bias: 2, axis: 0},
  "tfl.TRANSPOSE_CONV": {input: 2, weights: 1, bias: 3, axis: 0},
};

/** Each input on levels of its own, the result on any others. The number of inputs that are data. */
export const levelled: Readonly<Record<string, number>> = {
  "tfl.ADD": 2,
  "tfl.SUB": 2,
  "tfl.MUL": 2,
  "tfl.BATCH_MATMUL": 2,
  "tfl.PRELU": 2,
  "tfl.MEAN": 1,
  "tfl.RELU6": 1,
  "tfl.LEAKY_RELU": 1,
  "tfl.HARD_SWISH": 1,
};

/** The result on the levels that the kernel has built in. */
export const fixed: Readonly<Record<string, Quantisation>> = {
  "tfl.SOFTMAX": {scale: [1 / 256], zero: [-128], axis: 0},
  "tfl.LOGISTIC": {scale: [1 / 256], zero: [-128], axis: 0},
  "tfl.TANH": {scale: [1 / 128], zero: [0], axis: 0},
};

export interface MoveRow {
  /** The input that is moved; the others are operands. */
  readonly input: number;
  /**
   * Whether rounding to levels may as well come before: the result has numbers of the input only (and 0, which is on any
   * levels).
   */
  readonly isExact: boolean;
}

const exact: MoveRow = {input: 0, isExact: true};

/** The result on the levels of the input. */
export const moves: Readonly<Record<string, MoveRow>> = {
  "tfl.RESHAPE": exact,
  "tfl.TRANSPOSE": exact,
  "tfl.SQUEEZE": exact,
  "tfl.EXPAND_DIMS": exact,
  "tfl.SLICE": exact,
  "tfl.STRIDED_SLICE": exact,
  "tfl.GATHER": exact,
  "tfl.GATHER_ND": exact,
  "tfl.TILE": exact,
  "tfl.BROADCAST_TO": exact,
  "tfl.REVERSE_V2": exact,
  "tfl.PAD": exact,
  "tfl.MIRROR_PAD": exact,
  "tfl.SPACE_TO_DEPTH": exact,
  "tfl.DEPTH_TO_SPACE": exact,
  "tfl.SPACE_TO_BATCH_ND": exact,
  "tfl.BATCH_TO_SPACE_ND": exact,
  "tfl.RESIZE_NEAREST_NEIGHBOR": exact,
  "tfl.MAX_POOL_2D": exact,
  "tfl.REDUCE_MAX": exact,
  "tfl.REDUCE_MIN": exact,
  // 0 is on any levels.
  "tfl.RELU": exact,
  "tfl.SPLIT": {input: 1, isExact: false},
  "tfl.SPLIT_V": {input: 0, isExact: false},
  "tfl.UNPACK": {input: 0, isExact: false},
  "tfl.AVERAGE_POOL_2D": {input: 0, isExact: false},
  "tfl.RESIZE_BILINEAR": {input: 0, isExact: false},
};

/** All inputs and the result on the same levels; rounding to levels may as well come before. */
export const joins: ReadonlySet<string> = new Set(["tfl.CONCATENATION", "tfl.PACK", "tfl.MAXIMUM", "tfl.MINIMUM"]);

/** Which look only at the order of numbers, whatever they stand for: int8 in, indices out. */
export const orders: ReadonlySet<string> = new Set(["tfl.ARG_MAX", "tfl.ARG_MIN"]);

/** Of eight bits. */
export const levelCount = 256;

/** Kernels take scales of what goes in, or their product, that are less than this many times the result's. */
export const maxScaleRatio = 2 ** 8;
