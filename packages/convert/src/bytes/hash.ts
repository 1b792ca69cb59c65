/** A number that tells byte arrays apart, mostly: who compares afterwards has few to compare. */
import {equalBytes} from "@tf-trusted/core";
import type {LazyBytes} from "@tf-trusted/tensor";

/** FNV-1a over at most a few thousand of the bytes, spread evenly; of lazy bytes, of what they are made of. */
export function hashBytes(data: Uint8Array | LazyBytes): number {
  if (!(data instanceof Uint8Array)) return hashBytes(data.source);
  let value = 0x811c9dc5 ^ data.length;
  const step = Math.max(1, Math.floor(data.length / 2048));
  for (let i = 0; i < data.length; i += step) value = Math.imul(value ^ data[i]!, 0x01000193);
  return value >>> 0;
}

/** Whether they are the same bytes, as far as can be told without making lazy ones. */
export function sameBytes(a: Uint8Array | LazyBytes, b: Uint8Array | LazyBytes): boolean {
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && equalBytes(a, b);
  }
  return a.source === b.source && a.how === b.how;
}
