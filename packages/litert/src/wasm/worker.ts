/** Entry of a model's worker: requests in, answers out, one after the other. It computes; it blocks; it may be killed. */
import {parentPort, workerData} from "node:worker_threads";
import {type Answer, type Request, toWire} from "../messages.ts";
import {WorkerModel} from "../worker-model.ts";
import {compileGlue, wasmInstances} from "./instance.ts";
import type {WorkerStart} from "./model-worker.ts";

const start = workerData as WorkerStart;
const port = parentPort!;
let model: WorkerModel | undefined;

let turn: Promise<void> = Promise.resolve();

port.on("message", (request: Request) => {
  turn = turn.then(() => serve(request));
});

async function serve(request: Request): Promise<void> {
  try {
    const reply = await answer(request);
    port.postMessage(reply, givenAway(reply));
  } catch (error) {
    port.postMessage({kind: "failed", error: toWire(error)} satisfies Answer);
  }
  try {
    await model?.renew();
  } catch {
    // The next call compiles again, and is told if that fails.
  }
}

async function answer(request: Request): Promise<Answer> {
  if (request.kind === "admit") {
    const instances = wasmInstances(compileGlue(start.glue), start.module);
    model = new WorkerModel(new Uint8Array(start.file), "wasm", instances, start.limits);
    return {kind: "admitted", signatures: model.signatures};
  }
  switch (request.kind) {
    case "prepare":
      await model!.prepare();
      return done();
    case "warmUp":
      await model!.warmUp();
      return done();
    case "run":
      return {
        kind: "outputs",
        ...(await model!.run(request.signature, request.shapes, request.inputs)),
        inputs: request.inputs,
        memoryBytes: model!.heapBytes,
      };
    case "close":
      model!.wipe();
      return done();
  }
}

function done(): Answer {
  return {kind: "done", memoryBytes: model!.heapBytes};
}

function givenAway(answer: Answer): ArrayBuffer[] {
  if (answer.kind !== "outputs") return [];
  return [...answer.outputs.map(({bytes}) => bytes.buffer), ...answer.inputs.map(({buffer}) => buffer)];
}
