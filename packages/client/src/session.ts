/**
 * One attested connection (DESIGN §5). The TLS socket is ours: its exporter and the key that it saw are compared with what
 * the evidence binds, and every call travels on that same socket. Nothing but a nonce is sent before the verdict.
 */
import {createHash, randomBytes} from "node:crypto";
import {setMaxListeners} from "node:events";
import {type ClientHttp2Session, connect as connectHttp2} from "node:http2";
import {isIP} from "node:net";
import {connect as connectTls, type TLSSocket} from "node:tls";
import {type CallOptions, type Client, ConnectError, createClient, type Transport} from "@connectrpc/connect";
import {createGrpcTransport, type GrpcTransportOptions} from "@connectrpc/connect-node";
import {type Evidence, type Policy, type Report, verifyEvidence} from "@tf-trusted/attestation";
import {encodeHex} from "@tf-trusted/core";
import {
  AttestationService,
  claimsDigest,
  type EnclaveClaims,
  type Evidence as EvidenceMessage,
  evidenceFromMessage,
  exporterLabel,
  fieldBytes,
  ModelService,
  PredictionService,
  type PredictRequest,
  type PredictResponse,
  parseClaims,
  sessionReportData,
} from "@tf-trusted/protocol";
import type {Address} from "./address.ts";
import {toCallError} from "./call-error.ts";
import {AttestationError, ClientError} from "./client-error.ts";
import type {CollateralSource} from "./collateral/source.ts";
import {Lanes} from "./lanes.ts";

export interface SessionOptions {
  readonly address: Address;
  readonly policy: Policy;
  /** The clock for dates of certificates and collateral. */
  readonly now: () => Date;
  /** For connecting, evidence and verification together. */
  readonly timeoutMs: number;
  /** Where collateral comes from; default: with the evidence. */
  readonly collateral?: CollateralSource;
  readonly signal?: AbortSignal | undefined;
}

export interface AttestedSession {
  readonly report: Report;
  readonly claims: EnclaveClaims;
  /** As received: with the report, what an auditor needs. */
  readonly evidence: Evidence;
  /** `performance.now()` when it was attested. */
  readonly since: number;
  /** False once the connection ends or takes no more calls. */
  readonly usable: boolean;
  /** Aborted when the connection ends. Calls need it: an upload that waits for its turn to send notices nothing else. */
  readonly ended: AbortSignal;
  readonly models: Client<typeof ModelService>;
  /** Over streams that are kept open. */
  readonly predict: (request: PredictRequest, options: CallOptions) => Promise<PredictResponse>;
  /** Lets calls under way finish. */
  retire(): void;
  /** Ends calls under way. */
  destroy(): void;
}

/** Receive windows, for outputs (specs/rpc-bench.md, "Tunings"). */
const windows = {stream: 2 * 2 ** 20, connection: 8 * 2 ** 20} as const;
const maxAttestBytes = 4 * 2 ** 20;
const maxAnswerBytes = 2 ** 30;

/** Connects and verifies. Throws `AttestationError`, `CONNECTION_FAILED`, `NOT_ATTESTABLE`, `CLAIMS_MISMATCH`. */
export async function openSession(options: SessionOptions): Promise<AttestedSession> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal ? AbortSignal.any([timeout, options.signal]) : timeout;
  const socket = await openSocket(options.address, signal);
  try {
    return await attest(socket, options, signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function attest(socket: TLSSocket, options: SessionOptions, signal: AbortSignal): Promise<AttestedSession> {
  const {policy, now, address} = options;
  const spkiSha256 = peerKeyDigest(socket);
  const nonce = Uint8Array.from(randomBytes(fieldBytes));
  // From our own end of this very connection, before the other side has said anything.
  const exporter = Uint8Array.from(socket.exportKeyingMaterial(fieldBytes, exporterLabel, Buffer.from(nonce)));
  const http2 = startHttp2(socket, address);

  const attestation = createClient(AttestationService, transportOver(http2, address, maxAttestBytes));
  const answer = await attestation.attest({nonce}, {signal}).catch((error: unknown) => {
    throw notAttestable(error, http2);
  });
  const received = evidenceOf(answer.evidence);
  const evidence = options.collateral ? await options.collateral(received, signal) : received;
  const claims = claimsOf(answer.claims);
  const expectedReportData = await sessionReportData({
    role: "enclave",
    spkiSha256,
    nonce,
    exporter,
    claimsSha256: await claimsDigest(answer.claims),
  });
  const report = await verifyEvidence(evidence, {
    policy,
    now: now(),
    expectedReportData,
    claims,
  });
  if (report.verdict !== "trusted" || !report.bound) throw new AttestationError(report, claims);
  if (claims.tlsKeySha256 !== encodeHex(spkiSha256)) {
    throw new ClientError(
      "CLAIMS_MISMATCH",
      `the claims name the TLS key ${claims.tlsKeySha256}, this connection has ${encodeHex(spkiSha256)}`,
    );
  }

  const transport = transportOver(http2, address, maxAnswerBytes);
  const end = new AbortController();
  // Every call under way listens: that is no leak.
  setMaxListeners(0, end.signal);
  http2.once("close", () => end.abort());
  const {predict: unary} = createClient(PredictionService, transport);
  const authority = new URL(authorityOf(address)).host;
  const lanes = new Lanes({
    http2,
    authority,
    maxAnswerBytes,
    unary: (request, {signal: cancel, ...rest}) =>
      unary(request, {...rest, signal: cancel ? AbortSignal.any([cancel, end.signal]) : end.signal}),
  });
  return {
    report,
    claims,
    evidence,
    since: performance.now(),
    get usable() {
      return !http2.closed && !http2.destroyed && !socket.destroyed;
    },
    ended: end.signal,
    models: createClient(ModelService, transport),
    predict: (request, callOptions) => lanes.predict(request, callOptions),
    retire: () => {
      lanes.retire();
      http2.close();
    },
    destroy: () => http2.destroy(),
  };
}

function openSocket({host, port}: Address, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host,
      port,
      ...(isIP(host) === 0 && {servername: host}),
      minVersion: "TLSv1.3",
      maxVersion: "TLSv1.3",
      ALPNProtocols: ["h2"],
      // The certificate says nothing: evidence is the trust, and is verified before anything is sent.
      rejectUnauthorized: false,
    });
    const fail = (cause: unknown) => {
      socket.destroy();
      const reason = cause instanceof Error ? cause.message : String(cause);
      reject(
        new ClientError("CONNECTION_FAILED", `${host}:${port} can't be reached over TLS 1.3 (${reason})`, {cause}),
      );
    };
    const onAbort = () => fail(signal.reason);
    const onClose = () => fail(new Error("the other side closed the connection"));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, {once: true});
    socket.once("error", fail);
    socket.once("close", onClose);
    socket.once("secureConnect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", fail);
      socket.off("close", onClose);
      const problem = connectionProblem(socket);
      if (problem === undefined) {
        socket.setNoDelay(true);
        socket.setKeepAlive(true, 15_000);
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(new ClientError("NOT_ATTESTABLE", `the connection to ${host}:${port} ${problem}`));
    });
  });
}

/** What keeps the exporter from standing for this connection alone (specs/attestation.md §15). */
function connectionProblem(socket: TLSSocket): string | undefined {
  if (socket.getProtocol() !== "TLSv1.3") return `uses ${socket.getProtocol()}, expected TLSv1.3`;
  if (socket.alpnProtocol !== "h2") return `speaks ${socket.alpnProtocol || "no ALPN protocol"}, expected h2`;
  if (socket.isSessionReused()) return "resumes another one, expected a full handshake";
  return undefined;
}

function peerKeyDigest(socket: TLSSocket): Uint8Array {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new ClientError("NOT_ATTESTABLE", "the other side showed no certificate");
  const spki = certificate.publicKey.export({type: "spki", format: "der"});
  return Uint8Array.from(createHash("sha256").update(spki).digest());
}

function startHttp2(socket: TLSSocket, address: Address): ClientHttp2Session {
  const http2 = connectHttp2(authorityOf(address), {
    createConnection: () => socket,
    settings: {enablePush: false, initialWindowSize: windows.stream},
  });
  http2.once("connect", () => http2.setLocalWindowSize(windows.connection));
  // Each call under way gets an error of its own.
  http2.on("error", () => http2.destroy());
  return http2;
}

function authorityOf({host, port}: Address): string {
  return `https://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** gRPC over this session and no other: connect-node never gets to open a connection. */
function transportOver(http2: ClientHttp2Session, address: Address, readMaxBytes: number): Transport {
  const baseUrl = authorityOf(address);
  const sessionManager: NonNullable<GrpcTransportOptions["sessionManager"]> = {
    authority: new URL(baseUrl).origin,
    request: async (method, path, headers, options) =>
      http2.request({...headers, ":method": method, ":path": path}, options),
    notifyResponseByteRead: () => {
      // Keep-alive is TCP's here.
    },
  };
  return createGrpcTransport({baseUrl, sessionManager, acceptCompression: [], readMaxBytes});
}

function evidenceOf(message: EvidenceMessage | undefined): Evidence {
  if (message === undefined) throw new ClientError("NOT_ATTESTABLE", "the answer to Attest has no evidence");
  return evidenceFromMessage(message);
}

function claimsOf(bytes: Uint8Array): EnclaveClaims {
  try {
    return parseClaims(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ClientError("NOT_ATTESTABLE", `the answer to Attest has no sound claims (${reason})`, {cause});
  }
}

function notAttestable(error: unknown, http2: ClientHttp2Session): Error {
  const failure = error instanceof ConnectError ? toCallError(error, !http2.destroyed) : error;
  // Refusals that say when to come again, or why not, are clearer than ours.
  if (!(failure instanceof ClientError)) return failure as Error;
  return new ClientError("NOT_ATTESTABLE", `Attest was not answered (${failure.message})`, {cause: error});
}
