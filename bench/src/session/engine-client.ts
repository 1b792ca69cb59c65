/** The engine alone, in a process of its own on the enclave's Node.js: what a call over the session is compared with. */
import {fork} from "node:child_process";
import {once} from "node:events";
import {fileURLToPath} from "node:url";
import {findEnclaveNode} from "@tf-trusted/enclave";
import type {Workload} from "./workloads.ts";

export type EngineRequest =
  | {
      readonly kind: "load";
      readonly model: Uint8Array;
      readonly input: string;
      readonly shape: readonly number[];
      readonly values: Float32Array;
    }
  | {readonly kind: "run"};

/** Of one run, from its call to its outputs in the main thread. */
export interface EngineAnswer {
  readonly milliseconds: number;
}

export interface EngineClient {
  run(): Promise<number>;
  close(): void;
}

/** Starts the process and loads the model. */
export async function startEngine({model, input, shape, values}: Workload): Promise<EngineClient> {
  const child = fork(fileURLToPath(new URL("engine-process.js", import.meta.url)), {
    execPath: findEnclaveNode(),
    serialization: "advanced",
    execArgv: [],
  });
  const ask = async (request: EngineRequest): Promise<number> => {
    child.send(request);
    const [answer] = (await once(child, "message")) as [EngineAnswer];
    return answer.milliseconds;
  };
  await ask({kind: "load", model, input, shape, values});
  return {run: () => ask({kind: "run"}), close: () => void child.disconnect()};
}
