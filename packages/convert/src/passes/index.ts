/** The ordered list of passes before the lowering (target-neutral) and after it. */
import {batchNorm} from "./batch-norm.ts";
import {cells} from "./cells.ts";
import {complexParts} from "./complex.ts";
import {dedupe} from "./dedupe.ts";
import {fold} from "./fold.ts";
import {forward} from "./forward.ts";
import {fuseActivations, fuseBias} from "./fuse.ts";
import {growingLists} from "./growing-lists.ts";
import {layout} from "./layout.ts";
import {lists} from "./lists.ts";
import {loopVariables} from "./loop-variables.ts";
import {narrow, narrowInterface} from "./narrow.ts";
import {narrowIndices} from "./narrow-indices.ts";
import {outputs} from "./outputs.ts";
import type {Pass} from "./pass.ts";
import {patterns} from "./patterns.ts";
import {prune} from "./prune.ts";
import {reshapes} from "./reshapes.ts";
import {simplify} from "./simplify.ts";
import {sinkReshapes} from "./sink-reshapes.ts";
import {transposes} from "./transposes.ts";
import {unroll} from "./unroll.ts";

const passesWith = (narrowing: Pass): readonly Pass[] => [
  prune,
  forward,
  fold,
  unroll,
  forward,
  fold,
  growingLists,
  lists,
  forward,
  fold,
  forward,
  loopVariables,
  fold,
  prune,
  cells,
  narrowing,
  complexParts,
  prune,
  fold,
  layout,
  fold,
  transposes,
  transposes,
  simplify,
  sinkReshapes,
  batchNorm,
  batchNorm,
  patterns,
  fold,
  dedupe,
  prune,
];

export const sourcePasses = passesWith(narrow);

/** {@link sourcePasses} that narrow the graph's inputs and outputs, too. */
export const narrowingPasses = passesWith(narrowInterface);

export const targetPasses: readonly Pass[] = [
  prune,
  dedupe,
  narrowIndices,
  prune,
  reshapes,
  prune,
  fuseBias,
  prune,
  fuseActivations,
  dedupe,
  prune,
];

/** After everything that changes what is computed. */
export const lastPasses: readonly Pass[] = [outputs];

export {type Effect, type Note, type Pass, runPass, type Tally} from "./pass.ts";
