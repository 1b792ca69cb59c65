/**
 * One GET with limits: of size, of time, of attempts. Redirects are answers like others (refused), so that nobody sends the
 * client elsewhere. HTTPS, except to this very machine.
 */
import {type IncomingMessage, request as requestHttp} from "node:http";
import {request as requestHttps} from "node:https";
import {isIP} from "node:net";
import {setTimeout as pause} from "node:timers/promises";
import {ClientError} from "../client-error.ts";

export interface DownloadLimits {
  readonly maxBytes: number;
  /** Of one attempt. */
  readonly timeoutMs: number;
  readonly attempts: number;
  /** The longest pause between two attempts, whatever the service asks for. */
  readonly maxPauseMs: number;
}

export const defaultDownloadLimits: DownloadLimits = {
  maxBytes: 2 ** 20,
  timeoutMs: 10_000,
  attempts: 3,
  maxPauseMs: 5_000,
};

export interface DownloadOptions extends Partial<DownloadLimits> {
  /** PEM: authorities for the service's own certificate, in place of the system's. Many PCCS have their own. */
  readonly ca?: string;
}

export interface Download {
  readonly body: Uint8Array;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

interface Answer extends Download {
  readonly status: number;
}

const firstPauseMs = 200;
/** Statuses that may be better a moment later. */
const retried: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** The body of an answer 200. Throws `COLLATERAL_FETCH` with the last reason, and the signal's reason. */
export async function download(url: URL, options: DownloadOptions, signal?: AbortSignal): Promise<Download> {
  const limits = {...defaultDownloadLimits, ...options};
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url.hostname))) {
    throw failure(url, "isn't HTTPS, which only a service on this machine needs not be");
  }
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const answer = await once(url, limits, options.ca, signal).catch((error: unknown) => {
      signal?.throwIfAborted();
      if (error instanceof ClientError || attempt >= limits.attempts) throw asFailure(url, error, attempt);
      return null;
    });
    if (answer?.status === 200) return answer;
    if (answer !== null && (!retried.has(answer.status) || attempt >= limits.attempts)) {
      throw failure(url, `answered ${answer.status}${meaning(answer.status)} (attempt ${attempt})`);
    }
    const asked = answer === null ? undefined : retryAfterMs(answer.headers["retry-after"]);
    if (asked !== undefined && asked > limits.maxPauseMs) {
      throw failure(url, `answered ${answer!.status} and wants ${Math.ceil(asked / 1000)} s of patience`);
    }
    await pause(asked ?? Math.min(limits.maxPauseMs, firstPauseMs * 2 ** (attempt - 1)), undefined, signal && {signal});
  }
}

function once(url: URL, limits: DownloadLimits, ca: string | undefined, signal?: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const deadline = AbortSignal.timeout(limits.timeoutMs);
    const both = signal ? AbortSignal.any([deadline, signal]) : deadline;
    const options = {signal: both, headers: {accept: "*/*"}, agent: false as const};
    const receive = (response: IncomingMessage) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      response.on("data", (chunk: Uint8Array) => {
        size += chunk.length;
        if (size <= limits.maxBytes) chunks.push(chunk);
        else response.destroy(failure(url, `sent more than ${limits.maxBytes} bytes`));
      });
      response.once("error", reject);
      response.once("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(
            Object.entries(response.headers).flatMap(([name, value]) =>
              typeof value === "string" ? [[name, value] as const] : [],
            ),
          ),
          body: Uint8Array.from(Buffer.concat(chunks)),
        }),
      );
      response.once("close", () => reject(new Error("the answer was cut off")));
    };
    const call =
      url.protocol === "https:"
        ? requestHttps(url, {...options, ...(ca !== undefined && {ca})}, receive)
        : requestHttp(url, options, receive);
    call.once("error", reject);
    call.end();
  });
}

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** Of the statuses that vendors' services use in their own way. */
function meaning(status: number): string {
  const meanings: Readonly<Record<number, string>> = {
    404: ": it doesn't know this platform",
    410: ": that evaluation isn't served any more",
    429: ": too many requests",
    461: ": not in its cache",
    462: ": no certificate for this TCB",
  };
  return meanings[status] ?? "";
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "");
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function asFailure(url: URL, cause: unknown, attempt: number): ClientError {
  if (cause instanceof ClientError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return failure(url, `can't be fetched (${reason}; attempt ${attempt})`, cause);
}

function failure(url: URL, what: string, cause?: unknown): ClientError {
  return new ClientError("COLLATERAL_FETCH", `${url.origin}${url.pathname} ${what}`, {cause});
}
