/** How much a model may claim, by default. */
import type {Limits} from "./engine.ts";

/**
 * A WASM heap ends at 2 GiB and holds the file, XNNPACK's packed copy of the weights, and the tensors; beyond 1.9 GB
 * allocations fail in the middle of a run (specs/litert.md §3.7).
 */
export const wasmHeapBudget = 1_900_000_000;

/** All compiled shapes of one model together may hold this much heap; the least recently used go first. */
export const compiledHeapBudget = 2 ** 31;

export const defaultLimits: Limits = {
  maxModelBytes: wasmHeapBudget / 2,
  maxTensorBytes: wasmHeapBudget,
  maxTensors: 200_000,
  maxOperators: 100_000,
  maxSubgraphs: 1_000,
  maxCompiled: 8,
};

/** Milliseconds that `load` may take, if the caller says nothing: reading and compiling a hostile file may never end. */
export const defaultLoadDeadlineMs = 120_000;
