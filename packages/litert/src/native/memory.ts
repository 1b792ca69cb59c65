/**
 * Memory that LiteRT and JavaScript both see: aligned as LiteRT wants it (64 bytes; V8's own is aligned to 16 only), with
 * room after the end that vector instructions may read (specs/litert.md §2.5).
 */
import {LitertError} from "../litert-error.ts";
import type {Native, Pointer} from "./binding.ts";

export const alignment = 64;
/** XNNPACK reads up to a vector beyond the end of what it is given. */
const slack = 128;

export interface Block {
  readonly pointer: Pointer;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export class Memory {
  readonly #native: Native;
  /** Where the buffers of blocks begin, to know their views again. */
  readonly #starts = new WeakMap<ArrayBufferLike, Pointer>();

  constructor(native: Native) {
    this.#native = native;
  }

  /** `bytes` bytes, not cleared. Throws `OUT_OF_MEMORY`. */
  allocate(bytes: number): Block {
    const size = Math.ceil((bytes + slack) / alignment) * alignment;
    const pointer = this.#native.libc.aligned_alloc(alignment, size);
    if (pointer === null) throw new LitertError("OUT_OF_MEMORY", `no room for ${bytes} bytes`);
    const view = this.#native.view(pointer, size);
    this.#starts.set(view.buffer, pointer);
    return {pointer, bytes: view.subarray(0, bytes)};
  }

  /** Overwrites and frees; the views of it must not be used any more. */
  free({pointer, bytes}: Block): void {
    bytes.fill(0);
    this.#starts.delete(bytes.buffer);
    this.#native.libc.free(pointer);
  }

  /** Where `view` lies, if LiteRT can take it as it is: inside of a block, aligned. */
  place(view: Uint8Array): Pointer | undefined {
    const start = this.#starts.get(view.buffer);
    return start === undefined || view.byteOffset % alignment !== 0 ? undefined : start + BigInt(view.byteOffset);
  }
}

/** The room that tensors of a request are read into, one after the other, each aligned. Grows as needed. */
export class Arena {
  readonly #memory: Memory;
  #block: Block | undefined;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** Views of the sizes given, valid until the next call. */
  take(sizes: readonly number[]): readonly Uint8Array<ArrayBuffer>[] {
    const starts: number[] = [];
    let end = 0;
    for (const size of sizes) {
      starts.push(end);
      end += Math.ceil((size + slack) / alignment) * alignment;
    }
    if (this.#block === undefined || this.#block.bytes.length < end || this.#block.bytes.length > 4 * end + keptBytes) {
      if (this.#block !== undefined) this.#memory.free(this.#block);
      this.#block = undefined;
      this.#block = this.#memory.allocate(end);
    }
    const {bytes} = this.#block;
    return sizes.map((size, at) => bytes.subarray(starts[at]!, starts[at]! + size));
  }
}

/** A block that is no larger is kept although smaller requests came. */
const keptBytes = 1 << 20;
