/** Entry of a process that holds the engine alone, on the Node.js of the enclave: `load` once, then `run` by `run`. */
import {createWasmEngine, type LoadedModel} from "@tf-trusted/litert";
import {Tensor} from "@tf-trusted/tensor";
import type {EngineAnswer, EngineRequest} from "./engine-client.ts";
import {callsASecond} from "./throughput.ts";

const engine = await createWasmEngine();
let models: readonly LoadedModel[] = [];
let inputs: Readonly<Record<string, Tensor>>;

process.on("message", async (request: EngineRequest) => {
  let answer: EngineAnswer = {callsASecond: 0};
  if (request.kind === "load") {
    const {model, input, values, shape} = request.workload;
    models = await Promise.all(Array.from({length: request.workers}, () => engine.load(model)));
    inputs = {[input]: Tensor.from(values, {shape})};
  } else {
    const run = (caller: number) => models[caller]!.run("serving_default", inputs);
    answer = {callsASecond: await callsASecond(models.length, request.milliseconds, run)};
  }
  process.send!(answer);
});
process.on("disconnect", () => process.exit(0));
