/** Where a model computes, seen from the caller's thread: a thread or a process that is asked one thing at a time. */
import {LitertError} from "./litert-error.ts";
import type {Answer, Request} from "./messages.ts";

/** What ends a request before its answer. */
export interface Bounds {
  /** `performance.now()` at which the request is over. */
  readonly endsAt?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ModelHost {
  /** Whether it is gone or going; it takes no more requests. */
  readonly ended: boolean;
  /**
   * Sends a request and waits for its answer; the request's buffers are given away. When a bound is reached first, the
   * host is stopped, whatever it does, and `DEADLINE` or `CANCELLED` is thrown; when it dies, `ENGINE_CRASHED` or
   * `OUT_OF_MEMORY`; else what it failed with.
   */
  ask(request: Request, bounds?: Bounds): Promise<Answer>;
  /** Stops it and frees what it holds (the system clears freed pages before anyone else gets them). */
  terminate(): Promise<void>;
}

/**
 * The request that a host has under way, and why it takes no more. The two kinds of hosts differ in how they send and how
 * they are stopped.
 */
export class OpenRequest {
  #waiting: {readonly resolve: (answer: Answer) => void; readonly reject: (error: LitertError) => void} | undefined;
  #ended: LitertError | undefined;

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  get isOpen(): boolean {
    return this.#waiting !== undefined;
  }

  /** Resolves with what `answered` is told; where a bound is reached first, ends for good and calls `stop`. */
  async ask(send: () => void, {endsAt, signal}: Bounds, stop: () => void): Promise<Answer> {
    if (this.#ended !== undefined) throw this.#ended;
    if (signal?.aborted) throw cancelled(signal);
    const end = (error: LitertError) => {
      this.end(error);
      stop();
    };
    let timer: NodeJS.Timeout | undefined;
    const cancel = () => end(cancelled(signal));
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#waiting = {resolve, reject};
        if (endsAt !== undefined) timer = startTimer(endsAt, () => end(late()));
        signal?.addEventListener("abort", cancel, {once: true});
        send();
      });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
    }
  }

  answered(answer: Answer): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(answer);
  }

  /** The first reason counts. */
  end(error: LitertError): void {
    this.#ended ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}

export function late(): LitertError {
  return new LitertError("DEADLINE", "the time of the call is over; its worker was stopped");
}

export function cancelled(signal: AbortSignal | undefined): LitertError {
  return new LitertError("CANCELLED", "the call was cancelled", {cause: signal?.reason});
}

/** Timers hold 2^31-1 ms at most; a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1;

function startTimer(endsAt: number, fire: () => void): NodeJS.Timeout | undefined {
  const left = endsAt - performance.now();
  return left > longestTimerMs ? undefined : setTimeout(fire, Math.max(0, left));
}
