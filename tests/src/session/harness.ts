/** What the session tests share: a model, a running enclave, servers that lie, and calls without our SDK. */
import {createHash, X509Certificate} from "node:crypto";
import {readFileSync} from "node:fs";
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
} from "node:http2";
import type {AddressInfo, Server} from "node:net";
import {connect as connectTls, createServer as createTlsServer, type TLSSocket} from "node:tls";
import {fileURLToPath} from "node:url";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {createSimulatedPlatform, type Evidence, type PolicyInput, type SimulatedMachine} from "@tf-trusted/attestation";
import {convert} from "@tf-trusted/convert";
import {makeTlsIdentity, type TlsIdentity} from "@tf-trusted/enclave";
import {
  AttestRequestSchema,
  AttestResponseSchema,
  claimsDigest,
  type EnclaveClaims,
  encodeClaims,
  evidenceToMessage,
  exporterLabel,
  type Role,
  sessionReportData,
} from "@tf-trusted/protocol";
import {Tensor} from "@tf-trusted/tensor";

const digits = fileURLToPath(new URL("../../../fixtures/digits/digits.pb", import.meta.url));
let converted: Promise<Uint8Array> | undefined;

/** The digits model as a `.tflite` file: image [batch, 8, 8, 1] → probabilities [batch, 10]. */
export function digitsModel(): Promise<Uint8Array> {
  converted ??= (async () => (await convert(readFileSync(digits))).model)();
  return converted;
}

/** The same for one image a call only. */
export async function fixedDigitsModel(): Promise<Uint8Array> {
  return (await convert(readFileSync(digits), {inputs: [{name: "image", shape: [1, 8, 8, 1]}]})).model;
}

export function images(batch: number): {readonly image: Tensor} {
  const pixels = Float32Array.from({length: batch * 64}, (_, i) => (i % 17) / 16);
  return {image: Tensor.from(pixels, {shape: [batch, 8, 8, 1]})};
}

/** What a server that plays an enclave knows when it is asked for evidence. */
export interface Asked {
  readonly nonce: Uint8Array;
  readonly exporter: Uint8Array;
  readonly spkiSha256: Uint8Array;
  readonly claims: EnclaveClaims;
  readonly platform: SimulatedMachine;
}

export interface Answer {
  /** `null` leaves it out. */
  readonly evidence: Evidence | null;
  readonly claims: Uint8Array;
}

/** Evidence as an enclave would make it, but for what `change` says. */
export async function makeAnswer(
  {nonce, exporter, spkiSha256, claims, platform}: Asked,
  change: {readonly role?: Role; readonly reportData?: (right: Uint8Array) => Uint8Array} = {},
): Promise<Answer> {
  const bytes = encodeClaims(claims);
  const right = await sessionReportData({
    role: change.role ?? "enclave",
    spkiSha256,
    nonce,
    exporter,
    claimsSha256: await claimsDigest(bytes),
  });
  const reportData = change.reportData?.(right) ?? right;
  return {evidence: await platform.attest({measurement: stagedMeasurement, reportData}), claims: bytes};
}

export const stagedMeasurement = new Uint8Array(32).fill(0x5a);

export interface Stage {
  readonly address: string;
  readonly port: number;
  /** Accepts the staged enclave. */
  readonly policy: PolicyInput;
  readonly identity: TlsIdentity;
  readonly platform: SimulatedMachine;
  /** Paths of requests that came. */
  readonly requests: readonly string[];
  close(): void;
}

/** A server with a real simulated platform and full control of what it answers: the attacker's part, or an honest one. */
export async function stage(
  answer: (asked: Asked) => Promise<Answer> = (asked) => makeAnswer(asked),
  options: {readonly identity?: TlsIdentity; readonly platform?: SimulatedMachine} = {},
): Promise<Stage> {
  const platform = options.platform ?? (await createSimulatedPlatform({now: () => new Date()}));
  const identity = options.identity ?? makeTlsIdentity();
  const {publicKey} = new X509Certificate(identity.certificate);
  const spkiSha256 = Uint8Array.from(
    createHash("sha256")
      .update(publicKey.export({type: "spki", format: "der"}))
      .digest(),
  );
  const claims: EnclaveClaims = {
    protocol: 1,
    software: "0.1.0",
    tlsKeySha256: Buffer.from(spkiSha256).toString("hex"),
    configurationSha256: "00".repeat(32),
    engine: {id: "wasm/0/none", sha256: "00".repeat(32)},
    receiptKey: "00".repeat(32),
    startup: "00".repeat(16),
  };
  const requests: string[] = [];
  const server = createSecureServer({
    key: identity.key,
    cert: identity.certificate,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
  });
  server.on("stream", (stream, headers) => {
    requests.push(String(headers[":path"]));
    const body: Buffer[] = [];
    stream.on("error", () => undefined);
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    stream.on("end", async () => {
      const {nonce} = fromBinary(AttestRequestSchema, Buffer.concat(body).subarray(5));
      const exporter = Uint8Array.from(
        (stream.session!.socket as TLSSocket).exportKeyingMaterial(32, exporterLabel, Buffer.from(nonce)),
      );
      const {evidence, claims: said} = await answer({nonce, exporter, spkiSha256, claims, platform});
      stream.respond({":status": 200, "content-type": "application/grpc"}, {waitForTrailers: true});
      stream.on("wantTrailers", () => stream.sendTrailers({"grpc-status": "0"}));
      const message = create(AttestResponseSchema, {
        ...(evidence && {evidence: evidenceToMessage(evidence)}),
        claims: said as Uint8Array<ArrayBuffer>,
      });
      stream.end(frame(toBinary(AttestResponseSchema, message)));
    });
  });
  const port = await listen(server);
  return {
    address: `127.0.0.1:${port}`,
    port,
    policy: {version: 1, identities: [await platform.identity([Buffer.from(stagedMeasurement).toString("hex")])]},
    identity,
    platform,
    requests,
    close: () => server.close(),
  };
}

export function policyFor(platform: SimulatedMachine, measurement: string): PolicyInput {
  return {
    version: 1,
    identities: [{tee: "sgx", root: {simulated: platform.rootSpkiSha256}, mrEnclave: [measurement]}],
  };
}

/** A man in the middle: ends the caller's TLS with `identity`, passes every byte on over its own TLS to `target`. */
export async function relay(target: number, identity: TlsIdentity): Promise<{readonly address: string; close(): void}> {
  const server = createTlsServer(
    {key: identity.key, cert: identity.certificate, minVersion: "TLSv1.3", ALPNProtocols: ["h2"]},
    (near) => {
      const far = connectTls({host: "127.0.0.1", port: target, rejectUnauthorized: false, ALPNProtocols: ["h2"]});
      near.pipe(far).pipe(near);
      for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
        socket.on("error", () => other.destroy());
        socket.on("close", () => other.destroy());
      }
    },
  );
  const port = await listen(server);
  return {address: `127.0.0.1:${port}`, close: () => server.close()};
}

function listen(server: Server | Http2SecureServer): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

/** A gRPC message (gRPC over HTTP/2: flag, length, bytes). */
export function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** HTTP/2 to an enclave by Node alone, as a client in another language would speak. */
export function rawSession(port: number): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, {rejectUnauthorized: false, minVersion: "TLSv1.3"});
    session.once("connect", () => resolve(session));
    session.once("error", reject);
  });
}

export interface RawAnswer {
  /** `grpc-status`. */
  readonly status: number;
  readonly message: string;
  readonly hasDetails: boolean;
  readonly body: Buffer;
}

/** One unary or client-streaming call. */
export function rawCall(
  session: ClientHttp2Session,
  path: string,
  ...messages: readonly Uint8Array[]
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let found: IncomingHttpHeaders = {};
    const body: Buffer[] = [];
    stream.on("response", (headers) => {
      found = {...found, ...headers};
    });
    stream.on("trailers", (headers) => {
      found = {...found, ...headers};
    });
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    stream.on("error", reject);
    stream.on("close", () =>
      resolve({
        status: Number(found["grpc-status"] ?? -1),
        message: decodeURIComponent(String(found["grpc-message"] ?? "")),
        hasDetails: found["grpc-status-details-bin"] !== undefined,
        body: Buffer.concat(body),
      }),
    );
    for (const message of messages) stream.write(frame(message));
    stream.end();
  });
}

export function encode<D extends DescMessage>(schema: D, value: MessageInitShape<D>): Uint8Array {
  return toBinary(schema, create(schema, value));
}

/** The first message of an answer. */
export function decode<D extends DescMessage>(schema: D, {body}: RawAnswer): MessageShape<D> {
  return fromBinary(schema, body.subarray(5, 5 + body.readUInt32BE(1)));
}

/** Attests a raw session (without verifying: that is not what these tests are about). */
export async function rawAttest(session: ClientHttp2Session): Promise<RawAnswer> {
  const nonce = new Uint8Array(32).fill(7);
  return rawCall(session, "/tf_trusted.v1.AttestationService/Attest", encode(AttestRequestSchema, {nonce}));
}
