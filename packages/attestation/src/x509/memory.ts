/**
 * What was established about vendors' statements and certificates, remembered by their exact bytes: a caller that verifies
 * often meets the same chain, CRLs, TCB info and QE identity each time. Only pure functions of bytes are remembered (this
 * text parses to that; this key made that signature over these bytes), never a verdict: dates, revocation and policy are
 * looked at each time. The signature of the evidence itself (quote, report, document) is checked each time, too.
 */
import {equalBytes} from "@tf-trusted/core";

/** Of each memory; the oldest entries are forgotten first. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_ENTRIES = 256;

interface Remembered<Value> {
  readonly bytes: readonly Uint8Array[];
  readonly size: number;
  readonly value: Value;
}

/** Values by the exact bytes of one or more parts. */
export class Memory<Value> {
  readonly #entries = new Map<string, Remembered<Value>>();
  #size = 0;

  constructor() {
    memories.add(this as Memory<unknown>);
  }

  /** What is known of these parts; every byte of every part is compared. */
  recall(...parts: readonly Uint8Array[]): Value | undefined {
    const found = this.#entries.get(nameOf(parts));
    if (found === undefined || found.bytes.length !== parts.length) return undefined;
    return found.bytes.every((bytes, i) => equalBytes(bytes, parts[i]!)) ? found.value : undefined;
  }

  /** Remembers `value`; the parts are copied. What is larger than the memory isn't kept. */
  keep(value: Value, ...parts: readonly Uint8Array[]): void {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const name = nameOf(parts);
    if (size > MAX_BYTES / 4) return;
    this.#forget(name);
    this.#entries.set(name, {bytes: parts.map((part) => part.slice()), size, value});
    this.#size += size;
    for (const oldest of this.#entries.keys()) {
      if (this.#size <= MAX_BYTES && this.#entries.size <= MAX_ENTRIES) break;
      this.#forget(oldest);
    }
  }

  forgetAll(): void {
    this.#entries.clear();
    this.#size = 0;
  }

  #forget(name: string): void {
    this.#size -= this.#entries.get(name)?.size ?? 0;
    this.#entries.delete(name);
  }
}

const memories = new Set<Memory<unknown>>();

/** Forgets everything, for measuring what the first verification costs. */
export function forgetAll(): void {
  for (const memory of memories) memory.forgetAll();
}

const NAME_BYTES = 64;

/** Where an entry is looked for, not what decides: the end of the first part, where signatures stand, and the lengths. */
function nameOf(parts: readonly Uint8Array[]): string {
  const [first = new Uint8Array(0)] = parts;
  return `${parts.map(({length}) => length).join()},${String.fromCharCode(...first.subarray(-NAME_BYTES))}`;
}
