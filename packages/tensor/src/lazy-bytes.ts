/** Bytes that are made anew when somebody needs them, so that large ones needn't all be held at a time. */

export interface LazyBytes {
  readonly length: number;
  /** What they are made of, and how: equal `source` (the same object) and equal `how` give equal bytes. */
  readonly source: Uint8Array | LazyBytes;
  readonly how: string;
  /** `length` bytes, the same each time. */
  readonly make: () => Uint8Array;
}

export function isLazyBytes(value: unknown): value is LazyBytes {
  return typeof value === "object" && value !== null && typeof (value as Partial<LazyBytes>).make === "function";
}

/** The last that were made: code that asks for an element at a time doesn't make them each time. */
let last: {readonly lazy: LazyBytes; readonly bytes: Uint8Array} | undefined;

/** The bytes themselves. Whoever wants to keep the memory low doesn't hold on to them. */
export function bytesOf(data: Uint8Array | LazyBytes): Uint8Array {
  if (data instanceof Uint8Array) return data;
  if (last?.lazy !== data) {
    last = undefined;
    last = {lazy: data, bytes: data.make()};
    queueMicrotask(() => {
      last = undefined;
    });
  }
  return last.bytes;
}
