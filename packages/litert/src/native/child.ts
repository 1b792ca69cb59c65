/** Entry of a model's process: see `serve-model.ts`. */
import {WorkerModel} from "../worker-model.ts";
import {serveModel} from "./serve-model.ts";

await serveModel((file, runtime, limits) => new WorkerModel(file, "native", runtime.instances, limits));
