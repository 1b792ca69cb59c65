/**
 * Chrome's trace event format (JSON object form, complete events `ph: "X"`, times in microseconds): opened by
 * chrome://tracing and https://ui.perfetto.dev.
 */

export interface Span {
  readonly name: string;
  /** The row it is drawn in. Spans of a row lie apart or inside each other. */
  readonly track: string;
  /** Milliseconds from any common start. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly details?: Readonly<Record<string, string | number>>;
}

export function encodeChromeTrace(spans: readonly Span[]): string {
  const tracks = [...new Set(spans.map(({track}) => track))];
  const names = tracks.map((name, thread) => ({
    ph: "M",
    name: "thread_name",
    pid: 1,
    tid: thread + 1,
    args: {name},
  }));
  const events = spans.map(({name, track, startMs, durationMs, details}) => ({
    ph: "X",
    name,
    cat: track,
    pid: 1,
    tid: tracks.indexOf(track) + 1,
    ts: microseconds(startMs),
    dur: microseconds(durationMs),
    ...(details && {args: details}),
  }));
  const process = {ph: "M", name: "process_name", pid: 1, args: {name: "tf-trusted"}};
  return `${JSON.stringify({displayTimeUnit: "ms", traceEvents: [process, ...names, ...events]})}\n`;
}

/** To a nanosecond, so that the file isn't full of digits that mean nothing. */
function microseconds(ms: number): number {
  return Math.round(ms * 1e6) / 1e3;
}
