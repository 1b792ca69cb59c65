/** What a fast model's only caller notices of a slow model whose callers would take all cores, and more. */
import {type Percentiles, percentiles} from "@tf-trusted/cli";
import {connect, launchSimulated, type Model} from "@tf-trusted/client";
import {Tensor} from "@tf-trusted/tensor";
import type {Workload} from "./workloads.ts";

export interface FairnessMeasurement {
  readonly fast: string;
  readonly slow: string;
  readonly slowCallers: number;
  /** Milliseconds of the fast model's calls, by turns alone and beside the slow one. */
  readonly alone: Percentiles;
  readonly beside: Percentiles;
  /** Milliseconds of the slow model's calls meanwhile. */
  readonly slowCalls: Percentiles;
}

export async function measureFairness(
  fast: Workload,
  slow: Workload,
  slowCallers: number,
  rounds: number,
): Promise<FairnessMeasurement> {
  const server = await launchSimulated();
  const enclave = await connect({address: server.address, policy: server.policy});
  try {
    const fastModel = await enclave.load(fast.model, {name: "fast"});
    const slowModel = await enclave.load(slow.model, {name: "slow"});
    const inputsOf = ({input, values, shape}: Workload) => ({[input]: Tensor.from(values, {shape})});
    const call = async (model: Model, inputs: Readonly<Record<string, Tensor>>): Promise<number> =>
      (await model.predictDetailed(inputs)).timings.callMs;
    const fastInputs = inputsOf(fast);
    const slowInputs = inputsOf(slow);
    const alone: number[] = [];
    const beside: number[] = [];
    const slowCalls: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < 100; i++) alone.push(await call(fastModel, fastInputs));
      let done = false;
      const load = Array.from({length: slowCallers}, async () => {
        while (!done) slowCalls.push(await call(slowModel, slowInputs));
      });
      for (let i = 0; i < 100; i++) beside.push(await call(fastModel, fastInputs));
      done = true;
      await Promise.all(load);
    }
    return {
      fast: fast.name,
      slow: slow.name,
      slowCallers,
      alone: percentiles(alone),
      beside: percentiles(beside),
      slowCalls: percentiles(slowCalls),
    };
  } finally {
    await enclave.close();
    await server.stop();
  }
}
