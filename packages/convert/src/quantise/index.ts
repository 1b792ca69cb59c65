/** What `quantize` asks for, as passes over the `tfl` dialect. */
import {type IoType, isLevels} from "../io-type.ts";
import {dedupe} from "../passes/dedupe.ts";
import {forward} from "../passes/forward.ts";
import {fuseBias} from "../passes/fuse.ts";
import type {Pass} from "../passes/pass.ts";
import {prune} from "../passes/prune.ts";
import {float16Weights} from "./float16.ts";
import {quantisedInterface} from "./interface.ts";
import {quantiseOperators} from "./operators.ts";
import {foldRanges, keepRanges} from "./ranges.ts";
import {rescaleWeights} from "./rescale.ts";
import {quantiseWeights} from "./weights.ts";

/**
 * `weights`: int8 weights with a scale per output channel. `float16`: float16 weights. `keep`: int8 arithmetic where the
 * graph has fake quantisation.
 */
export type Quantize = "weights" | "float16" | "keep";

/** Passes at the three places of the pipeline where quantisation has a say. */
export interface QuantisePasses {
  /** Before everything else, over the `tf` dialect. */
  readonly first: readonly Pass[];
  /** Right after the lowering. */
  readonly lowered: readonly Pass[];
  /** After the fusions. */
  readonly fused: readonly Pass[];
}

const none: QuantisePasses = {first: [], lowered: [], fused: []};

/** The passes that options ask for. */
export function quantisePasses(quantize: Quantize | undefined, ioType: IoType = "source"): QuantisePasses {
  switch (quantize) {
    case undefined:
      return none;
    case "weights":
      return {...none, fused: [quantiseWeights, dedupe, prune]};
    case "float16":
      return {...none, fused: [float16Weights, prune]};
    case "keep": {
      const edges = isLevels(ioType) ? [quantisedInterface(ioType), prune] : [];
      return {
        first: [prune, forward, foldRanges, keepRanges],
        lowered: [prune, fuseBias, rescaleWeights],
        fused: [quantiseOperators(ioType), dedupe, prune, ...edges],
      };
    }
  }
}
