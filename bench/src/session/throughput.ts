/**
 * Many callers at once, by turns with what bounds them: the engine alone on as many workers, with a caller each; and an echo
 * by the RPC library that other methods use, on the same number of streams.
 */
import {connect, launchSimulated} from "@tf-trusted/client";
import {Tensor} from "@tf-trusted/tensor";
import {startEngines} from "./engine-client.ts";
import {startGrpcEcho} from "./grpc-echo-client.ts";
import type {Workload} from "./workloads.ts";

export interface ThroughputMeasurement {
  readonly name: string;
  readonly callers: number;
  readonly workers: number;
  readonly against: "engine" | "grpc";
  /** Calls a second: median of the rounds. */
  readonly session: number;
  readonly reference: number;
  /** session / reference, round by round: median. */
  readonly ratio: number;
  /** Where calls are joined: the same callers of a model that does so, beside `session`. */
  readonly joined?: {readonly maxBatch: number; readonly session: number; readonly ratio: number};
}

export interface ThroughputOptions {
  readonly callers: number;
  readonly workers: number;
  /** The engine alone with a caller a worker, or a bare gRPC echo with as many callers. */
  readonly against: "engine" | "grpc";
  readonly rounds: number;
  /** Of each half of a round. */
  readonly milliseconds: number;
  /** Measures also a model whose calls are joined up to so many rows. */
  readonly maxBatch?: number;
}

export async function measureThroughput(
  workload: Workload,
  {callers, workers, against, rounds, milliseconds, maxBatch}: ThroughputOptions,
): Promise<ThroughputMeasurement> {
  const server = await launchSimulated({configuration: {workers}});
  const enclave = await connect({address: server.address, policy: server.policy});
  const model = await enclave.load(workload.model, {name: "bench"});
  const inputs = {[workload.input]: Tensor.from(workload.values, {shape: workload.shape})};
  const outputBytes = Object.values(await model.predict(inputs)).reduce((sum, {bytes}) => sum + bytes.length, 0);
  const reference =
    against === "engine"
      ? await startEngines(workload, workers)
      : await startGrpcEcho(workload.values.byteLength, outputBytes, callers);
  const joining = maxBatch === undefined ? undefined : await enclave.load(workload.model, {name: "joined", maxBatch});
  const session = () => callsASecond(callers, milliseconds, () => model.predict(inputs));
  const joinedSession = async () =>
    joining === undefined ? Number.NaN : await callsASecond(callers, milliseconds, () => joining.predict(inputs));
  try {
    // All workers are loaded and warm.
    await session();
    await joinedSession();
    await reference.callsASecond(milliseconds);
    const samples: {readonly session: number; readonly reference: number; readonly joined: number}[] = [];
    for (let round = 0; round < rounds; round++) {
      samples.push({
        session: await session(),
        reference: await reference.callsASecond(milliseconds),
        joined: await joinedSession(),
      });
    }
    return {
      name: workload.name,
      callers,
      workers,
      against,
      session: median(samples.map((sample) => sample.session)),
      reference: median(samples.map((sample) => sample.reference)),
      ratio: median(samples.map((sample) => sample.session / sample.reference)),
      ...(maxBatch !== undefined && {
        joined: {
          maxBatch,
          session: median(samples.map((sample) => sample.joined)),
          ratio: median(samples.map((sample) => sample.joined / sample.session)),
        },
      }),
    };
  } finally {
    reference.close();
    await enclave.close();
    await server.stop();
  }
}

/** Each caller calls again as soon as it has its answer. */
export async function callsASecond(
  callers: number,
  milliseconds: number,
  call: (caller: number) => Promise<unknown>,
): Promise<number> {
  const start = performance.now();
  let calls = 0;
  await Promise.all(
    Array.from({length: callers}, async (_, caller) => {
      while (performance.now() - start < milliseconds) {
        await call(caller);
        calls++;
      }
    }),
  );
  return (1000 * calls) / (performance.now() - start);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}
