/** A bare gRPC echo by the RPC library that the enclave uses for everything but predictions: unary calls over TLS. */
import {fork} from "node:child_process";
import {once} from "node:events";
import {fileURLToPath} from "node:url";
import {create} from "@bufbuild/protobuf";
import {createClient} from "@connectrpc/connect";
import {createGrpcTransport} from "@connectrpc/connect-node";
import {findEnclaveNode} from "@tf-trusted/enclave";
import {DataType, NamedTensorSchema, PredictionService, PredictRequestSchema} from "@tf-trusted/protocol";
import type {Reference} from "./engine-client.ts";
import {callsASecond} from "./throughput.ts";

/** `answerBytes` come back for each request of `requestBytes`, as tensors in the messages of Predict. */
export async function startGrpcEcho(requestBytes: number, answerBytes: number, callers: number): Promise<Reference> {
  const child = fork(fileURLToPath(new URL("grpc-echo-process.js", import.meta.url)), [String(answerBytes)], {
    execPath: findEnclaveNode(),
    execArgv: [],
  });
  const [{port}] = (await once(child, "message")) as [{readonly port: number}];
  const transport = createGrpcTransport({
    baseUrl: `https://127.0.0.1:${port}`,
    nodeOptions: {rejectUnauthorized: false},
    acceptCompression: [],
  });
  const {predict} = createClient(PredictionService, transport);
  const request = create(PredictRequestSchema, {
    model: "echo",
    inputs: [
      create(NamedTensorSchema, {
        name: "x",
        dataType: DataType.UINT8,
        shape: [BigInt(requestBytes)],
        data: new Uint8Array(requestBytes),
      }),
    ],
  });
  return {
    callsASecond: (milliseconds) => callsASecond(callers, milliseconds, () => predict(request)),
    close: () => void child.disconnect(),
  };
}
