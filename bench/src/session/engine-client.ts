/** The engine alone, in a process of its own on the enclave's Node.js: so many workers of one model, a caller each. */
import {fork} from "node:child_process";
import {once} from "node:events";
import {fileURLToPath} from "node:url";
import {findEnclaveNode} from "@tf-trusted/enclave";
import type {Workload} from "./workloads.ts";

export type EngineRequest =
  | {readonly kind: "load"; readonly workload: Workload; readonly workers: number}
  | {readonly kind: "run"; readonly milliseconds: number};

/** Nothing for `load`. */
export interface EngineAnswer {
  readonly callsASecond: number;
}

export interface Reference {
  callsASecond(milliseconds: number): Promise<number>;
  close(): void;
}

/** Starts the process and loads the model. */
export async function startEngines(workload: Workload, workers: number): Promise<Reference> {
  const child = fork(fileURLToPath(new URL("engine-process.js", import.meta.url)), {
    execPath: findEnclaveNode(),
    serialization: "advanced",
    execArgv: [],
  });
  const ask = async (request: EngineRequest): Promise<number> => {
    child.send(request);
    const [answer] = (await once(child, "message")) as [EngineAnswer];
    return answer.callsASecond;
  };
  await ask({kind: "load", workload, workers});
  return {callsASecond: (milliseconds) => ask({kind: "run", milliseconds}), close: () => void child.disconnect()};
}
