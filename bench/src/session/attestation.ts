/**
 * What attestation costs a call once it is done: the same calls, by turns, on a session that attested, and on a server that
 * was built to ask for none (`build-artefact.mjs --without-attestation`). The client is the same bare one for both, because
 * ours knows no way to leave attestation out.
 */
import {spawnSync} from "node:child_process";
import {mkdtemp, rm} from "node:fs/promises";
import {type ClientHttp2Session, connect as connectHttp2} from "node:http2";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {fileURLToPath} from "node:url";
import {create, fromBinary, toBinary} from "@bufbuild/protobuf";
import {type Percentiles, percentiles} from "@tf-trusted/cli";
import {connect, launchSimulated} from "@tf-trusted/client";
import {defaultArtefact} from "@tf-trusted/enclave";
import {
  AttestRequestSchema,
  FrameReader,
  framePredictRequest,
  PredictRequestSchema,
  PredictResponseSchema,
  tensorsToMessages,
} from "@tf-trusted/protocol";
import {Tensor} from "@tf-trusted/tensor";
import type {Workload} from "./workloads.ts";

export interface AttestationMeasurement {
  readonly name: string;
  readonly rounds: number;
  /** Milliseconds of a call. */
  readonly attested: Percentiles;
  readonly without: Percentiles;
}

const warmUpRounds = 200;
const builder = fileURLToPath(new URL("../../../packages/enclave/scripts/build-artefact.mjs", import.meta.url));

export async function measureAttestation(workload: Workload, rounds: number): Promise<AttestationMeasurement> {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-bench-"));
  const artefact = join(folder, "artefact");
  const built = spawnSync(process.execPath, [builder, artefact, "--without-attestation"], {encoding: "utf8"});
  if (built.status !== 0) throw new Error(built.stderr);
  const attested = await openCalls(workload, defaultArtefact, true);
  const without = await openCalls(workload, artefact, false);
  try {
    const samples: {readonly attested: number; readonly without: number}[] = [];
    for (let round = -Math.min(warmUpRounds, rounds); round < rounds; round++) {
      const sample = {attested: await attested.call(), without: await without.call()};
      if (round >= 0) samples.push(sample);
    }
    return {
      name: workload.name,
      rounds,
      attested: percentiles(samples.map((sample) => sample.attested)),
      without: percentiles(samples.map((sample) => sample.without)),
    };
  } finally {
    await attested.close();
    await without.close();
    await rm(folder, {recursive: true});
  }
}

interface Calls {
  /** Milliseconds of one. */
  call(): Promise<number>;
  close(): Promise<void>;
}

async function openCalls(workload: Workload, artefact: string, attest: boolean): Promise<Calls> {
  // The server that asks for no attestation still ends a connection that doesn't attest in time.
  const server = await launchSimulated({artefact, configuration: {attestWithinMs: 3_600_000}});
  const enclave = await connect({address: server.address, policy: server.policy});
  await enclave.load(workload.model, {name: "bench"});
  const session = connectHttp2(`https://${server.address}`, {rejectUnauthorized: false, minVersion: "TLSv1.3"});
  if (attest) await attestBare(session);
  const stream = openStream(session, "PredictionService/PredictStream");
  const reader = new FrameReader({maxBytes: 2 ** 20});
  let answered: (error?: Error) => void = () => undefined;
  stream.on("end", () => answered(new Error("the stream ended")));
  stream.on("error", (error: Error) => answered(error));
  stream.on("data", (chunk: Uint8Array) => {
    reader.feed(chunk);
    if (reader.message === undefined) return;
    const {error} = fromBinary(PredictResponseSchema, reader.message.slice());
    reader.next();
    answered(error && new Error(error.message));
  });
  const inputs = tensorsToMessages({[workload.input]: Tensor.from(workload.values, {shape: workload.shape})});
  const request = create(PredictRequestSchema, {model: "bench", inputs});
  return {
    call: async () => {
      const start = performance.now();
      await new Promise<void>((resolve, reject) => {
        answered = (error) => (error === undefined ? resolve() : reject(error));
        for (const piece of framePredictRequest(request)) stream.write(piece);
      });
      return performance.now() - start;
    },
    close: async () => {
      session.destroy();
      await enclave.close();
      await server.stop();
    },
  };
}

function openStream(session: ClientHttp2Session, method: string) {
  return session.request({
    ":method": "POST",
    ":path": `/tf_trusted.v1.${method}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
}

/** Asks for evidence and looks at none: that is what the server waits for. */
function attestBare(session: ClientHttp2Session): Promise<void> {
  const stream = openStream(session, "AttestationService/Attest");
  const message = toBinary(AttestRequestSchema, create(AttestRequestSchema, {nonce: new Uint8Array(32)}));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, message]));
  return new Promise((resolve, reject) => {
    stream.resume();
    stream.once("error", reject);
    stream.once("end", resolve);
  });
}
