/** What `quantize` asks for, as passes over the `tfl` dialect. */
import {dedupe} from "../passes/dedupe.ts";
import type {Pass} from "../passes/pass.ts";
import {prune} from "../passes/prune.ts";
import {float16Weights} from "./float16.ts";
import {quantiseWeights} from "./weights.ts";

/**
 * `weights`: int8 weights with a scale per output channel. `float16`: float16 weights. `keep`: int8 arithmetic where the
 * graph has fake quantisation.
 */
export type Quantize = "weights" | "float16" | "keep";

/** The passes of each, after those that every conversion has. */
export const quantisePasses: Readonly<Record<Quantize, readonly Pass[]>> = {
  weights: [quantiseWeights, dedupe, prune],
  float16: [float16Weights, prune],
  keep: [],
};
