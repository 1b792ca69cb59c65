/**
 * An engine in this process, with nothing between it and the timing: `node back-to-back.js wasm`, or `native KOFFI
 * LIBRARY`. For `npm run bench:engines`: one JSON request a line in, one answer a line out, as
 * `scripts/python/interpreter_bench.py`: {"load": path, "threads": n} and {"runs": n}.
 */
import {readFileSync} from "node:fs";
import {createInterface} from "node:readline";
import {elementTypes} from "../element-types.ts";
import {zerosOf} from "../instance.ts";
import {defaultLimits} from "../limits.ts";
import {loadNative} from "../native/binding.ts";
import {prepareStderr} from "../native/captured-stderr.ts";
import {NativeRuntime} from "../native/instance.ts";
import {Arena} from "../native/memory.ts";
import {loadBlobs} from "../wasm/blobs.ts";
import {compileGlue, wasmInstances} from "../wasm/instance.ts";
import {WorkerModel} from "../worker-model.ts";

interface Loaded {
  readonly model: WorkerModel;
  readonly arena: (sizes: readonly number[]) => readonly Uint8Array[];
}

type Request = {readonly load: string; readonly threads: number} | {readonly runs: number};

const [engine, addon, library] = process.argv.slice(2);
const native = engine === "native" ? loadNative(addon!, library!) : undefined;
if (native !== undefined) prepareStderr(native.libc);
let loaded: Loaded | undefined;

for await (const line of createInterface({input: process.stdin})) {
  const request = JSON.parse(line) as Request;
  if ("load" in request) {
    loaded?.model.wipe();
    loaded = await load(new Uint8Array(readFileSync(request.load)), request.threads);
    console.log(JSON.stringify({loaded: true, version: engine}));
  } else {
    const invoke: number[] = [];
    const whole: number[] = [];
    for (let run = 0; run < request.runs; run++) {
      const [compute, all] = await call(loaded!);
      invoke.push(compute);
      whole.push(all);
    }
    console.log(JSON.stringify({invoke, whole}));
  }
}

async function load(file: Uint8Array, threads: number): Promise<Loaded> {
  if (native === undefined) {
    const {glue, module} = await loadBlobs();
    const model = new WorkerModel(file, "wasm", wasmInstances(compileGlue(glue), module), defaultLimits);
    return {model, arena: (sizes) => sizes.map((size) => new Uint8Array(size))};
  }
  const runtime = new NativeRuntime(native, threads);
  const arena = new Arena(runtime.memory);
  return {
    model: new WorkerModel(file, "native", runtime.instances, defaultLimits),
    arena: (sizes) => arena.take(sizes),
  };
}

/** Milliseconds of the engine's own run, and with inputs and outputs copied as a call does. */
async function call({model, arena}: Loaded): Promise<readonly [number, number]> {
  const [{inputs}] = model.signatures as [(typeof model.signatures)[number]];
  const tensors = inputs.map(({name, dtype, shape}) => zerosOf({name, type: elementTypes[dtype]!, dims: shape}));
  const start = performance.now();
  const places = arena(tensors.map(({length}) => length));
  places.forEach((place, at) => {
    place.set(tensors[at]!);
  });
  const {outputs, engineMs} = await model.run(
    0,
    inputs.map(({shape}) => shape),
    places,
  );
  for (const {bytes} of outputs) bytes.slice();
  return [engineMs, performance.now() - start];
}
