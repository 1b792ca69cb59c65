/**
 * PredictStream: many calls on one HTTP/2 stream, one at a time. It spares each call a new stream, headers and trailers, and
 * the copies of a general RPC library (specs/rpc-bench.md); what it answers is what Predict answers.
 */
import {once} from "node:events";
import type {Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream} from "node:http2";
import {create, fromBinary} from "@bufbuild/protobuf";
import {setTrailerStatus} from "@connectrpc/connect/protocol-grpc";
import {
  FrameReader,
  framePredictResponse,
  type PredictRequest,
  PredictRequestSchema,
  PredictResponseSchema,
  ProtocolError,
} from "@tf-trusted/protocol";
import {EnclaveError} from "../enclave-error.ts";
import type {EventSink} from "../events.ts";
import type {Session} from "../session/session.ts";
import {type PredictContext, predict} from "./predict.ts";
import {toConnectError, toErrorDetail} from "./wire-error.ts";

export interface PredictStreamOptions extends PredictContext {
  readonly events: EventSink;
  readonly memory: ReceiveMemory;
}

/** What all streams of all sessions may hold of messages that are being received or answered. */
export class ReceiveMemory {
  readonly #most: number;
  #used = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Throws `MESSAGE_SIZE`. A negative number gives back. */
  take(bytes: number): void {
    if (this.#used + bytes > this.#most) {
      throw new ProtocolError("MESSAGE_SIZE", `all streams together may hold ${this.#most} bytes of requests`);
    }
    this.#used += bytes;
  }
}

const method = "PredictStream";
/** A larger buffer isn't kept for the next call. */
const keepBytes = 4 * 2 ** 20;
/** Nor is any for longer than this; and a message that is begun goes on within this time. */
const keepMs = 10_000;

export class PredictStream {
  readonly #stream: ServerHttp2Stream;
  readonly #response: Http2ServerResponse;
  readonly #session: Session;
  readonly #options: PredictStreamOptions;
  readonly #reader: FrameReader;
  readonly #gone = new AbortController();
  /** What came after the message that is being answered. */
  #later: Uint8Array[] = [];
  #busy = false;
  /** The caller sends no more; or we take no more. */
  #ending = false;
  #ended = false;
  readonly #idle: NodeJS.Timeout;

  /** Takes the request over; the session has attested. */
  constructor(
    {stream}: Http2ServerRequest,
    response: Http2ServerResponse,
    session: Session,
    options: PredictStreamOptions,
  ) {
    this.#stream = stream;
    this.#response = response;
    this.#session = session;
    this.#options = options;
    const {configuration, memory} = options;
    this.#reader = new FrameReader({
      maxBytes: configuration.maxMessageBytes,
      onMemory: (bytes) => memory.take(bytes),
    });
    this.#idle = setTimeout(() => this.#onIdle(), keepMs).unref();
    stream.on("error", () => stream.destroy());
    stream.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    stream.on("end", () => this.end());
    stream.once("close", () => this.#close());
    response.writeHead(200, {"content-type": "application/grpc+proto"});
  }

  /** Ends the stream after the calls that came. */
  end(): void {
    this.#ending = true;
    if (!this.#busy) this.#finish();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#ended) return;
    if (this.#busy) {
      this.#later.push(chunk);
      this.#stream.pause();
      return;
    }
    try {
      const used = this.#reader.feed(chunk);
      if (this.#reader.message === undefined) {
        this.#idle.refresh();
        return;
      }
      this.#busy = true;
      if (used < chunk.length) this.#later.push(chunk.subarray(used));
    } catch (error) {
      this.#fail(error);
      return;
    }
    void this.#serve();
  }

  /** Answers the message that is whole, then what came behind it. */
  async #serve(): Promise<void> {
    try {
      await this.#write(await this.#answer(decode(this.#reader.message!)));
    } catch (error) {
      this.#fail(error);
    }
    if (this.#ended) return;
    this.#busy = false;
    if (this.#reader.capacity > keepBytes) this.#reader.release();
    else this.#reader.next();
    const later = this.#later;
    this.#later = [];
    for (const chunk of later) this.#receive(chunk);
    if (this.#busy || this.#ended) return;
    if (this.#ending) {
      this.#finish();
      return;
    }
    if (this.#stream.isPaused()) this.#stream.resume();
    this.#idle.refresh();
  }

  async #answer(request: PredictRequest): Promise<readonly Uint8Array[]> {
    const {events} = this.#options;
    try {
      this.#session.checkAttested();
      const caller = {session: this.#session, timeoutMs: undefined, signal: this.#gone.signal};
      return framePredictResponse(await predict(request, this.#options, caller));
    } catch (error) {
      return framePredictResponse(create(PredictResponseSchema, {error: toErrorDetail(error, method, events)}));
    }
  }

  /** Waits for a caller who doesn't take answers, so that they don't pile up. */
  async #write(pieces: readonly Uint8Array[]): Promise<void> {
    const stream = this.#stream;
    if (stream.destroyed) return;
    stream.cork();
    for (const piece of pieces) stream.write(piece);
    stream.uncork();
    if (stream.writableNeedDrain) await once(stream, "drain", {signal: this.#gone.signal});
  }

  #onIdle(): void {
    if (this.#busy || this.#ended) return;
    if (!this.#reader.partial) this.#reader.release();
    // All streams share the memory for messages: one that stalls would keep it from the others.
    else this.#fail(new ProtocolError("MESSAGE_INVALID", `the rest of a message didn't come within ${keepMs} ms`));
  }

  #finish(): void {
    if (this.#ended) return;
    if (this.#reader.partial) {
      this.#fail(new ProtocolError("MESSAGE_INVALID", "the stream ended within a message"));
      return;
    }
    this.#end(undefined);
  }

  /** The stream can't go on. */
  #fail(error: unknown): void {
    if (this.#ended || this.#gone.signal.aborted) return;
    this.#end(error);
  }

  #end(error: unknown): void {
    this.#ended = true;
    const failure = error === undefined ? undefined : toConnectError(error, method, this.#options.events);
    this.#response.addTrailers(Object.fromEntries(setTrailerStatus(new Headers(), failure)));
    this.#response.end();
    this.#reader.release();
    // The rest of the request, if any, isn't wanted.
    this.#stream.resume();
  }

  #close(): void {
    this.#ended = true;
    this.#gone.abort(new EnclaveError("STOPPING", "the stream is closed"));
    clearTimeout(this.#idle);
    this.#later = [];
    this.#reader.release();
  }
}

function decode(message: Uint8Array): PredictRequest {
  try {
    return fromBinary(PredictRequestSchema, message);
  } catch (cause) {
    throw new ProtocolError("MESSAGE_INVALID", "a message isn't a PredictRequest", {cause});
  }
}
