/**
 * Whole calls over the attested session and bare TLS exchanges of the same bytes, by turns, so that what else the machine
 * does meets both alike. What a call takes beside the engine's own computing is told from the timings of that very call,
 * so that the hand-over to the engine's worker counts, and what the engine takes more or less time for does not.
 */
import {type Percentiles, percentiles} from "@tf-trusted/cli";
import {connect, launchSimulated, type PredictionTimings} from "@tf-trusted/client";
import {Tensor} from "@tf-trusted/tensor";
import {startEcho} from "./echo-client.ts";
import type {Workload} from "./workloads.ts";

/** Milliseconds, unless told. */
export interface SessionMeasurement {
  readonly name: string;
  readonly rounds: number;
  /** Of the tensors in a call, without what the protocol adds. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly call: Percentiles;
  /** Computing, as the engine says. */
  readonly engine: Percentiles;
  /** In the enclave, but not computing: checks, queue, hand-over to the worker and back. */
  readonly handOver: Percentiles;
  /** Client, TLS, HTTP/2 and messages, both ways. */
  readonly way: Percentiles;
  readonly echo: Percentiles;
  /** call − engine, call by call. */
  readonly added: Percentiles;
}

/** Until V8 has compiled what a call runs. */
const warmUpRounds = 200;

export async function measureSession(workload: Workload, rounds: number): Promise<SessionMeasurement> {
  const server = await launchSimulated();
  const enclave = await connect({address: server.address, policy: server.policy});
  try {
    const model = await enclave.load(workload.model, {name: "bench"});
    const inputs = {[workload.input]: Tensor.from(workload.values, {shape: workload.shape})};
    const outputBytes = Object.values(await model.predict(inputs)).reduce((sum, {bytes}) => sum + bytes.length, 0);
    const inputBytes = workload.values.byteLength;
    const echo = await startEcho(inputBytes, outputBytes);
    const samples: (PredictionTimings & {readonly echoMs: number})[] = [];
    for (let round = -Math.min(warmUpRounds, rounds); round < rounds; round++) {
      const {timings} = await model.predictDetailed(inputs);
      const echoMs = await echo.exchange();
      if (round >= 0) samples.push({...timings, echoMs});
    }
    echo.close();
    const of = (pick: (sample: (typeof samples)[number]) => number) => percentiles(samples.map(pick));
    return {
      name: workload.name,
      rounds,
      inputBytes,
      outputBytes,
      call: of(({callMs}) => callMs),
      engine: of(({engineMs}) => engineMs),
      handOver: of(({enclaveMs, engineMs}) => enclaveMs - engineMs),
      way: of(({callMs, enclaveMs}) => callMs - enclaveMs),
      echo: of(({echoMs}) => echoMs),
      added: of(({callMs, engineMs}) => callMs - engineMs),
    };
  } finally {
    await enclave.close();
    await server.stop();
  }
}
