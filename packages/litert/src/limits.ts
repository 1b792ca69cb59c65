/** How much a model may claim, by default. */
import type {EngineName} from "@tf-trusted/tflite";
import type {Limits} from "./engine.ts";

/**
 * What an engine has for a model and its tensors, and how often it holds the file. A WASM heap ends at 2 GiB and holds
 * file and packed weights; beyond 1.9 GB allocations fail in the middle of a run (specs/litert.md §3.7). A process of the
 * native engine holds the file as it came, as specialised, and packed; its limit is `nativeMemoryBytes`.
 */
export const heapBudgets: Readonly<Record<EngineName, {readonly copies: number; readonly bytes: number}>> = {
  wasm: {copies: 2, bytes: 1_900_000_000},
  native: {copies: 3, bytes: 3_600_000_000},
};

/** What a process of the native engine may allocate beyond what Node.js and the library take, unless told otherwise. */
export const nativeMemoryBytes: number = 2 ** 32;

/** All compiled shapes of one model together may hold this much heap; the least recently used go first. */
export const compiledHeapBudget = 2 ** 31;

export const defaultLimits: Limits = {
  maxModelBytes: heapBudgets.wasm.bytes / heapBudgets.wasm.copies,
  maxTensorBytes: heapBudgets.wasm.bytes,
  maxTensors: 200_000,
  maxOperators: 100_000,
  maxSubgraphs: 1_000,
  maxCompiled: 8,
  maxBatch: 1,
};

/** Milliseconds that `load` may take, if the caller says nothing: reading and compiling a hostile file may never end. */
export const defaultLoadDeadlineMs = 120_000;
