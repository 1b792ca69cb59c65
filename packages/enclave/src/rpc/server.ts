/**
 * One HTTP/2 server over TLS 1.3. The gate stands before everything that reads a request's body: on a connection that has
 * not attested, only Attest gets through, and nobody can make the enclave buffer more than that takes.
 */
import {constants} from "node:crypto";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2Session,
  type ServerHttp2Session,
} from "node:http2";
import type {AddressInfo} from "node:net";
import type {TLSSocket} from "node:tls";
import {createContextValues} from "@connectrpc/connect";
import {setTrailerStatus} from "@connectrpc/connect/protocol-grpc";
import {connectNodeAdapter} from "@connectrpc/connect-node";
import {AttestationService, PredictionService} from "@tf-trusted/protocol";
import {internalError} from "../events.ts";
import {Session, type SessionContext} from "../session/session.ts";
import type {TlsIdentity} from "../session/tls-identity.ts";
import {PredictStream, ReceiveMemory} from "./predict-stream.ts";
import {addServices, type Services, sessionKey} from "./services.ts";
import {toConnectError} from "./wire-error.ts";

export interface RpcServerOptions extends Services {
  readonly identity: TlsIdentity;
  readonly sessions: SessionContext;
}

export interface RpcServer {
  /** Resolves to the port. */
  listen(host: string, port: number): Promise<number>;
  /** No new connections or calls; those under way get `graceMs` to finish. */
  close(graceMs: number): Promise<void>;
}

const attestPath = `/${AttestationService.typeName}/${AttestationService.method.attest.name}`;
const streamPath = `/${PredictionService.typeName}/${PredictionService.method.predictStream.name}`;

/**
 * Receive windows: what a peer can make the enclave buffer (specs/rpc-bench.md). A connection begins with HTTP/2's 64 KB; it
 * gets more once it attested, as long as all together have less than `all`.
 */
const windows = {stream: 2 * 2 ** 20, connection: 8 * 2 ** 20, all: 256 * 2 ** 20} as const;

/** With the one encoding of messages that the stream has; anything else is the adapter's to refuse. */
function isGrpc({method, headers}: Http2ServerRequest): boolean {
  return method === "POST" && /^application\/grpc(\+proto)?$/.test(headers["content-type"] ?? "");
}

export function createRpcServer(options: RpcServerOptions): RpcServer {
  const {configuration, identity, sessions: context, events} = options;
  const sessions = new WeakMap<Http2Session, Session>();
  const open = new Set<ServerHttp2Session>();
  const wide = new Set<Http2Session>();
  const streams = new Set<PredictStream>();
  const memory = new ReceiveMemory(2 * configuration.maxMessageBytes);
  const server: Http2SecureServer = createSecureServer({
    key: identity.key,
    cert: identity.certificate,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ALPNProtocols: ["h2"],
    allowHTTP1: false,
    // Each connection is attested: a resumed session would carry another's trust. (Early data is off unless asked for.)
    secureOptions: constants.SSL_OP_NO_TICKET,
    handshakeTimeout: configuration.attestWithinMs,
    unknownProtocolTimeout: 1,
    settings: {
      initialWindowSize: windows.stream,
      maxConcurrentStreams: configuration.maxStreamsPerConnection,
      enablePush: false,
    },
    maxSessionMemory: 64,
  });
  server.maxConnections = configuration.maxConnections;

  server.on("session", (session) => {
    const own = new Session(session, context);
    sessions.set(session, own);
    open.add(session);
    session.once("close", () => {
      open.delete(session);
      wide.delete(session);
      options.registry.endSession(own).catch((error: unknown) => events(internalError(error)));
    });
    // A connection that breaks is its own affair.
    session.on("error", () => session.destroy());
  });
  server.on("sessionError", (_error: Error, session: ServerHttp2Session) => session.destroy());
  server.on("tlsClientError", (_, socket) => socket.destroy());
  // No ALPN h2: whoever that is gets no answer. Typed as missing by @types/node.
  server.on("unknownProtocol", (socket: TLSSocket) => socket.destroy());

  const widen = (http2: Http2Session): void => {
    if (wide.has(http2) || (wide.size + 1) * windows.connection > windows.all) return;
    wide.add(http2);
    http2.setLocalWindowSize(windows.connection);
  };

  const adapter = connectNodeAdapter({
    routes: (router) => addServices(router, options),
    contextValues: (request) => {
      const stream = "stream" in request ? request.stream : undefined;
      return createContextValues().set(sessionKey, stream?.session && sessions.get(stream.session));
    },
    grpc: true,
    grpcWeb: false,
    connect: false,
    // Compressing secrets leaks them, and costs more than it saves.
    acceptCompression: [],
  });

  server.on("request", (request, response) => {
    if (request.url !== attestPath) {
      try {
        const http2 = request.stream.session!;
        const session = sessions.get(http2)!;
        session.checkAttested();
        widen(http2);
        if (request.url === streamPath && isGrpc(request)) {
          const stream = new PredictStream(request, response, session, {...options, memory});
          streams.add(stream);
          request.stream.once("close", () => streams.delete(stream));
          return;
        }
      } catch (error) {
        // A trailers-only answer (gRPC over HTTP/2, "Responses"); the request's body is never read.
        const trailers = setTrailerStatus(new Headers(), toConnectError(error, "gate", events));
        response.writeHead(200, {"content-type": "application/grpc", ...Object.fromEntries(trailers)});
        response.end();
        return;
      }
    }
    adapter(request, response);
  });

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, host, () => {
          server.off("error", reject);
          resolve((server.address() as AddressInfo).port);
        });
      }),
    close: async (graceMs) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const stream of streams) stream.end();
      for (const session of open) session.close();
      const timer = setTimeout(() => {
        for (const session of open) session.destroy();
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}
