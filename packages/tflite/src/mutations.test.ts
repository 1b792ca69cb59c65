/** Damaged files give coded errors or values, in bounded time; what passes all checks can be printed, written, inferred. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {checkModel} from "./check-model.ts";
import {inferShapes} from "./infer-shapes.ts";
import type {TfliteModel} from "./model.ts";
import {admitOperators} from "./operators/admit.ts";
import {checkKernels} from "./operators/kernels.ts";
import {readModel} from "./read-model.ts";
import {declaredShape} from "./specialise.ts";
import {readCorpus, skipWithoutCorpus, tfliteFiles} from "./testing/corpus.ts";
import {printModel} from "./text.ts";
import {TfliteError} from "./tflite-error.ts";
import {writeModel} from "./write-model.ts";

const skip = skipWithoutCorpus;
const MUTATIONS = 4000;
const LARGEST_FILE = 20_000;
/** Far above what any takes (a few ms), far below what quadratic behaviour would. */
const SLOW_MS = 1000;

test(`${MUTATIONS} mutations and all truncations at structures give coded errors or values`, {skip}, (context) => {
  const files = tfliteFiles("good")
    .map(readCorpus)
    .filter(({length}) => length < LARGEST_FILE);
  const random = randomNumbers(0x7f117e);
  const outcomes = new Map<string, number>();
  let slowest = 0;
  const attempt = (bytes: Uint8Array) => {
    const start = performance.now();
    const outcome = run(bytes);
    slowest = Math.max(slowest, performance.now() - start);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  };
  for (let round = 0; round < MUTATIONS; round++) {
    const bytes = files[round % files.length]!.slice();
    for (let left = 1 + random(4); left > 0; left--) mutate(bytes, random);
    attempt(bytes);
  }
  for (const bytes of files) {
    for (let length = 0; length < bytes.length; length += 1 + (length >> 4)) attempt(bytes.subarray(0, length));
  }
  for (const [outcome, count] of [...outcomes].sort()) context.diagnostic(`${outcome}: ${count}`);
  context.diagnostic(`slowest: ${slowest.toFixed(1)} ms`);
  assert.ok(slowest < SLOW_MS, `${slowest} ms`);
  assert.ok((outcomes.get("usable") ?? 0) > 0 && outcomes.size > 10, "the mutations must reach past the reader");
});

/** Everything that is done with an untrusted file, in order; the code that stopped it. */
function run(bytes: Uint8Array): string {
  try {
    const model = readModel(bytes);
    printModel(model);
    const findings = checkModel(model);
    if (findings.length > 0) return findings[0]!.code;
    admitOperators(model, "wasm");
    checkKernels(model);
    infer(model);
    readModel(writeModel(model));
    return "usable";
  } catch (error) {
    assert.ok(error instanceof TfliteError, error instanceof Error ? error.stack : `${error}`);
    return error.code;
  }
}

function infer(model: TfliteModel): void {
  model.subgraphs.forEach(({inputs, tensors}, subgraph) => {
    inferShapes(
      model,
      subgraph,
      inputs.map((tensor) => declaredShape(tensors[tensor]!).map((size) => (size === -1 ? 3 : size))),
    );
  });
}

/** Bytes at random, or a 32-bit word of the kind that offsets and counts are. */
function mutate(bytes: Uint8Array, random: (below: number) => number): void {
  const at = random(bytes.length);
  if (random(2) === 0) {
    bytes[at] = random(256);
    return;
  }
  const words = [0, 1, 4, 0xffff_ffff, 0x7fff_ffff, 0x8000_0000, bytes.length, random(bytes.length), random(1 << 16)];
  new DataView(bytes.buffer).setUint32(Math.min(at & ~3, bytes.length - 4), words[random(words.length)]!, true);
}

/** Repeatable numbers below a bound (xorshift). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
