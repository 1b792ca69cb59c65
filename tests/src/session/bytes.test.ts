/**
 * What leaves the client before the verdict, counted where it arrives: at a man in the middle who ends TLS himself, and so
 * sees every byte in clear; and on the wire in front of a real enclave, as the other end of the scale.
 */
import assert from "node:assert/strict";
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import {after, before, test} from "node:test";
import {connect as connectTls, createServer as createTlsServer, type TlsOptions} from "node:tls";
import {connect, launchSimulated, type SimulatedEnclave} from "@tf-trusted/client";
import {makeTlsIdentity} from "@tf-trusted/enclave";
import {Tensor} from "@tf-trusted/tensor";
import {digitsModel} from "./harness.ts";

let enclave: SimulatedEnclave;
let model: Uint8Array;
before(async () => {
  enclave = await launchSimulated();
  model = await digitsModel();
});
after(() => enclave.stop());

/** The message of Attest: flag and length of gRPC, tag and length of the field, 32 bytes. */
const attestBytes = 5 + 2 + 32;
/** Preface, settings, windows, one request and its headers. */
const helloBytes = 1000;

const frameTypes = {data: 0, headers: 1} as const;

interface Counted {
  readonly port: number;
  /** Decrypted bytes that clients sent, a buffer a connection. */
  readonly received: () => readonly Buffer[];
  close(): void;
}

/** Ends TLS with a key of its own and passes what it decrypts on to the enclave, whose answers it passes back. */
async function listeningRelay(target: number): Promise<Counted> {
  const {key, certificate} = makeTlsIdentity();
  const connections: Buffer[][] = [];
  const server = createTlsServer({key, cert: certificate, minVersion: "TLSv1.3", ALPNProtocols: ["h2"]}, (near) => {
    const heard: Buffer[] = [];
    connections.push(heard);
    const far = connectTls({host: "127.0.0.1", port: target, rejectUnauthorized: false, ALPNProtocols: ["h2"]});
    near.on("data", (chunk: Buffer) => heard.push(chunk));
    near.pipe(far).pipe(near);
    endTogether(near, far);
  });
  const port = await listen(server);
  return {
    port,
    received: () => connections.map((chunks) => Buffer.concat(chunks)),
    close: () => server.close(),
  };
}

/** TCP in front of a server; `target` can be changed, `sent` counts what clients sent, `cut` ends all connections. */
async function wire(target: number) {
  const sockets = new Set<Socket>();
  const state = {target, sent: 0};
  const server = createTcpServer((near) => {
    const far = connectTcp(state.target, "127.0.0.1");
    near.on("data", (chunk) => {
      state.sent += chunk.length;
    });
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) sockets.add(socket);
    endTogether(near, far);
  });
  const port = await listen(server);
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    state,
    address: `127.0.0.1:${port}`,
    cut,
    close: () => {
      cut();
      server.close();
    },
  };
}

function endTogether(one: Socket, other: Socket): void {
  for (const [socket, peer] of [[one, other] as const, [other, one] as const]) {
    socket.on("error", () => peer.destroy());
    socket.on("close", () => peer.destroy());
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

/** Sizes of HTTP/2 frames by type (RFC 9113 §4.1), after the client's preface. */
function framesOf(heard: Buffer): readonly {readonly type: number; readonly size: number}[] {
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  assert.equal(heard.subarray(0, preface.length).toString("latin1"), preface);
  const frames = [];
  for (let at = preface.length; at < heard.length; ) {
    assert.ok(at + 9 <= heard.length);
    const size = heard.readUIntBE(at, 3);
    frames.push({type: heard[at + 3]!, size});
    at += 9 + size;
  }
  return frames;
}

/** One request with one message: a nonce. Nothing else that a caller could have said. */
function assertOnlyNonce(heard: Buffer): void {
  const frames = framesOf(heard);
  const data = frames.filter(({type}) => type === frameTypes.data).reduce((sum, {size}) => sum + size, 0);
  assert.equal(data, attestBytes);
  assert.equal(frames.filter(({type}) => type === frameTypes.headers).length, 1);
  assert.ok(heard.length < helloBytes, `${heard.length} bytes`);
}

test("a man in the middle gets a nonce, and not a byte of what the caller is about to send", async () => {
  const relay = await listeningRelay(enclave.process.port);
  await assert.rejects(connect({address: `127.0.0.1:${relay.port}`, policy: enclave.policy}), {code: "REPORT_DATA"});
  const heard = relay.received();
  assert.equal(heard.length, 1);
  assertOnlyNonce(heard[0]!);
  relay.close();
});

test("he gets no more when he comes between an attested session and the next, with calls waiting", async () => {
  const line = await wire(enclave.process.port);
  const relay = await listeningRelay(enclave.process.port);
  const connection = await connect({address: line.address, policy: enclave.policy});
  const handshake = line.state.sent;
  assert.ok(handshake < 4000, `${handshake} bytes of TLS and a nonce until the verdict`);
  const digits = await connection.load(model, {name: "digits"});
  assert.ok(line.state.sent - handshake >= model.length, "the model went over this wire, after the verdict");

  line.state.target = relay.port;
  line.cut();
  const image = Tensor.from(new Float32Array(1000 * 64), {shape: [1000, 8, 8, 1]});
  const calls = await Promise.allSettled([
    connection.load(model, {name: "digits"}),
    digits.predict({image}),
    connection.list(),
  ]);
  // Which of them meets the cut connection is chance; none is carried out, and what connects anew is refused.
  for (const call of calls) assert.equal(call.status, "rejected");
  await assert.rejects(digits.predict({image}), {code: "REPORT_DATA"});
  await assert.rejects(connection.load(model, {name: "again"}), {code: "REPORT_DATA"});
  const heard = relay.received();
  assert.ok(heard.length >= 2);
  for (const bytes of heard) {
    assertOnlyNonce(bytes);
    assert.equal(bytes.indexOf(Buffer.from(model.subarray(0, 16))), -1);
  }
  await connection.close();
  relay.close();
  line.close();
});

test("servers that only speak TLS 1.2, another protocol than h2, or none: nothing is sent at all", async () => {
  const {key, certificate} = makeTlsIdentity();
  const servers: Readonly<Record<string, readonly [options: TlsOptions, code: string]>> = {
    "TLS 1.2": [{minVersion: "TLSv1.2", maxVersion: "TLSv1.2", ALPNProtocols: ["h2"]}, "CONNECTION_FAILED"],
    "http/1.1": [{minVersion: "TLSv1.3", ALPNProtocols: ["http/1.1"]}, "CONNECTION_FAILED"],
    "no ALPN": [{minVersion: "TLSv1.3"}, "NOT_ATTESTABLE"],
    "ALPN of its own choice": [
      {minVersion: "TLSv1.3", ALPNCallback: ({protocols}) => (protocols.includes("h2") ? undefined : "h2")},
      "CONNECTION_FAILED",
    ],
  };
  for (const [name, [options, code]] of Object.entries(servers)) {
    let heard = 0;
    const server = createTlsServer({key, cert: certificate, ...options}, (socket) => {
      socket.on("data", (chunk: Buffer) => {
        heard += chunk.length;
      });
      socket.on("error", () => undefined);
    });
    const port = await listen(server);
    await assert.rejects(connect({address: `127.0.0.1:${port}`, policy: enclave.policy}), {code}, name);
    assert.equal(heard, 0, name);
    server.close();
  }
});

test("a man in the middle who edits the handshake to downgrade TLS or ALPN gets no connection", async () => {
  const versions = {from: Buffer.from("002b0003020304", "hex"), to: Buffer.from("002b0003020303", "hex")};
  const protocols = {from: Buffer.from("001000050003026832", "hex"), to: Buffer.from("001000050003026831", "hex")};
  for (const [name, {from, to}] of Object.entries({versions, protocols})) {
    let edited = false;
    const server = createTcpServer((near) => {
      const far = connectTcp(enclave.process.port, "127.0.0.1");
      near.on("data", (chunk: Buffer) => {
        const at = chunk.indexOf(from);
        if (at >= 0) {
          edited = true;
          to.copy(chunk, at);
        }
        far.write(chunk);
      });
      far.pipe(near);
      endTogether(near, far);
    });
    const port = await listen(server);
    await assert.rejects(connect({address: `127.0.0.1:${port}`, policy: enclave.policy}), {code: "CONNECTION_FAILED"});
    assert.ok(edited, `${name}: the client's hello has what is edited here`);
    server.close();
  }
});
