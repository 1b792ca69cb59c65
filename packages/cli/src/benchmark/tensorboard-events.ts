/**
 * TensorBoard event files: TFRecord framing around protobuf `Event` messages, of which scalars need a handful of fields
 * (tensorflow/core/util/event.proto: wall_time=1, step=2, file_version=3, summary=5; summary.proto: Summary.value=1,
 * Value.tag=1, Value.simple_value=2).
 */
import {concatBytes, maskedCrc32c} from "@tf-trusted/core";

export interface ScalarEvent {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly step: number;
  /** Values by tag, such as `time/engine_ms`; stored as float32. */
  readonly scalars: Readonly<Record<string, number>>;
}

/** The bytes of a whole file. Its name has to contain `tfevents` for TensorBoard to find it. */
export function encodeEventFile(startedMs: number, events: readonly ScalarEvent[]): Uint8Array {
  const version = concatBytes(doubleField(1, startedMs / 1000), bytesField(3, text("brain.Event:2")));
  return concatBytes(encodeRecord(version), ...events.map((event) => encodeRecord(encodeEvent(event))));
}

/** Length, its masked CRC, the data, its masked CRC; all little-endian. */
export function encodeRecord(data: Uint8Array): Uint8Array {
  const head = new DataView(new ArrayBuffer(12));
  head.setBigUint64(0, BigInt(data.length), true);
  head.setUint32(8, maskedCrc32c(new Uint8Array(head.buffer, 0, 8)), true);
  const tail = new DataView(new ArrayBuffer(4));
  tail.setUint32(0, maskedCrc32c(data), true);
  return concatBytes(new Uint8Array(head.buffer), data, new Uint8Array(tail.buffer));
}

function encodeEvent({timeMs, step, scalars}: ScalarEvent): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytesField(1, concatBytes(bytesField(1, text(tag)), floatField(2, value))),
  );
  return concatBytes(doubleField(1, timeMs / 1000), varintField(2, step), bytesField(5, concatBytes(...values)));
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Uint8Array.of(...bytes, rest);
}

function varintField(number: number, value: number): Uint8Array {
  return concatBytes(varint(number << 3), varint(value));
}

function bytesField(number: number, bytes: Uint8Array): Uint8Array {
  return concatBytes(varint((number << 3) | 2), varint(bytes.length), bytes);
}

function doubleField(number: number, value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value, true);
  return concatBytes(varint((number << 3) | 1), new Uint8Array(view.buffer));
}

function floatField(number: number, value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value, true);
  return concatBytes(varint((number << 3) | 5), new Uint8Array(view.buffer));
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
