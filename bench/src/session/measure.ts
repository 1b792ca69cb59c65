/**
 * Engine alone, whole call over the attested session, and a bare TLS exchange of the same bytes: one after the other, round
 * by round, so that what else the machine does meets all three alike.
 */

import {type Percentiles, percentiles} from "@tf-trusted/cli";
import {connect, launchSimulated} from "@tf-trusted/client";
import {Tensor} from "@tf-trusted/tensor";
import {startEcho} from "./echo-client.ts";
import {startEngine} from "./engine-client.ts";
import type {Workload} from "./workloads.ts";

/** Milliseconds, unless told. */
export interface SessionMeasurement {
  readonly name: string;
  readonly rounds: number;
  /** Of the tensors in a call, without what the protocol adds. */
  readonly inputBytes: number;
  readonly outputBytes: number;
  readonly engine: Percentiles;
  readonly call: Percentiles;
  readonly echo: Percentiles;
  /** Round by round: what the session adds to the engine. */
  readonly added: Percentiles;
  /** Round by round: what it adds beyond the bare exchange. */
  readonly addedBeyondEcho: Percentiles;
}

const warmUpRounds = 20;

export async function measureSession(workload: Workload, rounds: number): Promise<SessionMeasurement> {
  const server = await launchSimulated();
  const enclave = await connect({address: server.address, policy: server.policy});
  const engine = await startEngine(workload);
  try {
    const model = await enclave.load(workload.model, {name: "bench"});
    const inputs = {[workload.input]: Tensor.from(workload.values, {shape: workload.shape})};
    const outputBytes = Object.values(await model.predict(inputs)).reduce((sum, {bytes}) => sum + bytes.length, 0);
    const inputBytes = workload.values.byteLength;
    const echo = await startEcho(inputBytes, outputBytes);
    const samples: {readonly engine: number; readonly call: number; readonly echo: number}[] = [];
    for (let round = -warmUpRounds; round < rounds; round++) {
      const engineMs = await engine.run();
      const {timings} = await model.predictDetailed(inputs);
      const sample = {engine: engineMs, call: timings.callMs, echo: await echo.exchange()};
      if (round >= 0) samples.push(sample);
    }
    echo.close();
    const of = (pick: (sample: (typeof samples)[number]) => number) => percentiles(samples.map(pick));
    return {
      name: workload.name,
      rounds,
      inputBytes,
      outputBytes,
      engine: of((sample) => sample.engine),
      call: of((sample) => sample.call),
      echo: of((sample) => sample.echo),
      added: of((sample) => sample.call - sample.engine),
      addedBeyondEcho: of((sample) => sample.call - sample.engine - sample.echo),
    };
  } finally {
    engine.close();
    await enclave.close();
    await server.stop();
  }
}
