/** The measurements as files: a folder a run, as TensorBoard wants it, with a Chrome trace beside the events. */
import {join} from "node:path";
import {makeFolder, writeOutputFile} from "../files.ts";
import {encodeChromeTrace, type Span} from "./chrome-trace.ts";
import type {Sample} from "./measure.ts";
import {encodeEventFile} from "./tensorboard-events.ts";

export interface TraceFiles {
  readonly folder: string;
  readonly events: string;
  readonly chromeTrace: string;
}

/** What came before the predictions: converting, starting, loading. Milliseconds before the first timed prediction. */
export interface Phase {
  readonly name: string;
  readonly startMs: number;
  readonly durationMs: number;
}

/** `startedAt` is when the first timed prediction began. Throws `CLI_FILE_WRITE`. */
export async function writeTraces(
  parent: string,
  modelName: string,
  startedAt: Date,
  samples: readonly Sample[],
  phases: readonly Phase[],
): Promise<TraceFiles> {
  const stamp = startedAt
    .toISOString()
    .replace(/[:.]/g, "-")
    .replace(/-\d+Z$/, "Z");
  const folder = join(parent, `${modelName.replace(/[^\w.-]/g, "_")}-${stamp}`);
  const events = join(folder, `events.out.tfevents.${Math.floor(startedAt.getTime() / 1000)}.tf-trusted`);
  const chromeTrace = join(folder, "trace.json");
  await makeFolder(folder);
  await writeOutputFile(events, encodeEventFile(startedAt.getTime(), scalarEvents(startedAt.getTime(), samples)));
  await writeOutputFile(chromeTrace, encodeChromeTrace([...phaseSpans(phases), ...samples.flatMap(sampleSpans)]));
  return {folder, events, chromeTrace};
}

function scalarEvents(startedMs: number, samples: readonly Sample[]) {
  return samples.map(({startMs, callMs, enclaveMs, engineMs}, step) => ({
    timeMs: startedMs + startMs + callMs,
    step,
    scalars: {"time/engine_ms": engineMs, "time/enclave_ms": enclaveMs, "time/call_ms": callMs},
  }));
}

function phaseSpans(phases: readonly Phase[]): readonly Span[] {
  return phases.map(({name, startMs, durationMs}) => ({name, track: "command", startMs, durationMs}));
}

/**
 * The enclave tells how long it took, not when: its clock isn't ours. Its span is drawn in the middle of the call; what is
 * left of the call on both sides is the wire.
 */
function sampleSpans({caller, startMs, callMs, enclaveMs, queueMs, engineMs}: Sample, step: number): readonly Span[] {
  const wireMs = Math.max(0, callMs - enclaveMs) / 2;
  const enclaveStart = startMs + wireMs;
  const track = `caller ${caller + 1}`;
  const span = (name: string, start: number, durationMs: number): Span => ({
    name,
    track,
    startMs: start,
    durationMs,
    details: {step},
  });
  return [
    span("predict", startMs, callMs),
    span("wire", startMs, wireMs),
    span("enclave", enclaveStart, enclaveMs),
    span("queue", enclaveStart, queueMs),
    span("compute", enclaveStart + queueMs, engineMs),
    span("wire", enclaveStart + enclaveMs, wireMs),
  ];
}
