import assert from "node:assert/strict";
import {mkdtemp, readFile, rm} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {maskedCrc32c} from "@tf-trusted/core";
import fc from "fast-check";
import {encodeChromeTrace} from "./chrome-trace.ts";
import {measure, summarise} from "./measure.ts";
import {percentiles} from "./percentiles.ts";
import {encodeEventFile, encodeRecord} from "./tensorboard-events.ts";
import {writeTraces} from "./write-traces.ts";

test("a record is length, masked CRC, data, masked CRC", () => {
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 300}), (data) => {
      const [read, rest] = readRecord(encodeRecord(data));
      assert.deepEqual(read, data);
      assert.equal(rest.length, 0);
    }),
  );
});

test("an event file begins with its version and gives the scalars back", () => {
  const events = [
    {timeMs: 1_700_000_000_250, step: 0, scalars: {"time/engine_ms": 0.5, "time/call_ms": 2}},
    {timeMs: 1_700_000_000_500, step: 300, scalars: {"time/engine_ms": 1e-3}},
  ];
  const [version, ...read] = readEvents(encodeEventFile(1_700_000_000_000, events));
  assert.deepEqual(version, {wallTime: 1_700_000_000, step: 0, fileVersion: "brain.Event:2", scalars: {}});
  assert.deepEqual(
    read,
    events.map(({timeMs, step, scalars}) => ({
      wallTime: timeMs / 1000,
      step,
      fileVersion: "",
      scalars: Object.fromEntries(Object.entries(scalars).map(([tag, value]) => [tag, Math.fround(value)])),
    })),
  );
});

test("a Chrome trace has complete events in microseconds on named tracks", () => {
  const trace = JSON.parse(
    encodeChromeTrace([
      {name: "load", track: "command", startMs: 0, durationMs: 1},
      {name: "predict", track: "caller 1", startMs: 1.5, durationMs: 0.0625, details: {step: 3}},
    ]),
  );
  const complete = trace.traceEvents.filter(({ph}: {ph: string}) => ph === "X");
  assert.deepEqual(complete, [
    {ph: "X", name: "load", cat: "command", pid: 1, tid: 1, ts: 0, dur: 1000},
    {ph: "X", name: "predict", cat: "caller 1", pid: 1, tid: 2, ts: 1500, dur: 62.5, args: {step: 3}},
  ]);
  const names = trace.traceEvents.filter(({name}: {name: string}) => name === "thread_name");
  assert.deepEqual(
    names.map(({tid, args}: {tid: number; args: {name: string}}) => [tid, args.name]),
    [
      [1, "command"],
      [2, "caller 1"],
    ],
  );
});

test("percentiles are times that were measured, by nearest rank", () => {
  const hundred = Array.from({length: 100}, (_, i) => 100 - i);
  assert.deepEqual(percentiles(hundred), {p50: 50, p90: 90, p99: 99, least: 1, mean: 50.5});
  assert.deepEqual(percentiles([7]), {p50: 7, p90: 7, p99: 7, least: 7, mean: 7});
  fc.assert(
    fc.property(fc.array(fc.double({noNaN: true, min: 0, max: 1e6}), {minLength: 1}), (times) => {
      const {p50, p90, p99, least} = percentiles(times);
      assert.ok(least <= p50 && p50 <= p90 && p90 <= p99);
      for (const value of [p50, p90, p99]) assert.ok(times.includes(value));
    }),
  );
});

test("measuring adds nothing to the calls", async () => {
  let time = 0;
  const predict = async () => {
    time += 10;
    return {engineMs: 2, queueMs: 1, enclaveMs: 4};
  };
  const done: number[] = [];
  const samples = await measure(predict, {
    iterations: 5,
    callers: 1,
    now: () => time,
    onProgress: (count) => done.push(count),
  });
  assert.deepEqual(done, [1, 2, 3, 4, 5]);
  assert.deepEqual(
    samples.map(({startMs, callMs}) => [startMs, callMs]),
    [0, 10, 20, 30, 40].map((start) => [start, 10]),
  );
  const summary = summarise(samples);
  assert.equal(summary.predictionsPerSecond, 100);
  assert.equal(summary.times.callMs.p99, 10);
  assert.equal(summary.times.engineMs.p50, 2);
});

test("callers each wait for their answer before they ask again; a failure ends all of them", async () => {
  let [time, waiting, most] = [0, 0, 0];
  const predict = async () => {
    most = Math.max(most, ++waiting);
    await new Promise(setImmediate);
    time += 1;
    waiting--;
    return {engineMs: 1, queueMs: 0, enclaveMs: 1};
  };
  const samples = await measure(predict, {iterations: 30, callers: 3, now: () => time});
  assert.equal(most, 3);
  assert.deepEqual([samples.length, summarise(samples).callers], [30, 3]);
  for (const caller of [0, 1, 2]) {
    const own = samples.filter((each) => each.caller === caller);
    for (const [i, {startMs}] of own.entries()) {
      if (i > 0) assert.ok(startMs >= own[i - 1]!.startMs + own[i - 1]!.callMs);
    }
  }
  let calls = 0;
  const failing = async () => {
    if (++calls === 5) throw new Error("no more");
    return predict();
  };
  await assert.rejects(measure(failing, {iterations: 1000, callers: 3, now: () => time}), /no more/);
  assert.ok(calls < 10, `${calls} calls`);
});

test("traces of a run are a folder that TensorBoard and Chrome read", async () => {
  const parent = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  try {
    const samples = [{caller: 0, startMs: 0, callMs: 4, enclaveMs: 2, queueMs: 0.5, engineMs: 1}];
    const phases = [{name: "load", startMs: -10, durationMs: 5}];
    const files = await writeTraces(parent, "a/b", new Date(1_700_000_000_123), samples, phases);
    assert.equal(files.folder, join(parent, "a_b-2023-11-14T22-13-20Z"));
    assert.match(files.events, /events\.out\.tfevents\.1700000000\./);
    const [, event] = readEvents(await readFile(files.events));
    assert.deepEqual(event!.scalars, {"time/engine_ms": 1, "time/enclave_ms": 2, "time/call_ms": 4});
    const {traceEvents} = JSON.parse(await readFile(files.chromeTrace, "utf8"));
    const spans = traceEvents.filter(({ph}: {ph: string}) => ph === "X");
    assert.deepEqual(
      spans.map(({name, ts, dur}: {name: string; ts: number; dur: number}) => [name, ts, dur]),
      [
        ["load", -10_000, 5000],
        ["predict", 0, 4000],
        ["wire", 0, 1000],
        ["enclave", 1000, 2000],
        ["queue", 1000, 500],
        ["compute", 1500, 1000],
        ["wire", 3000, 1000],
      ],
    );
  } finally {
    await rm(parent, {recursive: true});
  }
});

interface ReadEvent {
  wallTime: number;
  step: number;
  fileVersion: string;
  scalars: Record<string, number>;
}

function readRecord(bytes: Uint8Array): readonly [data: Uint8Array, rest: Uint8Array] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = Number(view.getBigUint64(0, true));
  assert.equal(view.getUint32(8, true), maskedCrc32c(bytes.subarray(0, 8)));
  const data = bytes.subarray(12, 12 + length);
  assert.equal(view.getUint32(12 + length, true), maskedCrc32c(data));
  return [data, bytes.subarray(16 + length)];
}

function readEvents(file: Uint8Array): ReadEvent[] {
  const events: ReadEvent[] = [];
  for (let rest = file; rest.length > 0; ) {
    const [data, next] = readRecord(rest);
    const event: ReadEvent = {wallTime: 0, step: 0, fileVersion: "", scalars: {}};
    for (const [number, value] of readFields(data)) {
      if (number === 1) event.wallTime = value as number;
      if (number === 2) event.step = value as number;
      if (number === 3) event.fileVersion = new TextDecoder().decode(value as Uint8Array);
      if (number === 5) {
        for (const [, scalar] of readFields(value as Uint8Array)) {
          const fields = new Map(readFields(scalar as Uint8Array));
          event.scalars[new TextDecoder().decode(fields.get(1) as Uint8Array)] = fields.get(2) as number;
        }
      }
    }
    events.push(event);
    rest = next;
  }
  return events;
}

/** Protobuf fields: varints, doubles and floats as numbers, the rest as bytes. */
function readFields(bytes: Uint8Array): (readonly [number, number | Uint8Array])[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: (readonly [number, number | Uint8Array])[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >> 3;
    switch (tag & 7) {
      case 0:
        fields.push([number, varint()]);
        break;
      case 1:
        fields.push([number, view.getFloat64(at, true)]);
        at += 8;
        break;
      case 2: {
        const length = varint();
        fields.push([number, bytes.subarray(at, at + length)]);
        at += length;
        break;
      }
      case 5:
        fields.push([number, view.getFloat32(at, true)]);
        at += 4;
        break;
      default:
        assert.fail(`wire type ${tag & 7}`);
    }
  }
  return fields;
}
