/** A call that waits: for a worker, or for the run that it was joined with others for. */
import {LitertError, type RunResult} from "@tf-trusted/litert";
import type {Tensor} from "@tf-trusted/tensor";

export interface WaitingCall {
  readonly signature: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** `performance.now()` at which it is over. */
  readonly endsAt: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: unknown) => void;
  /** Called when its turn comes: from then on the engine keeps its bounds. */
  readonly started?: () => void;
  /** Where it may be joined with others: rows of its inputs, and the `performance.now()` up to which it waits for others. */
  readonly rows?: number;
  readonly waitsUntil?: number;
}

/** Calls `leave` when the call's time is over or its caller cancels; the result ends that. `what`: "was over before its turn". */
export function keepBounds(
  {endsAt, signal}: WaitingCall,
  what: string,
  leave: (error: LitertError) => void,
): () => void {
  const onTime = () => leave(new LitertError("DEADLINE", `the time of the call ${what}`));
  const onAbort = () => leave(new LitertError("CANCELLED", "the call was cancelled"));
  const timer = setTimeout(onTime, Math.max(0, Math.min(endsAt - performance.now(), 2 ** 31 - 1)));
  signal?.addEventListener("abort", onAbort, {once: true});
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  };
}
