/**
 * Predictions over streams that are kept open (PredictStream): one call at a time on each, so that a call costs one message
 * each way, and order, errors, cancellation and back-pressure stay simple (specs/rpc-bench.md, "Recommendation").
 */
import {type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders} from "node:http2";
import {fromBinary} from "@bufbuild/protobuf";
import {type CallOptions, Code, ConnectError} from "@connectrpc/connect";
import {findTrailerError} from "@connectrpc/connect/protocol-grpc";
import {
  ErrorDetailSchema,
  FrameReader,
  framePredictRequest,
  grpcCodeOf,
  PredictionService,
  type PredictRequest,
  type PredictResponse,
  PredictResponseSchema,
} from "@tf-trusted/protocol";

/** More calls than this at once: the rest is not for lanes. Streams are bounded, and other methods need some too. */
const maxLanes = 32;
const path = `/${PredictionService.typeName}/${PredictionService.method.predictStream.name}`;
/** Of a long message (docs/performance.md, "What was tried"). */
const partBytes = 150 * 1024;
const cancelCode = constants.NGHTTP2_CANCEL;
const endStreamFlag = constants.NGHTTP2_FLAG_END_STREAM;

export interface LanesOptions {
  readonly http2: ClientHttp2Session;
  readonly authority: string;
  readonly maxAnswerBytes: number;
  /** For calls that find all lanes taken. */
  readonly unary: (request: PredictRequest, options: CallOptions) => Promise<PredictResponse>;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly #idle: Lane[] = [];
  #count = 0;
  #retired = false;

  constructor(options: LanesOptions) {
    this.#options = options;
  }

  /** Throws `ConnectError`, with our detail where the enclave sent one, and `MESSAGE_…`. */
  async predict(request: PredictRequest, options: CallOptions): Promise<PredictResponse> {
    const lane = this.#take();
    if (lane === undefined) return this.#options.unary(request, options);
    try {
      return await lane.call(request, options);
    } finally {
      if (this.#retired) lane.end();
      else if (lane.usable) this.#idle.push(lane);
    }
  }

  /** Lets calls under way finish; there should be no more. */
  retire(): void {
    this.#retired = true;
    for (const lane of this.#idle.splice(0)) lane.end();
  }

  #take(): Lane | undefined {
    for (let lane = this.#idle.pop(); lane !== undefined; lane = this.#idle.pop()) if (lane.usable) return lane;
    if (this.#count >= maxLanes) return undefined;
    const lane = new Lane(this.#options, () => {
      this.#count--;
    });
    this.#count++;
    return lane;
  }
}

interface Waiting {
  readonly resolve: (answer: PredictResponse) => void;
  readonly reject: (error: unknown) => void;
}

class Lane {
  readonly #stream: ClientHttp2Stream;
  readonly #reader: FrameReader;
  #waiting: Waiting | undefined;
  #trailers: IncomingHttpHeaders = {};
  #over = false;

  constructor(options: LanesOptions, onClose: () => void) {
    this.#reader = new FrameReader({maxBytes: options.maxAnswerBytes});
    const stream = openStream(options);
    this.#stream = stream;
    stream.on("response", (headers, flags) => this.#onResponse(headers, flags));
    stream.on("trailers", (headers) => {
      this.#trailers = headers;
    });
    stream.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    // The enclave ends no lane while it answers; an idle one that ends takes no more calls.
    stream.on("end", () => this.#end(this.#statusError()));
    stream.on("error", (cause) => this.#end(new ConnectError(cause.message, Code.Unavailable, undefined, [], cause)));
    stream.once("close", () => {
      this.#end(new ConnectError("the stream was closed", Code.Unavailable));
      onClose();
    });
  }

  get usable(): boolean {
    return !this.#over && !this.#stream.destroyed && !this.#stream.closed;
  }

  async call(request: PredictRequest, {signal, timeoutMs}: CallOptions): Promise<PredictResponse> {
    const stop = (error: ConnectError) => {
      this.#end(error);
      this.#stream.close(cancelCode);
    };
    const onAbort = () => stop(new ConnectError("the call was cancelled", Code.Canceled));
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<PredictResponse>((resolve, reject) => {
        this.#waiting = {resolve, reject};
        if (signal?.aborted) return onAbort();
        const pieces = framePredictRequest(request);
        if (!this.usable) return this.#end(new ConnectError("the stream was closed", Code.Unavailable));
        signal?.addEventListener("abort", onAbort, {once: true});
        if (timeoutMs !== undefined && timeoutMs < 2 ** 31) {
          const onTime = () => stop(new ConnectError("the deadline is over", Code.DeadlineExceeded));
          timer = setTimeout(onTime, Math.max(0, timeoutMs));
        }
        this.#write(pieces);
      });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      this.#waiting = undefined;
    }
  }

  /** Small pieces leave together; of a long message the first part is on its way while the rest is encrypted. */
  #write(pieces: readonly Uint8Array[]): void {
    const stream = this.#stream;
    stream.cork();
    let written = 0;
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; at += partBytes) {
        const part = piece.subarray(at, at + partBytes);
        stream.write(part);
        written += part.length;
        // What comes after waits until this is out.
        if (written >= partBytes) stream.uncork();
      }
    }
    stream.uncork();
  }

  end(): void {
    this.#over = true;
    this.#stream.end();
  }

  #onResponse(headers: IncomingHttpHeaders, flags: number): void {
    // Trailers-only: the answer of the gate, before anything is read.
    if (headers["grpc-status"] !== undefined) this.#trailers = headers;
    else if (Number(headers[":status"]) !== 200 || (flags & endStreamFlag) !== 0) {
      this.#end(new ConnectError(`HTTP status ${headers[":status"]}`, Code.Unknown));
      this.#stream.close(cancelCode);
    }
  }

  #receive(chunk: Uint8Array): void {
    if (this.#over) return;
    try {
      const used = this.#reader.feed(chunk);
      const {message} = this.#reader;
      if (message === undefined) return;
      const waiting = this.#waiting;
      if (waiting === undefined || used < chunk.length) {
        throw new ConnectError("an answer that no request asked for", Code.Internal);
      }
      const answer = fromBinary(PredictResponseSchema, message);
      // The caller's tensors are views of these bytes from now on.
      this.#reader.release({keepBytes: true});
      this.#waiting = undefined;
      if (answer.error === undefined) {
        waiting.resolve(answer);
        return;
      }
      const {code, message: text} = answer.error;
      const detail = {desc: ErrorDetailSchema, value: answer.error};
      waiting.reject(new ConnectError(`${code}: ${text}`, grpcCodeOf(code) as Code, undefined, [detail]));
    } catch (error) {
      this.#end(
        error instanceof ConnectError
          ? error
          : new ConnectError("an answer can't be read", Code.Internal, {}, [], error),
      );
      this.#stream.close(cancelCode);
    }
  }

  #statusError(): ConnectError {
    const trailers = new Headers();
    for (const [name, value] of Object.entries(this.#trailers)) {
      if (typeof value === "string" && !name.startsWith(":")) trailers.set(name, value);
    }
    return findTrailerError(trailers) ?? new ConnectError("the stream ended", Code.Unavailable);
  }

  /** No more calls; the one under way fails with `error`. */
  #end(error: ConnectError): void {
    this.#over = true;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
    if (!this.#stream.writableEnded) this.#stream.end();
  }
}

/** Node throws where the session is closed or closing. */
function openStream({http2, authority}: LanesOptions): ClientHttp2Stream {
  try {
    return http2.request({
      ":method": "POST",
      ":path": path,
      ":authority": authority,
      "content-type": "application/grpc+proto",
      te: "trailers",
    });
  } catch (cause) {
    throw new ConnectError("the connection takes no more calls", Code.Unavailable, undefined, [], cause);
  }
}
