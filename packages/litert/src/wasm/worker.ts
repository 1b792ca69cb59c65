/** Entry of a model's worker: requests in, answers out, one after the other. It computes; it blocks; it may be killed. */
import {parentPort, workerData} from "node:worker_threads";
import {compileGlue} from "./instance.ts";
import {type Answer, type Request, toWire, type WorkerStart} from "./messages.ts";
import {WorkerModel} from "./worker-model.ts";

const start = workerData as WorkerStart;
const port = parentPort!;
let model: WorkerModel | undefined;

port.on("message", (request: Request) => {
  answer(request).then(
    (reply) => {
      port.postMessage(reply, reply.kind === "outputs" ? reply.outputs.map(({bytes}) => bytes.buffer) : []);
    },
    (error: unknown) => {
      port.postMessage({kind: "failed", error: toWire(error)} satisfies Answer);
    },
  );
});

async function answer(request: Request): Promise<Answer> {
  if (request.kind === "admit") {
    model = new WorkerModel(new Uint8Array(start.file), compileGlue(start.glue), start.module, start.limits);
    return {kind: "admitted", signatures: model.signatures};
  }
  switch (request.kind) {
    case "warmUp":
      await model!.warmUp();
      return {kind: "done"};
    case "run":
      return {kind: "outputs", ...(await model!.run(request.signature, request.shapes, request.inputs))};
    case "close":
      model!.wipe();
      return {kind: "done"};
  }
}
