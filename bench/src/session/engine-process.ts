/** Entry of a process that holds the engine alone, on the Node.js of the enclave: `load` once, then `run` by `run`. */
import {createWasmEngine, type LoadedModel} from "@tf-trusted/litert";
import {Tensor} from "@tf-trusted/tensor";
import type {EngineAnswer, EngineRequest} from "./engine-client.ts";

const engine = await createWasmEngine();
let model: LoadedModel;
let input: Readonly<Record<string, Tensor>>;

process.on("message", async (request: EngineRequest) => {
  if (request.kind === "load") {
    model = await engine.load(request.model);
    input = {[request.input]: Tensor.from(request.values, {shape: request.shape})};
  }
  const start = performance.now();
  await model.run("serving_default", input);
  process.send!({milliseconds: performance.now() - start} satisfies EngineAnswer);
});
process.on("disconnect", () => process.exit(0));
