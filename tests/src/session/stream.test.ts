/** PredictStream as a client that isn't ours speaks it: HTTP/2 by Node alone, and Python's grpcio where there is one. */
import assert from "node:assert/strict";
import {spawn, spawnSync} from "node:child_process";
import {once} from "node:events";
import type {ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders} from "node:http2";
import {text} from "node:stream/consumers";
import {after, before, test} from "node:test";
import {connect as connectTls} from "node:tls";
import {fileURLToPath} from "node:url";
import {fromBinary} from "@bufbuild/protobuf";
import {connect, type EnclaveConnection, launchSimulated, type SimulatedEnclave} from "@tf-trusted/client";
import {
  AttestRequestSchema,
  FrameReader,
  type PredictRequest,
  PredictRequestSchema,
  type PredictResponse,
  PredictResponseSchema,
  tensorsFromMessages,
  tensorsToMessages,
} from "@tf-trusted/protocol";
import type {Tensor} from "@tf-trusted/tensor";
import {digitsModel, encode, frame, images, rawAttest, rawSession} from "./harness.ts";

const path = "/tf_trusted.v1.PredictionService/PredictStream";
let server: SimulatedEnclave;
let enclave: EnclaveConnection;
let expected: Tensor;
before(async () => {
  server = await launchSimulated();
  enclave = await connect({address: server.address, policy: server.policy});
  const model = await enclave.load(await digitsModel(), {name: "digits"});
  expected = (await model.predict(images(2))).probabilities!;
});
after(async () => {
  await enclave.close();
  await server.stop();
});

interface Conversation {
  readonly stream: ClientHttp2Stream;
  /** The next answer. */
  answer(): Promise<PredictResponse>;
  /** What the stream ended with. */
  readonly end: Promise<{readonly status: number; readonly message: string}>;
}

function converse(session: ClientHttp2Session): Conversation {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const reader = new FrameReader({maxBytes: 2 ** 20});
  const answers: PredictResponse[] = [];
  const waiting: ((answer: PredictResponse) => void)[] = [];
  let found: IncomingHttpHeaders = {};
  for (const event of ["response", "trailers"] as const) {
    stream.on(event, (headers: IncomingHttpHeaders) => {
      found = {...found, ...headers};
    });
  }
  stream.on("data", (chunk: Uint8Array) => {
    for (let at = 0; at < chunk.length; ) {
      at += reader.feed(chunk.subarray(at));
      if (reader.message === undefined) continue;
      const answer = fromBinary(PredictResponseSchema, reader.message.slice());
      reader.next();
      const next = waiting.shift();
      if (next) next(answer);
      else answers.push(answer);
    }
  });
  return {
    stream,
    answer: async () => answers.shift() ?? new Promise((resolve) => waiting.push(resolve)),
    end: once(stream, "end").then(() => ({
      status: Number(found["grpc-status"]),
      message: decodeURIComponent(String(found["grpc-message"] ?? "")),
    })),
  };
}

async function attested(): Promise<ClientHttp2Session> {
  const session = await rawSession(server.process.port);
  await rawAttest(session);
  return session;
}

const request = (change: Partial<Pick<PredictRequest, "model" | "inputs">> = {}): Buffer =>
  frame(encode(PredictRequestSchema, {model: "digits", inputs: tensorsToMessages(images(2)), ...change}));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const right = ({outputs}: PredictResponse) =>
  assert.ok(tensorsFromMessages(outputs).probabilities!.equals(expected), "the answer isn't what Predict gives");

test("calls one after the other, failing ones between them, in chunks of any size", async () => {
  const session = await attested();
  const {stream, answer, end} = converse(session);
  stream.write(request());
  right(await answer());
  stream.write(request({model: "none"}));
  assert.equal((await answer()).error?.code, "MODEL_UNKNOWN");
  stream.write(request({inputs: []}));
  const {error, outputs} = await answer();
  assert.equal(error?.code, "INVALID_INPUT");
  assert.ok(error.todo !== "" && outputs.length === 0);
  for (const byte of request()) stream.write(Uint8Array.of(byte));
  right(await answer());
  // Nobody has to wait for an answer: the order is that of the requests.
  stream.write(Buffer.concat([request(), request({model: "none"}), request()]));
  right(await answer());
  assert.equal((await answer()).error?.code, "MODEL_UNKNOWN");
  right(await answer());
  stream.end(request());
  right(await answer());
  assert.deepEqual(await end, {status: 0, message: ""});
  session.close();
});

test("what can't be read ends the stream, and nothing else", async () => {
  const session = await attested();
  const head = (flag: number, length: number) => {
    const bytes = Buffer.alloc(5);
    bytes.writeUInt8(flag);
    bytes.writeUInt32BE(length, 1);
    return bytes;
  };
  for (const [bytes, status, code] of [
    [frame(new Uint8Array(50).fill(0xff)), 3, "MESSAGE_INVALID"],
    [Buffer.concat([head(1, 1), Buffer.alloc(1)]), 3, "MESSAGE_INVALID"],
    [head(0, 0xffff_ffff), 8, "MESSAGE_SIZE"],
    [request().subarray(0, 100), 3, "MESSAGE_INVALID"],
    [head(0, 7).subarray(0, 3), 3, "MESSAGE_INVALID"],
  ] as const) {
    const {stream, end} = converse(session);
    stream.end(bytes);
    const ended = await end;
    assert.equal(ended.status, status, ended.message);
    assert.ok(ended.message.startsWith(`${code}: `), ended.message);
  }
  const {stream, answer} = converse(session);
  stream.end(request());
  right(await answer());
  session.close();
});

test("a message that stops half-way ends its stream after ten seconds; an idle stream goes on", async () => {
  const session = await attested();
  const idle = converse(session);
  idle.stream.write(request());
  right(await idle.answer());
  const {stream, end} = converse(session);
  stream.write(request().subarray(0, 100));
  const {status, message} = await end;
  assert.equal(status, 3, message);
  assert.match(message, /^MESSAGE_INVALID: the rest of a message didn't come/);
  idle.stream.write(request());
  right(await idle.answer());
  session.destroy();
});

test("before attestation the stream is refused", async () => {
  const session = await rawSession(server.process.port);
  const {stream, end} = converse(session);
  stream.write(request());
  const {status, message} = await end;
  assert.equal(status, 16);
  assert.ok(message.startsWith("ATTEST_FIRST: "), message);
  session.destroy();
});

test("a stream that is reset during a call costs the others nothing", async () => {
  const session = await attested();
  const calls = Array.from({length: 6}, () => converse(session));
  for (const {stream} of calls) stream.write(request());
  for (const {stream} of calls.slice(0, 3)) stream.close();
  for (const {answer} of calls.slice(3)) right(await answer());
  session.destroy();
});

test("idle streams of the SDK don't hold up a stop", async () => {
  // The least of three: other work on the machine may hold up any one of them.
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const other = await launchSimulated();
    const connection = await connect({address: other.address, policy: other.policy});
    const model = await connection.load(await digitsModel(), {name: "digits"});
    await Promise.all(Array.from({length: 5}, () => model.predict(images(1))));
    const start = performance.now();
    await other.stop();
    least = Math.min(least, performance.now() - start);
    await connection.close();
  }
  assert.ok(least < 900, `it took ${least} ms; the grace for calls under way is 1000`);
});

test("Python's grpcio calls Predict and PredictStream", async (t) => {
  const python = process.env.TF_TRUSTED_GRPC_PYTHON ?? "python3";
  if (spawnSync(python, ["-c", "import grpc"]).status !== 0) {
    t.skip(`${python} has no grpcio (TF_TRUSTED_GRPC_PYTHON names another)`);
    return;
  }
  const socket = connectTls({
    host: "127.0.0.1",
    port: server.process.port,
    ALPNProtocols: ["h2"],
    rejectUnauthorized: false,
  });
  await once(socket, "secureConnect");
  const certificate = socket.getPeerX509Certificate()!;
  socket.destroy();
  const script = fileURLToPath(new URL("../../src/session/grpcio-client.py", import.meta.url));
  // Not spawnSync: the platform that makes evidence lives in this process.
  const child = spawn(python, [script, String(server.process.port)], {stdio: ["pipe", "pipe", "inherit"]});
  const output = text(child.stdout);
  child.stdin.end(
    JSON.stringify({
      certificate: certificate.toString(),
      attest: hex(encode(AttestRequestSchema, {nonce: new Uint8Array(32).fill(7)})),
      predict: hex(encode(PredictRequestSchema, {model: "digits", inputs: tensorsToMessages(images(2))})),
    }),
  );
  assert.deepEqual(await once(child, "close"), [0, null]);
  const answers = JSON.parse(await output) as readonly string[];
  assert.equal(answers.length, 4, "one of Predict, three of PredictStream");
  for (const answer of answers) right(fromBinary(PredictResponseSchema, Buffer.from(answer, "hex")));
});
